"""An orderly stop: what clients are told, and that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules
from support.processes import ServerProcess

from .clients import Answer, Clients, Raw, Socket
from .running import Running, eventually


class Process(Clients):
    """A server in a process of its own, which signals can reach."""

    def __init__(self, *arguments: str) -> None:
        self.server = ServerProcess("--log", "memory:", *arguments)
        self.server.start()
        super().__init__(self.server.port)

    def signal(self, number: signal.Signals) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        process = self.server.process
        assert process is not None
        return process.wait(timeout=20)

    def end(self) -> None:
        self.close_clients()
        self.server.kill()


@pytest.fixture
def process() -> Iterator[Process]:
    """A server, and a socket that waits for it if it must."""
    running = Process("--stop-seconds", "3")
    yield running
    running.end()


def waiting_poll(server: Clients, channel: str, since: int) -> Raw:
    """A poll that is held, on a bare connection."""
    raw = server.raw()
    raw.send_request("GET", f"/updates?channel={channel}&since={since}")
    path = server.channel_path(channel)
    eventually(lambda: server.get(path).json["subscribers"] == 1, "the poll waits")
    return raw


def last_words(raw: Raw) -> bytes:
    """Everything up to the end of a connection; one that was not taken yet is reset."""
    with contextlib.suppress(ConnectionResetError):
        while raw.receive():
            pass
    return raw.buffer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everybody_is_sent_away(process: Process, number: signal.Signals) -> None:
    """WebSocket, bye, and 1001; SSE: retry, then the end; polls answered; exit code 0."""
    head = process.head()
    socket, bare = process.socket(channel="a"), process.socket(channel="a", format="data")
    socket.expect("subscribed")
    stream = process.stream(channel="a")
    stream.opened()
    poll = waiting_poll(process, "b", head)
    idle, silent = process.raw(), process.raw()
    idle.send_request("GET", "/health")
    assert idle.answer().status == 200
    process.signal(number)
    bye = socket.next()
    assert bye == {"type": "bye", "reason": "shutdown", "retry_ms": bye["retry_ms"]}
    # Four are told within 200 ms, and are to come back when all have been.
    assert 500 <= bye["retry_ms"] <= 2200
    assert socket.closed()[0] == 1001
    assert bare.next()["everywire"]["type"] == "bye"
    assert bare.closed()[0] == 1001
    stream.ended()
    assert stream.retry is not None
    assert 500 <= stream.retry <= 2200
    answer = poll.answer()
    assert answer.json == {"data": [], "last_id": head}
    assert answer.headers["connection"] == "close"
    for raw in (poll, idle, silent):
        raw.ended()
    assert process.exit_code() == 0


def test_drain_is_not_for_ever(process: Process) -> None:
    """A stop takes a bounded time, whoever does not go: stalled readers, half requests."""
    stalled = process.raw(receive_buffer=4096)
    stalled.send_request("GET", "/events?channel=a")
    stalled.take_until(b"everywire.position\n")
    silent = process.raw_socket()
    half = process.raw()
    half.send(b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    for _ in range(10):
        process.publish_all([{"channel": "a", "data": "x" * 60_000}] * 30)
    process.signal(signal.SIGTERM)
    assert process.exit_code() == 0
    assert b"bye" in last_words(silent)


def test_publishes_are_answered(process: Process) -> None:
    """What was sent before the signal is answered or not taken; the server ends in order."""
    raws = [process.raw() for _ in range(10)]
    body = json.dumps({"channel": "a", "data": 1}).encode()
    for raw in raws:
        raw.send_request("POST", "/publish", "", body)
    process.signal(signal.SIGTERM)
    for raw in raws:
        words = last_words(raw)
        assert words == b"" or b'{"id":' in words
    assert process.exit_code() == 0


@pytest.fixture
def slow() -> Iterator[Process]:
    """A server that takes a minute over a few clients' farewell, if nobody hurries it."""
    running = Process("--drain-seconds", "60", "--stop-seconds", "90")
    yield running
    running.end()


def wait_for_the_first(sockets: list[Socket]) -> None:
    """Wait until one of them is told to leave; it is taken off the list."""

    def told() -> bool:
        for socket in sockets:
            with contextlib.suppress(TimeoutError):
                bye = json.loads(socket.connection.recv(0))
                assert bye["type"] == "bye"
                sockets.remove(socket)
                return True
        return False

    eventually(told, "one is told")


def up_to(socket: Socket, *types: str) -> dict[str, Any]:
    """The first frame of one of these types, or the bye."""
    frame = socket.next()
    while frame["type"] not in (*types, "bye"):
        frame = socket.next()
    return frame


def test_a_second_signal_hurries(slow: Process) -> None:
    """The first takes its time; at the second everybody who is left is told at once."""
    sockets = [slow.socket() for _ in range(200)]
    slow.signal(signal.SIGTERM)
    wait_for_the_first(sockets)
    slow.signal(signal.SIGTERM)
    waits = []
    for socket in sockets:
        bye = socket.next()
        assert bye["type"] == "bye"
        assert socket.closed()[0] == 1001
        waits.append(bye["retry_ms"])
    # Nothing of the ten seconds for so many is left to wait for.
    assert sum(wait <= 2000 for wait in waits) > 150
    assert slow.exit_code() == 0


