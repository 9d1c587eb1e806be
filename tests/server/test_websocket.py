"""WebSocket: the conversation, on every carrier. What breaks RFC 6455: test_websocket_frames."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from everywire.core.rules import ChannelRule, Rules

from .clients import Answer, Socket
from .conftest import QUICK
from .running import Running

SECRET = "0123456789abcdefghijAB"


def refused(server: Running, **parameters: Any) -> Answer:
    """The answer to a handshake that fails."""
    with pytest.raises(InvalidStatus) as caught:
        server.socket(**parameters)
    response = caught.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return Answer(response.status_code, headers, response.body or b"")


# The first frame


def test_welcome_is_first(server: Running) -> None:
    """WebSocket, welcome: the first frame; connection is the public name, last_id the head."""
    head = server.head()
    socket = server.socket()
    connection = socket.welcome["connection"]
    assert socket.welcome == {
        "type": "welcome",
        "connection": connection,
        "last_id": head,
        "heartbeat_ms": 25_000,
        "key_window_ms": 600_000,
    }
    assert len(connection) == 16
    assert server.socket().welcome["connection"] != connection


def test_public_name_of_a_secret(server: Running) -> None:
    """Terms, connection: the public name is the start of base64url(SHA-256(secret))."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(SECRET.encode()).digest()).decode()
    assert server.socket(connection=SECRET).welcome["connection"] == digest[:16]


@pytest.mark.parametrize("secret", ["short", "x" * 65, "0123456789abcdefghij!!", ""])
def test_connection_has_22_to_64_characters(server: Running, secret: str) -> None:
    """Terms, connection: 22–64 characters of [A-Za-z0-9_-]; before the upgrade, bad_request."""
    assert refused(server, connection=secret).status == 400


# Subscribing


def test_subscribe_from_now_on(server: Running, channel: str) -> None:
    """WebSocket, subscribed: last_id is the head without since; then messages, no position."""
    server.publish(channel, "before")
    socket = server.socket()
    socket.send("subscribe", channel=channel, ref="r1")
    assert socket.next() == {
        "type": "subscribed",
        "channel": channel,
        "last_id": socket.welcome["last_id"],
        "ref": "r1",
    }
    id = server.publish(channel, "after")
    message = socket.expect("message")
    assert message == {
        "type": "message",
        "channel": channel,
        "id": id,
        "event": "message",
        "data": "after",
        "ts": message["ts"],
    }


def test_subscribe_by_query(server: Running, channel: str) -> None:
    """WebSocket, query: channel is repeatable, since counts for all of them."""
    first = server.publish(f"{channel}.a", 1)
    ids = [server.publish(f"{channel}.b", 2), server.publish(f"{channel}.a", 3)]
    socket = server.socket(channel=[f"{channel}.a", f"{channel}.b"], since=first)
    for name in ("a", "b"):
        socket.expect("subscribed", channel=f"{channel}.{name}", last_id=first)
    assert [m["id"] for m in socket.messages(2)] == ids
    socket.expect("position", last_id=ids[-1])


def test_replay_ends_with_a_position(server: Running, channel: str) -> None:
    """WebSocket, subscribed: gaps and messages follow, then position, always after a since."""
    ids = [server.publish(channel, n) for n in range(5)]
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=ids[1])
    socket.expect("subscribed", last_id=ids[1])
    assert [m["id"] for m in socket.messages(3)] == ids[2:]
    position = socket.expect("position")
    assert position == {"type": "position", "last_id": ids[-1]}
    later = server.publish(channel, "live")
    socket.expect("message", id=later)


def test_position_after_an_empty_replay(server: Running, channel: str) -> None:
    """WebSocket, subscribed: position comes after a since even where nothing was missed."""
    id = server.publish(channel)
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=id)
    socket.expect("subscribed", last_id=id)
    assert socket.expect("position")["last_id"] >= id
    socket.alive()


def test_since_zero_is_what_is_kept(server: Running, channel: str) -> None:
    """Terms, unknown position: since=0 asks for what is kept, and gets no gap."""
    ids = [server.publish(channel, n) for n in range(3)]
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=0)
    socket.expect("subscribed", last_id=0)
    assert [m["id"] for m in socket.messages(3)] == ids
    socket.expect("position")


def test_long_replay_in_order(server: Running, channel: str) -> None:
    """Promises: order per channel and no duplicate, over several pages of the log."""
    ids = []
    for start in range(0, 2400, 800):
        messages = [{"channel": channel, "data": n} for n in range(start, start + 800)]
        ids += server.publish_all(messages)
    socket = server.socket(channel=channel, since=0)
    socket.expect("subscribed")
    received = socket.messages(2400)
    assert [m["id"] for m in received] == ids
    assert [m["data"] for m in received] == list(range(2400))
    socket.expect("position")


