"""Publishing over HTTP, on every carrier: POST /publish and POST /channels/{channel}."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules

from .clients import Answer
from .conftest import QUICK
from .running import Running, eventually

JSON = {"Content-Type": "application/json"}


def kept(server: Running, channel: str) -> list[dict[str, Any]]:
    """What a channel keeps."""
    return server.poll(channel=channel, since=0, limit=1000)["data"]


# POST /publish


def test_one(server: Running, channel: str) -> None:
    """Publishing: an object as the publish frame gives an id, which is its position."""
    before = server.head()
    answer = server.post("/publish", {"channel": channel, "data": {"a": 1}, "event": "e"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    id = answer.json["id"]
    assert answer.json == {"id": id}
    assert before < id < 2**53
    (message,) = kept(server, channel)
    assert (message["id"], message["data"], message["event"]) == (id, {"a": 1}, "e")
    assert "from" not in message


def test_type_and_ref_are_not_needed(server: Running, channel: str) -> None:
    """Publishing: type and ref are not needed; what is unknown is ignored."""
    server.publish(channel, 1, type="publish", ref="r", colour="blue")
    assert len(kept(server, channel)) == 1


def test_list(server: Running, channel: str) -> None:
    """Publishing: a list gives ids, one each, in order; consecutive within the batch."""
    messages = [{"channel": f"{channel}.{n % 2}", "data": n} for n in range(10)]
    ids = server.publish_all(messages)
    assert ids == list(range(ids[0], ids[0] + 10))
    page = server.poll(channel=f"{channel}.*", since=ids[0] - 1)
    assert [m["data"] for m in page["data"]] == list(range(10))


def test_empty_list(server: Running) -> None:
    """Publishing: a list of at most 1000, so also of none."""
    assert server.post("/publish", []).json == {"ids": []}


def test_list_is_all_or_nothing(server: Running, channel: str) -> None:
    """Publishing: a list is all or nothing; the error names the item."""
    messages = [{"channel": channel, "data": 1}, {"channel": "a b", "data": 2}]
    answer = server.post("/publish", messages)
    assert answer.code == "bad_channel"
    assert "item 1" in answer.json["detail"]
    assert kept(server, channel) == []


def test_list_to_an_ended_channel(server: Running, channel: str) -> None:
    """Publishing: all or nothing also where one channel has ended."""
    server.publish(f"{channel}.end", 1, final=True)
    messages = [{"channel": channel, "data": 1}, {"channel": f"{channel}.end", "data": 2}]
    assert server.post("/publish", messages).code == "conflict"
    assert kept(server, channel) == []


def test_thousand_and_one(server: Running, channel: str) -> None:
    """Publishing: a list of at most 1000."""
    messages = [{"channel": channel, "data": n} for n in range(1001)]
    answer = server.post("/publish", messages)
    assert (answer.status, answer.code) == (413, "too_large")
    assert len(server.publish_all(messages[:1000])) == 1000


def test_channels(server: Running, channel: str) -> None:
    """Publishing: channels for the same data in several gives ids, one a channel, in order."""
    names = [f"{channel}.{n}" for n in (2, 0, 1)]
    answer = server.post("/publish", {"channels": names, "data": "x", "event": "e"})
    ids = answer.json["ids"]
    assert answer.json == {"ids": ids}
    for name, id in zip(names, ids, strict=True):
        (message,) = kept(server, name)
        assert (message["id"], message["data"], message["event"]) == (id, "x", "e")


def test_ephemeral(server: Running, channel: str) -> None:
    """Publishing: id is null for an ephemeral one; nothing is kept."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    answer = server.post("/publish", {"channel": channel, "data": 1, "ephemeral": True})
    assert answer.json == {"id": None}
    message = socket.expect("message")
    assert message == {
        "type": "message",
        "channel": channel,
        "event": "message",
        "data": 1,
        "ts": message["ts"],
    }
    assert kept(server, channel) == []


def test_ephemeral_in_a_list(server: Running, channel: str) -> None:
    """Publishing: in a list, too; what is kept has its id."""
    messages = [{"channel": channel, "data": n, "ephemeral": n % 2 == 0} for n in range(4)]
    ids = server.publish_all(messages)
    assert [id is None for id in ids] == [True, False, True, False]
    assert [m["data"] for m in kept(server, channel)] == [1, 3]


