"""A reader that does not read: what it costs, and what it gets once it reads on.

Everything here publishes far more than the buffers of sockets hold, so that the reader really is
behind; nothing waits for time to pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules

from . import clients
from .clients import Raw, Socket, Stream
from .running import Running, eventually

SIZE = 30_000
COUNT = 600
"""Together 18 MB; loopback sockets hold 6 MB at most, and those here have small buffers."""

MOST_HELD = 1024 * 1024
"""Bytes that the server may hold for a reader beside the log: its transport's buffer."""


def held(server: Running) -> int:
    """Bytes that wait in the server for its readers, beside the log."""
    total = 0
    for session in server.node._sessions:
        outlet: Any = session._outlet  # type: ignore[attr-defined]
        transport = getattr(outlet, "_transport", None)
        total += outlet._size if transport is None else transport.get_write_buffer_size()
    return total


def behind(server: Running) -> bool:
    """Whether some reader's socket is full."""
    return any(s.subscriber.full for s in server.node._sessions)  # type: ignore[attr-defined]


def flood(server: Running, channel: str, count: int = COUNT) -> list[int]:
    """Publish much, while the server's memory for readers stays small; the ids."""
    ids: list[int] = []
    for start in range(0, count, 50):
        ids += server.publish_all(
            [
                {"channel": channel, "data": "x" * SIZE, "event": f"e{n % 2}"}
                for n in range(start, start + 50)
            ]
        )
        assert server.call(lambda: held(server)) < MOST_HELD
    assert server.call(lambda: behind(server)), "the reader is not behind: publish more"
    return ids


def stalled_socket(server: Running, query: str) -> Raw:
    """A WebSocket that is subscribed and reads no further, with a small buffer."""
    socket = server.raw_socket(f"/ws?{query}", receive_buffer=4096)
    assert socket.next()["type"] == "welcome"
    assert socket.next()["type"] == "subscribed"
    return socket


def stalled_stream(server: Running, query: str) -> Raw:
    """The same, an event stream."""
    raw = server.raw(receive_buffer=4096)
    raw.send_request("GET", f"/events?{query}")
    raw.take_until(b"\r\n\r\n")
    raw.take_until(b"event: everywire.position\n")
    raw.take_until(b"\n\n")
    return raw


def socket_frames(socket: Any) -> Iterator[dict[str, Any]]:
    """The frames of a WebSocket, heartbeats answered."""
    while True:
        opcode, payload = socket.next_frame()
        if opcode == 8:
            yield {"type": "close", "code": int.from_bytes(payload[:2], "big")}
            return
        if opcode == 9:
            socket.send_frame(10, payload)
        else:
            yield json.loads(payload)


def stream_frames(raw: Raw) -> Iterator[dict[str, Any]]:
    """The events of a stream, as the frames of a WebSocket would be."""
    lines: list[bytes] = []
    while line := stream_line(raw):
        if line != b"\n":
            lines.append(line)
            continue
        fields = dict(line.decode().rstrip("\n").split(": ", 1) for line in lines if b": " in line)
        lines = []
        event = fields.get("event", "message")
        if event.startswith("everywire."):
            yield {"type": event.removeprefix("everywire."), **json.loads(fields["data"])}
        elif "data" in fields:
            yield {"type": "message", "id": int(fields["id"]), "event": event}
    yield {"type": "close"}


def stream_line(raw: Raw) -> bytes:
    """The next line of a stream, with or without chunks around it; empty at its end."""
    while True:
        while b"\n" not in raw.buffer:
            if not raw.receive():
                return b""
        line = raw.take_until(b"\n")
        # Under hypercorn the body comes in chunks, each of whole events.
        if line.endswith(b"\r\n"):
            if line == b"0\r\n":
                return b""
            continue
        return line


READERS: dict[str, tuple[Callable[[Running, str], Raw], Callable[[Any], Iterator[Any]]]] = {
    "socket": (stalled_socket, socket_frames),
    "stream": (stalled_stream, stream_frames),
}


@pytest.fixture(params=list(READERS))
def reader(
    request: pytest.FixtureRequest,
) -> tuple[Callable[[Running, str], Raw], Callable[[Any], Iterator[dict[str, Any]]]]:
    """How to open a stalled reader, and how to read its frames."""
    return READERS[request.param]


def next_message(stream: Stream) -> int:
    """The id of the next message of a stream that may fall behind now and then."""
    while (event := stream.next()) is not None:
        if event.event == "message":
            return int(event.id or 0)
    raise AssertionError("the stream has ended")


