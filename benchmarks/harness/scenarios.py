"""The scenarios of the comparison: which servers, on which wires, under which load.

A cell is one server on one wire with one setting; a scenario is a list of cells that are run in
turn, again and again (A B A B …), so that what disturbs the machine disturbs all of them. Data is
120 bytes everywhere, 2,000 in S6. README.md says what each scenario means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.servers import SERVERS

Options = dict[str, str | int | float]

CROWD = " (crowd)"


@dataclass(frozen=True)
class Plan:
    """How long a run takes.

    Attributes:
        runs: Runs of each cell.
        heavy_runs: Runs of those that vary little or take long (S4, S6, bytes).
        seconds: A window.
        idle: Connections of S4.
        crowd: Connections of S4's large cell, as far as files may be open; 0: it is left out.
        stalled_messages: Messages of 2,000 bytes in S6.
        peers: Whether the peers take part.
    """

    runs: int = 3
    heavy_runs: int = 3
    seconds: float = 2.5
    idle: int = 10_000
    crowd: int = 20_000
    stalled_messages: int = 100_000
    peers: bool = True


QUICK = Plan(2, 1, 0.8, 5_000, 0, 10_000, peers=False)


@dataclass(frozen=True)
class Cell:
    """One thing to measure.

    Attributes:
        setting: What distinguishes it beside server and wire; shown as it is.
        fresh: Start its server anew for each run.
        kept: It needs messages kept for those who come back.
        runs: Of those that vary little or take long; None: the plan's.
    """

    scenario: str
    server: str
    wire: str
    options: Options
    setting: str = ""
    fresh: bool = False
    kept: bool = False
    watch_memory: bool = False
    runs: int | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Names it."""
        return self.scenario, self.server, self.wire, self.setting


@dataclass(frozen=True)
class Scenario:
    """A list of cells with a name.

    Attributes:
        title: One line.
        cells: Makes them.
        primary: The figure whose ratio to the floor is shown.
    """

    name: str
    title: str
    primary: str
    cells: Callable[[Plan], list[Cell]] = field(repr=False)


_EVERYBODY = [(server.name, wire) for server in SERVERS.values() for wire in server.wires]
_SETTINGS_OF_OURS = {"ours-normal", "ours-full", "ours-linger", "ours-mounted", "ours-asgi"}


def _those(*more: tuple[str, str], wires: Iterable[str] = ("ws", "sse")) -> list[tuple[str, str]]:
    """Ours, the floor and every peer on some wires, and what is named."""
    plain = [
        (server, wire)
        for server, wire in _EVERYBODY
        if server not in _SETTINGS_OF_OURS and wire in wires
    ]
    return [*plain, *more]


def _window(plan: Plan, **options: str | int | float) -> Options:
    return {"seconds": plan.seconds, "warm": 0.4, "limit": 10, **options}


def _fan_out(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=1000, channels=1, pubs=16, rate=20)
    mounted = [("ours-mounted", "ws"), ("ours-asgi", "ws"), ("ours-asgi", "sse")]
    if not plan.peers:
        mounted = []
    return [
        Cell("S1", server, wire, options)
        for server, wire in _those(*mounted, wires=("ws", "sse", "poll"))
    ]


def _flat_out(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=1000, channels=1, pubs=16)
    return [Cell("S2", server, wire, options) for server, wire in _those()]


def _many_channels(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=1000, channels=1000, pubs=16)
    return [Cell("S3", server, wire, options) for server, wire in _those()]


def _logs(plan: Plan) -> list[Cell]:
    return [
        Cell(
            "S3-logs",
            server,
            "ws",
            _window(plan, subs=1000, channels=1000, pubs=publishers),
            f"{publishers} in flight",
        )
        for publishers in ((16, 64, 256) if plan.peers else (64,))
        for server in ("ours", "ours-normal", "ours-full")
    ]