def test_list_with_an_ephemeral_is_all_or_nothing(server: Running, channel: str) -> None:
    """Publishing: all or nothing holds for ephemeral ones of a list as well."""
    server.publish(f"{channel}.end", 1, final=True)
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    messages = [
        {"channel": channel, "data": 1, "ephemeral": True},
        {"channel": f"{channel}.end", "data": 2},
    ]
    assert server.post("/publish", messages).code == "conflict"
    socket.alive()


def test_ttl(server: Running, channel: str) -> None:
    """WebSocket, publish; Terms, gap: gone after its ttl, which is no gap."""
    since = server.head()
    server.publish(channel, 1, ttl=0.05)
    lasting = server.publish(channel, 2, ttl=3600)
    eventually(lambda: [m["id"] for m in kept(server, channel)] == [lasting], "it has expired")
    assert "gaps" not in server.poll(channel=channel, since=since)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"{", "bad_request"),
        (b"null", "bad_request"),
        (b"5", "bad_request"),
        (b"[5]", "bad_request"),
        (b"[[]]", "bad_request"),
        (b"[{}", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"channel":"a"}', "bad_request"),
        (b'{"data":1}', "bad_request"),
        (b'{"channel":"a","data":1}{', "bad_request"),
        (b'{"channel":"a","data":1,"data":2}', "bad_request"),
        (b'{"channel":"a","channels":["b"],"data":1}', "bad_request"),
        (b'{"channels":[],"data":1}', "bad_request"),
        (b'{"channels":["a","b c"],"data":1}', "bad_channel"),
        (b'[{"channels":["a"],"data":1}]', "bad_request"),
        (b'[{"channel":"a","data":1,"idempotency_key":"k"}]', "bad_request"),
        (b'{"channel":"@a","data":1}', "forbidden"),
        (b'{"channel":"a","data":1,"connection":"short"}', "bad_request"),
        (b'{"channel":"a","data":"\xff"}', "bad_request"),
        (b'{"channel":"a","data":"\xed\xa0\x80"}', "bad_request"),
        (b'{"channel":"a","data":"\\udc00"}', "bad_request"),
        (b'{"channel":"\xff","data":1}', "bad_request"),
        (b'{"channel":"a","data":1,"x":"\xff"}', "bad_request"),
        (b'{"channel":"a","data":Infinity}', "bad_request"),
        (b'{"channel":"a","data":[-1e999]}', "bad_request"),
        (b'{"channel":"a","data":' + b"[" * 500 + b"]" * 500 + b"}", "bad_request"),
        (b"[" * 100_000, "bad_request"),
        (b'{"a":' * 100_000, "bad_request"),
        (b'{"channel":"a","data":01}', "bad_request"),
        (b"\xef\xbb\xbf" + b'{"channel":"a","data":1}', "bad_request"),
        (b'{"channel":"a","data":"' + b"x" * 65_536 + b'"}', "too_large"),
        (b'{"channel":"a","data":1,"final":"yes"}', "bad_request"),
    ],
)
def test_bad_bodies(server: Running, body: bytes, code: str) -> None:
    """Publishing; Terms, data: what is wrong is said in problem JSON, and nothing is published."""
    listener = server.socket(channel="a")
    listener.expect("subscribed")
    answer = server.post("/publish", body)
    assert answer.code == code
    listener.alive()


def test_own_names_are_refused(server: Running, channel: str) -> None:
    """Terms, message: event names that begin with everywire. are the server's."""
    for event in ("everywire.", "everywire.gap", "everywire.presence"):
        body = {"channel": channel, "data": 1, "event": event}
        assert server.post("/publish", body).code == "bad_request"
    server.publish(channel, 1, event="everywire")


def test_from_is_set_by_the_server_only(server: Running, channel: str) -> None:
    """Terms, message: a publisher's own from is ignored."""
    server.publish(channel, 1, **{"from": {"user": "root", "connection": "x"}})
    assert "from" not in kept(server, channel)[0]


def test_naming_a_connection(server: Running, channel: str) -> None:
    """Terms, connection: an HTTP publish may name it, for from; others see the public name."""
    secret = "0123456789abcdefghijAB"
    name = server.socket(connection=secret).welcome["connection"]
    server.publish(channel, 1, connection=secret)
    messages = [{"channel": channel, "data": 2, "connection": secret}]
    server.publish_all(messages)
    assert [m["from"] for m in kept(server, channel)] == [{"connection": name}] * 2