def check_positions(frames: list[dict[str, Any]], ids: list[int]) -> None:
    """A position says that everything up to it has been sent."""
    received: set[int] = set()
    for frame in frames:
        if frame["type"] == "message":
            received.add(frame["id"])
        elif frame["type"] == "position":
            assert {id for id in ids if id <= frame["last_id"]} <= received


def until_position(frames: Iterator[dict[str, Any]], position: int) -> list[dict[str, Any]]:
    """Everything up to a position frame at or past a position."""
    found = []
    for frame in frames:
        found.append(frame)
        if frame["type"] == "position" and frame["last_id"] >= position:
            return found
        assert frame["type"] != "close", frame
    raise AssertionError("the connection ended")


# Lossless


def test_live_reader_stalls(start: Callable[..., Running], reader: Any) -> None:
    """Promises: a stalled reader costs its buffer and nothing else, and gets everything in order.

    A publisher is never blocked by a reader; no position while it is behind.
    """
    stalled, frames_of = reader
    server = start()
    raw = stalled(server, "channel=a")
    other = server.stream(channel="a")
    other.opened()
    ids = []
    for start_at in range(0, COUNT, 50):
        ids += server.publish_all(
            [{"channel": "a", "data": "x" * SIZE} for _ in range(start_at, start_at + 50)]
        )
        # Another reader hears all of it meanwhile.
        assert [next_message(other) for _ in range(50)] == ids[-50:]
    eventually(lambda: server.call(lambda: behind(server)), "the reader is behind")
    assert server.call(lambda: held(server)) < MOST_HELD
    frames = until_position(frames_of(raw), ids[-1])
    assert [f["id"] for f in frames if f["type"] == "message"] == ids
    check_positions(frames, ids)
    # And is live again.
    id = server.publish("a", "after")
    for frame in frames_of(raw):
        if frame["type"] == "message":
            assert frame["id"] == id
            break


def test_replaying_reader_stalls(start: Callable[..., Running], reader: Any) -> None:
    """WebSocket, position; Promises: never a position while a channel is replaying."""
    stalled, frames_of = reader
    server = start(stream_heartbeat=0.05)
    ids = []
    for _ in range(0, COUNT, 50):
        ids += server.publish_all([{"channel": "a", "data": "x" * SIZE}] * 50)
    raw = stalled(server, "channel=a&since=0")
    eventually(lambda: server.call(lambda: behind(server)), "the reader is behind")
    assert server.call(lambda: held(server)) < MOST_HELD
    live = [server.publish("a", n) for n in range(3)]
    frames = until_position(frames_of(raw), live[-1])
    assert [f["id"] for f in frames if f["type"] == "message"] == [*ids, *live]
    # The first position stands behind everything that was there.
    positions = [number for number, f in enumerate(frames) if f["type"] == "position"]
    assert positions[0] >= len(ids)
    check_positions(frames, [*ids, *live])


def test_reader_that_falls_off_the_log(start: Callable[..., Running], reader: Any) -> None:
    """Promises: every hole is a gap: what a stalled reader lost to trimming is told exactly."""
    stalled, frames_of = reader
    server = start(rules=Rules([ChannelRule("a", max_messages=100)]))
    raw = stalled(server, "channel=a")
    ids = flood(server, "a")
    frames = until_position(frames_of(raw), ids[-1])
    check_holes(frames, ids, "trimmed")
    messages = [f["id"] for f in frames if f["type"] == "message"]
    assert messages[-100:] == ids[-100:]
    (gap,) = [f for f in frames if f["type"] == "gap"]
    assert gap["before"] == ids[-101] + 1


def test_ephemeral_for_who_is_behind(start: Callable[..., Running], reader: Any) -> None:
    """Terms, ephemeral: dropped for a connection that is behind."""
    stalled, frames_of = reader
    server = start()
    raw = stalled(server, "channel=a" if frames_of is socket_frames else "channel=a&ephemeral=1")
    ids = flood(server, "a")
    server.publish("a", "lost", ephemeral=True, event="lost")
    frames = until_position(frames_of(raw), ids[-1])
    assert [f["id"] for f in frames if f["type"] == "message"] == ids


def test_vanished_reader(start: Callable[..., Running], reader: Any) -> None:
    """A stalled reader that goes away leaves nothing behind (the harness looks)."""
    stalled, _ = reader
    server = start()
    raw = stalled(server, "channel=a")
    flood(server, "a")
    raw.close()


