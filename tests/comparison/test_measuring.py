"""The whole comparison, as small as it can be."""

from __future__ import annotations

import asyncio

import pytest

from everywire.advice.rules import WIRES
from everywire.comparison import measuring, speed
from everywire.comparison.measuring import compare
from everywire.comparison.results import Comparison, decode, encode
from everywire.comparison.samples import Plan
from everywire.comparison.servers import ComparisonFailed

TINY = Plan(1, 50, 0.06, 200, 0.05, 2, 20, 3, 0.05, quick=True)


@pytest.fixture(scope="module")
def measured() -> tuple[Comparison, list[tuple[float, str]]]:
    told: list[tuple[float, str]] = []
    comparison = asyncio.run(compare(TINY, lambda part, words: told.append((part, words))))
    return comparison, told


def test_every_cell_of_every_row_is_there(
    measured: tuple[Comparison, list[tuple[float, str]]],
) -> None:
    comparison, _ = measured
    assert len(comparison.rows) == 13
    for row in comparison.rows:
        assert set(row.cells) == set(WIRES)
        for cell in row.cells.values():
            assert cell.says
            assert row.kind == "fact" or cell.figures or cell.tested is not None
    assert decode(encode(comparison)) == comparison
    assert comparison.quick
    assert comparison.runs == 1


def test_what_is_known_of_the_wires_comes_out(
    measured: tuple[Comparison, list[tuple[float, str]]],
) -> None:
    comparison, _ = measured
    tested = {
        row.name: [row.cells[wire].tested for wire in WIRES]
        for row in comparison.rows
        if row.kind == "tested"
    }
    assert tested == {
        "direction": [(1, 1), (0, 1), (0, 1)],
        "protocol": [(1, 1), (1, 1), (1, 1)],
        "binary": [(1, 1), (0, 1), (0, 1)],
        "http2": [(0, 1), (0, 1), (0, 1)],
        "cdn": [(0, 1), (0, 1), (1, 1)],
        "proxy": [(1, 2), (1, 2), (2, 2)],
    }
    cuts = comparison.row("reconnection")
    assert cuts is not None
    for cell in cuts.cells.values():
        assert cell.figures["lost"].runs == (0.0,)
        assert cell.figures["repeated"].runs == (0.0,)


def test_progress_rises_to_the_end(
    measured: tuple[Comparison, list[tuple[float, str]]],
) -> None:
    _, told = measured
    parts = [part for part, _ in told]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0.0, 1.0)
    assert told[0][1] == "WebSocket, run 1 of 1: latency"


def test_a_failure_says_what_was_being_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> float:
        raise TimeoutError

    monkeypatch.setattr(speed, "set_up", fail)
    with pytest.raises(
        ComparisonFailed, match="while measuring WebSocket, run 1 of 1: latency: no answer"
    ):
        asyncio.run(measuring.compare(TINY, lambda part, words: None))