def test_who_was_not_told_yet_is_served_on(slow: Process) -> None:
    """A drain takes nobody's messages: the last hears what is published until its turn comes."""
    sockets = [slow.socket(channel="a") for _ in range(200)]
    for socket in sockets:
        socket.expect("subscribed")
    slow.signal(signal.SIGTERM)
    wait_for_the_first(sockets)
    # As good as all are still there: one publishes, and the others hear it.
    for publisher in sockets[:50]:
        publisher.send("publish", channel="a", data="still here", ref=1)
        if up_to(publisher, "published")["type"] == "published":
            break
    heard = [up_to(socket, "message") for socket in sockets[50:]]
    assert any(frame.get("data") == "still here" for frame in heard)
    slow.signal(signal.SIGTERM)
    assert slow.exit_code() == 0


# Draining, from inside


@pytest.fixture
def draining(native: Running) -> Iterator[Running]:
    """A server that sends everybody away and is still there."""
    native.call(lambda: setattr(native.node, "draining", True))
    yield native
    native.call(lambda: setattr(native.node, "draining", False))


EVENT_SOURCE = {"Accept": "text/event-stream", "Origin": "http://localhost"}


def test_new_clients_while_it_drains(draining: Running) -> None:
    """SSE: refused for load: 503 with Retry-After; an EventSource gets 200, retry and the end."""

    def check(answer: Answer) -> None:
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1

    check(draining.get("/events", channel="a"))
    check(draining.get("/updates", channel="a"))
    raw = draining.raw()
    raw.send_request(
        "GET",
        "/ws",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    )
    check(raw.answer())
    answer = draining.get("/events", EVENT_SOURCE, channel="a")
    assert answer.status == 200
    assert answer.body.startswith(b"retry: ")
    ready = draining.get("/ready")
    assert (ready.status, ready.json["status"]) == (503, "unavailable")
    assert ready.json["reason"] == "draining"
    assert draining.get("/health").status == 200


def test_answers_close_their_connection_while_it_drains(draining: Running) -> None:
    """A server that drains keeps no connection for a next request."""
    raw = draining.raw()
    raw.send_request("POST", "/publish", "", b'{"channel":"a","data":1}')
    answer = raw.answer()
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
    raw.ended()


def test_poll_that_reads_while_it_drains(start: Callable[..., Running]) -> None:
    """Promises: a poll that is sent away in the middle of its read loses nothing."""
    server = start()
    since = server.head()
    id = server.publish("a", 1)
    log = server.node.log
    asked: list[object] = []
    released = server.call(asyncio.Event)

    async def read(query: object) -> object:
        asked.append(query)
        await released.wait()
        return type(log).recent(log, query)  # type: ignore[arg-type]

    def make_slow() -> None:
        log.recent = lambda query: None  # type: ignore[method-assign]
        log.read = read  # type: ignore[assignment,method-assign]

    server.call(make_slow)
    raw = server.raw()
    raw.send_request("GET", f"/updates?channel=a&since={since}")
    eventually(lambda: asked, "the log is asked")
    server.call(server.node.drain)
    server.call(released.set)
    page = raw.answer().json
    assert [m["id"] for m in page["data"]] == [id]
    assert page["last_id"] == id


def test_poll_that_lingers_while_it_drains(start: Callable[..., Running]) -> None:
    """Promises: nor does one that has heard a message already and waits for more."""
    server = start(rules=Rules([ChannelRule("slow", linger=30)]))
    with server.waiting({"channel": "slow", "since": server.head()}) as (poll,):
        id = server.publish("slow", 1)
        server.call(server.node.drain)
        page = poll.result().json
    assert [m["id"] for m in page["data"]] == [id]


def test_drain_by_hand(start: Callable[..., Running]) -> None:
    """Node.drain sends everybody away, on every carrier."""
    server = start()
    socket, stream = server.socket(channel="a"), server.stream(channel="a")
    socket.expect("subscribed")
    stream.opened()
    since = server.head()
    with server.waiting({"channel": "a", "since": since}) as (poll,):
        server.call(server.node.drain)
        assert poll.result().json == {"data": [], "last_id": since}
    assert socket.next()["type"] == "bye"
    assert socket.closed()[0] == 1001
    stream.ended()
    eventually(lambda: server.call(lambda: server.node.connections) == 0, "all are gone")


def test_server_that_stops_with_clients(start: Callable[..., Running], errors: list[str]) -> None:
    """A stop ends, on every carrier, with clients of every wire."""
    server = start()
    server.socket(channel="a").expect("subscribed")
    server.stream(channel="a").opened()
    server.begin_stop()
    eventually(lambda: not server.running, "the server has stopped")
    # hypercorn cancels what does not go, and asyncio 3.11 takes that for an error.
    if server.carrier == "asgi":
        errors.clear()
