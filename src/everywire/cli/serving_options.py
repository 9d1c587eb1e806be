"""The options that start a server, and the layer of settings they make.

`serve`, `demo` and `config` share them. No option has a default of its own: what is not typed says
nothing, and leaves the setting to the environment, the file and the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from everywire.core.limits import Limits
from everywire.server.configuration import Sources, load
from everywire.server.configuration.environment import FILE_VARIABLE
from everywire.server.configuration.layers import Layer
from everywire.server.configuration.origins import DEFAULT, Entry, Origin
from everywire.server.configuration.origins import Path as SettingPath
from everywire.server.configuration.rule_text import parse_rule
from everywire.server.configuration.schema import CHANNELS, Setting, find
from everywire.server.configuration.values import convert, toml_value
from everywire.server.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE: Final = Path("everywire.toml")


class _Checked(click.ParamType[str]):
    """A text that stands for something; it stays a text, as the other layers have it.

    Args:
        name: What click calls it.
        check: Raises ValueError where it stands for nothing.
    """

    def __init__(self, name: str, check: Callable[[str], object]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            self._check(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


def _setting(*path: str) -> Setting:
    setting = find(path)
    assert setting is not None, path
    return setting


def _value(*path: str) -> _Checked:
    """What a setting takes."""
    setting = _setting(*path)
    name = {"bytes": "size", None: "value"}.get(setting.unit, "duration")
    return _Checked(name, lambda text: convert(setting, text, text=True))


def _item(*path: str) -> _Checked:
    """What a setting that is a list takes, one at a time."""
    setting = _setting(*path)
    return _Checked("item", lambda text: convert(setting, [text], text=False))


def _check_limit(text: str) -> None:
    name, _, value = text.partition("=")
    setting = find(("limits", name))
    if setting is None:
        names = [field.name for field in fields(Limits)]
        near = get_close_matches(name, names, n=1)
        guess = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"{name!r} is no limit: {guess}")
    try:
        convert(setting, value, text=True)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _usual(name: str) -> str:
    setting = _setting(name)
    return f"  [default: {toml_value(setting, setting.default)}]".replace('"', "")


_OPTIONS: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--host", type=_value("host"), help="Address to listen on." + _usual("host"), metavar="TEXT"
    ),
    click.option(
        "--port",
        type=_value("port"),
        metavar="N",
        help="Port to listen on; 0: any that is free." + _usual("port"),
    ),
    click.option(
        "--log",
        type=_value("log"),
        metavar="URL",
        help="Where messages are kept: sqlite:PATH (PATH?synchronous=normal trades the last "
        "moments before a power cut for speed), or memory:.",
    ),
    click.option(
        "--keep-age", type=_value("retention", "max_age"), help="How long messages are kept."
    ),
    click.option(
        "--keep-size",
        type=_value("retention", "max_bytes"),
        help="How much is kept in all; the oldest goes first.",
    ),
    click.option(
        "--rule",
        "rules",
        type=_Checked("rule", parse_rule),
        multiple=True,
        metavar="PATTERN:KEY=VALUE,…",
        help="What holds for channels: count=N, age=, size= (kept of each), slow=lossless|latest|"
        "disconnect, linger=. The first rule that covers a channel counts. May be repeated.",
    ),
    click.option(
        "--limit",
        "limits",
        type=_Checked("limit", _check_limit),
        multiple=True,
        metavar="NAME=N",
        help="Change a limit, such as max_data_bytes=1MiB. May be repeated.",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        type=_item("allowed_hosts"),
        multiple=True,
        metavar="NAME",
        help="A name this server is reached by, as in the Host header. May be repeated.",
    ),
    click.option(
        "--allowed-origin",
        "allowed_origins",
        type=_item("allowed_origins"),
        multiple=True,
        metavar="ORIGIN",
        help="A web page's origin that may use this server, as https://app.example. "
        "May be repeated.",
    ),
    click.option(
        "--open/--no-open",
        "open_",
        default=None,
        help="Listen beyond this machine although everybody may do everything.",
    ),
    click.option(
        "--deflate/--no-deflate", default=None, help="Offer permessage-deflate on WebSockets."
    ),
    click.option(
        "--drain-seconds",
        type=_value("drain_seconds"),
        help="The time over which a stop sends clients away." + _usual("drain_seconds"),
    ),
    click.option(
        "--drain-retry",
        "drain_retry_ms",
        type=_value("drain_retry_ms"),
        help="The longest that they are told to wait after that." + _usual("drain_retry_ms"),
    ),
    click.option(
        "--stop-seconds",
        type=_value("stop_seconds"),
        help="The longest that an orderly stop takes." + _usual("stop_seconds"),
    ),
    click.option("-v", "--verbose", "log_level", flag_value="debug", help="Say more on stderr."),
)

FLAGS: Final[Mapping[SettingPath, tuple[str, str]]] = {
    ("host",): ("host", "--host"),
    ("port",): ("port", "--port"),
    ("log",): ("log", "--log"),
    ("retention", "max_age"): ("keep_age", "--keep-age"),
    ("retention", "max_bytes"): ("keep_size", "--keep-size"),
    ("allowed_hosts",): ("allowed_hosts", "--allowed-host"),
    ("allowed_origins",): ("allowed_origins", "--allowed-origin"),
    ("open",): ("open_", "--open"),
    ("deflate",): ("deflate", "--deflate"),
    ("drain_seconds",): ("drain_seconds", "--drain-seconds"),
    ("drain_retry_ms",): ("drain_retry_ms", "--drain-retry"),
    ("stop_seconds",): ("stop_seconds", "--stop-seconds"),
    ("log_level",): ("log_level", "--verbose"),
}
"""For each setting with an option of its own: click's name for it, and how it is typed. Limits and
rules are typed with ``--limit`` and ``--rule``."""


def option_of(path: SettingPath) -> str:
    """How a setting is typed; empty: it cannot be."""
    if path[0] == "limits":
        return "--limit"
    if path[0] == CHANNELS:
        return "--rule"
    return FLAGS[path][1] if path in FLAGS else ""


def serving_options(command: F) -> F:
    """Everything a server can be started with."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def config_option(command: F) -> F:
    """Which file settings are read from."""
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar=FILE_VARIABLE,
        show_envvar=True,
        help=f"The file of settings.  [default: {DEFAULT_FILE}, where there is one]",
    )(command)


def flags_of(options: Mapping[str, Any]) -> Layer:
    """What was typed, as a layer of settings."""
    layer = Layer(text=True)
    for path, (destination, flag) in FLAGS.items():
        value = options[destination]
        if value is not None and value != ():
            layer.entries.append(Entry(path, value, Origin("flag", flag)))
    for limit in options["limits"]:
        name, _, value = limit.partition("=")
        layer.entries.append(Entry(("limits", name), value, Origin("flag", "--limit")))
    layer.add_rules(options["rules"], Origin("flag", "--rule"))
    return layer


def sources_of(file: Path | None, options: Mapping[str, Any]) -> Sources:
    """The sources of a server: a file, the environment, what was typed.

    Args:
        file: The file that was asked for; None: the usual one, where there is one.
        options: As click has them.
    """
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    return Sources(file, os.environ, flags_of(options))


def settings_of(default_log: str, options: Mapping[str, Any]) -> Settings:
    """The settings that options alone stand for.

    Args:
        default_log: Where messages are kept if nothing is said.
        options: As click has them.

    Raises:
        ConfigurationError: They contradict each other.
    """
    flags = flags_of(options)
    flags.entries.insert(0, Entry(("log",), default_log, DEFAULT))
    return load(Sources(flags=flags)).settings
