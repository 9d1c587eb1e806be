"""What is printed: data on stdout, words on stderr.

A person at a terminal gets a line for each message, made to be read; anything else gets NDJSON,
the objects as the protocol has them, byte for byte where they are messages. Colour is for terminals
only, and not where ``NO_COLOR`` is set.

What others published is not trusted: on a terminal each control character is shown, not obeyed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Final

import click
import msgspec

from everywire.client.messages import Gap, Message

_REASONS: Final = {
    "trimmed": "the server no longer keeps them",
    "conflated": "we were behind, and only the newest are sent here",
    "unknown_position": "the server's log is not the one we knew: lost, replaced or restored",
    "forbidden": "they are not for us",
}


def say(words: str) -> None:
    """Say something to the person, on stderr."""
    click.echo(printable(f"everywire: {words}"), err=True)


def warn(words: str) -> None:
    """Say something that matters."""
    styled = paint(printable(words), sys.stderr.isatty(), fg="yellow")
    click.echo(f"everywire: {styled}", err=True, color=True)


def wants_colour(terminal: bool) -> bool:
    """Whether to colour what goes to a terminal, or to something else (https://no-color.org)."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, terminal: bool, **style: str | bool) -> str:
    """Colour a text if it goes to a terminal that wants it."""
    return click.style(text, **style) if wants_colour(terminal) else text  # pyright: ignore[reportArgumentType]


def printable(text: str) -> str:
    """Show what a terminal would obey: an escape character as its code, for one."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _shown(char) for char in text)


def _shown(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def write(line: bytes) -> None:
    """Write a line to stdout and let it go at once.

    Raises:
        BrokenPipeError: Nobody reads it.
    """
    out = sys.stdout.buffer
    out.write(line + b"\n")
    out.flush()


def as_json(item: Message | Gap) -> bytes:
    """A message or gap as a line of NDJSON."""
    return item.raw if isinstance(item, Message) else msgspec.json.encode(item)


def as_data(item: Message | Gap) -> bytes | None:
    """Only what was published: JSON on a line, text or bytes as they are; None for a gap."""
    if isinstance(item, Gap):
        return None
    if "encoding" not in item:
        return item.json
    try:
        content = item.content
    except ValueError:
        return item.json
    return content.encode(errors="replace") if isinstance(content, str) else content


def as_line(item: Message | Gap) -> bytes | None:
    """A message for a person: time, channel, event, data; None for a gap: that takes words."""
    if isinstance(item, Gap):
        return None
    at = datetime.fromtimestamp(item.get("ts", 0) / 1000).strftime("%H:%M:%S.%f")[:-3]
    parts = (
        paint(at, True, dim=True),
        paint(printable(item.channel), True, fg="cyan"),
        paint(printable(str(item.get("event", "message"))), True, fg="green"),
        printable(_text(item)),
    )
    return "  ".join(parts).encode()


def _text(message: Message) -> str:
    if "encoding" not in message:
        return message.json.decode(errors="replace")
    data = as_data(message) or b""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"{len(data)} bytes: {data[:32].hex(' ')}{' …' if len(data) > 32 else ''}"


def gap_in_words(gap: Gap) -> str:
    """What a gap means."""
    reason = _REASONS.get(gap.reason, gap.reason)
    return (
        f"{gap.channel}: messages after {gap.after} and before {gap.before} may be missing "
        f"({gap.reason}: {reason})"
    )


def formatter(json: bool, data: bool) -> Callable[[Message | Gap], bytes | None]:
    """How to print: as asked, else for a person at a terminal, else NDJSON."""
    if data:
        return as_data
    return as_json if json or not sys.stdout.isatty() else as_line
