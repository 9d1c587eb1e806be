"""``everywire config``: the settings of a server, written, checked, shown, described.

What these commands say is what `serve` would do with the same options: they read the same sources.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from everywire.cli.frame import REFUSED, ExampleCommand, Lazy, LazyGroup
from everywire.cli.output import paint, printable, say
from everywire.cli.serving_options import (
    DEFAULT_FILE,
    config_option,
    flags_of,
    option_of,
    serving_options,
    sources_of,
)
from everywire.core.errors import UsageError
from everywire.server.configuration import Configuration, ConfigurationError, Sources, load
from everywire.server.configuration.describing import reference
from everywire.server.configuration.loading import Value
from everywire.server.configuration.origins import DEFAULT, Problem
from everywire.server.configuration.origins import Path as SettingPath
from everywire.server.configuration.schema import RULE, SERVER, Setting, find, written
from everywire.server.configuration.values import redact, shown
from everywire.server.configuration.writing import write_settings

_COMMANDS: Final = {
    "init": Lazy("everywire.cli.config:init", "Write a file of settings to begin with."),
    "check": Lazy("everywire.cli.config:check", "Say whether a server would start with these."),
    "show": Lazy("everywire.cli.config:show", "Print each setting, and where it comes from."),
    "docs": Lazy("everywire.cli.config:docs", "Print the reference of all settings."),
}

_EXAMPLES: Final = (
    "everywire config init                            # writes everywire.toml",
    "everywire config check                           # what is wrong, with its line",
    "everywire config show                            # what holds, and where it comes from",
    "everywire config docs                            # what can be set",
)

_MOST_ALIGNED: Final = 40
"""Columns for values; longer ones push what follows aside."""


@click.command(
    cls=LazyGroup,
    lazy=_COMMANDS,
    examples=_EXAMPLES,
    short_help="Write, check and show a server's settings.",
)
def config() -> None:
    """Write, check and show the settings of a server.

    Settings come from options, from the environment (EVERYWIRE_...) and from a file, in that order;
    the file is everywire.toml in the current directory, if no other is named.
    """


@click.command(
    cls=ExampleCommand,
    short_help=_COMMANDS["init"].about,
    examples=(
        "everywire config init",
        "everywire config init /etc/everywire.toml --port 9000 --rule 'prices.**:slow=latest'",
        "everywire config init -                          # only prints it",
    ),
)
@click.argument(
    "file", type=click.Path(path_type=Path, allow_dash=True), default=DEFAULT_FILE, required=False
)
@click.option("--force", is_flag=True, help="Put it in place of a file that is there.")
@serving_options
def init(file: Path, force: bool, **options: Any) -> None:
    """Write a file with every setting, what it is for, and what holds if nothing is said.

    Options of 'everywire serve' are written into it, so that a command line becomes a file.
    """
    text = write_settings(load(Sources(flags=flags_of(options))).settings)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise UsageError(f"{file} is there already; --force puts a new one in its place") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None
    say(f"wrote {file}; 'everywire config check' says whether it can be used")


@click.command(
    cls=ExampleCommand,
    short_help=_COMMANDS["check"].about,
    examples=("everywire config check", "everywire config check --config /etc/everywire.toml"),
)
@config_option
@serving_options
def check(file: Path | None, **options: Any) -> None:
    """Say whether a server would start with these settings; if not, all that is wrong.

    Each problem is a line: where it stands, what is wrong and what is allowed. The exit code is 1.
    """
    sources = sources_of(file, options)
    try:
        problems = _contradictions(load(sources))
    except ConfigurationError as error:
        problems = error.problems
    for problem in problems:
        click.echo(printable(str(problem)))
    if problems:
        raise click.exceptions.Exit(REFUSED)
    say(f"{sources.file or 'without a file'}: nothing is wrong")


def _contradictions(found: Configuration) -> Sequence[Problem]:
    """What a server that starts with these would refuse."""
    from everywire.server.serving import check_openness

    try:
        check_openness(found.settings)
    except UsageError as error:
        return (Problem(str(found.values["host",].origin), str(error)),)
    return ()


@click.command(
    cls=ExampleCommand,
    short_help=_COMMANDS["show"].about,
    examples=(
        "everywire config show",
        "everywire config show --json | jq '.settings.port'",
        "EVERYWIRE_PORT=9000 everywire config show --log memory:",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print an object for programs.")
@config_option
@serving_options
def show(as_json: bool, file: Path | None, **options: Any) -> None:
    """Print each setting, its value, and where that comes from; secrets are hidden.

    With --json: durations in the unit that is named beside them, sizes in bytes.
    """
    found = load(sources_of(file, options))
    if as_json:
        encoded = msgspec.json.encode(_as_object(found))
        click.echo(msgspec.json.format(encoded, indent=2).decode())
        return
    rows = [_row(path, value) for path, value in found.values.items()]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(max(len(value) for _, value, _ in rows), _MOST_ALIGNED)
    for name, value, origin in rows:
        line = printable(f"{name:<{name_width}}  {value:<{value_width}}  {origin}")
        dim = origin == DEFAULT.layer
        click.echo(paint(line, sys.stdout.isatty(), dim=dim) if dim else line)


def _row(path: SettingPath, value: Value) -> tuple[str, str, str]:
    return written(path), shown(_setting(path), value.value), str(value.origin)


def _as_object(found: Configuration) -> dict[str, Any]:
    file = None if found.file is None else str(found.file)
    settings = {written(path): _as_fields(path, value) for path, value in found.values.items()}
    return {"file": file, "settings": settings}


def _as_fields(path: SettingPath, value: Value) -> dict[str, Any]:
    setting = _setting(path)
    fields: dict[str, Any] = {"value": redact(setting, value.value)}
    if setting.unit is not None:
        fields["unit"] = setting.unit
    return fields | {"origin": value.origin.layer, "where": value.origin.where}


def _setting(path: SettingPath) -> Setting:
    setting = find(path)
    assert setting is not None, path
    return setting


@click.command(
    cls=ExampleCommand,
    short_help=_COMMANDS["docs"].about,
    examples=("everywire config docs | less",),
)
def docs() -> None:
    """Print the reference of all settings, in Markdown, as this version has them."""
    settings = (*SERVER, *RULE)
    click.echo(reference({setting.path: option_of(setting.path) for setting in settings}), nl=False)
