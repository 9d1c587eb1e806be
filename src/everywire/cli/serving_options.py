"""The options that start a server, and the settings they make; `serve` and `demo` share them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import click

from everywire.core.errors import RequestError, UsageError
from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.server.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Final = {"": 1, "b": 1, "k": 1024, "kb": 1024, "kib": 1024}
_BYTES.update({"m": 1024**2, "mb": 1024**2, "mib": 1024**2})
_BYTES.update({"g": 1024**3, "gb": 1024**3, "gib": 1024**3})


class _Amount(click.ParamType[float]):
    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _AMOUNT.fullmatch(str(value).strip())
        unit = self._units.get(found[2].lower()) if found else None
        if found is None or unit is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is no {self.name}; write for example {self._example}", param, ctx)
        return float(found[1]) * unit


DURATION: Final = _Amount("duration", _SECONDS, "90s, 15m, 12h or 7d")
SIZE: Final = _Amount("size", _BYTES, "64k, 256M or 1G")

_RULE_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "count": int,
    "age": lambda text: DURATION.convert(text, None, None),
    "size": lambda text: int(SIZE.convert(text, None, None)),
    "slow": str,
    "linger": lambda text: DURATION.convert(text, None, None),
}
_RULE_FIELDS: Final = {
    "count": "max_messages",
    "age": "max_age",
    "size": "max_bytes",
    "slow": "slow",
    "linger": "linger",
}


class _Rule(click.ParamType[ChannelRule]):
    name = "rule"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ChannelRule:
        pattern, _, rest = str(value).partition(":")
        settings: dict[str, Any] = {}
        for part in rest.split(","):
            key, _, text = part.strip().partition("=")
            if key not in _RULE_FIELDS:
                self.fail(
                    f"{part.strip()!r}: a rule is PATTERN:KEY=VALUE,… with the keys "
                    f"{', '.join(_RULE_FIELDS)}",
                    param,
                    ctx,
                )
            try:
                settings[_RULE_FIELDS[key]] = _RULE_VALUES[key](text)
            except ValueError:
                self.fail(f"{key}={text!r} is no number", param, ctx)
        try:
            return ChannelRule(pattern, **settings)
        except (UsageError, RequestError) as error:
            self.fail(str(error), param, ctx)


class _Limit(click.ParamType[tuple[str, float]]):
    name = "limit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        name, _, text = str(value).partition("=")
        names = [field.name for field in fields(Limits)]
        if name not in names:
            near = get_close_matches(name, names, n=1)
            guess = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            self.fail(f"{name!r} is no limit: {guess}", param, ctx)
        whole = isinstance(getattr(Limits(), name), int)
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = -1
        if number < 0:
            self.fail(f"{name} is a number from 0, not {text!r}", param, ctx)
        return name, number


_OPTIONS: Final[Sequence[Callable[[Any], Any]]] = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="Port to listen on; 0: any that is free.",
    ),
    click.option(
        "--log",
        metavar="URL",
        help="Where messages are kept: sqlite:PATH (PATH?synchronous=normal trades the last "
        "moments before a power cut for speed), or memory:.",
    ),
    click.option("--keep-age", type=DURATION, help="How long messages are kept."),
    click.option("--keep-size", type=SIZE, help="How much is kept in all; the oldest goes first."),
    click.option(
        "--rule",
        "rules",
        type=_Rule(),
        multiple=True,
        metavar="PATTERN:KEY=VALUE,…",
        help="What holds for channels: count=N, age=, size= (kept of each), slow=lossless|latest|"
        "disconnect, linger=. The first rule that covers a channel counts. May be repeated.",
    ),
    click.option(
        "--limit",
        "limits",
        type=_Limit(),
        multiple=True,
        metavar="NAME=N",
        help="Change a limit, such as max_data_bytes. May be repeated.",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        multiple=True,
        metavar="NAME",
        help="A name this server is reached by, as in the Host header. May be repeated.",
    ),
    click.option(
        "--allowed-origin",
        "allowed_origins",
        multiple=True,
        metavar="ORIGIN",
        help="A web page's origin that may use this server, as https://app.example. "
        "May be repeated.",
    ),
    click.option(
        "--open",
        "open_",
        is_flag=True,
        help="Listen beyond this machine although everybody may do everything.",
    ),
    click.option("--deflate", is_flag=True, help="Offer permessage-deflate on WebSockets."),
    click.option(
        "--stop-seconds",
        type=click.FloatRange(1),
        default=10.0,
        show_default=True,
        help="The longest that an orderly stop takes.",
    ),
    click.option("-v", "--verbose", is_flag=True, help="Say more on stderr."),
)


def serving_options(command: F) -> F:
    """Everything a server can be started with."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings_of(default_log: str, options: dict[str, Any]) -> Settings:
    """The settings that options stand for."""
    log: str = options["log"] or default_log
    kept: dict[str, Any] = {}
    if options["keep_age"] is not None:
        kept["max_age"] = options["keep_age"]
    if options["keep_size"] is not None:
        kept["max_bytes"] = int(options["keep_size"])
    defaults = LogRetention(3600, 256 * 1024**2) if log == "memory:" else LogRetention()
    return Settings(
        host=options["host"],
        port=options["port"],
        log=log,
        retention=replace(defaults, **kept),
        rules=Rules(options["rules"]),
        limits=replace(Limits(), **dict(options["limits"])),
        allowed_hosts=options["allowed_hosts"],
        allowed_origins=options["allowed_origins"],
        open=options["open_"],
        stop_seconds=options["stop_seconds"],
        deflate=options["deflate"],
    )
