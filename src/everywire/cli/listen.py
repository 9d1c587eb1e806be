"""``everywire listen``: each message as a signed request to a receiver."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from everywire.cli.forwarding import Forwarder, NotForwarded, head_of
from everywire.cli.frame import ExampleCommand, Failure
from everywire.cli.options import (
    CHANNEL_OR_PATTERN,
    POSITION,
    first_contact_option,
    read_token,
    server_options,
    wire_option,
)
from everywire.cli.output import gap_in_words, say, warn
from everywire.cli.state_file import StateFile, StateRefused
from everywire.client import Gap, Tail, Wire
from everywire.webhooks.signing import new_secret

SECRET_VARIABLE: Final = "EVERYWIRE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable

_MAX_SECRET_FILE: Final = 1024

_EXAMPLES: Final = (
    "everywire listen 'orders.**' --forward-to http://127.0.0.1:9000/hook",
    "everywire listen 'orders.**' --forward-to https://shop.example/hook --state orders.state",
    "everywire listen orders.eu --forward-to http://127.0.0.1:9000/ --since 0   # all that is kept",
)


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Forward each message to a URL as a signed request.",
)
@click.argument("channels", metavar="CHANNEL...", type=CHANNEL_OR_PATTERN, nargs=-1, required=True)
@click.option("--forward-to", required=True, metavar="URL", help="The receiver.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the position here, and go on from it in the next run.",
)
@click.option(
    "--since",
    type=POSITION,
    metavar="POSITION",
    help="Start after this position, where no state is kept yet; 0: with all that is kept. "
    "Default: what is new.",
)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File with the secret to sign with. Without it: the environment variable "
    f"{SECRET_VARIABLE}; without that, a new one is made and shown.",
)
@click.option(
    "--give-up-after",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="How long to try one message; then end with 1. Default: for ever.",
)
@wire_option
@first_contact_option
@server_options
def listen(
    channels: tuple[str, ...],
    forward_to: str,
    state: Path | None,
    since: int | None,
    secret_file: Path | None,
    give_up_after: float | None,
    wire: Wire,
    timeout: float,
    url: str,
    token_file: Path | None,
) -> None:
    """Forward each message to a URL as a signed request.

    CHANNEL is a channel or a pattern, as in `everywire tail`.

    Each message is a POST whose body is the JSON object that the protocol has for it, signed by
    Standard Webhooks: the headers webhook-id, webhook-timestamp and webhook-signature. A gap is one
    too, with "type": "gap". The next is sent when the receiver has answered 2xx; anything else, and
    no answer, is tried again, so each arrives at least once and in order. A repeated one has the
    same webhook-id. 410 ends it.

    With --state the next run goes on where this one ended. The server may be on this machine, and
    so may the receiver.
    """
    token = read_token(token_file)
    forwarder = Forwarder(forward_to, _secret(secret_file), give_up_after=give_up_after, notify=say)
    try:
        with _ending_on_term(), _state(state, channels) as kept:
            start = kept.position if kept is not None and kept.position is not None else since
            if start is None:
                start = head_of(url, channels, token, timeout, say)
            if kept is not None:
                kept.save(start)
            hearing = Tail(url, channels, start, wire, token=token, patience=timeout, notify=say)
            with hearing:
                _forward(hearing, channels, forwarder, kept, start)
    except (NotForwarded, StateRefused) as error:
        raise Failure(str(error)) from error
    finally:
        forwarder.close()


def _forward(
    hearing: Tail,
    channels: tuple[str, ...],
    forwarder: Forwarder,
    kept: StateFile | None,
    start: int,
) -> None:
    """Forward until every channel has ended."""
    done = start
    try:
        say(f"forwarding {' '.join(channels)} to {forwarder.where}, after position {start}")
        for item in hearing:
            if isinstance(item, Gap):
                warn(gap_in_words(item))
            forwarder.forward(item)
            # A position that the server does not know may lead downwards.
            done = done if hearing.position is None else hearing.position
            if kept is not None:
                kept.save(done)
    except (KeyboardInterrupt, NotForwarded):
        how = f"--since {done}" if kept is None else "the same --state"
        say(f"stopped; go on with {how}")
        raise


@contextmanager
def _state(path: Path | None, channels: tuple[str, ...]) -> Generator[StateFile | None]:
    kept = None if path is None else StateFile(path, channels)
    try:
        yield kept
    finally:
        if kept is not None:
            kept.close()


def _secret(path: Path | None) -> str:
    """The secret of a file, or of the environment, or a new one. Never of a flag."""
    if path is not None:
        with path.open("rb") as file:
            return file.read(_MAX_SECRET_FILE).decode("latin-1").strip()
    given = os.environ.get(SECRET_VARIABLE, "").strip()
    if given:
        return given
    made = new_secret()
    say(f"signing with a new secret: {made} (another time: {SECRET_VARIABLE})")
    return made


@contextmanager
def _ending_on_term() -> Generator[None]:
    """End on SIGTERM as on Ctrl-C, but with its own exit code."""
    came: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    except KeyboardInterrupt:
        if not came:
            raise
        raise click.exceptions.Exit(128 + came[0]) from None
    finally:
        signal.signal(signal.SIGTERM, before)
