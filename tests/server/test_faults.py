"""Faults of clients, networks and machines, against running servers (issue 5, faults).

Each test names the defence without which it fails. Clients are bare sockets, so that a thousand of
them cost little; where a network misbehaves, the chaos proxy of ``everywire.torture`` stands in.
"""

from __future__ import annotations

import base64
import json
import re
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from everywire.client import Message, Publisher, tail
from everywire.core.rules import LogRetention
from everywire.server.node import Node
from everywire.torture.links import Link, Plan
from everywire.torture.proxy_thread import ProxyThread
from support.processes import ServerProcess

from .clients import TIMEOUT, Raw, frame
from .conftest import QUICK
from .running import DEADLINE, Running, eventually

KIB = 1024
MIB = 1024 * KIB
DAY_US = 86_400_000_000

WIRES = ("ws", "sse", "poll")


def room_for(clients: int) -> int:
    """How many clients fit into our file descriptors, the server's own ends included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * clients + 500
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(clients, (soft - 500) // 2)


class Reader:
    """A subscriber on a bare socket: asks with ``since``, and reads only when it is told to.

    Attributes:
        data: All that came, as it came.
    """

    def __init__(self, port: int, wire: str, channel: str, receive_buffer: int | None = None):
        self.wire = wire
        self.channel = channel
        self.data = bytearray()
        self._searched = 0
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))

    def ask(self, since: int) -> None:
        """Send the request for what comes after a position."""
        query = f"channel={self.channel}&since={since}"
        if self.wire == "ws":
            key = base64.b64encode(b"0123456789abcdef").decode()
            self._send(
                f"/ws?{query}",
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n",
            )
        elif self.wire == "sse":
            self._send(f"/events?{query}&format=envelope")
        else:
            self._send(f"/updates?{query}&limit=1000&wait=30")

    def _send(self, target: str, headers: str = "") -> None:
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())

    def ids(self) -> list[int]:
        """The ids of the messages that have come, as they stand in the bytes."""
        return [int(found) for found in re.findall(rb'"channel":"[^"]*","id":(\d+)', self.data)]

    def read(self) -> bool:
        """Take what is there; False at the end."""
        more = self.socket.recv(256 * KIB)
        self.data += more
        return bool(more)

    def read_to(self, position: int) -> None:
        """Read until a message has come."""
        end = b'"id":%d,' % position
        while self.data.find(end, self._searched) < 0:
            self._searched = max(0, len(self.data) - len(end))
            assert self.read(), f"{self.wire} ended before {position}"

    def read_to_end(self) -> None:
        """Read all, then end as a decent client does."""
        while self.read():
            pass
        self.close()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def reader() -> Iterator[Callable[..., Reader]]:
    """Makes readers, which are closed after the test."""
    readers: list[Reader] = []

    def make(server: Running, wire: str, channel: str, **options: Any) -> Reader:
        readers.append(Reader(server.port, wire, channel, **options))
        return readers[-1]

    yield make
    for one in readers:
        one.close()


# Many at once


def test_a_thousand_clients_that_were_cut_come_back_at_once_and_miss_nothing(
    start_native: Callable[..., Running], reader: Callable[..., Reader]
) -> None:
    """The defence: each goes on from its own position, and those who ask alike share a page."""
    server = start_native()
    count = room_for(1000)
    since = server.head()
    first = [reader(server, WIRES[number % 3], "storm") for number in range(count)]
    for one in first:
        one.ask(since)
    eventually(lambda: server.node.connections == count, "everybody is there")
    for one in first:
        one.close()
    eventually(lambda: server.node.connections == 0, "everybody has been cut")

    ids = server.publish_all([{"channel": "storm", "data": number} for number in range(50)])
    reads = 0
    recent = server.node.log.recent

    def counted(query: Any) -> Any:
        nonlocal reads
        reads += 1
        return recent(query)

    server.call(lambda: setattr(server.node.log, "recent", counted))
    again = [reader(server, WIRES[number % 3], "storm") for number in range(count)]
    for one in again:
        one.ask(since)
    for one in again:
        one.read_to(ids[-1])
        assert one.ids() == ids
    # Polls look for themselves; of the others, those that come in the same turn share.
    assert reads <= count // 3 + 50, "those who ask alike do not share what is read"


# Who does not read


@pytest.mark.timeout(120)
def test_stalled_readers_cost_their_buffers_hold_nobody_up_and_get_it_all_later(
    start_native: Callable[..., Running], reader: Callable[..., Reader]
) -> None:
    """The defence: the log is the queue; over its high-water mark a socket is written no more."""
    server = start_native(retention=LogRetention(3600, 256 * MIB))
    since = server.head()
    stalled = [
        reader(server, wire, "load", receive_buffer=4 * KIB) for wire in WIRES for _ in range(5)
    ]
    for one in stalled:
        one.ask(since)
    eventually(lambda: server.node.connections == len(stalled), "everybody is there")
    live = [reader(server, wire, "load") for wire in ("ws", "sse")]
    for one in live:
        one.ask(since)

    pad = "x" * (60 * KIB)
    ids: list[int] = []
    for _ in range(30):
        ids += server.publish_all([{"channel": "load", "data": pad}] * 16)
        # Those who read are not behind those who do not.
        for one in live:
            one.read_to(ids[-1])
    for one in live:
        assert one.ids() == ids

    def waiting() -> list[int]:
        transports = [
            transport
            for session in server._sockets
            if (transport := getattr(session, "_transport", None)) is not None
        ]
        return [transport.get_write_buffer_size() for transport in transports]

    # Of 28 MiB, each may hold a batch or a page, and what was there when it came.
    assert max(server.call(waiting)) <= 2 * MIB

    for one in stalled:
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        if one.wire == "poll":
            page = _poll_on(one)
            assert page == ids[: len(page)]
        else:
            one.read_to(ids[-1])
            assert one.ids() == ids


def _poll_on(one: Reader) -> list[int]:
    """Read the one answer that a poll gets."""
    while b"\r\n\r\n" not in one.data:
        assert one.read()
    head, _, body = one.data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
    while len(body) < length:
        one.read()
        body = one.data.partition(b"\r\n\r\n")[2]
    return [message["id"] for message in json.loads(body)["data"]]


def test_answers_to_polls_that_nobody_reads_stop_the_asking(
    start_native: Callable[..., Running],
) -> None:
    """The defence: while answers wait, no further request is read from their connection."""
    server = start_native()
    for _ in range(4):
        server.publish_all([{"channel": "big", "data": "x" * (60 * KIB)}] * 20)
    greedy = server.raw(receive_buffer=4 * KIB)
    ask = b"GET /updates?channel=big&since=0&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    most = _send_until_blocked(greedy, ask * 100, 64 * MIB)
    assert most < 64 * MIB, "the server reads on"

    def waiting() -> int:
        return max(c._transport.get_write_buffer_size() for c in server._sockets if c._transport)

    assert server.call(waiting) <= 3 * MIB
    assert server.get("/updates?channel=big&wait=0").status == 200


def _send_until_blocked(client: Raw, data: bytes, limit: int) -> int:
    """Send the same again and again until the server takes no more; returns how much it took.

    The rest of a piece that was cut is lost; who reads the answers has to know.
    """
    client.socket.setblocking(False)
    sent = 0
    while sent < limit:
        _, writable, _ = select.select([], [client.socket], [], 1.0)
        if not writable:
            break
        sent += client.socket.send(data)
    client.socket.settimeout(TIMEOUT)
    return sent


def test_a_publisher_that_floods_is_held_up_and_nobody_else(
    start_native: Callable[..., Running], tmp_path: Path
) -> None:
    """The defence: so many publishes in flight a connection, then its socket is not read."""
    server = start_native(log=f"sqlite:{tmp_path / 'log.db'}")
    flood = server.raw_socket(receive_buffer=4 * KIB)
    listener = server.socket()
    listener.subscribe("calm")
    body = json.dumps({"type": "publish", "channel": "flood", "data": "x" * 1000}).encode()
    piece = frame(1, body)
    most: list[int] = []

    def in_flight() -> int:
        sessions = [getattr(one, "_session", None) for one in server._sockets]
        return max(session._in_flight for session in sessions if session is not None)

    flooding = threading.Thread(
        target=lambda: most.append(_send_until_blocked(flood, piece * 50, 512 * MIB))
    )
    flooding.start()
    held: list[int] = []
    while flooding.is_alive():
        position = server.publish("calm", "hello")
        assert listener.expect("message")["id"] == position
        held.append(server.call(in_flight))
    flooding.join()
    assert max(held) <= server.settings.limits.max_publishes_in_flight
    assert 0 < most[0] < 512 * MIB, "the server reads on, though its answers are not read"
    answered = 0
    while answered < most[0] // len(piece):
        opcode, payload = flood.next_frame()
        answered += opcode == 1 and b'"type":"published"' in payload


# Who is slow, or silent


def test_everything_works_a_few_bytes_at_a_time(start_native: Callable[..., Running]) -> None:
    """The defence: each parser takes its bytes cut anywhere."""
    server = start_native()
    with ProxyThread(server.port, lambda number: Plan(trickle=3, pause=0)) as proxy:
        with Publisher(proxy.url) as publisher:
            ids = [publisher.publish("slow", number).id for number in range(5)]
        for wire in WIRES:
            with tail(proxy.url, ["slow"], since=0, wire=wire) as heard:  # type: ignore[arg-type]
                assert [next(heard)["id"] for _ in ids] == ids


def test_a_request_that_trickles_in_has_a_deadline_as_a_whole(
    start_native: Callable[..., Running],
) -> None:
    """The defence: a head's time does not begin anew with each byte (slowloris)."""
    server = start_native(limits=replace(QUICK, head_timeout=0.3))
    slow = server.raw()
    slow.send(b"GET /updates HTTP/1.1\r\nX-Slow: ")
    sent = 0
    while not select.select([slow.socket], [], [], 0.01)[0]:
        slow.send(b"a")
        sent += 1
        assert sent < 1000, "the server waits for ever"
    assert slow.answer().status == 408
    slow.ended()


