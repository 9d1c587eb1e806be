"""Limits that hold for the whole server, and a log that answers late, badly or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everywire.core.errors import LogUnavailable, RequestError
from everywire.core.limits import Limits
from everywire.logs.base import Append
from everywire.server.messages import problem
from everywire.server.node import Node

from .clients import frame
from .conftest import QUICK, settings_with
from .running import Running, eventually


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that failed is tried again soon."""
    monkeypatch.setattr("everywire.server.node.LOG_TICK", 0.05)


class Session:
    """A session that does nothing."""

    def drain(self) -> None:
        """Nothing to do."""


# Connections


def test_connections_an_address() -> None:
    """Limits: 1000 connections an address, none counted from loopback; 429."""
    node = Node(settings_with(limits=replace(QUICK, max_connections_per_address=3)))
    sessions = [Session() for _ in range(3)]
    for session in sessions:
        node.check_room("192.0.2.1")
        node.enter(session, "192.0.2.1")
    with pytest.raises(RequestError) as caught:
        node.check_room("192.0.2.1")
    assert caught.value.code == "too_many_connections"
    assert problem(caught.value).status == 429
    node.check_room("192.0.2.2")
    node.exit(sessions[0], "192.0.2.1")
    node.check_room("192.0.2.1")
    # Twice is once.
    node.exit(sessions[0], "192.0.2.1")
    node.enter(sessions[0], "192.0.2.1")
    with pytest.raises(RequestError):
        node.check_room("192.0.2.1")
    for session in sessions:
        node.exit(session, "192.0.2.1")
    assert node.connections == 0
    assert node._addresses == {}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1"])
def test_connections_from_loopback_are_not_counted(peer: str) -> None:
    """Limits: none counted from loopback."""
    node = Node(settings_with(limits=replace(QUICK, max_connections_per_address=1)))
    for _ in range(5):
        node.check_room(peer)
        node.enter(Session(), peer)


def test_default_limits() -> None:
    """Limits: the numbers of the protocol."""
    limits = Limits()
    assert limits.max_data_bytes == 64 * 1024
    assert limits.frame_bytes == 64 * 1024 * 4 // 3 + 4096
    assert limits.max_body_bytes == 8 * 1024 * 1024
    assert limits.max_channels == 1000
    assert limits.max_connections_per_address == 1000
    assert limits.max_head_bytes == 32 * 1024
    assert limits.max_headers == 100
    assert limits.max_key_bytes == 200
    assert limits.max_ref_bytes == 200
    assert limits.max_publishes_in_flight == 256
    assert limits.max_bytes_in_flight == 1024 * 1024


def test_full_server(start: Callable[..., Running]) -> None:
    """SSE, refusals: a full server refuses for load, and takes the next when one has gone."""
    server = start(limits=replace(QUICK, max_connections=2))
    first = server.socket()
    server.stream(channel="a").opened()
    assert server.get("/updates", channel="a").status == 503
    # Publishing needs no room.
    server.publish("a", 1)
    first.close()
    eventually(lambda: server.call(lambda: server.node.connections) == 1, "there is room")
    server.socket().alive()


# Publishes in flight