def test_map_of_sinces(server: Running, channel: str) -> None:
    """WebSocket, subscribe: channels may be {name: since}; its values win over since."""
    one, two, three = (f"{channel}.{n}" for n in range(3))
    ids = [[server.publish(name, n) for n in range(3)] for name in (one, two, three)]
    socket = server.socket()
    socket.send("subscribe", channels={one: ids[0][0], two: None, three: 0}, since=ids[1][1], ref=7)
    starts = {}
    for _ in range(3):
        frame = socket.expect("subscribed", ref=7)
        starts[frame["channel"]] = frame["last_id"]
    assert starts == {one: ids[0][0], two: ids[1][1], three: 0}
    received: dict[str, list[int]] = {}
    for frame in socket.until("position")[:-1]:
        received.setdefault(frame["channel"], []).append(frame["id"])
    assert received == {one: ids[0][1:], two: ids[1][2:], three: ids[2]}


def test_several_channels_start_level(server: Running, channel: str) -> None:
    """What a client remembers: with one since, order is promised across channels."""
    names = [f"{channel}.{n}" for n in range(3)]
    ids = [server.publish(names[n % 3], n) for n in range(30)]
    socket = server.socket()
    socket.send("subscribe", channels=names, since=ids[0] - 1)
    for _ in names:
        socket.expect("subscribed")
    assert [m["id"] for m in socket.messages(30)] == ids


def test_some_of_several_are_refused(server: Running, channel: str) -> None:
    """WebSocket, subscribe: each that is held, malformed or forbidden gets its own error."""
    held, good = f"{channel}.held", f"{channel}.good"
    socket = server.socket(channel=held)
    socket.expect("subscribed")
    socket.send("subscribe", channels=[held, "a..b", good, "@mine", "x\ny"], ref="r")
    frames = [socket.next() for _ in range(5)]
    assert {f["ref"] for f in frames} == {"r"}
    errors = {f.get("channel"): f["code"] for f in frames if f["type"] == "error"}
    # A name with a control character is not repeated.
    assert errors == {
        held: "conflict",
        "a..b": "bad_channel",
        "@mine": "forbidden",
        None: "bad_channel",
    }
    assert [f["channel"] for f in frames if f["type"] == "subscribed"] == [good]
    id = server.publish(good, 1)
    socket.expect("message", channel=good, id=id)


def test_subscribing_again_changes_nothing(server: Running, channel: str) -> None:
    """WebSocket, subscribed: subscribing again to what one has is conflict, nothing changes."""
    server.publish(channel, "old")
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.send("subscribe", channel=channel, since=0)
    socket.expect("error", code="conflict", channel=channel)
    id = server.publish(channel, "new")
    socket.expect("message", id=id)
    socket.alive()


@pytest.mark.parametrize(("count", "kept"), [(2, 2), (5, 5), (9, 5), (0, 0)])
def test_history(server: Running, channel: str, count: int, kept: int) -> None:
    """WebSocket, subscribe: history starts before the nth last."""
    ids = [server.publish(channel, n) for n in range(5)]
    socket = server.socket()
    socket.send("subscribe", channel=channel, history=count)
    start = socket.expect("subscribed")["last_id"]
    assert [m["id"] for m in socket.messages(kept)] == ids[5 - kept :]
    socket.expect("position")
    assert all(start < id for id in ids[5 - kept :])
    assert all(start >= id for id in ids[: 5 - kept])


def test_history_is_ignored_beside_since(server: Running, channel: str) -> None:
    """WebSocket, subscribe: history is ignored beside since, in a map as well."""
    ids = [server.publish(channel, n) for n in range(4)]
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=ids[2], history=4)
    socket.expect("subscribed", last_id=ids[2])
    assert [m["id"] for m in socket.messages(1)] == ids[3:]
    socket.expect("position")


def test_no_history_on_patterns(server: Running, channel: str) -> None:
    """Terms, pattern: no history on patterns."""
    socket = server.socket()
    assert socket.ask("subscribe", channel=f"{channel}.*", history=1)["code"] == "bad_request"
    socket.alive()


def test_subscribe_while_another_replays(server: Running, channel: str) -> None:
    """WebSocket, position: never while a channel of yours is replaying."""
    ids = server.publish_all([{"channel": channel, "data": "x" * 20_000} for _ in range(60)])
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=0)
    socket.send("subscribe", channel=f"{channel}.other", since=ids[-1])
    frames = socket.until("position")
    assert [f["id"] for f in frames if f["type"] == "message"] == ids
    assert frames[-1]["last_id"] >= ids[-1]


# Unsubscribing


def test_unsubscribe(server: Running, channel: str) -> None:
    """WebSocket, unsubscribe: after unsubscribed nothing of it follows."""
    one, two = f"{channel}.1", f"{channel}.2"
    socket = server.socket(channel=[one, two])
    socket.expect("subscribed")
    socket.expect("subscribed")
    assert socket.ask("unsubscribe", channel=one, ref=3) == {
        "type": "unsubscribed",
        "channel": one,
        "ref": 3,
    }
    server.publish(one)
    id = server.publish(two)
    socket.expect("message", channel=two, id=id)


def test_unsubscribe_what_one_does_not_have(server: Running, channel: str) -> None:
    """WebSocket, unsubscribe: what one does not have is answered unsubscribed too."""
    socket = server.socket()
    socket.send("unsubscribe", channels=[channel, f"{channel}.b"], ref="u")
    for name in (channel, f"{channel}.b"):
        assert socket.next() == {"type": "unsubscribed", "channel": name, "ref": "u"}