def test_who_connects_and_says_nothing_is_let_go(start_native: Callable[..., Running]) -> None:
    """The defence: a connection has to begin a request in time."""
    server = start_native(limits=replace(QUICK, head_timeout=0.3))
    silent = [server.raw() for _ in range(200)]
    for one in silent:
        one.ended()
    assert server.get("/updates?channel=a&wait=0").status == 200


def test_a_black_holed_websocket_is_noticed(start_native: Callable[..., Running]) -> None:
    """The defence: a ping each heartbeat, and an end after two that were not answered."""
    server = start_native(socket_heartbeat=0.2)
    with ProxyThread(server.port) as proxy:
        client = Reader(proxy.port, "ws", "hole")
        client.ask(0)
        eventually(lambda: server.node.connections == 1, "it is there")
        proxy.each(Link.swallow)
        client.close()
        eventually(lambda: server.node.connections == 0, "its silence is noticed")


@pytest.mark.parametrize("wire", WIRES)
def test_who_half_closes_is_let_go(
    wire: str, start_native: Callable[..., Running], reader: Callable[..., Reader]
) -> None:
    """The defence: an end of the client's side ends the session, and answers a waiting poll."""
    server = start_native()
    one = reader(server, wire, "half")
    one.ask(server.head())
    eventually(lambda: server.node.connections == 1, "it is there")
    one.socket.shutdown(socket.SHUT_WR)
    one.read_to_end()
    eventually(lambda: server.node.connections == 0, "it has gone")
    assert (b'"data":[]' in one.data) is (wire == "poll")


