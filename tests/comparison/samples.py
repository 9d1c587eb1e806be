"""A comparison to print, to draw and to store; its figures are made up."""

from __future__ import annotations

from everywire.advice.rules import WIRES
from everywire.comparison.results import Cell, Comparison, Kind, Row, figure

ROWS: tuple[tuple[str, str, Kind], ...] = (
    ("direction", "Direction", "tested"),
    ("protocol", "Protocol", "tested"),
    ("latency", "Latency", "measured"),
    ("reconnection", "Reconnection", "measured"),
    ("binary", "Binary data", "tested"),
    ("http2", "HTTP/2 multiplexing", "tested"),
    ("cdn", "CDN-friendly", "tested"),
    ("proxy", "Proxy-friendly", "tested"),
    ("browser_connections", "Browser connections", "fact"),
    ("memory", "Server memory a connection", "measured"),
    ("scalability", "Scalability", "measured"),
)


def a_comparison() -> Comparison:
    """One with all rows."""
    return Comparison(
        rows=tuple(_row(*row) for row in ROWS),
        measured_at="2026-11-24T12:00:00Z",
        seconds=61.5,
        runs=3,
        quick=False,
        machine={"system": "Linux 6.18", "processors": "2"},
    )


def _row(name: str, title: str, kind: Kind) -> Row:
    figures = {}
    if kind == "measured":
        figures = {f"{name}_ms": figure("ms", (1.0, 1.25, 3.0))}
    return Row(
        name,
        title,
        kind,
        f"how {name} was found out",
        {
            wire: Cell(f"{name} of {wire}", figures, (3, 3) if kind == "tested" else None)
            for wire in WIRES
        },
        {wire: f"claim of {wire}" for wire in WIRES},
    )