def test_unsubscribe_in_the_middle_of_a_replay(server: Running, channel: str) -> None:
    """WebSocket, unsubscribe: also while it replays; the rest of the replay does not come."""
    server.publish_all([{"channel": channel, "data": "x" * 40_000} for _ in range(100)])
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=0)
    socket.send("unsubscribe", channel=channel)
    frames = socket.until("unsubscribed")
    assert {f["type"] for f in frames} <= {"subscribed", "message", "position", "unsubscribed"}
    server.publish(channel)
    socket.alive()


def test_subscribe_anew_after_unsubscribe(server: Running, channel: str) -> None:
    """WebSocket, unsubscribe: then it is free to be subscribed to again, from anywhere."""
    id = server.publish(channel, 1)
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.ask("unsubscribe", channel=channel)
    socket.send("subscribe", channel=channel, since=0)
    socket.expect("subscribed")
    socket.expect("message", id=id)
    socket.expect("position")


# Patterns


def test_patterns(server: Running, channel: str) -> None:
    """Terms, pattern: ``*`` is one segment, ``**`` one or more."""
    one = server.socket(channel=f"{channel}.*")
    many = server.socket(channel=f"{channel}.**")
    for socket in (one, many):
        socket.expect("subscribed")
    server.publish(channel)
    ids = [server.publish(f"{channel}.a"), server.publish(f"{channel}.a.b")]
    end = server.publish(f"{channel}.z")
    assert one.expect("message")["id"] == ids[0]
    assert one.expect("message")["id"] == end
    assert [m["id"] for m in many.messages(3)] == [*ids, end]


def test_matched_twice_is_sent_once(server: Running, channel: str) -> None:
    """Terms, pattern: a message matched twice is sent once, under its own channel."""
    name = f"{channel}.a"
    before = server.publish(name, 0)
    socket = server.socket(channel=[name, f"{channel}.*", f"{channel}.**"], since=before - 1)
    for _ in range(3):
        socket.expect("subscribed")
    assert socket.expect("message", id=before)["channel"] == name
    socket.expect("position")
    id = server.publish(name, 1)
    socket.expect("message", id=id, channel=name)
    socket.alive()


def test_pattern_with_since(server: Running, channel: str) -> None:
    """Terms, pattern: a pattern replays what it covers, merged in order."""
    ids = [server.publish(f"{channel}.{n % 3}", n) for n in range(9)]
    socket = server.socket()
    socket.send("subscribe", channel=f"{channel}.*", since=ids[0])
    socket.expect("subscribed", channel=f"{channel}.*")
    assert [m["id"] for m in socket.messages(8)] == ids[1:]
    socket.expect("position")


@pytest.mark.parametrize("name", ["@", "@mine", "@user.*", "@.**"])
def test_names_of_the_server_are_forbidden(server: Running, name: str) -> None:
    """Terms, channel: names that begin with @ are the server's, forbidden."""
    socket = server.socket()
    assert socket.ask("subscribe", channel=name)["code"] == "forbidden"
    assert socket.ask("publish", channel="@mine", data=1)["code"] == "forbidden"
    assert refused(server, channel="@mine").code == "forbidden"
    socket.alive()


# Positions that were never given out, and what was trimmed


def test_unknown_above_the_head(server: Running, channel: str) -> None:
    """Terms, unknown position: above the head; before = head + 1, then position before − 1."""
    id = server.publish(channel, 1)
    socket = server.socket()
    socket.send("subscribe", channel=channel, since=2**53 - 1)
    socket.expect("subscribed", last_id=2**53 - 1)
    gap = socket.expect("gap")
    assert gap == {
        "type": "gap",
        "channel": channel,
        "after": 2**53 - 1,
        "before": gap["before"],
        "reason": "unknown_position",
    }
    assert id < gap["before"]
    socket.expect("position", last_id=gap["before"] - 1)
    later = server.publish(channel, 2)
    socket.expect("message", id=later)


def test_unknown_below_the_birth(server: Running, channel: str) -> None:
    """Terms, unknown position: below the log's birth; before is the first position given out."""
    birth = server.call(lambda: server.node.log.openings().birth)
    id = server.publish(channel, 1)
    socket = server.socket()
    socket.send("subscribe", channels={channel: 1, f"{channel}.*": 1})
    socket.expect("subscribed")
    socket.expect("subscribed")
    gaps = [socket.expect("gap", after=1, before=birth) for _ in range(2)]
    # A pattern's gap carries the pattern.
    assert {g["channel"] for g in gaps} == {channel, f"{channel}.*"}
    assert {g["reason"] for g in gaps} == {"unknown_position"}
    socket.expect("message", id=id)
    socket.expect("position")


