"""Latencies and bytes."""

from __future__ import annotations

import asyncio
import json

import pytest

from everywire.advice.rules import WIRES, Wire
from everywire.comparison import speed
from everywire.comparison.servers import ComparisonFailed
from everywire.comparison.speed import DATA_BYTES, Arrivals, at, data


@pytest.mark.parametrize(
    ("part", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.991, 100)]
)
def test_a_percentile_is_one_of_the_values(part: float, value: int) -> None:
    assert at([float(n) for n in range(1, 101)], part) == value


def test_of_few_values_the_99th_percentile_is_the_last() -> None:
    assert at([1.0, 2.0, 3.0], 0.99) == 3.0
    assert at([7.0], 0.5) == 7.0


def test_all_data_is_as_long() -> None:
    for n in (0, 7, 12345):
        assert len(data(n)) == DATA_BYTES
        assert json.loads(data(n))["n"] == n


def test_messages_that_do_not_come_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PATIENCE", 0.01)

    async def work() -> None:
        arrivals = Arrivals()
        arrivals.hear(data(0))
        await arrivals.reach(1)
        await arrivals.reach(2)

    with pytest.raises(ComparisonFailed, match="of 2 messages only 1 came"):
        asyncio.run(work())


@pytest.mark.parametrize("wire", WIRES)
def test_what_a_run_comes_to(port: int, wire: Wire) -> None:
    came = asyncio.run(speed.speed(port, wire, 200, 0.05))
    assert 0 < came.p50 <= came.p99
    assert came.bytes > DATA_BYTES
    assert asyncio.run(speed.set_up(port, wire, 2)) > 0


def test_bare_data_has_little_around_it(port: int) -> None:
    # RFC 6455: two bytes before up to 125 of payload.
    assert asyncio.run(speed.bare_bytes(port, "websocket", 3)) == DATA_BYTES + 2
    # `id: `, 16 digits, a line feed; `data: `, a line feed; the blank line.
    assert asyncio.run(speed.bare_bytes(port, "sse", 3)) == DATA_BYTES + 21 + 7 + 1