# Too many


@pytest.mark.parametrize("wire", WIRES)
def test_an_address_may_have_so_many_connections(
    wire: str,
    start_native: Callable[..., Running],
    reader: Callable[..., Reader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The defence: connections are counted by address (loopback is not, but for this test)."""
    monkeypatch.setattr("everywire.server.door.counted_as", lambda peer: peer)
    server = start_native(limits=replace(QUICK, max_connections_per_address=5))
    since = server.head()
    held = [reader(server, wire, "many") for _ in range(5)]
    for one in held:
        one.ask(since)
    eventually(lambda: server.node.connections == 5, "five are there")
    for refused in WIRES:
        sixth = reader(server, refused, "many")
        sixth.ask(since)
        while b"\r\n\r\n" not in sixth.data:
            assert sixth.read()
        assert sixth.data.startswith(b"HTTP/1.1 429 "), sixth.data
        assert b"too_many_connections" in sixth.data
    assert server.node.counters.connections_refused_address == 3

    other = socket.create_connection(("127.0.0.1", server.port), TIMEOUT, ("127.0.0.2", 0))
    other.sendall(b"GET /updates?channel=many HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert other.recv(4096).startswith(b"HTTP/1.1 200")

    held[0].close()
    eventually(lambda: server.node.connections == 4, "one has gone")
    last = reader(server, wire, "many")
    last.ask(since)
    eventually(lambda: server.node.connections == 5, "another may come")
    other.sendall(
        b"POST /channels/many HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 6\r\n\r\nto all"
    )
    position = json.loads(other.recv(4096).partition(b"\r\n\r\n")[2])["id"]
    other.close()
    for one in (*held[1:], last):
        one.read_to(position)


# The machine


class Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.shift = 0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + self.shift


def test_a_clock_that_jumps_a_day_makes_no_position_fall(
    start_native: Callable[..., Running],
    reader: Callable[..., Reader],
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The defence: a position is at least one above the head, whatever the clock says."""
    clock = Clock()
    monkeypatch.setattr(Node.__init__, "__defaults__", (clock,))
    server = start_native(log=database)
    since = server.head()
    readers = [reader(server, wire, "time") for wire in ("ws", "sse")]
    for one in readers:
        one.ask(since)
    eventually(lambda: server.node.connections == 2, "both are there")

    ids: list[int] = []
    for shift in (0, DAY_US, -DAY_US, 0):
        clock.shift = shift
        ids += [
            server.publish("time", shift),
            *server.publish_all([{"channel": "time", "data": 1}]),
        ]
        answer = server.poll(channel="time", since=ids[-2])
        assert [message["id"] for message in answer["data"]] == ids[-1:]
    assert ids == sorted(set(ids))
    assert ids[2] - ids[1] > DAY_US - 60_000_000, "the clock was not asked at all"
    for one in readers:
        one.read_to(ids[-1])
        assert one.ids() == ids
    server.stop()

    clock.shift = -DAY_US
    again = start_native(log=database)
    page = again.poll(channel="time", since=ids[2])
    assert [message["id"] for message in page["data"]] == ids[3:]
    assert "gaps" not in page
    assert again.publish("time", "after") > ids[-1]


def test_out_of_file_descriptors_others_are_unharmed_and_it_heals(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """The defence: a failed accept is said, waited out, and touches nobody who is there."""
    server = serve("--log", f"sqlite:{tmp_path / 'log.db'}")
    assert server.process is not None
    since = json.loads(server.get("/updates?channel=files"))["last_id"]
    held = [Reader(server.port, wire, "files") for wire in ("ws", "sse")]
    publisher = Publisher(server.url)
    for one in held:
        one.ask(since)
        while b"\r\n\r\n" not in one.data:
            one.read()
    publisher.publish("files", "before")
    process = psutil.Process(server.process.pid)
    room = process.num_fds() + 5
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (room, hard))

    crowd = [socket.create_connection(("127.0.0.1", server.port), TIMEOUT) for _ in range(50)]
    eventually(lambda: process.num_fds() >= room, "there are none left")
    ids = [publisher.publish("files", number).id for number in range(20)]
    assert ids[-1] is not None
    for one in held:
        one.read_to(ids[-1])
        assert one.ids()[1:] == ids
    for one in crowd[5:]:
        # There is no room for it: it does not wait, and is told so where that was still possible.
        answer = _answer(one)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 503 "), answer
    for one in crowd:
        one.close()
    eventually(lambda: process.num_fds() < room, "there is room again")
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))

    late = Reader(server.port, "poll", "files")
    late.ask(since)
    late.read_to(ids[0] or 0)
    for one in (*held, late, publisher):
        one.close()


