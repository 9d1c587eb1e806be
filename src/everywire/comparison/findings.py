"""What a comparison comes down to, in a few sentences that its figures make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from everywire.advice.rules import NAMES, WIRES, Wire
from everywire.comparison.results import Comparison, Figure, number

_APART: Final = 1.25
"""Medians that lie no further apart than by this factor are not told apart."""


def findings(comparison: Comparison) -> tuple[str, ...]:
    """Some sentences; those whose figures are missing are left out."""
    found = (_latency, _recovery, _naive, _memory, _processor, _bytes)
    return tuple(sentence for find in found for sentence in find(comparison))


def _figures(comparison: Comparison, row: str, name: str) -> dict[Wire, Figure]:
    """A figure of every wire that has it."""
    found = comparison.row(row)
    cells = {} if found is None else found.cells
    return {wire: cell.figures[name] for wire, cell in cells.items() if name in cell.figures}


def _latency(comparison: Comparison) -> Iterator[str]:
    low = _figures(comparison, "latency", "p50_low_ms")
    if len(low) < len(WIRES):
        return
    best, worst = _extremes(low)
    apart = low[worst].median - low[best].median
    yield (
        f"Half of the messages are there within {number(low[best].median)} ms by {NAMES[best]} and "
        f"within {number(low[worst].median)} ms by {NAMES[worst]}: {number(apart)} ms between the "
        "first and the last, less than most networks vary."
        if apart < 1
        else f"By median latency {NAMES[best]} is first, with {number(low[best].median)} ms, and "
        f"{NAMES[worst]} last, with {number(low[worst].median)} ms."
    )


def _recovery(comparison: Comparison) -> Iterator[str]:
    lost = _figures(comparison, "reconnection", "lost")
    missed = _figures(comparison, "reconnection", "missed")
    if len(lost) < len(WIRES) or len(missed) < len(WIRES):
        return
    in_all = sum(sum(figure.runs) for figure in lost.values())
    away = sum(sum(figure.runs) for figure in missed.values())
    yield (
        f"Cut off, and resuming by position, the clients of the three wires lost {number(in_all)} "
        f"of the {number(away)} messages that were published while they were away."
    )


def _naive(comparison: Comparison) -> Iterator[str]:
    lost = _figures(comparison, "reconnection", "naive_lost").get("websocket")
    missed = _figures(comparison, "reconnection", "naive_missed").get("websocket")
    if lost is not None and missed is not None and sum(lost.runs):
        yield (
            f"A WebSocket loop that only connects again, without since, lost "
            f"{number(sum(lost.runs))} of {number(sum(missed.runs))}: that a WebSocket has to be "
            "resumed by hand is its greatest price."
        )


def _memory(comparison: Comparison) -> Iterator[str]:
    yield from _ranking(
        _figures(comparison, "memory", "each_kib"),
        "KiB of the server's memory for an idle client",
    )


def _processor(comparison: Comparison) -> Iterator[str]:
    yield from _ranking(
        _figures(comparison, "scalability", "processor_us"),
        "µs of the server's processor time for a delivery",
    )


def _bytes(comparison: Comparison) -> Iterator[str]:
    yield from _ranking(
        _figures(comparison, "bytes", "low"), "Bytes on the wire for 120 bytes of data"
    )


def _ranking(figures: Mapping[Wire, Figure], what: str) -> Iterator[str]:
    """The wires from the least to the most; those that are not told apart are named together."""
    if len(figures) < len(WIRES):
        return
    order = sorted(figures, key=lambda wire: figures[wire].median)
    shown = ", ".join(f"{NAMES[wire]} {number(figures[wire].median)}" for wire in order)
    least, most = figures[order[0]].median, figures[order[-1]].median
    if least > 0 and most / least >= _APART:
        yield f"{what}: {shown}; {number(most / least)} times from the least to the most."
    else:
        yield f"{what}: {shown}; not far apart."


def _extremes(figures: Mapping[Wire, Figure]) -> tuple[Wire, Wire]:
    order = sorted(figures, key=lambda wire: figures[wire].median)
    return order[0], order[-1]
