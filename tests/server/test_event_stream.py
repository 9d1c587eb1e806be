"""Server-Sent Events, on every carrier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules

from .conftest import QUICK
from .running import Running

# How a stream begins


def test_head_and_first_event(server: Running, channel: str) -> None:
    """SSE: retry, then everywire.position with the head, before anything else."""
    head = server.publish(channel, "old")
    stream = server.stream(channel=channel)
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.opened() == head
    assert stream.retry == 2000
    id = server.publish(channel, "new")
    assert stream.expect("message").id == str(id)


def test_exact_bytes(native: Running) -> None:
    """SSE: the shapes of the protocol's example, byte for byte."""
    raw = native.raw()
    raw.send_request("GET", "/events?channel=exact")
    raw.take_until(b"\r\n\r\n")
    head = native.head()
    first = f'retry: 2000\n\nid: {head}\nevent: everywire.position\ndata: {{"last_id":{head}}}\n\n'
    assert raw.take(len(first)) == first.encode()
    native.post(
        "/publish",
        b'{"channel":"exact","event":"price","data":{"symbol": "AAPL", "price": 185.50}}',
    )
    id = native.head()
    event = f'id: {id}\nevent: price\ndata: {{"symbol": "AAPL", "price": 185.50}}\n\n'
    assert raw.take(len(event)) == event.encode()


def test_answer_has_neither_length_nor_chunks(native: Running, channel: str) -> None:
    """SSE: the stream ends with the connection (RFC 9112, 6.3)."""
    stream = native.stream(channel=channel)
    stream.opened()
    assert "content-length" not in stream.headers
    assert "transfer-encoding" not in stream.headers
    assert stream.headers["connection"] == "close"


# Messages


def test_data_is_bare(server: Running, channel: str) -> None:
    """SSE, format=data: event is the message's, absent for message; data the bare data."""
    stream = server.stream(channel=channel)
    stream.opened()
    ids = [
        server.publish(channel, {"a": [1, 2]}),
        server.publish(channel, 1.50, event="price"),
        server.publish(channel, "text", event="é", encoding="text"),
        server.publish(channel, "AP8=", encoding="base64"),
    ]
    events = [stream.next() for _ in range(4)]
    assert [e.id for e in events if e] == [str(id) for id in ids]
    assert [(e.event, e.data) for e in events if e] == [
        ("message", '{"a": [1, 2]}'),
        ("price", "1.5"),
        ("é", "text"),
        ("message", "AP8="),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a\nb",
        "a\rb",
        "a\r\nb",
        "\n",
        "\r\n\r\n",
        "a\n\nid: 1\nevent: x\ndata: y\n\n",
        " a",
    ],
)
def test_text_is_split_into_lines(server: Running, channel: str, text: str) -> None:
    """SSE: text is split into data lines at CR, LF and CRLF; nothing can be smuggled in."""
    stream = server.stream(channel=channel)
    stream.opened()
    id = server.publish(channel, text, encoding="text")
    event = stream.expect("message")
    assert event.id == str(id)
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")
    after = server.publish(channel, "next")
    assert stream.expect("message").id == str(after)


def test_json_stands_on_one_line(server: Running, channel: str) -> None:
    """SSE: JSON on one line, however it was published."""
    stream = server.stream(channel=channel)
    stream.opened()
    body = b'{\n  "a": "x\\ny",\r\n  "b": 1\r}'
    server.post(server.channel_path(channel), body, {"Content-Type": "application/json"})
    assert stream.expect("message").data == '{   "a": "x\\ny",    "b": 1 }'


def test_envelope(server: Running, channel: str) -> None:
    """SSE, format=envelope: data is the whole message object, event absent."""
    stream = server.stream(channel=channel, format="envelope")
    stream.opened()
    id = server.publish(channel, {"a": 1}, event="price", key="k", meta={"m": 1})
    event = stream.expect("message")
    assert event.id == str(id)
    assert event.json == {
        "channel": channel,
        "id": id,
        "event": "price",
        "data": {"a": 1},
        "ts": event.json["ts"],
        "key": "k",
        "meta": {"m": 1},
    }


def test_several_channels_and_patterns(server: Running, channel: str) -> None:
    """SSE, query: channel is repeatable; one since makes one order."""
    ids = [server.publish(f"{channel}.{n % 4}", n) for n in range(12)]
    since = ids[0] - 1
    names = [f"{channel}.0", f"{channel}.1", f"{channel}.*"]
    stream = server.stream(channel=names, since=since)
    assert stream.opened() == since
    assert [int(stream.expect("message").id or 0) for _ in range(12)] == ids
    assert stream.position() >= ids[-1]
    live = [server.publish(f"{channel}.{n}", n) for n in range(4)]
    assert [int(stream.expect("message").id or 0) for _ in range(4)] == live