def _paced_channels(plan: Plan) -> list[Cell]:
    if not plan.peers:
        return []
    options = _window(plan, subs=1000, channels=1000, pubs=16, rate=2000)
    return [
        Cell("S3-paced", server, wire, options)
        for server, wire in _those(("ours", "poll"), wires=("ws",))
    ]


def _idle(plan: Plan) -> list[Cell]:
    cells = [
        Cell(
            "S4",
            server,
            wire,
            _waiting(plan.idle),
            f"{plan.idle:,}",
            fresh=True,
            # Some peers take half a minute to connect them all, and memory does not vary.
            runs=1 if SERVERS[server].peer else plan.heavy_runs,
        )
        for server, wire in _those(wires=("ws", "sse", "poll"))
        if plan.peers or server != "floor"
    ]
    if plan.crowd:
        setting = f"{plan.crowd:,}{CROWD}"
        crowd = Cell("S4", "ours", "ws", _waiting(plan.crowd), setting, fresh=True, runs=1)
        cells.append(crowd)
    return cells


def _waiting(connections: int) -> Options:
    return {"mode": "idle", "subs": connections, "channels": 1, "hold": 1, "limit": 40}


def _resume(plan: Plan) -> list[Cell]:
    options: Options = {"mode": "resume", "subs": 1000, "channels": 1, "pubs": 1, "behind": 50}
    cells = [Cell("S5", "ours", wire, options, fresh=True) for wire in ("ws", "sse", "poll")]
    kept = {**options, "base": 0}
    return cells + [Cell("S5", "nchan", w, kept, fresh=True, kept=True) for w in ("ws", "sse")]


def _stall(plan: Plan) -> list[Cell]:
    options: Options = {"mode": "stall", "subs": 50, "channels": 1, "pubs": 16, "size": 2000}
    options |= {"count": plan.stalled_messages, "limit": 30}
    return [
        Cell(
            "S6",
            "ours-normal",
            wire,
            {**options, "stalled": s},
            name,
            fresh=True,
            watch_memory=True,
            runs=plan.heavy_runs if wire == "ws" else 1,
        )
        for wire in (("ws", "sse") if plan.peers else ("ws",))
        for s, name in ((1, "stalled"), (0, "all read"))
    ]


def _frames(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=10, channels=10, pubs=10, pub="ws", depth=64)
    return [Cell("frames", "ours", "ws", options, "10 × 64 in flight")]


def _polls(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=1000, channels=1, pubs=16)
    pairs = (("ours", "poll"), ("ours", "sse"), ("nchan", "poll"))
    return [Cell("polls", server, wire, options) for server, wire in pairs]


def _bytes(plan: Plan) -> list[Cell]:
    options = _window(plan, subs=50, channels=1, pubs=2, rate=100)
    pairs = (("ours", "sse"), ("ours", "poll"), ("ours-linger", "poll"))
    return [Cell("bytes", server, wire, options, runs=plan.heavy_runs) for server, wire in pairs]


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("S1", "1 channel, 1,000 subscribers, 20 publishes/s", "CPU µs", _fan_out),
        Scenario("S2", "the same, 16 publishers flat out", "deliveries/s", _flat_out),
        Scenario(
            "S3", "1,000 channels, a subscriber each, flat out", "publishes/s", _many_channels
        ),
        Scenario("S3-logs", "S3 by log and publishes in flight", "publishes/s", _logs),
        Scenario("S3-paced", "S3 at 2,000 publishes/s", "CPU µs", _paced_channels),
        Scenario("S4", "idle connections on one channel", "bytes each", _idle),
        Scenario("S5", "1,000 clients come back at once, 50 messages behind", "CPU µs", _resume),
        Scenario("S6", "50 stalled readers, messages of 2,000 bytes", "publishes/s", _stall),
        Scenario("frames", "publishing by WebSocket frames, 10 connections", "CPU µs", _frames),
        Scenario("polls", "1,000 pollers, 16 publishers flat out", "deliveries/s", _polls),
        Scenario("bytes", "50 subscribers, 100 messages/s", "bytes a message", _bytes),
    )
}
