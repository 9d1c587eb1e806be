"""``everywire token``: make a token, and say what one is good for, or why not."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from everywire.cli.access_options import (
    DURATION,
    answers,
    as_object,
    grant_option,
    grants_of,
    now_ms,
    rows_of,
    write_json,
    write_table,
)
from everywire.cli.frame import ExampleCommand, Failure, Lazy, LazyGroup
from everywire.cli.options import CHANNEL_OR_PATTERN, read_token
from everywire.cli.output import say, write
from everywire.core.access import ACTIONS, Action
from everywire.core.errors import RequestError

if TYPE_CHECKING:
    from everywire.access.inspecting import Inspection
    from everywire.access.keys import Key

KEY_VARIABLE: Final = "EVERYWIRE_JWT_KEY"
_ENVIRONMENT: Final = f"env:{KEY_VARIABLE}"

MAX_STDIN: Final = 64 * 1024
"""Characters read of stdin; a token has a quarter of it at most."""

_EXAMPLES: Final = (
    "everywire token mint --key jwt.key --sub ada --grant 'chat.*=subscribe,publish'",
    "everywire token inspect --key jwt.key < ada.token",
    "everywire token inspect --key jwt.key --can subscribe chat.1 < ada.token",
)


@click.command(
    cls=LazyGroup,
    lazy={
        "mint": Lazy("everywire.cli.token:mint", "Make a token and print it."),
        "inspect": Lazy("everywire.cli.token:inspect", "Say what a token is good for, or why not."),
    },
    examples=_EXAMPLES,
    short_help="Make tokens, and say what one is good for.",
)
def token() -> None:
    """Make tokens (JWT), and say what one is good for, or why not.

    A key is the path of a file, or env:NAME for an environment variable: PEM, JWK, JWKS, or the
    text of a secret of 32 bytes or more. Keys and tokens are never arguments: others on the machine
    could see those.
    """


@click.command(cls=ExampleCommand, examples=_EXAMPLES[:1], short_help="Make a token and print it.")
@click.option(
    "--key",
    "source",
    metavar="SOURCE",
    default=_ENVIRONMENT,
    show_default=True,
    help="The private key or secret to sign with: a path, or env:NAME.",
)
@click.option("--kid", metavar="ID", help="Which key of a set; else the first that can sign.")
@click.option("--sub", metavar="USER", help="Whose token it is. Default: nobody's in particular.")
@grant_option
@click.option(
    "--expires",
    type=DURATION,
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="How long it counts.",
)
@click.option("--issuer", metavar="NAME", help="Its iss.")
@click.option("--audience", metavar="NAME", help="Its aud.")
@click.option("--json", "as_json", is_flag=True, help='Print {"token":…,"claims":…}.')
def mint(
    source: str,
    kid: str | None,
    sub: str | None,
    granted: tuple[tuple[str, tuple[str, ...]], ...],
    expires: float,
    issuer: str | None,
    audience: str | None,
    as_json: bool,
) -> None:
    """Make a token and print it.

    It gets a random jti, by which it can be revoked.
    """
    from everywire.access.claims import grant_of
    from everywire.access.issuers import Terms
    from everywire.access.minting import mint as sign
    from everywire.access.refusals import moment

    key = _signing_key(source, kid)
    now = int(time.time())
    claims: dict[str, Any] = {"sub": sub, "iss": issuer, "aud": audience}
    claims = {name: value for name, value in claims.items() if value is not None}
    claims |= {"iat": now, "exp": now + round(expires), "jti": secrets.token_urlsafe(12)}
    claims["grants"] = grants_of(granted)
    try:
        terms = Terms(audiences=() if audience is None else (audience,))
        grant_of(claims, terms, now * 1000)
    except RequestError as error:
        raise click.UsageError(error.message) from None
    made = sign(claims, key)
    if as_json:
        write_json({"token": made, "claims": claims})
    else:
        write(made.encode())
    if not granted:
        say("nothing is granted by it; --grant 'chat.*=subscribe' would")
    say(f"signed with the {key.algorithm} key of {source}; expires {moment(claims['exp'] * 1000)}")


def _signing_key(source: str, kid: str | None) -> Key:
    from everywire.access.sources import load_keys

    if source == _ENVIRONMENT and not os.environ.get(KEY_VARIABLE):
        raise click.UsageError(
            f"a key to sign with is needed: --key PATH, or its text in {KEY_VARIABLE}. "
            "openssl rand -hex 32 > jwt.key makes a secret"
        )
    keys = load_keys(source)
    named = [key for key in keys if kid is None or key.id in (kid, None)]
    if not named:
        there = ", ".join(str(key.id) for key in keys)
        raise click.UsageError(f"{source} has no key {kid!r}; there are: {there}")
    key = next((key for key in named if key.signing is not None), named[0])
    if kid is None or key.id is not None:
        return key
    from dataclasses import replace

    return replace(key, id=kid)


class _CanType(click.Tuple):
    """An action and a channel."""

    def __init__(self) -> None:
        super().__init__([click.Choice(ACTIONS), CHANNEL_OR_PATTERN])


@click.command(
    cls=ExampleCommand,
    examples=(
        *_EXAMPLES[1:],
        "everywire token inspect --key https://id.example/jwks --issuer https://id.example < t",
    ),
    short_help="Say what a token is good for, or why not.",
)
@click.option(
    "--key",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help="A key it may be signed with: a path, env:NAME, or the https:// address of a JWKS. "
    f"May be repeated. Default: {_ENVIRONMENT}, if it is set.",
)
@click.option("--issuer", metavar="NAME", help="What its iss has to be.")
@click.option("--audience", "audiences", metavar="NAME", multiple=True, help="What its aud may be.")
@click.option(
    "--api-keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file with the API keys, for an API key.",
)
@click.option(
    "--can",
    "asked",
    type=_CanType(),
    multiple=True,
    metavar="ACTION CHANNEL",
    help="Whether its holder may do this, and by which grant. May be repeated.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the token. Without it: the environment variable EVERYWIRE_TOKEN; else stdin.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(
    sources: tuple[str, ...],
    issuer: str | None,
    audiences: tuple[str, ...],
    api_keys: Path | None,
    asked: tuple[tuple[Action, str], ...],
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Say what a token or API key is good for, or why not.

    It ends with 0 only if the token counts now and all that was asked by --can is allowed. Without
    a key, what a token says is shown, but nothing can be said about whether it is true.
    """
    shown = read_token(token_file) or _token_of_stdin()
    found = _inspect(shown, sources or _default_sources(), issuer, audiences, api_keys, asked)
    if as_json:
        known = msgspec.to_builtins(found)
        write_json({**known, "can": [as_object(one) for one in found.can]})
    else:
        write_table(_rows(found))
    if found.signature == "unchecked":
        raise Failure("whether the token is genuine was not checked", "Give a key: --key SOURCE.")
    if not found.valid or not all(one.allowed for one in found.can):
        raise click.exceptions.Exit(Failure.exit_code)


