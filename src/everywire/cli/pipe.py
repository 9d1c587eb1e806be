"""``everywire pipe``: the lines of stdin become messages."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from everywire.cli.frame import ExampleCommand, Failure, Interrupted, NotReached
from everywire.cli.options import CHANNEL, read_token, server_options
from everywire.cli.output import say
from everywire.client import GaveUp, Pipe, Refused
from everywire.client.retry import MAX_PATIENCE

_READ: Final = 64 * 1024

_ENDING: Final = b"everywire: ending; what was read is still sent (Ctrl-C again: at once)\n"

_EXAMPLES: Final = (
    "make 2>&1 | everywire pipe build.42          # watch it: everywire tail build.42 --since 0",
    "make 2>&1 | everywire pipe build.42 --tee    # and see it here, too",
    "tail -f access.log | everywire pipe logs.web --event access --no-final",
)


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Publish the lines of stdin, through restarts of the server.",
)
@click.argument("channel", type=CHANNEL)
@click.option("--event", default="line", show_default=True, metavar="NAME", help="Of each message.")
@click.option("--tee", is_flag=True, help="Copy stdin to stdout as well.")
@click.option("--no-final", is_flag=True, help="Leave the channel open at the end of the input.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, MAX_PATIENCE),
    default=MAX_PATIENCE,
    show_default=True,
    metavar="SECONDS",
    help="How long to try again while the server is away.",
)
@server_options
def pipe(
    channel: str,
    event: str,
    tee: bool,
    no_final: bool,
    timeout: float,
    url: str,
    token_file: Path | None,
) -> None:
    """Publish the lines of stdin, each as a text message.

    A line ends at a line feed. One that is not UTF-8 goes as bytes; one longer than 64 KiB goes in
    pieces. The end of the input ends the channel: the last message is final.

    While the server is away, up to 4 MiB are held, and then stdin is not read; when it is back,
    it gets every line, once and in order. After Ctrl-C what was read is still sent.
    """
    piping = Pipe(
        url,
        channel,
        event=event,
        final=not no_final,
        token=read_token(token_file),
        patience=timeout,
        notify=say,
    )
    reader = threading.Thread(target=piping.feed, args=(_source(tee),), daemon=True)
    with _interrupting(piping) as signals:
        reader.start()
        try:
            piping.run()
        except (Refused, GaveUp) as error:
            raise _failure(channel, piping, error) from error
    _summary(channel, piping)
    if signals:
        raise click.exceptions.Exit(128 + signals[0])


def _source(tee: bool) -> Callable[[], bytes]:
    """Reads stdin; where asked, copies it to stdout for as long as somebody reads that."""
    copying = tee

    def read() -> bytes:
        nonlocal copying
        chunk = os.read(0, _READ)
        if copying:
            try:
                _write_all(chunk)
            except BrokenPipeError:
                copying = False
        return chunk

    return read


def _write_all(chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(1, view) :]


@contextmanager
def _interrupting(piping: Pipe) -> Generator[list[int]]:
    """The first signal brings the pipe to an end; the second ends it at once.

    Yields:
        The signals that came.
    """
    came: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        piping.interrupt()
        # Written past sys.stderr, which may be in the middle of something.
        os.write(2, _ENDING)

    # One that is ignored was meant to be, by a shell that runs us in the background.
    heeded = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, on_signal) for number in heeded}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failure(channel: str, piping: Pipe, error: Refused | GaveUp) -> Failure:
    acknowledged = f"{piping.lines} lines went to {channel}, those after them did not"
    if isinstance(error, GaveUp):
        kind = Interrupted if piping.interrupted else NotReached
        return kind(str(error), f"{acknowledged}.")
    if error.code == "conflict":
        return Failure(f"{channel} has already ended ({error.detail})", f"{acknowledged}.")
    return Failure(f"refused: {error}", f"{acknowledged}.")


def _summary(channel: str, piping: Pipe) -> None:
    lines = f"{piping.lines} {'line' if piping.lines == 1 else 'lines'} to {channel}"
    last = "" if piping.last_id is None else f", last position {piping.last_id}"
    say(lines + last)
    sys.stderr.flush()
