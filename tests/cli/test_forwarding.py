"""cli.forwarding: what of a message is sent, under which id."""

from __future__ import annotations

import json

import pytest

from client.fakes import answer, answer_json, problem
from everywire.cli.forwarding import Forwarder, NotForwarded, head_of, id_of
from everywire.client import GaveUp, Message, Refused
from everywire.client.messages import gap_of, message_of
from everywire.core.errors import UsageError
from everywire.webhooks import verify

from .conftest import FakeHttp

SECRET = "whsec_" + "A" * 40


def message(position: int | None = 7) -> Message:
    fields: dict[str, object] = {"type": "message", "channel": "a", "data": 1.5}
    if position is not None:
        fields["id"] = position
    return message_of(json.dumps(fields).encode())


def forward(http_server: FakeHttp, *items: object, give_up_after: float | None = None) -> list[str]:
    """Forward and return what was said."""
    words: list[str] = []
    url = f"{http_server.url}/hook?x=1"
    forwarder = Forwarder(url, SECRET, give_up_after=give_up_after, notify=words.append)
    try:
        for item in items:
            forwarder.forward(item)  # type: ignore[arg-type]
    finally:
        forwarder.close()
    return words


def test_a_message_goes_as_it_came(http_server: FakeHttp) -> None:
    http_server.play(answer(200), answer(204))
    assert forward(http_server, message(7), message(8)) == []
    first, second = http_server.heard
    assert first.target == "/hook?x=1"
    assert first.json == {"channel": "a", "data": 1.5, "id": 7}
    assert first.body == message(7).raw
    assert verify(first.body, dict(first.headers.items()), SECRET) == "msg_7"
    assert verify(second.body, dict(second.headers.items()), SECRET) == "msg_8"
    assert http_server.connections == 1


def test_a_gap_is_told_too(http_server: FakeHttp) -> None:
    http_server.play(answer(200))
    gap = gap_of("a", 5, 9, "trimmed")
    forward(http_server, gap)
    assert http_server.heard[0].json == dict(gap)
    assert http_server.heard[0].json["type"] == "gap"


def test_ids_are_the_same_for_the_same_and_others_for_others() -> None:
    gap = gap_of("a.ü", 5, 9, "trimmed")
    assert id_of(message(7)) == "msg_7"
    assert id_of(gap) == id_of(gap_of("a.ü", 5, 9, "trimmed"))
    others = {
        id_of(gap),
        id_of(gap_of("b", 5, 9, "trimmed")),
        id_of(gap_of("a.ü", 6, 9, "trimmed")),
        id_of(message(None)),
        id_of(message(None)),
    }
    assert len(others) == 5
    assert all(one.isascii() and "." not in one for one in others)


def test_410_is_the_end(http_server: FakeHttp) -> None:
    http_server.play(answer(410))
    with pytest.raises(NotForwarded, match="wants nothing more"):
        forward(http_server, message())
    assert len(http_server.heard) == 1


def test_it_is_given_up_where_that_is_wanted(http_server: FakeHttp) -> None:
    http_server.play(answer(500, b"", Retry_After="60"))
    with pytest.raises(NotForwarded, match="did not take msg_7 in 1 attempts"):
        forward(http_server, message(), give_up_after=1)


def test_trouble_is_said_once_and_its_end(http_server: FakeHttp) -> None:
    http_server.play(answer(302, b"", Location="/elsewhere"), answer(200), answer(200))
    words = forward(http_server, message(7), message(8))
    assert words == [
        f"{http_server.url} does not take messages: it answered 302; trying again",
        f"{http_server.url} takes messages again",
    ]


def test_what_cannot_be_forwarded_to() -> None:
    for url, secret in (("ftp://x/", SECRET), ("http://127.0.0.1/", "secret")):
        with pytest.raises(UsageError):
            Forwarder(url, secret, give_up_after=None, notify=print)


def test_the_head_is_asked_for_without_since(http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"data": [], "last_id": 42}))
    assert head_of(http_server.url, ("b", "a.*"), "t", 5, print) == 42
    assert http_server.heard[0].target == "/updates?channel=a.%2A&channel=b"
    assert http_server.heard[0].headers["Authorization"] == "Bearer t"


def test_a_head_that_is_not_there(http_server: FakeHttp, unused_port: int) -> None:
    http_server.play(problem(403, "forbidden", "no"))
    with pytest.raises(Refused, match="no"):
        head_of(http_server.url, ("a",), None, 5, print)
    http_server.play(answer(200, b"<html>"))
    with pytest.raises(GaveUp, match="not the protocol"):
        head_of(http_server.url, ("a",), None, 0, print)
    with pytest.raises(GaveUp):
        head_of(f"http://127.0.0.1:{unused_port}", ("a",), None, 0, print)


def test_the_head_is_tried_for_and_that_is_said_once(http_server: FakeHttp) -> None:
    busy = problem(503, "unavailable", "starting")
    http_server.play(busy, busy, answer_json(200, {"data": [], "last_id": 42}))
    words: list[str] = []
    assert head_of(http_server.url, ("a",), None, 30, words.append) == 42
    assert words == ["starting (unavailable); trying again"]
