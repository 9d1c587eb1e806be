"""``everywire key``: the API keys of back ends, in their file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from everywire.access.api_keys import KeyRing, StoredKey
from everywire.access.key_file import DEFAULT_KEY_FILE, KeyFile
from everywire.access.refusals import moment
from everywire.cli.access_options import (
    DURATION,
    grant_option,
    grants_of,
    in_words,
    now_ms,
    rows_of,
    write_json,
    write_table,
)
from everywire.cli.frame import ExampleCommand, Lazy, LazyGroup
from everywire.cli.output import say, write
from everywire.core.access import permissions

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES: Final = (
    "everywire key create backend --grant '**=publish' > backend.key",
    "everywire key list",
    "everywire key rotate backend --keep-old 24h > backend.key",
    "everywire key revoke backend",
)


def _file_option(command: F) -> F:
    return click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="EVERYWIRE_KEYS",
        default=DEFAULT_KEY_FILE,
        show_default=True,
        show_envvar=True,
        help="The file with the API keys.",
    )(command)


_NAME: Final = click.argument("name")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(
    cls=LazyGroup,
    lazy={
        "create": Lazy("everywire.cli.key:create", "Make an API key and print it, this once."),
        "list": Lazy("everywire.cli.key:list_keys", "Say which API keys there are."),
        "rotate": Lazy("everywire.cli.key:rotate", "Give an API key a new secret and print it."),
        "revoke": Lazy("everywire.cli.key:revoke", "Take an API key away."),
    },
    examples=_EXAMPLES,
    short_help="Make, list, rotate and revoke the API keys of back ends.",
)
def key() -> None:
    """Make, list, rotate and revoke the API keys of back ends.

    The file holds hashes of the keys, not the keys. A server that runs sees a change by itself.
    """


@click.command(
    cls=ExampleCommand,
    examples=(
        *_EXAMPLES[:1],
        "everywire key create notes --grant '@user.*=publish' --expires 90d > notes.key",
    ),
    short_help="Make an API key and print it, this once.",
)
@_NAME
@grant_option
@click.option("--admin", is_flag=True, help="It is good for the admin API too.")
@click.option("--expires", type=DURATION, metavar="DURATION", help="How long it counts.")
@_file_option
@_JSON
def create(
    name: str,
    granted: tuple[tuple[str, tuple[str, ...]], ...],
    admin: bool,
    expires: float | None,
    file: Path,
    as_json: bool,
) -> None:
    """Make an API key and print it, this once.

    NAME is 1 to 32 of a-z 0-9 - and names the key in the log and in messages.
    """
    if not granted and not admin:
        raise click.UsageError("the key would be good for nothing: give --grant, or --admin")
    now = now_ms()
    until = None if expires is None else now + round(expires * 1000)
    made = KeyFile(file).change(
        lambda ring: ring.create(name, grants_of(granted), now, admin=admin, expires_ms=until)
    )
    _print(name, made, as_json)
    say(f"{file} has its hash; this was the only time that the key is shown")


@click.command(
    cls=ExampleCommand,
    examples=("everywire key list", "everywire key list --json"),
    short_help="Say which API keys there are.",
)
@_file_option
@_JSON
def list_keys(file: Path, as_json: bool) -> None:
    """Say which API keys there are, what they are good for, and until when."""
    kept = KeyFile(file)
    kept.load()
    for name, stored in sorted(kept.ring.keys.items()):
        if as_json:
            write_json(_described(name, stored))
        else:
            write_table(_rows(name, stored))
    if not kept.ring.keys:
        say(f"there are no API keys in {file}; everywire key create NAME makes one")


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES[2:3],
    short_help="Give an API key a new secret and print it.",
)
@_NAME
@click.option(
    "--keep-old",
    type=DURATION,
    metavar="DURATION",
    help="How long the last secret counts. Default: until it is revoked.",
)
@_file_option
@_JSON
def rotate(name: str, keep_old: float | None, file: Path, as_json: bool) -> None:
    """Give an API key a new secret and print it.

    The last secret goes on counting, so that nothing stops; older ones do not. Once the new one is
    in use everywhere, take the last one away: everywire key revoke NAME --old.
    """
    now = now_ms()
    until = None if keep_old is None else now + round(keep_old * 1000)
    made = KeyFile(file).change(lambda ring: ring.rotate(name, now, until))
    _print(name, made, as_json)
    ends = f"counts until {moment(until)}" if until else f"counts until: key revoke {name} --old"
    say(f"the last secret of {name} {ends}")


@click.command(
    cls=ExampleCommand,
    examples=("everywire key revoke backend", "everywire key revoke backend --old"),
    short_help="Take an API key away.",
)
@_NAME
@click.option("--old", is_flag=True, help="Take only the secret from before the last rotation.")
@_file_option
def revoke(name: str, old: bool, file: Path) -> None:
    """Take an API key away; connections that came with it end."""

    def change(ring: KeyRing) -> tuple[KeyRing, None]:
        return ring.revoke(name, old_only=old), None

    KeyFile(file).change(change)
    say(f"the older secret of {name} is revoked" if old else f"{name} is revoked")


def _print(name: str, made: str, as_json: bool) -> None:
    if as_json:
        write_json({"name": name, "key": made})
    else:
        write(made.encode())


def _described(name: str, stored: StoredKey) -> dict[str, Any]:
    return {
        "name": name,
        "admin": stored.admin,
        "grants": stored.grants,
        "created_ms": stored.created_ms,
        "expires_ms": stored.expires_ms,
        "secrets": [
            {"created_ms": secret.created_ms, "expires_ms": secret.expires_ms}
            for secret in stored.secrets
        ],
    }


def _rows(name: str, stored: StoredKey) -> list[tuple[str, str]]:
    rows = [("key", name), ("created", moment(stored.created_ms))]
    if stored.expires_ms is not None:
        rows.append(("expires", moment(stored.expires_ms)))
    if stored.admin:
        rows.append(("admin", "yes"))
    for number, secret in enumerate(stored.secrets):
        ends = "" if secret.expires_ms is None else f", counts until {moment(secret.expires_ms)}"
        rows.append(("secret" if number == 0 else "older", f"of {moment(secret.created_ms)}{ends}"))
    return [*rows, *rows_of("grants", in_words(permissions(stored.grants))), ("", "")]
