"""Peers that vanish without a word are noticed within two heartbeats, on every wire (issue 5).

What vanishes here is the client's system, as seen from the server: it acknowledges nothing any
more (`support.black_hole`). A proxy that goes on acknowledging while it swallows everything is
noticed by WebSockets alone, whose clients have to answer (test_faults.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.black_hole import close_hole, needs_black_hole, open_hole

from .running import Running, eventually
from .test_faults import WIRES, Reader

pytestmark = needs_black_hole

BEAT = 0.5
"""Seconds. What the system repeats has to be repeated twice within a heartbeat."""


def _gone(server: Running) -> bool:
    return server.node.connections == 0 and server.node.door.connections == 0


def _fill(server: Running) -> None:
    """Publish until a subscriber's socket is full."""

    def full() -> bool:
        sessions: list[Any] = list(server.node._sessions)
        return any(session.subscriber.full for session in sessions)

    while not server.call(full):
        server.publish_all([{"channel": "load", "data": "x" * 60_000}] * 20)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("busy", [False, True])
def test_a_vanished_peer_is_noticed(
    wire: str, busy: bool, start_native: Callable[..., Running]
) -> None:
    """The defence: a look at what was acknowledged; pings; TCP keepalive.

    Without it the server's system goes on trying for a quarter of an hour, and a waiting poll, to
    which nothing is sent, is found at its end alone.
    """
    server = start_native(socket_heartbeat=BEAT, stream_heartbeat=BEAT)
    one = Reader(server.port, wire, "hole")
    one.ask(server.head())
    eventually(lambda: server.node.connections == 1, "it is there")
    open_hole(one.socket)
    if busy and wire != "poll":
        server.publish("hole", "to nobody")
    eventually(lambda: _gone(server), "it is missed")
    counters = server.node.counters
    if wire == "sse":
        assert counters.peers_gone == 1
    elif wire == "ws":
        assert counters.sockets_silent + counters.peers_gone == 1
    one.close()


def test_who_is_back_within_a_heartbeat_stays(start_native: Callable[..., Running]) -> None:
    """A network that fails for a moment costs nobody the connection."""
    server = start_native(stream_heartbeat=3.0)
    one = Reader(server.port, "sse", "blink")
    one.ask(server.head())
    eventually(lambda: server.node.connections == 1, "it is there")
    open_hole(one.socket)
    ids = [server.publish("blink", number) for number in range(3)]
    close_hole(one.socket)
    one.read_to(ids[-1])
    assert one.ids() == ids
    assert server.node.counters.peers_gone == 0
    one.close()


def test_a_full_socket_whose_peer_vanishes_is_noticed(
    start_native: Callable[..., Running],
) -> None:
    """The defence: pings stand behind what is not read, but probes are not answered either."""
    server = start_native(socket_heartbeat=BEAT)
    stalled = server.raw_socket("/ws?channel=load", receive_buffer=4096)
    eventually(lambda: server.node.connections == 1, "it is there")
    _fill(server)
    open_hole(stalled.socket)
    eventually(lambda: _gone(server), "it is missed")
    assert server.node.counters.peers_gone == 1


def test_a_websocket_that_does_not_read_is_not_taken_for_silent(
    start_native: Callable[..., Running],
) -> None:
    """The defence: a ping that stands behind what the peer has not read is not counted.

    Promises: a stalled reader costs its transport's buffer and nothing else.
    """
    server = start_native(socket_heartbeat=0.1)
    stalled = server.raw_socket("/ws?channel=load", receive_buffer=4096)
    other = server.raw_socket()
    eventually(lambda: server.node.connections == 2, "they are there")
    _fill(server)
    # So many heartbeats pass for everybody.
    pings = 0
    while pings < 8:
        opcode, payload = other.next_frame()
        if opcode == 9:
            pings += 1
            other.send_frame(10, payload)
    assert server.node.connections == 2
    assert stalled.next_frame()[0] == 1