# Idempotency


def test_same_key_same_id(server: Running, channel: str) -> None:
    """Idempotency: a known key answers the stored id, duplicate, whatever the data."""
    body = {"channel": channel, "data": 1, "idempotency_key": "k"}
    id = server.post("/publish", body).json["id"]
    assert server.post("/publish", body).json == {"id": id, "duplicate": True}
    assert server.post("/publish", {**body, "data": 2}).json == {"id": id, "duplicate": True}
    socket = server.socket()
    answer = socket.ask("publish", channel=channel, data=3, idempotency_key="k")
    assert answer == {"type": "published", "id": id, "duplicate": True}
    assert [m["data"] for m in kept(server, channel)] == [1]


def test_keys_count_per_channel(server: Running, channel: str) -> None:
    """Idempotency: a key counts per channel and publisher."""
    ids = {server.publish(f"{channel}.{n}", n, idempotency_key="k" * 200) for n in range(3)}
    assert len(ids) == 3


def test_key_in_the_header(server: Running, channel: str) -> None:
    """Publishing: on a single object the header is its idempotency_key."""
    body, header = {"channel": channel, "data": 1}, {"Idempotency-Key": "k"}
    id = server.post("/publish", body, header).json["id"]
    for again in (
        server.post("/publish", body, header),
        server.post("/publish", {**body, "idempotency_key": "k"}),
        server.post("/publish", {**body, "idempotency_key": "k"}, header),
        server.post(server.channel_path(channel), b"1", {**JSON, **header}),
    ):
        assert again.json == {"id": id, "duplicate": True}
    differing = server.post("/publish", {**body, "idempotency_key": "other"}, header)
    assert differing.code == "bad_request"


def test_key_of_a_list(server: Running, channel: str) -> None:
    """Publishing: one key for the list, looked up by the first channel only; the stored ids."""
    header = {"Idempotency-Key": "list"}
    messages = [{"channel": f"{channel}.{n}", "data": n} for n in range(3)]
    ids = server.post("/publish", messages, header).json["ids"]
    again = server.post("/publish", messages, header)
    assert again.json == {"ids": ids, "duplicate": True}
    # Another first channel: another key.
    other = server.post("/publish", list(reversed(messages)), header).json
    assert "duplicate" not in other
    assert [len(kept(server, f"{channel}.{n}")) for n in range(3)] == [2, 2, 2]


def test_key_of_channels(server: Running, channel: str) -> None:
    """Publishing: the key of channels is looked up by the first of them."""
    names = [f"{channel}.{n}" for n in range(2)]
    body = {"channels": names, "data": 1, "idempotency_key": "k"}
    ids = server.post("/publish", body).json["ids"]
    assert server.post("/publish", body).json == {"ids": ids, "duplicate": True}


@pytest.mark.parametrize("key", ["", "k" * 201, "é" * 101])
def test_length_of_a_key(server: Running, channel: str, key: str) -> None:
    """Limits: idempotency_key 1–200 bytes."""
    body = {"channel": channel, "data": 1}
    assert server.post("/publish", {**body, "idempotency_key": key}).code == "bad_request"
    header = {"Idempotency-Key": key.encode().decode("latin-1")}
    assert server.post("/publish", body, header).code == "bad_request"


