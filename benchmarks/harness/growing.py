"""What grows, and what is looked at: the sweeps of ``growth.py``.

Each sweep makes one thing larger, over two or three powers of ten, and holds the rest still. A cost
that stays level is constant for each unit; a line that rises with the size is what somebody who
plans for more has to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.scenarios import Cell, Options

LOG_OF_MANY = "ours-normal"


@dataclass(frozen=True)
class Point:
    """One measurement of a sweep.

    Attributes:
        size: Where it stands on the sweep's axis.
        cell: What is run.
        kept: Messages put into the log before, in other channels.
    """

    size: int
    cell: Cell
    kept: int = 0


@dataclass(frozen=True)
class Line:
    """Points under one name, from small to large."""

    name: str
    points: Sequence[Point] = field(repr=False)


@dataclass(frozen=True)
class Sweep:
    """One plot.

    Attributes:
        name: Of its file.
        title: What the plot shows.
        across: What grows.
        up: The figure that is read, as the plot's axis calls it.
        figure: The same, as `harness.figures` calls it.
        lines: What is compared.
    """

    name: str
    title: str
    across: str
    up: str
    figure: str
    lines: Sequence[Line]


def sweeps(*, short: bool = False) -> list[Sweep]:
    """All of them.

    Args:
        short: The two smallest sizes of each, to see that it works.
    """
    every = [_subscribers(), _channels(), _rate(), _connections(), _backlog(), _history()]
    if not short:
        return every
    return [
        Sweep(
            s.name, s.title, s.across, s.up, s.figure, [Line(n.name, n.points[:2]) for n in s.lines]
        )
        for s in every
    ]


_WIRES = {"ws": "WebSocket", "sse": "SSE", "poll": "long polling"}


def _window(**options: str | int | float) -> Options:
    return {"seconds": 2, "warm": 0.4, "limit": 10, **options}


def _line(scenario: str, server: str, wire: str, sizes: dict[int, Options], name: str = "") -> Line:
    cells = {
        size: Cell(scenario, server, wire, options, f"{size:,}", fresh=True)
        for size, options in sizes.items()
    }
    return Line(name or _WIRES[wire], [Point(size, cell) for size, cell in cells.items()])


def _subscribers() -> Sweep:
    sizes = {n: _window(subs=n, channels=1, pubs=4, rate=20) for n in (10, 100, 1000, 5000)}
    lines = [_line("S1", "ours", wire, sizes) for wire in _WIRES]
    return Sweep(
        "subscribers",
        "One channel at 20 publishes a second",
        "subscribers",
        "CPU of a delivery, µs",
        "CPU µs",
        lines,
    )


def _channels() -> Sweep:
    sizes = {n: _window(subs=n, channels=n, pubs=16) for n in (10, 100, 1000, 5000)}
    lines = [
        _line("S3", "ours", "ws", sizes, "memory log"),
        _line("S3", "ours-normal", "ws", sizes, "SQLite, NORMAL"),
        _line("S3", "floor", "ws", sizes, "the Python floor"),
    ]
    return Sweep(
        "channels",
        "Channels with a subscriber each, flat out",
        "channels",
        "CPU of a publish, µs",
        "CPU µs",
        lines,
    )


def _rate() -> Sweep:
    sizes = {n: _window(subs=200, channels=1, pubs=16, rate=n) for n in (10, 100, 1000, 5000)}
    lines = [_line("S1", "ours", wire, sizes) for wire in _WIRES]
    return Sweep(
        "rate",
        "One channel with 200 subscribers",
        "publishes a second",
        "CPU of a delivery, µs",
        "CPU µs",
        lines,
    )


def _connections() -> Sweep:
    sizes: dict[int, Options] = {
        n: {"mode": "idle", "subs": n, "channels": 1, "hold": 1, "limit": 40}
        for n in (1000, 3000, 10_000, 15_000)
    }
    lines = [_line("S4", "ours", wire, sizes) for wire in _WIRES]
    return Sweep(
        "connections",
        "Idle connections",
        "connections",
        "memory of the server, MB",
        "MB in all",
        lines,
    )


def _resume(clients: int, behind: int) -> Options:
    return {"mode": "resume", "subs": clients, "channels": 1, "pubs": 1, "behind": behind}


def _backlog() -> Sweep:
    sizes = {n: _resume(200, n) for n in (1, 10, 100, 1000, 5000)}
    lines = [_line("S5", "ours", wire, sizes) for wire in _WIRES]
    return Sweep(
        "backlog",
        "200 clients come back at once",
        "messages that each is behind",
        "CPU of a client, µs",
        "CPU µs",
        lines,
    )


def _history() -> Sweep:
    lines = [
        Line(
            name,
            [
                Point(n, Cell("S5", server, "ws", _resume(200, 50), f"kept {n:,}", fresh=True), n)
                for n in (1000, 10_000, 100_000, 500_000)
            ],
        )
        for name, server in (("memory log", "ours"), ("SQLite", LOG_OF_MANY))
    ]
    return Sweep(
        "history",
        "200 clients come back, 50 behind",
        "messages that the log keeps",
        "CPU of a client, µs",
        "CPU µs",
        lines,
    )
