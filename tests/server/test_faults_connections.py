"""Floods of connections, and machines that run out of them (issue 5, faults).

Each test names the defence without which it fails. Loopback is not counted, except here.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from everywire.client import Publisher
from support.processes import ServerProcess

from .clients import TIMEOUT
from .conftest import QUICK
from .running import Running, eventually
from .test_faults import Reader

GET = b"GET /updates?channel=flood HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is counted like every other address."""
    monkeypatch.setattr("everywire.server.door.counted_as", lambda peer: peer)


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """Makes connections, which are closed after the test."""
    with contextlib.ExitStack() as made:

        def one(server: Any, address: str = "127.0.0.1") -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", server.port), TIMEOUT, (address, 0))
            return made.enter_context(connection)

        yield one


def said(connection: socket.socket) -> bytes:
    """What comes up to the end of a connection, or the end of an answer."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in found and (more := connection.recv(4096)):
            found += more
    return found


def answer(connection: socket.socket) -> bytes:
    """What a request is answered; empty where the connection was cut."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(GET)
    return said(connection)


def test_who_connects_too_often_is_told_so_and_nobody_else_notices(
    start_native: Callable[..., Running], counted: None, connect: Callable[..., socket.socket]
) -> None:
    """The defence: so many connects a second of an address."""
    limits = replace(QUICK, max_connects_per_second_per_address=10, head_timeout=60.0)
    server = start_native(limits=limits)
    listener = Reader(server.port, "ws", "flood")
    listener.ask(server.head())
    eventually(lambda: server.node.connections == 1, "it listens")

    flood = [connect(server) for _ in range(300)]
    refused = [one for one in flood[150:] if b" 429 " in answer(one)]
    assert len(refused) > 50, "ten seconds' worth is 100"
    assert server.node.counters.connections_refused_rate >= len(refused)
    last = connect(server)
    assert b"rate_limited" in said(last)
    # Another address has its own share, and who was there goes on.
    assert b" 200 " in answer(connect(server, "127.0.0.2"))
    with Publisher(f"http://127.0.0.1:{server.port}") as publisher:

        def published() -> int | None:
            with contextlib.suppress(Exception):
                return publisher.publish("flood", "still here").id
            return None

        # Time gives the address its share again.
        listener.read_to(eventually(published, "it may connect again") or 0)
    listener.close()


def test_all_together_connect_only_so_often(
    start_native: Callable[..., Running], counted: None, connect: Callable[..., socket.socket]
) -> None:
    """The defence: so many connects a second in all."""
    server = start_native(limits=replace(QUICK, max_connects_per_second=5))
    flood = [connect(server, f"127.0.1.{number}") for number in range(1, 200)]
    assert any(b" 503 " in said(one) for one in flood[150:])
    assert server.node.counters.connections_refused_rate > 0
    assert b"retry-after: 1" in said(connect(server, "127.0.2.1"))


def test_who_has_not_asked_for_anything_counts_as_well(
    start_native: Callable[..., Running], counted: None, connect: Callable[..., socket.socket]
) -> None:
    """The defence: connections are counted when they come, and not with their request."""
    limits = replace(QUICK, max_connections_per_address=5, head_timeout=60.0)
    server = start_native(limits=limits)
    silent = [connect(server) for _ in range(5)]
    eventually(lambda: server.node.door.connections == 5, "they are there")
    sixth = connect(server)
    assert b"too_many_connections" in said(sixth) + sixth.recv(4096)
    assert b" 200 " in answer(connect(server, "127.0.0.2"))
    silent[0].close()
    eventually(lambda: server.call(lambda: server.node.door._held)["127.0.0.1"] == 4, "it is gone")
    assert b" 200 " in answer(connect(server))


def test_a_connection_is_counted_once_whatever_serves_it(
    start_native: Callable[..., Running], counted: None
) -> None:
    """Uvicorn's protocol, ours, and back: and nothing is left at the end."""
    server = start_native()
    raw = server.raw()
    for target in (
        "/updates?channel=a",
        "/channels/a",
        "/health",
        "/channels/a",
        "/updates?channel=a",
    ):
        raw.send_request("GET", target)
        assert raw.answer().status == 200
        assert server.call(lambda: dict(server.node.door._held)) == {"127.0.0.1": 1}
    raw.send_request("GET", "/events?channel=a")
    eventually(lambda: server.node.connections == 1, "it streams")
    assert server.call(lambda: dict(server.node.door._held)) == {"127.0.0.1": 1}
    raw.close()
    eventually(lambda: server.node.door.connections == 0, "it is gone")
    assert server.call(lambda: dict(server.node.door._held)) == {}


def test_a_flood_that_reads_no_answer_does_not_linger(
    start_native: Callable[..., Running],
    counted: None,
    connect: Callable[..., socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The defence: so many wait for their peer at once; the rest is answered and closed."""
    monkeypatch.setattr("everywire.server.door.MAX_LINGERING", 10)
    limits = replace(QUICK, max_connections_per_address=1, close_timeout=60.0)
    server = start_native(limits=limits)
    assert b" 200 " in answer(connect(server))
    flood = [connect(server) for _ in range(50)]
    assert all(b" 429 " in said(one) for one in flood)
    assert server.node.counters.connections_refused_address == 50
    eventually(lambda: server.node.door.connections == 11, "the rest is gone")


# File descriptors


class Limited(ServerProcess):
    """A server that may have few file descriptors."""

    def __init__(self, limit: str, *arguments: str) -> None:
        super().__init__(*arguments)
        self.launcher = ("sh", "-c", f'ulimit {limit}; exec "$@"', "sh")


def test_the_limit_is_raised_at_the_start(tmp_path: Path) -> None:
    """The defence: a process may have more descriptors than it is given."""
    server = Limited("-Sn 256", "--log", f"sqlite:{tmp_path / 'log.db'}")
    try:
        server.start()
        assert server.process is not None
        soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard > 256
    finally:
        server.stop()
    assert any(f"file descriptors: {hard} (were 256)" in line for line in server.words)


def test_few_descriptors_refuse_new_connections_in_words_and_harm_nobody(
    tmp_path: Path, connect: Callable[..., socket.socket]
) -> None:
    """The defence: some descriptors are kept for the log, and a refusal is an answer."""
    server = Limited("-n 128", "--log", f"sqlite:{tmp_path / 'log.db'}")
    server.start()
    try:
        held = [Reader(server.port, wire, "few") for wire in ("ws", "sse")]
        publisher = Publisher(server.url)
        first = publisher.publish("few", "first").id or 0
        for one in held:
            one.ask(first - 1)
            one.read_to(first)
        # One after the other: of very many in one moment the system itself closes some.
        crowd: list[socket.socket] = []
        answers: list[bytes] = []
        for _ in range(120):
            crowd.append(connect(server))
            answers.append(answer(crowd[-1]))
        refused = [one for one in answers if b" 503 " in one and b"retry-after" in one]
        assert len(refused) > 20
        ids = [publisher.publish("few", number).id or 0 for number in range(20)]
        for one in held:
            one.read_to(ids[-1])
            assert one.ids() == [first, *ids]
        for one in crowd:
            one.close()

        def served() -> bool:
            return b" 200 " in answer(connect(server))

        eventually(served, "there is room again")
        for one in (*held, publisher):
            one.close()
    finally:
        server.stop()
    told = [line for line in server.words if "file descriptors are used up" in line]
    assert len(told) == 1, server.words