def test_key_outlives_its_message(start: Callable[..., Running]) -> None:
    """Idempotency: a key counts for its window, even after trimming."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    id = server.publish("short", 1, idempotency_key="k")
    server.publish("short", 2)
    assert [m["data"] for m in kept(server, "short")] == [2]
    body = {"channel": "short", "data": 3, "idempotency_key": "k"}
    assert server.post("/publish", body).json == {"id": id, "duplicate": True}


def test_window_of_a_key(start: Callable[..., Running]) -> None:
    """Idempotency: a key counts for key_window_ms; the welcome says it."""
    server = start(key_window_ms=150)
    assert server.socket().welcome["key_window_ms"] == 150
    first = server.publish("a", 1, idempotency_key="k")
    eventually(
        lambda: server.publish("a", 1, idempotency_key="k") != first, "the window has passed"
    )
    assert len(kept(server, "a")) == 2


# POST /channels/{channel}


@pytest.mark.parametrize(
    ("content_type", "body", "data", "encoding"),
    [
        ("application/json", b' {"a": 1} ', {"a": 1}, None),
        ("application/json; charset=utf-8", b'"\xc3\xa9"', "é", None),
        ("application/vnd.api+json", b"[1]", [1], None),
        ("text/plain", b"line\nline", "line\nline", "text"),
        ("text/html; charset=UTF-8", b"<p>\xc3\xa9", "<p>é", "text"),
        ("text/plain", b"", "", "text"),
        ("application/octet-stream", b"\x00\xff", "AP8=", "base64"),
        ("image/png", b"", "", "base64"),
        (None, b"{}", "e30=", "base64"),
    ],
)
def test_raw_body(
    server: Running,
    channel: str,
    content_type: str | None,
    body: bytes,
    data: Any,
    encoding: str | None,
) -> None:
    """Publishing: application/json, text/* as text, anything else as bytes."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = server.post(server.channel_path(channel), body, headers)
    (message,) = kept(server, channel)
    assert answer.json == {"id": message["id"]}
    assert (message["data"], message.get("encoding")) == (data, encoding)


def test_raw_headers(server: Running, channel: str) -> None:
    """Publishing: the headers Event and Idempotency-Key."""
    headers = {"Event": "prix.é".encode().decode("latin-1"), "Idempotency-Key": "k"}
    server.post(server.channel_path(channel), b"1", headers)
    assert server.post(server.channel_path(channel), b"1", headers).json["duplicate"] is True
    (message,) = kept(server, channel)
    assert message["event"] == "prix.é"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (JSON, b"", "bad_request"),
        (JSON, b"{", "bad_request"),
        (JSON, b'"\xff"', "bad_request"),
        ({"Content-Type": "text/plain"}, b"\xff", "bad_request"),
        ({"Content-Type": "text/plain"}, b"\xed\xa0\x80", "bad_request"),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"x", "bad_request"),
        ({"Event": "everywire.x"}, b"x", "bad_request"),
        ({"Event": ""}, b"x", "bad_request"),
        ({"Event": "\xff"}, b"x", "bad_request"),
        ({"Idempotency-Key": ""}, b"x", "bad_request"),
        ({}, b"x" * 65_537, "too_large"),
        (JSON, b'"' + b"x" * 65_536 + b'"', "too_large"),
    ],
)
def test_bad_raw_bodies(
    server: Running, channel: str, headers: dict[str, str], body: bytes, code: str
) -> None:
    """Publishing: what is wrong with a raw body or its headers."""
    answer = server.post(server.channel_path(channel), body, headers)
    assert answer.code == code
    assert kept(server, channel) == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/channels/a%20b", 400, "bad_channel"),
        ("/channels/a..b", 400, "bad_channel"),
        ("/channels/a.*", 400, "bad_channel"),
        ("/channels/%ff", 400, "bad_channel"),
        ("/channels/%00", 400, "bad_channel"),
        ("/channels/a%0Ab", 400, "bad_channel"),
        ("/channels/" + "x" * 201, 400, "bad_channel"),
        ("/channels/@a", 403, "forbidden"),
        ("/channels/%40a", 403, "forbidden"),
        ("/channels/", 404, "not_found"),
        ("/channels/a/b", 404, "not_found"),
        ("/publish/", 404, "not_found"),
    ],
)
def test_bad_paths(server: Running, path: str, status: int, code: str) -> None:
    """Publishing: in a path the channel is percent-encoded whole."""
    answer = server.post(path, b"x")
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("name", ["a/b", "é.ü", "100%", "a?b#c", "a+b", "%2F", "a;b,c", "🎈"])
def test_percent_encoded_channels(server: Running, channel: str, name: str) -> None:
    """Publishing: / as %2F, and decoded after the path is split."""
    name = f"{channel}.{name}"
    id = server.post(server.channel_path(name), b"1", JSON).json["id"]
    assert [m["id"] for m in kept(server, name)] == [id]
    listed = server.get(server.channel_path(name, "/messages")).json["data"]
    assert [(m["id"], m["channel"]) for m in listed] == [(id, name)]
    assert server.get(server.channel_path(name)).json["channel"] == name


def test_names_are_compared_byte_for_byte(server: Running, channel: str) -> None:
    """Terms, channel: names that look alike are two."""
    composed, taken_apart, capital = (
        f"{channel}.{name}" for name in ("\u00e9", "e\u0301", "\u00c9")
    )
    ids = [server.publish(name) for name in (composed, taken_apart, capital)]
    for name, id in zip((composed, taken_apart, capital), ids, strict=True):
        assert [m["id"] for m in kept(server, name)] == [id]


# Errors


def test_problem(server: Running) -> None:
    """Publishing, errors: RFC 9457 problem JSON with code; says what was wrong and is allowed."""
    answer = server.post("/publish", {"channel": "a b", "data": 1})
    assert answer.json == {
        "type": "/docs/errors/bad_channel",
        "title": "Bad Request",
        "status": 400,
        "code": "bad_channel",
        "detail": answer.json["detail"],
        "channel": "a b",
    }
    assert "'a b'" in answer.json["detail"]
    assert "200 bytes" in answer.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/publish", "POST, OPTIONS"),
        ("PUT", "/publish", "POST, OPTIONS"),
        ("DELETE", "/publish", "POST, OPTIONS"),
        ("POST", "/events", "GET, OPTIONS"),
        ("POST", "/updates", "GET, OPTIONS"),
        ("POST", "/ws", "GET, OPTIONS"),
        ("DELETE", "/channels/a", "GET, POST, OPTIONS"),
        ("POST", "/channels/a/messages", "GET, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/ready", "GET, HEAD, OPTIONS"),
    ],
)
def test_method_not_allowed(server: Running, method: str, path: str, allowed: str) -> None:
    """Codes: 405 method_not_allowed, and what is allowed."""
    answer = server.request(method, path, b"" if method in ("POST", "PUT", "PATCH") else None)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
    assert allowed in answer.json["detail"]
    assert method in answer.json["detail"]


def test_not_found(server: Running) -> None:
    """Codes: 404 not_found."""
    later = ("/channels?prefix=a", "/channels/a/presence")
    for path in ("/nothing", "/channels", "/channels//messages", "/wsx", "/events/a", *later):
        answer = server.get(path)
        assert (answer.status, answer.code) == (404, "not_found")


# Bodies


def test_largest_body(server: Running, channel: str) -> None:
    """Limits: batch body 8 MiB."""
    messages = [{"channel": channel, "data": "x" * 60_000} for _ in range(130)]
    body = json.dumps(messages).encode()
    body += b" " * (8 * 1024 * 1024 - len(body))
    assert len(server.post("/publish", body).json["ids"]) == 130


def test_body_over_the_limit(server: Running) -> None:
    """Limits: a body over 8 MiB is too_large, and the answer is heard."""
    answer = server.post("/publish", b" " * (8 * 1024 * 1024 + 1))
    assert (answer.status, answer.code) == (413, "too_large")


def test_chunked_body(server: Running, channel: str) -> None:
    """A body may come in chunks (RFC 9112, 7.1)."""
    body = json.dumps({"channel": channel, "data": "x" * 50_000}).encode()
    chunks = [body[n : n + 999] for n in range(0, len(body), 999)]

    def post(parts: list[bytes]) -> Answer:
        headers = {"Transfer-Encoding": "chunked"}
        return server.request("POST", "/publish", iter(parts), headers)

    id = post(chunks).json["id"]
    assert [m["id"] for m in kept(server, channel)] == [id]
    answer = post([b" " * 1024 * 1024] * 9)
    assert (answer.status, answer.code) == (413, "too_large")


def test_smaller_limits(start: Callable[..., Running]) -> None:
    """Limits: each is a setting."""
    limits = replace(
        QUICK,
        max_data_bytes=10,
        max_batch=2,
        max_key_bytes=3,
        max_event_bytes=4,
        max_meta_bytes=9,
        max_body_bytes=200,
    )
    server = start(limits=limits)

    def code(body: Any) -> str:
        return server.post("/publish", body).code

    assert code({"channel": "a", "data": "x" * 9}) == "too_large"
    assert code([{"channel": "a", "data": 1}] * 3) == "too_large"
    assert code({"channels": ["a", "b", "c"], "data": 1}) == "too_many_channels"
    assert code({"channel": "a", "data": 1, "idempotency_key": "four"}) == "bad_request"
    assert code({"channel": "a", "data": 1, "event": "event"}) == "bad_request"
    assert code({"channel": "a", "data": 1, "meta": {"abcde": 1}}) == "bad_request"
    assert code(b" " * 201) == "too_large"
    body = {"channel": "a", "data": "x" * 8, "idempotency_key": "key", "event": "even"}
    assert server.post("/publish", {**body, "meta": {"a": 12}}).status == 200
