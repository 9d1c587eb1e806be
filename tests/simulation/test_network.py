"""The simulated transport behaves as asyncio's do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from everywire.simulation.loop import SimulatedLoop
from everywire.simulation.network import OVER, SimulatedTransport

HIGH = 100


class Server(asyncio.Protocol):
    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def pause_writing(self) -> None:
        self.told.append("full")

    def resume_writing(self) -> None:
        self.told.append("drained")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    loop = SimulatedLoop()
    yield loop
    loop.close()


@pytest.fixture
def connected(loop: SimulatedLoop) -> tuple[SimulatedTransport, Server]:
    transport, server = SimulatedTransport(loop, HIGH, 1), Server()
    transport.open(server)
    return transport, server


def turn(loop: SimulatedLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0))


def test_what_is_written_is_taken_in_order(connected: tuple[SimulatedTransport, Server]) -> None:
    transport, server = connected
    transport.write(b"one")
    transport.write(b"two")
    assert [transport.take(), transport.take(), transport.take()] == [b"one", b"two", None]
    assert server.told == ["made"]


def test_a_socket_fills_and_drains(connected: tuple[SimulatedTransport, Server]) -> None:
    transport, server = connected
    transport.write(b"x" * HIGH)
    assert server.told == ["made"]
    transport.write(b"y" * 40)
    assert server.told == ["made", "full"]
    transport.take()
    assert server.told == ["made", "full"]
    transport.take()
    assert server.told == ["made", "full", "drained"]


def test_too_much_for_a_full_socket_is_noticed(
    loop: SimulatedLoop, connected: tuple[SimulatedTransport, Server]
) -> None:
    transport, _ = connected
    transport.write(b"x" * (HIGH + 1))
    transport.write(b"a page that was on its way" * 100)
    transport.write(b"." * OVER)
    assert loop.overfull == []
    transport.write(b".")
    assert loop.overfull == [f"{OVER + 1} bytes were written to a full socket"]


def test_what_was_written_before_a_close_arrives(
    connected: tuple[SimulatedTransport, Server],
) -> None:
    transport, _ = connected
    transport.write(b"last")
    transport.close()
    transport.write(b"too late")
    assert not transport.finished
    assert transport.take() == b"last"
    assert transport.finished


@pytest.mark.parametrize("end", [SimulatedTransport.close, SimulatedTransport.abort])
def test_an_end_is_told_in_the_next_turn(
    loop: SimulatedLoop,
    connected: tuple[SimulatedTransport, Server],
    end: Callable[[SimulatedTransport], None],
) -> None:
    transport, server = connected
    end(transport)
    assert server.told == ["made"]
    turn(loop)
    assert server.told == ["made", "lost"]


def test_a_cut_loses_what_lies_there(connected: tuple[SimulatedTransport, Server]) -> None:
    transport, server = connected
    transport.write(b"lost")
    transport.cut()
    transport.cut()
    assert transport.take() is None
    assert server.told == ["made", "lost"]


def test_who_does_not_read_gets_it_later(
    loop: SimulatedLoop, connected: tuple[SimulatedTransport, Server]
) -> None:
    transport, server = connected
    transport.pause_reading()
    transport.send(b"wait")
    assert server.told == ["made"]
    transport.resume_reading()
    turn(loop)
    assert server.told == ["made", b"wait"]


def test_the_clock_moves_only_when_told_or_when_nothing_else_is_to_do(loop: SimulatedLoop) -> None:
    turn(loop)
    assert loop.time() == 0
    loop.clock.pass_by(2.5)
    assert loop.time() == 2.5
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() >= 3602.5
    with pytest.raises(RuntimeError, match="never happen"):
        loop.run_until_complete(asyncio.Event().wait())