class LateLog:
    """Holds back the appends of a server's log until they are let go."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.held: list[Append] = []
        self._submit = server.node.log.submit
        server.call(lambda: setattr(server.node.log, "submit", self.held.append))

    def count(self) -> int:
        return self.server.call(lambda: len(self.held))

    def let_go(self, count: int) -> None:
        """Answer the oldest appends."""

        def work() -> None:
            for append in self.held[:count]:
                self._submit(append)
            del self.held[:count]

        self.server.call(work)


def reading(server: Running) -> bool:
    """Whether the only WebSocket of a server is being read."""
    (session,) = server.node._sessions
    outlet: Any = session._outlet  # type: ignore[attr-defined]
    transport = getattr(outlet, "_transport", None)
    return outlet.reading.is_set() if transport is None else transport.is_reading()


def test_publishes_in_flight(start: Callable[..., Running]) -> None:
    """Limits: 256 publishes in flight a connection, then its socket is not read."""
    server = start()
    log = LateLog(server)
    socket: Any = server.raw_socket()
    assert socket.next()["type"] == "welcome"
    publishes = [
        frame(1, json.dumps({"type": "publish", "channel": "a", "data": n, "ref": n}).encode())
        for n in range(700)
    ]
    socket.send(b"".join(publishes) + frame(1, b'{"type":"ping"}'))
    eventually(lambda: log.count() == 256, "as many as may be in flight are")
    assert not server.call(lambda: reading(server))
    # As many as are answered, and no more, are taken.
    log.let_go(100)
    eventually(lambda: log.count() == 256, "as many as may be in flight are again")
    assert [socket.next()["ref"] for _ in range(100)] == list(range(100))
    while log.count():
        log.let_go(256)
    answers = [socket.next() for _ in range(601)]
    assert [a["ref"] for a in answers if a["type"] == "published"] == list(range(100, 700))
    assert {"type": "pong"} in answers
    assert server.call(lambda: reading(server))


def test_bytes_in_flight(start: Callable[..., Running]) -> None:
    """Limits: or 1 MiB in flight."""
    server = start()
    log = LateLog(server)
    socket: Any = server.raw_socket()
    assert socket.next()["type"] == "welcome"
    data = "x" * 60_000
    publish = frame(1, json.dumps({"type": "publish", "channel": "a", "data": data}).encode())
    socket.send(publish * 30)
    eventually(lambda: log.count() == 18, "a MiB is in flight")
    assert not server.call(lambda: reading(server))
    log.let_go(1)
    eventually(lambda: log.count() == 18, "one more is taken for the one answered")
    released = 1
    while released < 30:
        # What was held up is still to be read from the socket; it comes in its own time.
        waiting = eventually(log.count, "the rest is taken")
        log.let_go(waiting)
        released += waiting
    assert [socket.next()["type"] for _ in range(30)] == ["published"] * 30


def test_others_publish_meanwhile(start: Callable[..., Running]) -> None:
    """Limits: the bound is a connection's; another one's frames are taken."""
    server = start()
    log = LateLog(server)
    busy: Any = server.raw_socket()
    assert busy.next()["type"] == "welcome"
    publish = frame(1, b'{"type":"publish","channel":"a","data":1}')
    busy.send(publish * 300)
    eventually(lambda: log.count() == 256, "it is held up")
    other = server.socket()
    other.alive()
    other.send("publish", channel="a", data=2)
    eventually(lambda: log.count() == 257, "the other one's is taken")
    log.let_go(257)
    other.expect("published")


def test_client_that_goes_while_in_flight(start: Callable[..., Running]) -> None:
    """A connection that ends while the log has not answered leaves nothing behind."""
    server = start()
    log = LateLog(server)
    socket: Any = server.raw_socket()
    # A few over the bound: more than its queue holds, hypercorn would wait for on its own.
    socket.send(frame(1, b'{"type":"publish","channel":"a","data":1}') * 260)
    eventually(lambda: log.count() == 256, "it is held up")
    raw = server.raw()
    raw.send_request("POST", "/publish", "", b'{"channel":"a","data":1}')
    eventually(lambda: log.count() == 257, "the other is with the log")
    # A socket that is not read does not notice that its peer has gone; the answers tell.
    socket.close()
    raw.close()

    def gone() -> bool:
        log.let_go(log.count())
        return server.call(lambda: server.node.connections) == 0

    eventually(gone, "nothing is left behind")


def test_heartbeat_while_the_log_is_late(start_native: Callable[..., Running]) -> None:
    """WebSocket: who cannot be heard, because it is not read, is not dropped for its silence."""
    server = start_native(socket_heartbeat=0.05)
    log = LateLog(server)
    socket: Any = server.raw_socket()
    assert socket.next()["type"] == "welcome"
    socket.send(frame(1, b'{"type":"publish","channel":"a","data":1}') * 300)
    eventually(lambda: log.count() == 256, "it is held up")
    pings = 0
    while pings < 6:
        opcode, _ = socket.next_frame()
        assert opcode != 8
        if opcode == 9:
            pings += 1
            socket.send_frame(10)
    while log.count():
        log.let_go(256)
    answers = 0
    while answers < 300:
        opcode, payload = socket.next_frame()
        assert opcode != 8, payload
        if opcode == 9:
            socket.send_frame(10)
        answers += b"published" in payload


# A log that fails


def fail(server: Running, **broken: Callable[..., Any]) -> Callable[[], None]:
    """Put something in the place of methods of a server's log; returns what takes it away."""
    log = server.node.log

    def restore() -> None:
        for name in broken:
            delattr(log, name)

    server.call(lambda: [setattr(log, name, method) for name, method in broken.items()])
    return lambda: server.call(restore)


def unavailable(append: Append) -> None:
    """What a log answers whose disk is full."""
    append.done(LogUnavailable("the disk is full", retry_ms=3000))


def test_log_that_takes_nothing(start: Callable[..., Running]) -> None:
    """Codes: 503 unavailable with Retry-After; subscribers stay, and it recovers by itself."""
    server = start()
    listener = server.socket(channel="a")
    listener.expect("subscribed")
    restore = fail(server, submit=unavailable)
    answer = server.post("/publish", {"channel": "a", "data": 1})
    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["retry-after"] == "3"
    assert server.post("/channels/a", b"x").code == "unavailable"
    frame = listener.ask("publish", channel="a", data=1, ref="r")
    assert (frame["type"], frame["code"], frame["ref"]) == ("error", "unavailable", "r")
    restore()
    id = server.publish("a", 1)
    listener.expect("message", id=id)


async def cannot_read(*_: object) -> Any:
    """What a log answers that cannot be read."""
    raise LogUnavailable("the disk is gone")


async def fails(*_: object) -> Any:
    """A fault of ours."""
    raise ZeroDivisionError


def cannot_remember(_: object) -> None:
    """Nothing is in memory."""


