"""The figures that are aimed at, and whether they are met.

Each budget computes one value from the results and compares it with its aim and, where there is
one, with a further aim. A budget without the cells it needs says nothing. A budget that is missed
keeps its honest figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.figures import DISTURBED, Results, number
from harness.scenarios import CROWD

Key = tuple[str, str, str, str]
Value = float | None
PEERS = ("nchan", "websockets", "python-socketio", "starlette", "socketio")
MEGABYTE = 1_000_000

# Values in these units suffer when somebody else uses the cores; counts and memory do not.
_TIMED = ("×", "µs")


@dataclass(frozen=True)
class Budget:
    """One aim.

    Attributes:
        name: What is measured.
        unit: After the value: ``×``, ``bytes``, …
        value: Computes it; None: it was not measured.
        most: It must not be above this; or
        least: it must not be below this.
        stretch: The further aim, on the same side.
    """

    name: str
    unit: str
    value: Callable[[Results], Value]
    most: float | None = None
    least: float | None = None
    stretch: float | None = None

    def judge(self, results: Results) -> tuple[float, str] | None:
        """The value and a verdict in a few words; None: it was not measured."""
        results.used.clear()
        value = self.value(results)
        if value is None:
            return None
        disturbance = results.disturbance() if self.unit in _TIMED else 0
        note = f" (disturbed: others had {disturbance:.0%})" if disturbance > DISTURBED else ""
        return value, self._verdict(value) + note

    def _verdict(self, value: float) -> str:
        if self._holds(value, self.stretch):
            return "met, and the further aim"
        bound = self.least if self.most is None else self.most
        return "met" if self._holds(value, bound) else "MISSED"

    def aim(self) -> str:
        """In symbols."""
        sign, bound = ("≥", self.least) if self.most is None else ("≤", self.most)
        assert bound is not None
        further = "" if self.stretch is None else f" ({sign} {number(self.stretch)})"
        return f"{sign} {number(bound)}{further} {self.unit}"

    def _holds(self, value: float, bound: float | None) -> bool:
        if bound is None:
            return False
        return value >= bound if self.most is None else value <= bound


def _ratio(figure: str, key: Key, base: Key) -> Callable[[Results], Value]:
    return lambda results: results.ratio(key, base, figure)


def _inverse(figure: str, key: Key, base: Key) -> Callable[[Results], Value]:
    def value(results: Results) -> Value:
        ratio = results.ratio(key, base, figure)
        return 1 / ratio if ratio else None

    return value


def _median(figure: str, key: Key) -> Callable[[Results], Value]:
    return lambda results: results.median(key, figure)


def _to_floor(scenario: str, figure: str, wire: str = "ws") -> Callable[[Results], Value]:
    return _ratio(figure, (scenario, "ours", wire, ""), (scenario, "floor", wire, ""))


def _over_best_peer(results: Results) -> Value:
    """S2: ours over the best peer of any wire."""
    ours = results.median(("S2", "ours", "ws", ""), "deliveries/s")
    theirs = [
        value
        for peer in PEERS
        for wire in ("ws", "sse")
        if (value := results.median(("S2", peer, wire, ""), "deliveries/s")) is not None
    ]
    return ours / max(theirs) if ours is not None and theirs else None


def _idle(wire: str) -> Callable[[Results], Value]:
    def value(results: Results) -> Value:
        found = [key for key in results.runs if key[:3] == ("S4", "ours", wire)]
        return results.median(found[0], "bytes each") if found else None

    return value


def _crowd(results: Results) -> Value:
    """S4: memory with 20,000 connections, MB; reckoned where fewer files may be open."""
    for key in results.runs:
        if key[0] == "S4" and key[3].endswith(CROWD):
            each, total = results.median(key, "bytes each"), results.median(key, "MB in all")
            lacking = 20_000 - int(results.cells[key].options["subs"])
            assert each is not None
            assert total is not None
            return total + lacking * each / MEGABYTE
    return None


def _growth(wire: str, figure: str) -> Callable[[Results], Value]:
    """S6: how much more memory grew than when all read, MB."""

    def value(results: Results) -> Value:
        grown = []
        for setting in ("stalled", "all read"):
            key = ("S6", "ours-normal", wire, setting)
            then, begin = results.median(key, figure), results.median(key, "MB begin")
            if then is None or begin is None:
                return None
            grown.append(then - begin)
        return grown[0] - grown[1]

    return value


def _frames(results: Results) -> Value:
    frames = results.median(("frames", "ours", "ws", "10 × 64 in flight"), "publishes/s")
    http = results.median(("S3", "ours", "ws", ""), "publishes/s")
    return frames / http if frames is not None and http else None


def _logs(log: str, setting: str) -> Callable[[Results], Value]:
    return _ratio(
        "publishes/s", ("S3-logs", log, "ws", setting), ("S3-logs", "ours", "ws", setting)
    )


_POLL: Key = ("polls", "ours", "poll", "")
_BYTES: Key = ("bytes", "ours", "sse", "")

BUDGETS: Sequence[Budget] = (
    Budget(
        "S1 WS: CPU a delivery, of the floor's", "×", _to_floor("S1", "CPU µs"), 1.15, None, 1.05
    ),
    Budget(
        "S1 SSE: CPU a delivery, of the floor's",
        "×",
        _to_floor("S1", "CPU µs", "sse"),
        1.15,
        None,
        1.05,
    ),
    Budget(
        "S2 WS: deliveries/s, of the joined floor's",
        "×",
        _to_floor("S2", "deliveries/s"),
        None,
        0.55,
        0.8,
    ),
    Budget(
        "S2 SSE: deliveries/s, of the joined floor's",
        "×",
        _to_floor("S2", "deliveries/s", "sse"),
        None,
        0.55,
        0.8,
    ),
    Budget("S2 WS: p99, of the floor's", "×", _to_floor("S2", "p99 ms"), 2),
    Budget("S2 WS: deliveries/s, of the best peer's", "×", _over_best_peer, None, 3),
    Budget(
        "S3 WS: publishes/s, of the floor's", "×", _to_floor("S3", "publishes/s"), None, 0.6, 0.8
    ),
    # The rates above by CPU time, which somebody else on the core disturbs less.
    Budget("S2 WS: CPU a delivery, of the floor's", "×", _to_floor("S2", "CPU µs"), 1.8),
    Budget("S3 WS: CPU a publish, of the floor's", "×", _to_floor("S3", "CPU µs"), 1.67),
    Budget(
        "S3 WS: publishes/s, of nchan's",
        "×",
        _ratio("publishes/s", ("S3", "ours", "ws", ""), ("S3", "nchan", "ws", "")),
        None,
        1,
    ),
    Budget(
        "SQLite NORMAL, 64 in flight, of memory",
        "×",
        _logs("ours-normal", "64 in flight"),
        None,
        0.6,
    ),
    Budget(
        "SQLite FULL, 64 in flight, of memory", "×", _logs("ours-full", "64 in flight"), None, 0.45
    ),
    Budget(
        "SQLite FULL, 256 in flight, of memory", "×", _logs("ours-full", "256 in flight"), None, 0.7
    ),
    *(
        Budget(f"S4 {wire}: bytes an idle connection", "bytes", _idle(wire), 3000, None, 2000)
        for wire in ("ws", "sse", "poll")
    ),
    Budget(
        "S4: 20,000 connections in all",
        "MB",
        _crowd,
        100,
    ),
    *(
        Budget(
            f"S5 {wire}: CPU a client",
            "µs",
            _median("CPU µs", ("S5", "ours", wire, "")),
            50,
            None,
            30,
        )
        for wire in ("ws", "sse")
    ),
    *(
        Budget(f"S6 {wire}: growth beyond the log's, {when}", "MB", _growth(wire, figure), 10)
        for wire in ("ws", "sse")
        for when, figure in (("while stalled", "MB then"), ("as they catch up", "MB peak"))
    ),
    *(
        Budget(
            f"S6 {wire}: publishes/s, of those when all read",
            "×",
            _ratio(
                "publishes/s",
                ("S6", "ours-normal", wire, "stalled"),
                ("S6", "ours-normal", wire, "all read"),
            ),
            None,
            0.9,
        )
        for wire in ("ws", "sse")
    ),
    *(
        Budget(
            f"S6 {wire}: readers that got all once they read",
            "of 50",
            _median("complete", ("S6", "ours-normal", wire, "stalled")),
            None,
            50,
        )
        for wire in ("ws", "sse")
    ),
    Budget("publishing by frames, of S3's by HTTP", "×", _frames, None, 2, 3.5),
    Budget("polls flat out: lost without a word", "messages", _median("lost", _POLL), 0),
    Budget(
        "polls flat out: deliveries/s, of nchan's",
        "×",
        _ratio("deliveries/s", _POLL, ("polls", "nchan", "poll", "")),
        None,
        1,
    ),
    Budget(
        "polls flat out: deliveries/s, of SSE's",
        "×",
        _ratio("deliveries/s", _POLL, ("polls", "ours", "sse", "")),
        None,
        0.5,
    ),
    Budget(
        "polls at 100/s: bytes a message, of SSE's",
        "× bytes",
        _ratio("bytes a message", ("bytes", "ours", "poll", ""), _BYTES),
        1.5,
    ),
    Budget(
        "the same with linger 0.1 s",
        "× bytes",
        _ratio("bytes a message", ("bytes", "ours-linger", "poll", ""), _BYTES),
        1.5,
    ),
    Budget(
        "mounted, S1 WS: CPU, of the stand-alone server's",
        "×",
        _ratio("CPU µs", ("S1", "ours-mounted", "ws", ""), ("S1", "ours", "ws", "")),
        1.15,
    ),
    Budget(
        "plain ASGI, S1 SSE: times better than a queue a client",
        "×",
        _inverse("CPU µs", ("S1", "ours-asgi", "sse", ""), ("S1", "starlette", "sse", "")),
        None,
        1.5,
        2.5,
    ),
)
