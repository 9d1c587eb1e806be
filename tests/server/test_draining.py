"""Clients are told to leave evenly over time, in no order, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from everywire.server.draining import MOST_OF_STOP, SECONDS_EACH, Drain
from everywire.server.settings import Settings


class FakeNode:
    """As much of a node as a drain needs, on the loop's clock."""

    def __init__(self, clients: int, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.clients = list(range(clients))
        self.drained_at = 0.0
        self.told: list[tuple[float, int]] = []

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def begin_drain(self) -> list[int]:
        return list(self.clients)

    def send_away(self, session: int) -> None:
        self.told.append((self.time(), session))


def as_node(node: FakeNode) -> Any:
    """What a drain takes."""
    return node


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._jumped = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None = None) -> Any:
            if timeout:
                self._jumped += timeout
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._jumped


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(work)


def drained(node: FakeNode) -> list[float]:
    """When each client is told, in seconds."""
    run(Drain(as_node(node)).run())
    assert sorted(session for _, session in node.told) == node.clients
    return [when for when, _ in node.told]


@pytest.mark.parametrize("clients", [1000, 5000, 100_000])
def test_they_are_told_evenly_over_the_time(clients: int) -> None:
    """The defence: no burst of clients at the next server."""
    node = FakeNode(clients, drain_seconds=5.0)
    told = drained(node)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(5.0, abs=0.1)
    tenths = [sum(1 for when in told if tenth / 2 <= when < (tenth + 1) / 2) for tenth in range(11)]
    assert max(tenths) <= 1.2 * clients / 10


def test_the_order_is_drawn_by_lot() -> None:
    """Who came first is not who goes first, and those who came together go apart."""
    orders = []
    for _ in range(2):
        node = FakeNode(100)
        drained(node)
        orders.append([session for _, session in node.told])
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize(
    ("clients", "settings", "seconds"),
    [
        (0, {}, 0),
        (1, {}, SECONDS_EACH),
        (10, {}, 10 * SECONDS_EACH),
        (10_000, {}, 5.0),
        (10_000, {"drain_seconds": 3.0}, 3.0),
        (10_000, {"drain_seconds": 0.0}, 0),
        # The process has to be gone in time.
        (10_000, {"drain_seconds": 60.0}, 10.0 * MOST_OF_STOP),
        (10_000, {"drain_seconds": 60.0, "stop_seconds": 100.0}, 60.0),
    ],
)
def test_how_long_it_takes(clients: int, settings: dict[str, Any], seconds: float) -> None:
    node = FakeNode(clients, **settings)
    told = drained(node)
    assert node.drained_at == pytest.approx(seconds, abs=0.001)
    assert (told[-1] if told else 0) <= seconds + 0.05


def test_a_second_signal_hurries() -> None:
    """Whoever is left is told at once, and waits no longer than the drain takes."""
    node = FakeNode(5000, drain_seconds=5.0)

    async def work() -> None:
        drain = Drain(as_node(node))
        running = asyncio.ensure_future(drain.run())
        await asyncio.sleep(1)
        assert 500 < len(node.told) < 1500
        drain.hurry()
        await running

    run(work())
    assert len(node.told) == 5000
    assert node.told[-1][0] == pytest.approx(1.0, abs=0.1)
    assert node.drained_at == pytest.approx(1.0, abs=0.1)


def test_others_get_their_turn_between_them() -> None:
    """The defence: very many are told in pieces, also where there is no time."""
    node = FakeNode(100_000, drain_seconds=0.0)
    turns = 0

    async def work() -> None:
        nonlocal turns
        running = asyncio.ensure_future(Drain(as_node(node)).run())
        while not running.done():
            turns += 1
            await asyncio.sleep(0)

    run(work())
    assert turns > 100