def test_birth_and_head_count_as_given_out(start_native: Callable[..., Running]) -> None:
    """Terms, unknown position: birth and head are known; between them and the first is a hole."""
    server = start_native()
    birth = server.head()
    # Birth and first message lie at least a millisecond apart, so there is a hole.
    first = server.publish("a", 1)
    assert first > birth + 2
    assert "gaps" not in server.poll(channel="a", since=birth)
    hole = server.poll(channel="a", since=birth + 1)
    assert hole["gaps"] == [
        {"channel": "a", "after": birth + 1, "before": first, "reason": "unknown_position"}
    ]
    assert [m["id"] for m in hole["data"]] == [first]
    # before − 1 counts as given out: it is where the client goes on from.
    assert "gaps" not in server.poll(channel="a", since=first - 1)
    assert "gaps" not in server.poll(channel="a", since=first)


def test_trimmed_exactly(start: Callable[..., Running]) -> None:
    """Terms, gap: exact per channel; before lies just above the newest lost message."""
    server = start(rules=Rules([ChannelRule("short.**", max_messages=2)]))
    ids = [server.publish("short.a", n) for n in range(5)]
    for since, lost in ((ids[0], True), (ids[1], True), (ids[2], False), (ids[3], False)):
        socket = server.socket(channel="short.a", since=since)
        socket.expect("subscribed")
        if lost:
            socket.expect(
                "gap", channel="short.a", after=since, before=ids[2] + 1, reason="trimmed"
            )
        assert [m["id"] for m in socket.until("position")[:-1]] == [
            id for id in ids[3:] if id > since
        ]


def test_gaps_stand_in_position_order(start: Callable[..., Running]) -> None:
    """Terms, gap: a gap stands at before − 1, after every message of others up to there."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    long = [server.publish("long", 0)]
    since = long[0]
    short = [server.publish("short", n) for n in range(2)]
    long.append(server.publish("long", 1))
    short.append(server.publish("short", 2))
    long.append(server.publish("long", 2))
    socket = server.socket(channel=["long", "short"], since=since)
    socket.expect("subscribed")
    socket.expect("subscribed")
    frames = [(f["type"], f.get("id") or f["before"]) for f in socket.until("position")[:-1]]
    assert frames == [
        ("gap", short[1] + 1),
        ("message", long[1]),
        ("message", short[2]),
        ("message", long[2]),
    ]


def test_unknown_and_trimmed_are_two_gaps(start: Callable[..., Running]) -> None:
    """Terms, gap: an unknown position and a trimmed part above it are two gaps."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    birth = server.head()
    ids = [server.publish("short", n) for n in range(3)]
    socket = server.socket(channel="short", since=birth + 1)
    socket.expect("subscribed")
    socket.expect("gap", reason="unknown_position", after=birth + 1, before=ids[0])
    socket.expect("gap", reason="trimmed", after=ids[0] - 1, before=ids[1] + 1)
    socket.expect("message", id=ids[2])


def test_gap_of_a_pattern(start: Callable[..., Running]) -> None:
    """Terms, pattern: its gap carries the pattern, when any channel of it lost something."""
    server = start(rules=Rules([ChannelRule("short.*", max_messages=1)]))
    since = server.publish("short.a", 0)
    ids = [server.publish("short.a", 1), server.publish("short.b", 2)]
    socket = server.socket(channel="short.*", since=since - 1)
    socket.expect("subscribed")
    socket.expect("gap", channel="short.*", after=since - 1, before=since + 1, reason="trimmed")
    assert [m["id"] for m in socket.messages(2)] == ids


# Publishing