# Where it starts


def test_since(server: Running, channel: str) -> None:
    """SSE, since: first the position it starts at, then messages, then the position again."""
    ids = [server.publish(channel, n) for n in range(5)]
    stream = server.stream(channel=channel, since=ids[1])
    assert stream.opened() == ids[1]
    assert [stream.expect("message").id for _ in range(3)] == [str(id) for id in ids[2:]]
    assert stream.position() >= ids[-1]


def test_since_zero(server: Running, channel: str) -> None:
    """Terms: since=0 asks for what is kept."""
    ids = [server.publish(channel, n) for n in range(3)]
    stream = server.stream(channel=channel, since=0)
    assert stream.opened() == 0
    assert [stream.expect("message").id for _ in range(3)] == [str(id) for id in ids]
    stream.position()


def test_long_replay(server: Running, channel: str) -> None:
    """Promises: order and no duplicate over many pages, then live."""
    ids = server.publish_all([{"channel": channel, "data": "x" * 3000} for _ in range(1000)])
    stream = server.stream(channel=channel, since=0)
    stream.opened()
    assert [int(stream.expect("message").id or 0) for _ in range(1000)] == ids
    stream.position()
    id = server.publish(channel, "live")
    assert stream.expect("message").id == str(id)


def test_last_event_id_wins(server: Running, channel: str) -> None:
    """SSE: Last-Event-ID wins over the query lastEventId, which wins over since."""
    ids = [server.publish(channel, n) for n in range(4)]
    header = {"Last-Event-ID": str(ids[2])}
    stream = server.stream(header, channel=channel, since=ids[0], lastEventId=ids[1])
    assert stream.opened() == ids[2]
    stream = server.stream(channel=channel, since=ids[0], lastEventId=ids[1])
    assert stream.opened() == ids[1]
    # An empty one is none: an EventSource that had no id yet sends no header, others an empty one.
    stream = server.stream({"Last-Event-ID": ""}, channel=channel, since=ids[0])
    assert stream.opened() == ids[0]


@pytest.mark.parametrize("given", ["abc", "-5", "1.5", "1e3", "9" * 30, "0x10", " 7 8", "٣"])
@pytest.mark.parametrize("where", ["header", "query"])
def test_last_event_id_that_is_no_position(
    server: Running, channel: str, given: str, where: str
) -> None:
    """Terms, unknown position: a Last-Event-ID that is none counts as unknown, after 0."""
    if not given.isascii() and where == "header":
        given = given.encode().decode("latin-1")
    birth = server.call(lambda: server.node.log.openings().birth)
    id = server.publish(channel, 1)
    if where == "header":
        stream = server.stream({"Last-Event-ID": given}, channel=channel)
    else:
        stream = server.stream(channel=channel, lastEventId=given)
    assert stream.opened() == birth - 1
    gap = stream.expect("everywire.gap")
    assert gap.json == {
        "channel": channel,
        "after": 0,
        "before": birth,
        "reason": "unknown_position",
    }
    assert gap.id == str(birth - 1)
    assert stream.expect("message").id == str(id)


def test_unknown_since(server: Running, channel: str) -> None:
    """SSE: where since is unknown, the first position is the gap's before − 1."""
    server.publish(channel, 1)
    above = 2**53 - 1
    stream = server.stream(channel=channel, since=above)
    position = stream.opened()
    gap = stream.expect("everywire.gap")
    assert gap.json == {
        "channel": channel,
        "after": above,
        "before": position + 1,
        "reason": "unknown_position",
    }
    assert gap.id == str(position)
    assert stream.position() == position
    id = server.publish(channel, 2)
    assert stream.expect("message").id == str(id)