def _answer(connection: socket.socket) -> bytes:
    """What came up to the end of a connection."""
    found = b""
    try:
        while more := connection.recv(4096):
            found += more
    except ConnectionResetError:
        pass
    return found


# The end


@pytest.mark.timeout(120)
def test_an_orderly_stop_under_load_says_goodbye_to_everybody_and_loses_nothing(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """The defence: every session is told before its connection ends, and the log is closed last."""
    server = serve(
        "--log", f"sqlite:{tmp_path / 'log.db'}", "--stop-seconds", "8", "--drain-seconds", "1"
    )
    since = json.loads(server.get("/updates?channel=load"))["last_id"]
    count = room_for(300)
    readers = [Reader(server.port, WIRES[number % 3], "load") for number in range(count)]
    quiet = [Reader(server.port, "poll", "quiet") for _ in range(20)]
    for one in (*readers, *quiet):
        one.ask(since)
    acknowledged: list[int] = []
    begun, enough = threading.Semaphore(0), threading.Event()

    def publish() -> None:
        with Publisher(server.url, patience=60) as publisher:
            while not enough.is_set():
                acknowledged.append(publisher.publish("load", "x" * 100).id or 0)
                begun.release()

    loads = [threading.Thread(target=publish) for _ in range(2)]
    for load in loads:
        load.start()
    for _ in range(50):
        assert begun.acquire(timeout=DEADLINE)
    ends = [threading.Thread(target=one.read_to_end) for one in (*readers, *quiet)]
    for end in ends:
        end.start()
    assert server.stop() == 0
    for end in ends:
        end.join(DEADLINE)
        assert not end.is_alive()
    server.start()
    enough.set()
    for load in loads:
        load.join(DEADLINE)
        assert not load.is_alive()

    kept = _all_kept(server, "load")
    assert set(acknowledged) <= set(kept)
    for one in readers:
        if one.wire == "ws":
            assert b'"type":"bye","reason":"shutdown","retry_ms":' in one.data
            # 1001, going away, is the last frame.
            assert b"\x03\xe9" in one.data[-64:]
        elif one.wire == "sse":
            assert re.search(rb"\nretry: \d+\n\n$", one.data), one.data[-100:]
        else:
            body = one.data.partition(b"\r\n\r\n")[2]
            assert json.loads(body)["last_id"] >= since
        ids = one.ids()
        assert ids == kept[: len(ids)], "a hole, or out of order"
    for one in quiet:
        assert json.loads(one.data.partition(b"\r\n\r\n")[2])["data"] == []


def _all_kept(server: ServerProcess, channel: str) -> list[int]:
    ids: list[int] = []
    since = 0
    while True:
        page = json.loads(server.get(f"/channels/{channel}/messages?limit=1000&since={since}"))
        if not page["data"]:
            return ids
        ids += [message["id"] for message in page["data"]]
        since = page["last_id"]


def test_after_a_kill_in_mid_stream_a_client_goes_on_through_a_bad_network(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """Reset, half-closed and answered with 502 on the way, it has everything once, in order."""
    server = serve("--log", f"sqlite:{tmp_path / 'log.db'}")
    since = json.loads(server.get("/updates?channel=bad"))["last_id"]
    plans = (
        Plan(faults=((0.05, "reset"),)),
        Plan(answer="bad_gateway"),
        Plan(strip=True, faults=((0.3, "cut"),)),
        Plan(faults=((0.05, "half_close_down"), (0.2, "cut"))),
    )
    heard: list[Any] = []

    def hear(url: str) -> None:
        with tail(url, ["bad"], since=since, wire="sse") as messages:
            for item in messages:
                assert isinstance(item, Message)
                heard.append(item["data"])
                if item["data"] == 199:
                    return

    def plan(number: int) -> Plan:
        return plans[number] if number < len(plans) else Plan()

    with ProxyThread(server.port, plan) as proxy, Publisher(server.url, patience=60) as publisher:
        listener = threading.Thread(target=hear, args=(proxy.url,))
        listener.start()
        for number in range(200):
            publisher.publish("bad", number)
            if number == 100:
                server.kill()
                server.start()
        listener.join(30)
        assert not listener.is_alive()
    assert heard == list(range(200))