def test_log_that_cannot_be_read(start: Callable[..., Running]) -> None:
    """A reader waits for a log that does not answer, at its place; others get unavailable."""
    server = start()
    ids = [server.publish("a", n) for n in range(3)]
    restore = fail(
        server,
        recent=cannot_remember,
        read=cannot_read,
        read_back=cannot_read,
        nth_last=cannot_read,
        status=cannot_read,
    )
    since = ids[0] - 1
    socket, stream = server.socket(channel="a", since=since), server.stream(channel="a", since=0)
    socket.expect("subscribed")
    stream.opened()
    for target in ("/channels/a", "/channels/a/messages", "/channels/a/messages?order=desc"):
        assert server.get(target).code == "unavailable"
    assert server.get("/updates", channel="a", since=since).code == "unavailable"
    other = server.socket()
    assert other.ask("subscribe", channel="a", history=2, ref=1)["code"] == "unavailable"
    other.alive()
    restore()
    # The log is tried again with its next tick.
    assert [m["id"] for m in socket.messages(3)] == ids
    assert [stream.expect("message").id for _ in range(3)] == [str(id) for id in ids]


def test_log_that_fails_in_a_way_nobody_thought_of(
    start: Callable[..., Running], errors: list[str]
) -> None:
    """A fault is an answer, too, and the next request finds the server whole."""
    server = start()
    ids = [server.publish("a", n) for n in range(3)]
    broken = {"recent": cannot_remember, "read": fails, "status": fails, "nth_last": fails}
    restore = fail(server, **broken)
    assert server.get("/updates", channel="a", since=ids[0]).status in (500, 503)
    assert server.get("/channels/a").code == "internal"
    socket = server.socket(channel="a", since=0)
    socket.expect("subscribed")
    other = server.socket()
    assert other.ask("subscribe", channel="a", history=2)["type"] == "error"
    other.alive()
    restore()
    assert [m["id"] for m in socket.messages(3)] == ids
    assert errors
    errors.clear()


def test_submit_that_fails(start: Callable[..., Running], errors: list[str]) -> None:
    """A fault while a request is served is 500 internal, and an error frame on a WebSocket."""
    server = start()

    def broken(_: object) -> None:
        raise ZeroDivisionError

    restore = fail(server, submit=broken)
    assert server.post("/publish", {"channel": "a", "data": 1}).code == "internal"
    socket = server.socket()
    assert socket.ask("publish", channel="a", data=1)["code"] == "internal"
    restore()
    socket.publish("a", 1)
    server.publish("a", 1)
    assert errors
    errors.clear()


def test_poll_that_fails_as_it_starts(start: Callable[..., Running], errors: list[str]) -> None:
    """A fault as a poll, a stream or a WebSocket starts leaves no session behind."""
    server = start()
    since = server.head()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    restore = fail(server, recent=broken)
    assert server.get("/updates", channel="a", since=since).code == "internal"
    restore()
    restore = fail(server, ended=broken)
    assert server.get("/updates", channel="a").code == "internal"
    raw = server.raw()
    raw.send_request("GET", "/events?channel=a")
    while raw.receive():
        pass
    restore()
    eventually(lambda: server.call(lambda: server.node.connections) == 0, "nothing is left")
    assert errors
    errors.clear()


def test_page_that_cannot_be_written(
    start: Callable[..., Running], errors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in one reader's page is nobody else's, and loses nothing."""
    from everywire.server import catch_up

    server = start()
    ids = [server.publish("a", n) for n in range(3)]
    encode = catch_up.encode
    calls: list[object] = []

    def broken(subscriber: Any, items: Any) -> bytes:
        calls.append(subscriber)
        if len(calls) == 1:
            raise ZeroDivisionError
        return encode(subscriber, items)

    monkeypatch.setattr(catch_up, "encode", broken)
    socket = server.socket(channel="a", since=0)
    socket.expect("subscribed")
    assert [m["id"] for m in socket.messages(3)] == ids
    assert errors
    errors.clear()


def test_writer_that_fails(start_native: Callable[..., Running], errors: list[str]) -> None:
    """A fault in writing to one subscriber does not keep a batch from the others."""
    server = start_native()
    sockets = [server.socket(channel="a") for _ in range(5)]
    for socket in sockets:
        socket.expect("subscribed")

    def break_one() -> None:
        sessions: list[Any] = list(server.node._sessions)
        sessions[2].subscriber.write = 5

    server.call(break_one)
    id = server.publish("a", 1)
    for number, socket in enumerate(sockets):
        if number != 2:
            socket.expect("message", id=id)
    assert errors
    errors.clear()


def test_many_readers_wait_for_a_slow_log(start_native: Callable[..., Running]) -> None:
    """Readers of a log that answers late are served in turn, each whole and in order."""
    server = start_native()
    ids = []
    for start in range(0, 1200, 600):
        ids += server.publish_all([{"channel": "a", "data": start + n} for n in range(600)])
    log = server.node.log
    recent = type(log).recent

    async def slowly(query: Any) -> Any:
        await asyncio.sleep(0.001)
        return recent(log, query)  # type: ignore[arg-type]

    restore = fail(server, recent=cannot_remember, read=slowly)
    streams = [server.stream(channel="a", since=0) for _ in range(12)]
    for stream in streams:
        stream.opened()
        assert [int(stream.expect("message").id or 0) for _ in range(1200)] == ids
    restore()