def test_unsubscribing_while_behind(start: Callable[..., Running]) -> None:
    """WebSocket, unsubscribe: while it is behind, too; nothing of it follows."""
    server = start()
    socket: Any = stalled_socket(server, "channel=a")
    ids = flood(server, "a")
    socket.send_json(type="unsubscribe", channel="a")
    found = []
    for frame in socket_frames(socket):
        found.append(frame)
        if frame["type"] == "unsubscribed":
            break
    messages = [f["id"] for f in found if f["type"] == "message"]
    assert messages == ids[: len(messages)]
    socket.send_json(type="ping", ref=1)
    assert next(socket_frames(socket))["type"] in ("pong", "position")


def numbered(make: Callable[[int], dict[str, Any]]) -> Iterator[bytes]:
    """Very many frames of the same length, some hundred in a piece."""
    for start in range(100_000, 300_000, 500):
        payloads = [json.dumps(make(n)).encode() for n in range(start, start + 500)]
        yield b"".join(clients.frame(1, payload, mask=b"\0\0\0\0") for payload in payloads)


def test_many_commands_of_a_reader_that_does_not_read(start: Callable[..., Running]) -> None:
    """Promises: answers are not queued without bound; who does not read is not read from."""
    server = start()
    socket: Any = server.raw_socket(receive_buffer=4096)
    assert socket.next()["type"] == "welcome"

    def ping(number: int) -> dict[str, Any]:
        return {"type": "ping", "ref": f"{number}{'r' * 190}", "fill": "x" * 300}

    size = len(next(numbered(ping))) // 500
    count = socket.send_until_full(numbered(ping)) // size
    assert server.call(lambda: held(server)) < MOST_HELD
    for number in range(100_000, 100_000 + count):
        assert socket.next() == {"type": "pong", "ref": ping(number)["ref"]}


def test_many_publishes_of_a_reader_that_does_not_read(start: Callable[..., Running]) -> None:
    """The same with publishes that are answered at once, by a refusal, in order."""
    server = start()
    socket: Any = server.raw_socket(receive_buffer=4096)
    assert socket.next()["type"] == "welcome"

    def publish(number: int) -> dict[str, Any]:
        ref = f"{number}{'r' * 190}"
        return {"type": "publish", "channel": "@", "data": "x" * 300, "ref": ref}

    size = len(next(numbered(publish))) // 500
    count = socket.send_until_full(numbered(publish)) // size
    assert server.call(lambda: held(server)) < MOST_HELD
    for number in range(100_000, 100_000 + count):
        answer = socket.next()
        assert (answer["code"], answer["ref"]) == ("forbidden", publish(number)["ref"])


# Policies


def check_holes(frames: list[dict[str, Any]], ids: list[int], reason: str) -> None:
    """Every message was received or lies in a gap, and each gap ends and begins at messages."""
    seen = [f for f in frames if f["type"] in ("message", "gap")]
    received = {f["id"] for f in seen if f["type"] == "message"}
    gaps = [f for f in seen if f["type"] == "gap"]
    assert gaps
    assert received <= set(ids)
    for gap in gaps:
        assert gap["reason"] == reason
        assert gap["after"] < gap["before"]
    for id in ids:
        inside = [g for g in gaps if g["after"] < id < g["before"]]
        # In a gap, or received, and never both: the gaps are exact.
        assert (id in received) != bool(inside), id
    order = [f["id"] if f["type"] == "message" else f["before"] - 1 for f in seen]
    assert order == sorted(order)


def test_latest(start: Callable[..., Running], reader: Any) -> None:
    """Policy latest: only the newest per event name when behind, said with a gap conflated."""
    stalled, frames_of = reader
    server = start(rules=Rules([ChannelRule("a", slow="latest")]))
    raw = stalled(server, "channel=a")
    ids = flood(server, "a")
    frames = until_position(frames_of(raw), ids[-1])
    check_holes(frames, ids, "conflated")
    messages = [f for f in frames if f["type"] == "message"]
    # The newest of both event names, and not much more than what was on its way.
    assert [m["id"] for m in messages[-2:]] == ids[-2:]
    assert len(messages) < COUNT // 2
    id = server.publish("a", "after")
    for frame in frames_of(raw):
        if frame["type"] == "message":
            assert frame["id"] == id
            break


