"""What it comes down to."""

from __future__ import annotations

import msgspec

from everywire.advice.rules import WIRES, Wire
from everywire.comparison.findings import findings
from everywire.comparison.results import Cell, Comparison, Figure, Row, figure

from .samples import a_comparison


def comparison(*rows: tuple[str, dict[str, dict[Wire, Figure]]]) -> Comparison:
    """One with only these figures."""
    made = tuple(
        Row(
            row,
            row,
            "measured",
            "",
            {
                wire: Cell("", {name: by[wire] for name, by in figures.items() if wire in by})
                for wire in WIRES
            },
        )
        for row, figures in rows
    )
    return msgspec.structs.replace(a_comparison(), rows=made)


def of_all(unit: str, *values: float) -> dict[Wire, Figure]:
    return {wire: figure(unit, (value,)) for wire, value in zip(WIRES, values, strict=True)}


def test_without_figures_nothing_is_said() -> None:
    assert findings(a_comparison()) == ()


def test_small_differences_of_latency_are_called_small() -> None:
    (said,) = findings(comparison(("latency", {"p50_low_ms": of_all("ms", 0.3, 0.4, 0.5)})))
    assert "within 0.3 ms by WebSocket and within 0.5 ms by long polling" in said
    assert "0.2 ms between" in said


def test_great_differences_of_latency_are_named() -> None:
    (said,) = findings(comparison(("latency", {"p50_low_ms": of_all("ms", 1, 4, 2.5)})))
    assert said == (
        "By median latency WebSocket is first, with 1 ms, and Server-Sent Events last, with 4 ms."
    )


def test_what_was_lost_is_added_up() -> None:
    said = findings(
        comparison(
            (
                "reconnection",
                {
                    "lost": of_all("", 0, 0, 0),
                    "missed": of_all("", 10, 40, 5),
                    "naive_lost": {"websocket": figure("", (9, 11))},
                    "naive_missed": {"websocket": figure("", (9, 12))},
                },
            )
        )
    )
    assert "lost 0 of the 55 messages" in said[0]
    assert "without since, lost 20 of 21" in said[1]


def test_wires_are_ranked_where_they_are_apart() -> None:
    far, near = findings(
        comparison(
            ("memory", {"each_kib": of_all("KiB", 3, 2, 8)}),
            ("bytes", {"low": of_all("bytes", 100, 110, 120)}),
        )
    )
    assert far == (
        "KiB of the server's memory for an idle client: Server-Sent Events 2, WebSocket 3, long "
        "polling 8; 4 times from the least to the most."
    )
    assert near.endswith("WebSocket 100, Server-Sent Events 110, long polling 120; not far apart.")
