"""Publishing over HTTP, once."""

from __future__ import annotations

import msgspec
import pytest

from everywire.client.errors import GaveUp, Refused, Unreachable
from everywire.client.publisher import Published, Publisher, draft, new_key
from everywire.client.retry import MAX_PATIENCE, Backoff

from .fakes import FakeHttp, FakeTime, answer, answer_json, hang_up, problem


def publisher(url: str, time: FakeTime, patience: float = 10) -> Publisher:
    return Publisher(
        url,
        patience=patience,
        backoff=Backoff(base=1, cap=4, random=lambda: 1.0),
        clock=time.clock,
        sleep=time.sleep,
    )


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"a": 1}, {"data": {"a": 1}}),
        (None, {"data": None}),
        ("text", {"data": "text", "encoding": "text"}),
        (b"\xff", {"data": "/w==", "encoding": "base64"}),
    ],
)
def test_what_the_data_is_follows_from_its_type(data: object, fields: dict[str, object]) -> None:
    assert draft("a", data) == {"channel": "a", **fields}


def test_what_the_data_is_can_be_said() -> None:
    assert draft("a", "x", kind="json") == {"channel": "a", "data": "x"}
    raw = draft("a", msgspec.Raw(b"1.50"), kind="json")
    assert msgspec.json.encode(raw) == b'{"channel":"a","data":1.50}'


def test_a_field_that_is_not_given_is_not_sent() -> None:
    whole = draft("a", 1, event="e", key="k", meta={"m": 1}, ttl=1.5, final=True)
    assert whole == {
        "channel": "a",
        "data": 1,
        "event": "e",
        "key": "k",
        "meta": {"m": 1},
        "ttl": 1.5,
        "final": True,
    }
    assert draft("a", 1, meta={}, ephemeral=True) == {"channel": "a", "data": 1, "ephemeral": True}


def test_keys_are_random_enough() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 22 for key in keys)


def test_a_message_and_its_position(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(answer_json(200, {"id": 7}), answer_json(200, {"id": 7, "duplicate": True}))
    with publisher(http_server.url, time) as out:
        assert out.publish("a", 1, idempotency_key="k") == Published(7)
        assert out.publish("a", 1, idempotency_key="k") == Published(7, duplicate=True)
    assert http_server.heard[0].method == "POST"
    assert http_server.heard[0].target == "/publish"
    assert http_server.heard[0].headers["Content-Type"] == "application/json"
    assert http_server.heard[0].json == {"channel": "a", "data": 1, "idempotency_key": "k"}


def test_what_met_no_answer_is_repeated_with_its_key(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(
        hang_up,
        problem(503, "unavailable", "disk full", Retry_After="2"),
        answer(502, b"<html>"),
        answer_json(200, {"id": 7}),
    )
    with publisher(http_server.url, time) as out:
        assert out.publish("a", 1).id == 7
    bodies = [heard.json for heard in http_server.heard]
    assert len(bodies) == 4
    assert all(body == bodies[0] for body in bodies)
    assert len(bodies[0]["idempotency_key"]) >= 22
    assert time.slept == [1, 4, 4]


def test_two_messages_have_two_keys(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(answer_json(200, {"id": 7}), answer_json(200, {"id": 8}))
    with publisher(http_server.url, time) as out:
        out.publish("a", 1)
        out.publish("a", 1)
    first, second = (heard.json["idempotency_key"] for heard in http_server.heard)
    assert first != second


def test_a_refusal_is_not_repeated(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(problem(409, "conflict", "the channel has ended"))
    with publisher(http_server.url, time) as out, pytest.raises(Refused, match="has ended"):
        out.publish("a", 1)
    assert len(http_server.heard) == 1


def test_patience_ends(unused_port: int, time: FakeTime) -> None:
    with (
        publisher(f"http://127.0.0.1:{unused_port}", time) as out,
        pytest.raises(GaveUp) as caught,
    ):
        out.publish("a", 1)
    assert isinstance(caught.value.last, Unreachable)
    assert sum(time.slept) == 10


def test_nothing_is_repeated_after_the_server_may_have_forgotten_the_key(
    unused_port: int, time: FakeTime
) -> None:
    with (
        publisher(f"http://127.0.0.1:{unused_port}", time, patience=1e9) as out,
        pytest.raises(GaveUp),
    ):
        out.publish("a", 1)
    assert sum(time.slept) == MAX_PATIENCE < 600


def test_an_ephemeral_message_is_sent_once(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(answer_json(200, {"id": None}), hang_up)
    with publisher(http_server.url, time) as out:
        assert out.publish("a", 1, ephemeral=True) == Published(None)
        with pytest.raises(Unreachable):
            out.publish("a", 1, ephemeral=True)
    assert len(http_server.heard) == 2
    assert "idempotency_key" not in http_server.heard[0].json
    assert time.slept == []


def test_a_list_has_one_key_in_a_header(http_server: FakeHttp, time: FakeTime) -> None:
    http_server.play(hang_up, answer_json(200, {"ids": [7, 8]}))
    with publisher(http_server.url, time) as out:
        ids = out.publish_many([draft("a", 1), draft("b", 2)], idempotency_key="k-1")
    assert ids == [7, 8]
    assert [heard.headers["Idempotency-Key"] for heard in http_server.heard] == ["k-1", "k-1"]
    assert http_server.heard[1].json == [{"channel": "a", "data": 1}, {"channel": "b", "data": 2}]


@pytest.mark.parametrize("body", [b"hello", b"{}", b'{"id":"x"}', b"\xff", b""])
def test_another_server_is_not_believed(http_server: FakeHttp, time: FakeTime, body: bytes) -> None:
    http_server.play(answer(200, body))
    with publisher(http_server.url, time) as out, pytest.raises(Refused, match="no Everywire"):
        out.publish("a", 1)
