"""From what was counted to figures: medians, spread, ratios, and what went wrong.

A ratio is taken run by run, between cells that ran within seconds of each other, and then the
median of these is shown: the machine's slow drift cancels out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from harness.load import Counted
from harness.scenarios import Cell

MEGABYTE = 1_000_000
DISTURBED = 0.15
"""Others' share of a core from which on a run's rate is not to be trusted."""

Figures = dict[str, float]


def _window(c: Counted) -> Figures:
    return {
        "p50 ms": c["p50_us"] / 1000,
        "p99 ms": c["p99_us"] / 1000,
        "server busy": c["server_busy"],
        "client busy": c["client_busy"],
        "others": c["others_busy"],
    }


def _per_delivery(c: Counted) -> Figures:
    cpu = {"CPU µs": 1e6 * c["server_cpu"] / max(1, c["deliveries"])}
    return {**cpu, "deliveries/s": c["deliveries"] / c["seconds"], **_window(c)}


def _per_publish(c: Counted) -> Figures:
    cpu = {"CPU µs": 1e6 * c["server_cpu"] / max(1, c["acknowledged"])}
    return {"publishes/s": c["acknowledged"] / c["seconds"], **cpu, **_window(c)}


def _idle(c: Counted) -> Figures:
    grown = c["memory_end"] - c["memory_before"]
    return {
        "bytes each": grown / max(1, c["ready"]),
        "MB in all": c["memory_end"] / MEGABYTE,
        "connect s": c["seconds"],
    }


def _resume(c: Counted) -> Figures:
    return {
        "CPU µs": 1e6 * c["server_cpu"] / max(1, c["caught_up"]),
        "all s": c["seconds"],
        "p50 s": c["catch_up_p50_us"] / 1e6,
        "p99 s": c["catch_up_p99_us"] / 1e6,
        "caught up": c["caught_up"],
        "client busy": c["client_busy"],
    }


def _stall(c: Counted) -> Figures:
    return {
        "publishes/s": c["acknowledged"] / c["seconds"],
        "published": c["acknowledged"],
        "MB begin": c["memory_begin"] / MEGABYTE,
        "MB then": c["memory_end"] / MEGABYTE,
        "MB peak": c["memory_peak"] / MEGABYTE,
        "complete": c["complete"],
        "client busy": c["client_busy"],
    }


def _polls(c: Counted) -> Figures:
    answers = {"answers/s": c["answers"] / c["seconds"], "lost": c["lost"], "told": c["told"]}
    return {**_per_delivery(c), **answers}


def _bytes(c: Counted) -> Figures:
    messages = max(1, c["deliveries"])
    return {
        "bytes a message": (c["bytes_in"] + c["bytes_out"]) / messages,
        "received": c["bytes_in"] / messages,
        "sent": c["bytes_out"] / messages,
        "p50 ms": c["p50_us"] / 1000,
        "CPU µs": 1e6 * c["server_cpu"] / messages,
    }


_OF: Mapping[str, Callable[[Counted], Figures]] = {
    "S1": _per_delivery,
    "S2": _per_delivery,
    "S3": _per_publish,
    "S3-logs": _per_publish,
    "S3-paced": _per_publish,
    "S4": _idle,
    "S5": _resume,
    "S6": _stall,
    "frames": _per_publish,
    "polls": _polls,
    "bytes": _bytes,
}


def figures(cell: Cell, counted: Counted) -> Figures:
    """The figures of a run."""
    return _OF[cell.scenario](counted)


def trouble(cell: Cell, counted: Counted) -> str:
    """What went wrong in a run, in words; empty: nothing."""
    names = ("lost", "never", "doubled", "foreign", "publish_errors", "bad_answers", "closed")
    found = [f"{name} {counted[name]:.0f}" for name in names if counted[name]]
    if counted["ready"] < int(cell.options["subs"]):
        found.append(f"only {counted['ready']:.0f} connected")
    return ", ".join(found)


class Results:
    """Every run of every cell."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str, str], Cell] = {}
        self.runs: dict[tuple[str, str, str, str], list[Figures]] = {}
        self.troubles: dict[tuple[str, str, str, str], list[str]] = {}
        self.counted: dict[tuple[str, str, str, str], list[Counted]] = {}
        self.used: set[tuple[str, str, str, str]] = set()
        """The cells that were asked for since this was last cleared."""

    def add(self, cell: Cell, counted: Counted) -> Figures:
        """Take a run in."""
        self.cells[cell.key] = cell
        found = figures(cell, counted)
        self.runs.setdefault(cell.key, []).append(found)
        self.counted.setdefault(cell.key, []).append(counted)
        wrong = trouble(cell, counted)
        if wrong:
            self.fail(cell, wrong)
        return found

    def fail(self, cell: Cell, why: str) -> None:
        """Note what went wrong."""
        self.cells[cell.key] = cell
        self.troubles.setdefault(cell.key, []).append(why)

    def values(self, key: tuple[str, str, str, str], figure: str) -> list[float]:
        """A figure's value in each run."""
        self.used.add(key)
        return [run[figure] for run in self.runs.get(key, ())]

    def median(self, key: tuple[str, str, str, str], figure: str) -> float | None:
        """A figure's median; None where the cell did not run."""
        values = self.values(key, figure)
        return statistics.median(values) if values else None

    def disturbance(self) -> float:
        """The most that others used of a core, in the median of any cell in `used`."""
        shares = [
            statistics.median(run["others_busy"] for run in self.counted[key])
            for key in self.used
            if key in self.counted
        ]
        return max(shares, default=0.0)

    def ratio(
        self, key: tuple[str, str, str, str], base: tuple[str, str, str, str], figure: str
    ) -> float | None:
        """The median over the runs of one cell's figure by another's; None without both."""
        pairs = zip(self.values(key, figure), self.values(base, figure), strict=False)
        ratios = [value / below for value, below in pairs if below]
        return statistics.median(ratios) if ratios else None

    def baseline(self, cell: Cell) -> tuple[str, str, str, str] | None:
        """What a cell's ratio is taken to: the floor's wire, or the same of ours."""
        if cell.scenario == "S3-logs":
            return "S3-logs", "ours", "ws", cell.setting
        if cell.scenario == "S6":
            return "S6", cell.server, cell.wire, "all read"
        if cell.scenario in ("polls", "bytes"):
            return cell.scenario, "ours", "sse", ""
        for wire in (cell.wire, "ws"):
            key = (cell.scenario, "floor", wire, cell.setting)
            if key in self.runs:
                return key
        return None


def spread(values: Sequence[float]) -> str:
    """A median with its least and greatest."""
    if len(values) == 1 or min(values) == max(values):
        return number(statistics.median(values))
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """A number with as many digits as mean something."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
