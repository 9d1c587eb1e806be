"""``everywire publish``: one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from everywire.cli.frame import ExampleCommand
from everywire.cli.options import CHANNEL, read_token, server_options
from everywire.cli.output import say, write
from everywire.client import Published, Publisher, Refused, Unreachable
from everywire.client.publisher import Kind
from everywire.client.retry import MAX_PATIENCE
from everywire.core.errors import RequestError
from everywire.core.payload import check_json

MAX_FILE: Final = 64 * 1024 * 1024
"""Bytes read of a file; no server takes so much in a message."""

_EXAMPLES: Final = (
    """everywire publish chat.lobby '{"text": "hello"}'   # JSON, since it is JSON""",
    "everywire publish chat.lobby hello                 # text, since it is not",
    "everywire publish chat.lobby 42 --as text",
    "everywire publish cam.1 --file frame.jpg --event frame",
    "date | everywire publish clock --file - --as text",
    "everywire publish build.42 --final                 # the channel ends",
)


@click.command(
    cls=ExampleCommand, examples=_EXAMPLES, short_help="Publish one message and print its position."
)
@click.argument("channel", type=CHANNEL)
@click.argument("data", required=False)
@click.option(
    "--file",
    type=click.File("rb"),
    metavar="PATH",
    help="Take the data from a file, as bytes unless --as says otherwise; -: from stdin.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(("json", "text", "bytes")),
    help="What the data is. Default: JSON if it is valid JSON, else text.",
)
@click.option("--event", metavar="NAME", help="What kind of message it is. Default: message.")
@click.option(
    "--meta",
    metavar="NAME=VALUE",
    multiple=True,
    help="Something beside the data; a VALUE that is a JSON scalar is one. May be repeated.",
)
@click.option(
    "--ttl",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="When the message is gone.",
)
@click.option("--final", is_flag=True, help="It is the channel's last message.")
@click.option("--ephemeral", is_flag=True, help="Only for who listens now: not kept, no position.")
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Published once, however often it is sent with this key. Default: a random one.",
)
@click.option("--json", "as_json", is_flag=True, help='Print {"id":…} rather than the bare number.')
@click.option(
    "--timeout",
    type=click.FloatRange(0, MAX_PATIENCE),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to try again while the server is away.",
)
@server_options
def publish(
    channel: str,
    data: str | None,
    file: Any,
    kind: Kind | None,
    event: str | None,
    meta: tuple[str, ...],
    ttl: float | None,
    final: bool,
    ephemeral: bool,
    idempotency_key: str | None,
    as_json: bool,
    timeout: float,
    url: str,
    token_file: Path | None,
) -> None:
    """Publish one message and print its position.

    DATA is JSON if it is valid JSON, else text; --as says which where that is not what is meant.
    (42 and true are JSON; --as text makes them text.) With --final alone the data is empty text.

    A message that met no answer is sent again with the same idempotency key, so it is published
    once.
    """
    if ephemeral and final:
        raise click.UsageError("a channel cannot end with an ephemeral message, which is not kept")
    kind, content = _content(data, file, kind, final)
    with Publisher(
        url, token=read_token(token_file), patience=timeout, notify=_once()
    ) as publisher:
        published = publisher.publish(
            channel,
            content,
            kind=kind,
            event=event,
            meta=dict(map(_pair, meta)),
            ttl=ttl,
            final=final,
            ephemeral=ephemeral,
            idempotency_key=idempotency_key,
        )
    _print(published, as_json)


def _content(data: str | None, file: Any, kind: Kind | None, final: bool) -> tuple[Kind, Any]:
    """What is published, and as what."""
    if file is not None:
        if data is not None:
            raise click.UsageError("DATA and --file are both data; give one")
        read: bytes = file.read(MAX_FILE + 1)
        if len(read) > MAX_FILE:
            raise click.UsageError(f"the file is over {MAX_FILE} bytes, too much for a message")
        return _typed(read, kind or "bytes")
    if data is None:
        if not final:
            raise click.UsageError("give DATA, or --file PATH (- for stdin)")
        return "text", ""
    # What the command line could not decode comes as surrogates; this gives the bytes back.
    raw = data.encode("utf-8", "surrogateescape")
    if kind is not None:
        return _typed(raw, kind)
    try:
        return "json", msgspec.Raw(check_json(raw))
    except RequestError:
        return _typed(raw, "text")


def _typed(data: bytes, kind: Kind) -> tuple[Kind, Any]:
    if kind == "bytes":
        return kind, data
    try:
        return kind, data.decode() if kind == "text" else msgspec.Raw(check_json(data))
    except UnicodeDecodeError:
        raise click.UsageError("the data is not UTF-8 text; --as bytes takes anything") from None
    except RequestError as error:
        raise click.UsageError(error.message) from None


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--meta")
    try:
        scalar = msgspec.json.decode(check_json(value.encode()))
    except (RequestError, UnicodeEncodeError):
        return name, value
    return name, value if isinstance(scalar, list | dict) else scalar


def _print(published: Published, as_json: bool) -> None:
    if as_json:
        fields: dict[str, Any] = {"id": published.id}
        if published.duplicate:
            fields["duplicate"] = True
        write(msgspec.json.encode(fields))
    elif published.id is not None:
        write(str(published.id).encode())
    if published.duplicate and not as_json:
        say("the server has had this idempotency key already; this is its message's position")


def _once() -> Callable[[Unreachable | Refused], None]:
    """Says that the server is away, the first time."""
    said = False

    def notify(fault: Unreachable | Refused) -> None:
        nonlocal said
        if not said:
            say(f"{fault}; trying again")
        said = True

    return notify
