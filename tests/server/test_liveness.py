"""A peer that has vanished, and one that only stands still.

DESIGN.md, promises: a stalled reader costs its transport buffer and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from everywire.server.liveness import Heard, heard, is_gone, keep_alive
from support.black_hole import close_hole, needs_black_hole, open_hole

from .running import Running, eventually

BEAT = 15.0


@pytest.mark.parametrize(
    ("peer", "gone"),
    [
        (None, False),
        (Heard(repeated=0, probes=0, silence=0.1), False),
        # Nothing was sent that it could have acknowledged.
        (Heard(repeated=0, probes=0, silence=1000), False),
        # Something was lost on the way, a moment ago.
        (Heard(repeated=1, probes=0, silence=BEAT + 1), False),
        (Heard(repeated=3, probes=0, silence=BEAT - 1), False),
        (Heard(repeated=2, probes=0, silence=BEAT), True),
        # Its window is closed, and one probe is on its way.
        (Heard(repeated=0, probes=1, silence=110), False),
        (Heard(repeated=0, probes=2, silence=110), True),
    ],
)
def test_who_is_gone(peer: Heard | None, gone: bool) -> None:
    assert is_gone(peer, BEAT) is gone


class _Transport:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self._connection


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@needs_black_hole
def test_what_the_system_knows() -> None:
    """The layout is the kernel's: silence grows in a hole, and ends with it."""
    client, server = _pair()
    with client, server:
        transport: Any = _Transport(server)

        def now() -> Heard:
            found = heard(transport)
            assert found is not None
            return found

        server.send(b"x")
        assert client.recv(1) == b"x"
        eventually(lambda: now().repeated == 0, "it is acknowledged")
        open_hole(client)
        server.send(b"y")
        eventually(lambda: now().repeated >= 2, "it is sent again and again")
        silence = now().silence
        assert 0.2 < silence < 60
        assert is_gone(now(), 0.2)
        assert not is_gone(now(), 1000)
        close_hole(client)
        assert client.recv(1) == b"y"
        eventually(lambda: now().repeated == 0 and now().silence < silence, "it is back")
        assert not is_gone(now(), 0.2)


@needs_black_hole
def test_a_reader_that_stands_still_answers_probes() -> None:
    """The defence: no window alone is no silence; the probes of it are what counts."""
    client, server = _pair()
    with client, server:
        server.setblocking(False)
        transport: Any = _Transport(server)
        with pytest.raises(BlockingIOError):
            while True:
                server.send(b"x" * 65536)

        def now() -> Heard:
            found = heard(transport)
            assert found is not None
            return found

        eventually(lambda: now().silence > 0.3, "the window is closed")
        before = now().silence
        eventually(lambda: now().silence < before, "a probe is answered")
        assert now().probes <= 1
        open_hole(client)
        eventually(lambda: is_gone(now(), 0.1), "the probes are not answered any more")


def test_sockets_that_are_none_of_tcp_are_never_gone() -> None:
    one, other = socket.socketpair()
    with one, other:
        for connection in (one, None):
            transport: Any = _Transport(connection)
            assert heard(transport) is None
    transport = _Transport(one)
    assert heard(transport) is None, "a closed one"


@pytest.mark.parametrize(
    ("heartbeat", "first", "between", "count"),
    [(15.0, 15, 5, 3), (25.0, 25, 8, 3), (0.2, 1, 1, 1), (1.0, 1, 1, 1), (1.5, 1, 1, 2)],
)
def test_keepalive_takes_two_heartbeats(
    heartbeat: float, first: int, between: int, count: int
) -> None:
    """Idle time, and as many questions as fit: together two heartbeats, in whole seconds."""
    with socket.socket() as connection:
        keep_alive(connection, heartbeat)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for name, value in (
            ("TCP_KEEPIDLE", first),
            ("TCP_KEEPINTVL", between),
            ("TCP_KEEPCNT", count),
        ):
            if hasattr(socket, name):
                assert connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
    assert first + between * count <= max(2, 2 * heartbeat)


def test_keepalive_of_another_kind_of_socket_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        keep_alive(one, BEAT)


@needs_black_hole
def test_what_a_listener_has_its_connections_have() -> None:
    """`serve` sets it once, and not for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        keep_alive(listener, BEAT)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15


def test_other_servers_sockets_get_it_one_by_one(start_native: Callable[..., Running]) -> None:
    """Under a uvicorn that is not ours, nobody has set it on what listens."""
    server = start_native()
    with server.waiting({"channel": "a", "since": server.head()}):

        def kept_alive() -> list[int]:
            found: list[asyncio.Transport] = [c._transport for c in server._sockets]
            sockets = [t.get_extra_info("socket") for t in found if t is not None]
            return [s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for s in sockets]

        assert all(server.call(kept_alive))
        server.publish("a", 1)