def test_publish(server: Running, channel: str) -> None:
    """WebSocket, published: once the log has it, with ref; from names the connection."""
    publisher, listener = server.socket(), server.socket(channel=channel)
    listener.expect("subscribed")
    publisher.send("publish", channel=channel, data={"a": 1}, event="price", ref="p")
    answer = publisher.next()
    assert answer == {"type": "published", "id": answer["id"], "ref": "p"}
    message = listener.expect("message", id=answer["id"], event="price", data={"a": 1})
    assert message["from"] == {"connection": publisher.welcome["connection"]}
    assert abs(message["ts"] - answer["id"] // 1000) <= 1


def test_all_fields_of_a_message(server: Running, channel: str) -> None:
    """Terms, message: the fields, and where they apply."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.send(
        "publish",
        channel=channel,
        data="text",
        encoding="text",
        event="e",
        key="k",
        meta={"n": 1, "s": "x", "b": True, "z": None},
        **{"from": {"user": "forged", "connection": "forged"}},
    )
    frames = {f["type"]: f for f in (socket.next(), socket.next())}
    message = frames["message"]
    assert message == {
        "type": "message",
        "channel": channel,
        "id": frames["published"]["id"],
        "event": "e",
        "data": "text",
        "encoding": "text",
        "ts": message["ts"],
        "from": {"connection": socket.welcome["connection"]},
        "key": "k",
        "meta": {"n": 1, "s": "x", "b": True, "z": None},
    }


def test_publishes_of_a_connection_keep_their_order(server: Running, channel: str) -> None:
    """Terms, id: the publishes of one connection to one channel keep their order."""
    listener, publisher = server.socket(channel=channel), server.socket()
    listener.expect("subscribed")
    for number in range(600):
        publisher.send("publish", channel=channel, data=number, ref=number)
    answers = [publisher.expect("published") for _ in range(600)]
    assert [a["ref"] for a in answers] == list(range(600))
    ids = [a["id"] for a in answers]
    assert ids == sorted(set(ids))
    received = listener.messages(600)
    assert [m["data"] for m in received] == list(range(600))
    assert [m["id"] for m in received] == ids


JSON_AS_IT_IS = (
    '{"a":1.0,"b":1e2,"c":123456789012345678901234567890, "d" : [ ] ,"é":"\\u00e9\\ud83d\\ude00"}'
)


def test_json_is_passed_on_byte_for_byte(server: Running, channel: str) -> None:
    """Terms, data: JSON byte for byte, numbers of any size included."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.send_text(f'{{"type":"publish","channel":"{channel}","data":{JSON_AS_IT_IS}}}')
    texts = [socket.receive(), socket.receive()]
    assert any(f'"data":{JSON_AS_IT_IS},"ts"' in str(text) for text in texts)


def test_line_breaks_between_tokens_become_spaces(server: Running, channel: str) -> None:
    """Terms, data: line breaks between tokens become spaces."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    server.post(
        server.channel_path(channel), b'{\n"a":\r\n[1]\r}', {"Content-Type": "application/json"}
    )
    assert '"data":{ "a":  [1] },' in str(socket.receive())


def test_one_key_twice_passes_inside_data(server: Running, channel: str) -> None:
    """Terms, data: one key twice passes as published."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.send_text(f'{{"type":"publish","channel":"{channel}","data":{{"a":1,"a":2}}}}')
    texts = [socket.receive(), socket.receive()]
    assert any('"data":{"a":1,"a":2}' in str(text) for text in texts)


def test_bytes_and_empty_data(server: Running, channel: str) -> None:
    """Terms, data: bytes are base64 where the wire is text; empty text and bytes are data."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    for data, encoding in (("AP8=", "base64"), ("", "base64"), ("", "text")):
        socket.send("publish", channel=channel, data=data, encoding=encoding)
        frames = {f["type"]: f for f in (socket.next(), socket.next())}
        assert frames["message"]["data"] == data
        assert frames["message"]["encoding"] == encoding


# What is wrong keeps the connection

DEEP = "[" * 129 + "]" * 129
BAD_FRAMES: list[tuple[str, str]] = [
    ("{", "bad_request"),
    ("", "bad_request"),
    ("[]", "bad_request"),
    ('"text"', "bad_request"),
    ("null", "bad_request"),
    ("{}", "bad_request"),
    ('{"type":5}', "bad_request"),
    ('{"type":"ping","type":"ping"}', "bad_request"),
    ('{"type":"ping"} {"type":"ping"}', "bad_request"),
    ('{"type":"dance"}', "unknown_type"),
    ('{"type":"presence","channel":"a","action":"enter"}', "unknown_type"),
    ('{"type":"auth","token":"x"}', "unknown_type"),
    ('{"type":"welcome"}', "unknown_type"),
    ('{"type":"subscribe"}', "bad_request"),
    ('{"type":"subscribe","channel":5}', "bad_request"),
    ('{"type":"subscribe","channels":[]}', "bad_request"),
    ('{"type":"subscribe","channels":{}}', "bad_request"),
    ('{"type":"subscribe","channels":"a"}', "bad_request"),
    ('{"type":"subscribe","channel":"a","channels":["b"]}', "bad_request"),
    ('{"type":"subscribe","channel":"a","channel":"b"}', "bad_request"),
    ('{"type":"subscribe","channels":{"a":1,"a":2}}', "bad_request"),
    ('{"type":"subscribe","channel":"a","since":-1}', "bad_request"),
    ('{"type":"subscribe","channel":"a","since":1.5}', "bad_request"),
    ('{"type":"subscribe","channel":"a","since":"1"}', "bad_request"),
    ('{"type":"subscribe","channel":"a","since":9007199254740992}', "bad_request"),
    ('{"type":"subscribe","channel":"a","since":1e400}', "bad_request"),
    ('{"type":"subscribe","channel":"a","history":-1}', "bad_request"),
    ('{"type":"subscribe","channel":"a","presence":true}', "bad_request"),
    ('{"type":"subscribe","channel":""}', "bad_channel"),
    ('{"type":"subscribe","channel":"a b"}', "bad_channel"),
    ('{"type":"subscribe","channel":"a."}', "bad_channel"),
    ('{"type":"subscribe","channel":"a*"}', "bad_channel"),
    ('{"type":"subscribe","channel":"a.**.b"}', "bad_channel"),
    ('{"type":"subscribe","channel":"\\u0000"}', "bad_channel"),
    ('{"type":"subscribe","channel":"' + "x" * 201 + '"}', "bad_channel"),
    ('{"type":"subscribe","channel":"' + "é" * 101 + '"}', "bad_channel"),
    ('{"type":"unsubscribe"}', "bad_request"),
    ('{"type":"publish","data":1}', "bad_request"),
    ('{"type":"publish","channel":"a"}', "bad_request"),
    ('{"type":"publish","channel":"a.*","data":1}', "bad_channel"),
    ('{"type":"publish","channels":["a"],"data":1}', "bad_request"),
    ('{"type":"publish","channel":"a","data":NaN}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1e400}', "bad_request"),
    ('{"type":"publish","channel":"a","data":"\\ud800"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":' + DEEP + "}", "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"event":""}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"event":"x\\ny"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"event":"x\\ry"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"event":"everywire.gap"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"event":"' + "e" * 101 + '"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"ttl":0}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"ttl":-1}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"ttl":"1"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"meta":{"a":[]}}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"meta":[]}', "bad_request"),
    (
        '{"type":"publish","channel":"a","data":1,"meta":{"a":"' + "x" * 1024 + '"}}',
        "bad_request",
    ),
    ('{"type":"publish","channel":"a","data":1,"meta":{"a":1,"a":2}}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"expected_id":5}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"final":true,"ephemeral":true}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"idempotency_key":""}', "bad_request"),
    (
        '{"type":"publish","channel":"a","data":1,"idempotency_key":"' + "k" * 201 + '"}',
        "bad_request",
    ),
    ('{"type":"publish","channel":"a","data":1,"encoding":"rot13"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":1,"encoding":"text"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":"*","encoding":"base64"}', "bad_request"),
    ('{"type":"publish","channel":"a","data":"' + "x" * 65_536 + '"}', "too_large"),
    ('{"type":"ping","ref":"' + "r" * 201 + '"}', "bad_request"),
    ('{"type":"ping","ref":[]}', "bad_request"),
    ('{"type":"ping","ref":18446744073709551616}', "bad_request"),
]


def test_bad_frames_keep_the_connection(server: Running) -> None:
    """WebSocket, error: the connection stays, whatever is in a frame; the code says what."""
    socket = server.socket()
    found: list[tuple[str, str]] = []
    for text, _ in BAD_FRAMES:
        socket.send_text(text)
        frame = socket.next()
        assert frame["type"] == "error", (text, frame)
        assert set(frame) <= {"type", "code", "message", "channel"}
        found.append((text, frame["code"]))
    assert found == BAD_FRAMES
    socket.alive()


@pytest.mark.parametrize("ref", ["", "r" * 200, 0, -(2**63), 2**64 - 1, "ü"])
def test_ref_is_echoed(server: Running, ref: str | int) -> None:
    """WebSocket: ref is echoed in every answer to its frame, errors included."""
    socket = server.socket()
    assert socket.ask("ping", ref=ref) == {"type": "pong", "ref": ref}
    assert socket.ask("dance", ref=ref)["ref"] == ref
    assert socket.ask("publish", channel="a b", data=1, ref=ref)["ref"] == ref
    assert socket.ask("publish", channel="a", ref=ref)["ref"] == ref
    assert socket.ask("subscribe", channel="a b", ref=ref)["ref"] == ref
    assert socket.ask("unsubscribe", channel="a", ref=ref)["ref"] == ref


def test_ping(server: Running) -> None:
    """WebSocket, ping: answered by pong, with ref where there was one."""
    assert server.socket().ask("ping") == {"type": "pong"}


def test_unknown_fields_are_ignored(server: Running) -> None:
    """WebSocket: fields that the protocol does not know do no harm."""
    assert server.socket().ask("ping", colour="blue", nested={"a": [1]}) == {"type": "pong"}


def test_depth_128_is_allowed(server: Running, channel: str) -> None:
    """Terms, data: depth at most 128, the outermost bracket is 1."""
    socket = server.socket()
    deep = "[" * 128 + "]" * 128
    socket.send_text(f'{{"type":"publish","channel":"{channel}","data":{deep}}}')
    socket.expect("published")


# msgpack


def test_msgpack(server: Running, channel: str) -> None:
    """WebSocket, subprotocols: everywire.v1.msgpack has the same objects in binary frames."""
    packed, text = server.socket(msgpack=True), server.socket(channel=channel)
    assert packed.connection.subprotocol == "everywire.v1.msgpack"
    text.expect("subscribed")
    packed.subscribe(channel, ref=1)
    packed.send("publish", channel=channel, data={"b": [1, 2.5, None, "é"]}, meta={"m": 1}, ref=2)
    frames = {f["type"]: f for f in (packed.next(), packed.next())}
    message = text.expect("message", data={"b": [1, 2.5, None, "é"]}, meta={"m": 1})
    assert frames["message"] == message
    assert frames["published"] == {"type": "published", "id": message["id"], "ref": 2}


def test_msgpack_bytes_travel_as_bin(server: Running, channel: str) -> None:
    """Terms, data: in msgpack bytes travel as bin, only as the whole data, without encoding."""
    packed, text = server.socket(msgpack=True, channel=channel), server.socket(channel=channel)
    packed.expect("subscribed")
    text.expect("subscribed")
    packed.send("publish", channel=channel, data=b"\x00\xff")
    frames = {f["type"]: f for f in (packed.next(), packed.next())}
    assert frames["message"]["data"] == b"\x00\xff"
    assert "encoding" not in frames["message"]
    text.expect("message", data="AP8=", encoding="base64")
    assert packed.ask("publish", channel=channel, data=[b"x"])["code"] == "bad_request"


def test_msgpack_text_keeps_its_encoding(server: Running, channel: str) -> None:
    """Terms, data: text has "encoding":"text", in msgpack too."""
    packed = server.socket(msgpack=True, channel=channel)
    packed.expect("subscribed")
    server.publish(channel, "a\nb", encoding="text")
    packed.expect("message", data="a\nb", encoding="text")


def test_msgpack_integers_over_64_bits_become_doubles(server: Running, channel: str) -> None:
    """Terms, data: integers over 64 bits become doubles."""
    packed = server.socket(msgpack=True, channel=channel)
    packed.expect("subscribed")
    server.post(
        server.channel_path(channel),
        b"[18446744073709551615,-9223372036854775808,18446744073709551616,1e308]",
        {"Content-Type": "application/json"},
    )
    data = packed.expect("message")["data"]
    assert data == [2**64 - 1, -(2**63), float(2**64), 1e308]
    assert [type(value) for value in data] == [int, int, float, float]


PACKED_EXT = b"\xd4\x01\x00"
BAD_PACKED: list[tuple[bytes, str]] = [
    (b"", "bad_request"),
    (b"\xc1", "bad_request"),
    (b"\x90", "bad_request"),
    (b"\x81\xa4type\xa4ping\x00", "bad_request"),
    (b"\x82\xa4type\xa4ping\xa4type\xa4ping", "bad_request"),
    (b"\x81\xa4type\xa5dance", "unknown_type"),
    (b"\x83\xa4type\xa7publish\xa7channel\xa1a\xa4data" + PACKED_EXT, "bad_request"),
    (b"\x83\xa4type\xa7publish\xa7channel\xa1a\xa4data\x81\x01\x01", "bad_request"),
    (
        b"\x83\xa4type\xa7publish\xa7channel\xa1a\xa4data\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        "bad_request",
    ),
    (b"\x83\xa4type\xa7publish\xa7channel\xa1a\xa4data\xa1\xff", "bad_request"),
    (b"\xdf\xff\xff\xff\xff", "bad_request"),
    (b"\x83\xa4type\xa7publish\xa7channel\xa1a\xa4data" + b"\x91" * 200 + b"\xc0", "bad_request"),
]


def test_bad_msgpack_keeps_the_connection(server: Running) -> None:
    """Terms, data: ext, NaN and keys that are not strings are bad_request; the connection stays."""
    socket = server.socket(msgpack=True)
    found: list[tuple[bytes, str]] = []
    for packed, _ in BAD_PACKED:
        socket.send_text(packed)
        frame = socket.next()
        assert frame["type"] == "error", (packed, frame)
        found.append((packed, frame["code"]))
    assert found == BAD_PACKED
    socket.alive()


# format=data


def test_bare_data(server: Running, channel: str) -> None:
    """WebSocket, format=data: a frame is just the data, bytes as binary frames."""
    socket = server.socket(channel=channel, format="data")
    server.publish(channel, {"a": 1})
    server.publish(channel, "line\nline", encoding="text")
    server.publish(channel, "AP8=", encoding="base64")
    assert [socket.receive() for _ in range(3)] == ['{"a": 1}', "line\nline", b"\x00\xff"]


def test_bare_data_sends_no_other_control_frames(server: Running, channel: str) -> None:
    """WebSocket, format=data: gap, error and unsubscribed come wrapped; nothing else is sent."""
    socket = server.socket(channel=channel, format="data", since=2**53 - 1)
    assert socket.next()["everywire"]["type"] == "gap"
    socket.send("ping")
    socket.send("publish", channel=channel, data=1)
    assert socket.receive() == "1"
    socket.send("dance", ref="r")
    error = socket.next()["everywire"]
    assert (error["type"], error["code"], error["ref"]) == ("error", "unknown_type", "r")
    socket.send("unsubscribe", channel=channel)
    assert socket.next() == {"everywire": {"type": "unsubscribed", "channel": channel}}
    # Its subscriptions are its own, whatever the format.
    socket.send("subscribe", channel=channel, since=0)
    assert socket.receive() == "1"


def test_bare_data_with_msgpack_commands(server: Running, channel: str) -> None:
    """WebSocket, format=data beside the msgpack subprotocol: what comes in is msgpack."""
    socket = server.socket(channel=channel, format="data", msgpack=True)
    socket.send_text(msgspec.msgpack.encode({"type": "publish", "channel": channel, "data": "x"}))
    assert socket.receive() == '"x"'


# The handshake


def test_subprotocol(server: Running) -> None:
    """WebSocket, subprotocols: JSON also when none is asked for; a token is never echoed."""
    assert server.socket().connection.subprotocol is None
    assert server.socket(subprotocol="everywire.v1").connection.subprotocol == "everywire.v1"
    raw = server.raw_socket(
        headers="Sec-WebSocket-Protocol: everywire.token.s3cret, everywire.v1\r\n"
    )
    assert b"everywire.v1" in raw.upgrade
    assert b"s3cret" not in raw.upgrade


BAD_QUERIES = [
    ({"channel": "a..b"}, "bad_channel"),
    ({"channel": "a", "since": "-1"}, "bad_request"),
    ({"channel": "a", "since": "abc"}, "bad_request"),
    ({"channel": "a", "since": "1.5"}, "bad_request"),
    ({"channel": "a", "since": "01"}, "bad_request"),
    ({"channel": "a", "since": ""}, "bad_request"),
    ({"channel": "a", "since": "9007199254740992"}, "bad_request"),
    ({"channel": "a", "since": "1" * 400}, "bad_request"),
    ({"channel": "a", "since": ["1", "2"]}, "bad_request"),
    ({"channel": "a", "format": "xml"}, "bad_request"),
    ({"channel": "@a"}, "forbidden"),
]


@pytest.mark.parametrize(("parameters", "code"), BAD_QUERIES)
def test_malformed_query_before_the_upgrade(
    server: Running, parameters: dict[str, Any], code: str
) -> None:
    """Codes: a malformed query parameter is bad_request, on /ws before the upgrade."""
    assert refused(server, **parameters).code == code


def test_query_that_is_not_utf8(server: Running) -> None:
    """Codes: a query has to be percent-encoded UTF-8."""
    assert refused(server, path="/ws?channel=%ff").code == "bad_request"


def test_unknown_parameters_are_ignored(server: Running) -> None:
    """Codes: unknown parameters are ignored."""
    server.socket(colour="blue", wait="x", limit="y").alive()


def test_no_upgrade(server: Running) -> None:
    """Codes: 426 with bad_request for a request to /ws that is no handshake."""
    answer = server.get("/ws")
    assert (answer.status, answer.code) == (426, "bad_request")
    assert answer.headers["sec-websocket-version"] == "13"
    assert answer.headers["upgrade"] == "websocket"


def test_many_channels(start: Callable[..., Running]) -> None:
    """Limits: channels a connection, patterns included, in the query and in frames."""
    server = start(limits=replace(QUICK, max_channels=3))
    assert refused(server, channel=["a", "b", "c", "d"]).code == "too_many_channels"
    socket = server.socket(channel=["a", "b"])
    socket.expect("subscribed")
    socket.expect("subscribed")
    assert socket.ask("subscribe", channels=["c", "d"])["code"] == "too_many_channels"
    socket.subscribe("c.*")
    assert socket.ask("subscribe", channel="d")["code"] == "too_many_channels"
    socket.ask("unsubscribe", channel="a")
    socket.subscribe("d")


# Heartbeats


def test_position_is_the_heartbeat(start: Callable[..., Running]) -> None:
    """WebSocket, position: as the heartbeat, everything up to P has been sent."""
    server = start(socket_heartbeat=0.1)
    socket = server.socket(channel="a")
    assert socket.welcome["heartbeat_ms"] == 100
    socket.expect("subscribed")
    first = socket.expect("position")["last_id"]
    # It moves with messages of others as well.
    id = server.publish("b", 1)
    assert first < id
    while socket.expect("position")["last_id"] < id:
        pass


def test_peer_that_does_not_answer(start_native: Callable[..., Running]) -> None:
    """WebSocket: a ping each heartbeat, a peer is dropped after two unanswered; 4408."""
    server = start_native(socket_heartbeat=0.1)
    socket = server.raw_socket()
    opcodes = []
    while True:
        opcode, payload = socket.next_frame()
        if opcode == 8:
            break
        opcodes.append(opcode)
    assert opcodes.count(9) == 2
    assert int.from_bytes(payload[:2], "big") == 4408


def test_peer_that_answers_stays(start_native: Callable[..., Running]) -> None:
    """WebSocket: who answers the pings stays."""
    server = start_native(socket_heartbeat=0.1)
    socket = server.raw_socket()
    pings = 0
    while pings < 6:
        opcode, payload = socket.next_frame()
        assert opcode in (1, 9), (opcode, payload)
        if opcode == 9:
            pings += 1
            socket.send_frame(10, payload)


def test_message_and_position_are_json_objects(server: Running, channel: str) -> None:
    """WebSocket, frames: each is one JSON object in one text frame."""
    socket = server.socket(channel=channel, since=0)
    ids = server.publish_all([{"channel": channel, "data": n} for n in range(50)])
    received: list[int] = []
    while len(received) < 50:
        text = socket.receive()
        frame = json.loads(text)
        if frame["type"] == "message":
            received.append(frame["id"])
    assert received == ids


def test_two_connections_of_one_address(server: Running, channel: str) -> None:
    """Promises: each connection hears everything, on whatever format."""
    sockets: list[Socket] = [server.socket(channel=channel, msgpack=n % 2 == 1) for n in range(6)]
    for socket in sockets:
        socket.expect("subscribed")
    ids = [server.publish(channel, n) for n in range(20)]
    for socket in sockets:
        assert [m["id"] for m in socket.messages(20)] == ids
