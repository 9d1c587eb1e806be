"""Options about who may do what, and how it is shown; ``token`` and ``key`` share them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
import msgspec

from everywire.access.explaining import Explanation
from everywire.cli.output import printable, write
from everywire.core.access import ACTIONS, Permissions, permissions
from everywire.core.errors import RequestError
from everywire.core.units import MAX_SECONDS
from everywire.server.configuration.quantities import ALLOWED, parse_quantity

F = TypeVar("F", bound=Callable[..., Any])


class _Grant(click.ParamType[tuple[str, tuple[str, ...]]]):
    name = "grant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, ...]]:
        pattern, equals, text = str(value).rpartition("=")
        actions = tuple(action.strip() for action in text.split(","))
        if not pattern or not equals:
            self.fail(
                f"{value!r}: a grant is PATTERN=ACTION,… with the actions {', '.join(ACTIONS)}",
                param,
                ctx,
            )
        try:
            permissions({pattern: actions})
        except RequestError as error:
            self.fail(error.message, param, ctx)
        return pattern, actions


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = parse_quantity(str(value), "seconds")
        if seconds is None or not 0 < seconds <= MAX_SECONDS:
            self.fail(f"{value!r} is not {ALLOWED['seconds']}", param, ctx)
        return float(seconds)


GRANT: Final = _Grant()
DURATION: Final = _Duration()


def grant_option(command: F) -> F:
    """``--grant``: what may be done, and where."""
    return click.option(
        "--grant",
        "granted",
        type=GRANT,
        multiple=True,
        metavar="PATTERN=ACTION,…",
        help="Channels, and what may be done there: subscribe, publish, history, presence. "
        "May be repeated.",
    )(command)


def grants_of(granted: Iterable[tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
    """All that was granted, each pattern once."""
    grants: dict[str, list[str]] = {}
    for pattern, actions in granted:
        listed = grants.setdefault(pattern, [])
        listed += [action for action in actions if action not in listed]
    return grants


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def write_json(value: Any) -> None:
    """Write an object as a line."""
    write(msgspec.json.encode(value))


def write_table(rows: Iterable[tuple[str, str]]) -> None:
    """Write names and what belongs to them; lines without a name go on with the one before."""
    for name, text in rows:
        write(f"{name:<10} {printable(text)}".rstrip().encode())


def in_words(allowed: Permissions) -> list[str]:
    """What is granted, a line for each pattern."""
    return [
        f"{pattern}: {', '.join(action for action in ACTIONS if action in actions)}"
        for pattern, actions in allowed.patterns
    ]


def rows_of(name: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """A row for each line, the name before the first."""
    return [(name if number == 0 else "", line) for number, line in enumerate(lines)]


def answers(explained: Sequence[Explanation]) -> list[str]:
    """What was asked, and the answer."""
    return [
        f"{one.action} {one.channel}: {'yes' if one.allowed else 'no'}, {one.why}"
        for one in explained
    ]


def as_object(explained: Explanation) -> Mapping[str, Any]:
    """The same as JSON."""
    return explained._asdict()