def test_trimmed(start: Callable[..., Running]) -> None:
    """SSE, everywire.gap: with id before − 1, in position order."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    other = server.publish("other", 0)
    ids = [server.publish("short", n) for n in range(3)]
    other2 = server.publish("other", 1)
    stream = server.stream(channel=["short", "other"], since=other)
    assert stream.opened() == other
    gap = stream.expect("everywire.gap")
    assert gap.id == str(ids[1])
    assert gap.json["before"] == ids[1] + 1
    assert [stream.expect("message").id for _ in range(2)] == [str(ids[2]), str(other2)]
    # Whoever comes back with the gap's id meets it no more.
    again = server.stream({"Last-Event-ID": gap.id or ""}, channel=["short", "other"])
    assert again.opened() == ids[1]
    again.expect("message")


# Heartbeats


def test_heartbeats(start: Callable[..., Running]) -> None:
    """SSE, heartbeat: everywire.position when it moved, else a comment."""
    server = start(stream_heartbeat=0.1)
    stream = server.stream(channel="a")
    first = stream.opened()
    id = server.publish("b", 1)
    assert stream.position() == id > first
    lines: list[str] = []
    for _ in range(3):
        lines += stream.block() or []
    assert lines == [":", ":", ":"]


# Ephemeral messages


def test_ephemeral_only_on_request(server: Running, channel: str) -> None:
    """Terms, ephemeral: SSE gets them with ephemeral=1; they have no id line."""
    plain = server.stream(channel=channel)
    eager = server.stream(channel=channel, ephemeral=1)
    position = plain.opened()
    eager.opened()
    assert server.publish(channel, "now", ephemeral=True, event="e") is None
    id = server.publish(channel, "kept")
    assert plain.expect("message").id == str(id)
    event = eager.expect("e")
    assert (event.id, event.data) == (None, '"now"')
    assert eager.last_id == str(position)
    assert eager.expect("message").id == str(id)


# Refusals


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"channel": ""}, 400, "bad_channel"),
        ({"channel": "a b"}, 400, "bad_channel"),
        ({"channel": "a", "since": "x"}, 400, "bad_request"),
        ({"channel": "a", "since": "-1"}, 400, "bad_request"),
        ({"channel": "a", "ephemeral": "yes"}, 400, "bad_request"),
        ({"channel": "a", "presence": "1"}, 400, "bad_request"),
        ({"channel": "a", "presence": "2"}, 400, "bad_request"),
        ({"channel": "a", "format": "xml"}, 400, "bad_request"),
        ({"channel": "a", "connection": "short"}, 400, "bad_request"),
        ({"channel": "@a"}, 403, "forbidden"),
        ({"channel": [f"c{n}" for n in range(1001)]}, 400, "too_many_channels"),
    ],
)
def test_refused(server: Running, parameters: dict[str, Any], status: int, code: str) -> None:
    """SSE: a refused request is an ordinary HTTP error."""
    answer = server.get("/events", **parameters)
    assert (answer.status, answer.code) == (status, code)


def test_presence_may_be_0(server: Running, channel: str) -> None:
    """Codes: flags are 0 or 1; unknown parameters are ignored."""
    server.stream(channel=channel, presence=0, ephemeral=0, colour="blue").opened()


EVENT_SOURCE = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}


def test_refused_for_load(start: Callable[..., Running]) -> None:
    """SSE: for load 503 with Retry-After; an EventSource in a browser gets 200, retry, the end."""
    server = start(limits=replace(QUICK, max_connections=1))
    server.socket()
    for headers in ({}, EVENT_SOURCE, {"Origin": "http://localhost"}):
        answer = server.get("/events", headers, channel="a")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    for own in ({"Origin": "http://localhost"}, {"Last-Event-ID": "5"}):
        answer = server.get("/events", {**EVENT_SOURCE, **own}, channel="a")
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        name, _, wait = answer.body.decode().removesuffix("\n\n").partition(": ")
        assert name == "retry"
        assert int(wait) > 0
    # What is wrong with a request is said all the same.
    assert server.get("/events", {**EVENT_SOURCE, "Origin": "http://localhost"}).status == 400


def test_refused_stream_ends_its_connection(start_native: Callable[..., Running]) -> None:
    """SSE: the short stream ends like a long one, with the connection."""
    server = start_native(limits=replace(QUICK, max_connections=1))
    server.socket()
    raw = server.raw()
    raw.send_request(
        "GET", "/events?channel=a", "Accept: text/event-stream\r\nLast-Event-ID: 5\r\n"
    )
    answer = raw.answer()
    assert answer.headers["connection"] == "close"
    raw.ended()


# How it ends


def test_client_goes(server: Running, channel: str) -> None:
    """A stream whose client has gone leaves nothing behind (the harness looks)."""
    stream = server.stream(channel=channel)
    stream.opened()
    stream.close()
    server.publish(channel, 1)


def test_client_that_half_closes(native: Running, channel: str) -> None:
    """A client that sends no more is taken for gone: the stream ends."""
    raw = native.raw()
    raw.send_request("GET", f"/events?channel={channel}")
    raw.take_until(b"everywire.position\n")
    raw.take_until(b"\n\n")
    raw.half_close()
    raw.ended()


def test_what_a_client_says_is_passed_over(native: Running, channel: str) -> None:
    """A client has nothing to say on a stream, and cannot fill memory with it."""
    raw = native.raw()
    raw.send_request("GET", f"/events?channel={channel}")
    raw.take_until(b"everywire.position\n")
    raw.take_until(b"\n\n")
    for _ in range(64):
        raw.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
    id = native.publish(channel, 1)
    raw.take_until(f"id: {id}\ndata: 1\n\n".encode())