def test_latest_beside_lossless(start: Callable[..., Running], reader: Any) -> None:
    """Policy per channel rule: the other channels of the same reader lose nothing."""
    stalled, frames_of = reader
    server = start(rules=Rules([ChannelRule("a", slow="latest")]))
    raw = server.raw_socket("/ws?channel=a&channel=b", receive_buffer=4096)
    if frames_of is stream_frames:
        raw = stalled(server, "channel=a&channel=b&format=envelope")
    else:
        for _ in range(3):
            raw.next()
    ids: dict[str, list[int]] = {"a": [], "b": []}
    for _ in range(0, COUNT, 50):
        for name in ids:
            ids[name] += server.publish_all([{"channel": name, "data": "x" * SIZE}] * 25)
    assert server.call(lambda: behind(server))
    frames = until_position(envelopes(frames_of, raw), max(ids["a"][-1], ids["b"][-1]))
    of_b = [f["id"] for f in frames if f["type"] == "message" and f["channel"] == "b"]
    assert of_b == ids["b"]
    of_a = [f for f in frames if f["type"] in ("message", "gap") and f["channel"] == "a"]
    check_holes(of_a, ids["a"], "conflated")


def envelopes(frames_of: Any, raw: Raw) -> Iterator[dict[str, Any]]:
    """Frames with their channel: of a stream, the messages' data are such."""
    if frames_of is socket_frames:
        yield from socket_frames(raw)
        return
    lines: list[bytes] = []
    while line := stream_line(raw):
        if line != b"\n":
            lines.append(line)
            continue
        fields = dict(line.decode().rstrip("\n").split(": ", 1) for line in lines if b": " in line)
        lines = []
        if "data" in fields:
            kind = fields.get("event", "everywire.message").removeprefix("everywire.")
            yield {"type": kind, **json.loads(fields["data"])}


def test_disconnect_socket(start: Callable[..., Running]) -> None:
    """Policy disconnect: too much pending closes with 4413."""
    server = start(rules=Rules([ChannelRule("a", slow="disconnect")]))
    socket: Any = stalled_socket(server, "channel=a")
    ids = []
    while server.call(lambda: server.node.connections):
        ids += server.publish_all([{"channel": "a", "data": "x" * SIZE}] * 10)
        assert len(ids) < COUNT, "it is not disconnected"
    frames = list(socket_frames(socket))
    assert frames[-1] == {"type": "close", "code": 4413}
    messages = [f["id"] for f in frames if f["type"] == "message"]
    # What it got before has no hole: it goes on from there.
    assert messages == ids[: len(messages)]


def test_disconnect_stream(start: Callable[..., Running]) -> None:
    """Policy disconnect: an event stream is told everywire.error, then ends."""
    server = start(rules=Rules([ChannelRule("a", slow="disconnect")]))
    raw = stalled_stream(server, "channel=a")
    ids = []
    while server.call(lambda: server.node.connections):
        ids += server.publish_all([{"channel": "a", "data": "x" * SIZE}] * 10)
        assert len(ids) < COUNT, "it is not disconnected"
    frames = list(stream_frames(raw))
    assert [f["type"] for f in frames[-2:]] == ["error", "close"]
    assert frames[-2]["code"] == "too_large"
    messages = [f["id"] for f in frames if f["type"] == "message"]
    assert messages == ids[: len(messages)]


def test_disconnected_reader_that_never_reads_is_cut(start_native: Callable[..., Running]) -> None:
    """Policy disconnect: its socket is not kept for ever, though it never reads the goodbye."""
    server = start_native(rules=Rules([ChannelRule("a", slow="disconnect")]))
    stalled_stream(server, "channel=a")
    stalled_socket(server, "channel=a")
    published = 0
    while server.call(lambda: server.node.connections):
        published += len(server.publish_all([{"channel": "a", "data": "x" * SIZE}] * 10))
        assert published < COUNT
    eventually(lambda: not server.call(lambda: server._sockets), "the sockets are cut")


def test_slow_but_steady_reader(server: Running, channel: str) -> None:
    """A reader through a library that applies back-pressure of its own gets everything."""
    socket: Socket = server.socket(channel=channel)
    socket.expect("subscribed")
    ids = []
    for _ in range(10):
        ids += server.publish_all([{"channel": channel, "data": "x" * SIZE}] * 50)
    frames = [socket.next()]
    while len(received := [f["id"] for f in frames if f["type"] == "message"]) < 500:
        frames.append(socket.next())
    assert received == ids
    assert {f["type"] for f in frames} <= {"message", "position"}
