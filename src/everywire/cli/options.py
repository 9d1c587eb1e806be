"""Options that several commands have, and the types of what is typed.

What can be checked here is: a channel that cannot be one is a usage error at once, and needs no
server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from everywire.client.address import DEFAULT_URL
from everywire.client.tails import FIRST_CONTACT
from everywire.core.channels import check_channel, check_channel_or_pattern
from everywire.core.errors import RequestError
from everywire.core.positions import MAX_POSITION

F = TypeVar("F", bound=Callable[..., Any])

_MAX_TOKEN: Final = 16 * 1024


class _Name(click.ParamType[str]):
    def __init__(self, name: str, check: Callable[[str], str]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self._check(value)
        except RequestError as error:
            self.fail(error.message, param, ctx)


class _Position(click.ParamType[int]):
    name = "position"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit()) or int(text[:17]) > MAX_POSITION:
            self.fail(f"{text!r} is not a position: 0 to {MAX_POSITION}", param, ctx)
        return int(text)


CHANNEL: Final = _Name("channel", check_channel)
CHANNEL_OR_PATTERN: Final = _Name("channel", check_channel_or_pattern)
POSITION: Final = _Position()


def server_options(command: F) -> F:
    """Where the server is, and who we are: ``--url``, ``--token-file``."""
    command = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the token to show. Without it: the environment variable EVERYWIRE_TOKEN.",
    )(command)
    return click.option(
        "--url",
        metavar="URL",
        envvar="EVERYWIRE_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="The server.",
    )(command)


def wire_option(command: F) -> F:
    """Which wire a command listens on: ``--wire``."""
    return click.option(
        "--wire",
        type=click.Choice(("ws", "sse", "poll")),
        default="ws",
        show_default=True,
        help="WebSocket, Server-Sent Events or long polling.",
    )(command)


def first_contact_option(command: F) -> F:
    """How long a command that listens tries to reach the server at first: ``--timeout``."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=FIRST_CONTACT,
        show_default=True,
        metavar="SECONDS",
        help="How long to try to reach the server at first. Once reached, it is tried for ever.",
    )(command)


def read_token(path: Path | None) -> str | None:
    """The token of a file, or of the environment, or None. Never of a flag: others can see those.

    Raises:
        BadParameter: It cannot be a token.
    """
    if path is None:
        where, token = "EVERYWIRE_TOKEN", os.environ.get("EVERYWIRE_TOKEN", "")
    else:
        with path.open("rb") as file:
            where, token = str(path), file.read(_MAX_TOKEN + 1).decode("latin-1")
    token = token.strip()
    if not token and path is None:
        return None
    if not token or len(token) > _MAX_TOKEN or not (token.isascii() and token.isprintable()):
        raise click.BadParameter(f"{where} holds no token: one line of printable ASCII is expected")
    return token