def _token_of_stdin() -> str:
    if sys.stdin.isatty():
        say("paste the token, then Ctrl-D")
    shown = sys.stdin.read(MAX_STDIN).strip()
    if not shown:
        raise click.UsageError("there is no token: give one on stdin, or --token-file PATH")
    return shown


def _default_sources() -> tuple[str, ...]:
    return (_ENVIRONMENT,) if os.environ.get(KEY_VARIABLE) else ()


def _inspect(
    shown: str,
    sources: Sequence[str],
    issuer: str | None,
    audiences: tuple[str, ...],
    api_keys: Path | None,
    asked: Sequence[tuple[Action, str]],
) -> Inspection:
    from everywire.access.api_keys import is_api_key
    from everywire.access.inspecting import inspect, inspect_api_key
    from everywire.access.key_file import DEFAULT_KEY_FILE, KeyFile
    from everywire.access.settings import IssuerSettings
    from everywire.access.sources import verifier_of

    if is_api_key(shown):
        file = KeyFile(api_keys or Path(DEFAULT_KEY_FILE))
        file.load()
        return inspect_api_key(shown, file.ring, now_ms(), asked)
    settings = IssuerSettings(tuple(sources), issuer, audiences)
    verifier = verifier_of((settings,), now_ms, time.monotonic) if sources else None
    return asyncio.run(inspect(shown, verifier, now_ms(), asked))


def _rows(found: Inspection) -> list[tuple[str, str]]:
    from everywire.access.refusals import duration, moment

    if found.valid:
        rows = [("counts", "yes")]
    elif found.signature == "unchecked":
        rows = [("counts", "unknown")]
    else:
        rows = [("counts", f"no: {found.problem} ({found.code})")]
    rows.append(("signature", found.signature + (f", by {found.key}" if found.key else "")))
    believed = "" if found.signature == "good" else " (unverified)"
    for name, value in found.claims.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if name in ("exp", "nbf", "iat") and isinstance(value, int | float) and value >= 0:
            at_ms = min(int(value), 253_402_300_799) * 1000
            away = at_ms - now_ms()
            text = f"{moment(at_ms)}, " + (
                f"in {duration(away)}" if away > 0 else f"{duration(-away)} ago"
            )
        rows.append((name, text + believed))
    return rows + rows_of("can", answers(found.can))
