"""A session over Server-Sent Events."""

from __future__ import annotations

import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from everywire.client.address import Address
from everywire.client.errors import Lost, Refused, Unreachable
from everywire.client.events import Ask, Comeback, Connected, Ended, Event, Moved
from everywire.client.messages import gap_of
from everywire.client.sse_tail import sse_session

from .fakes import FakeHttp, answer, message, problem, stream


def session(
    http_server: FakeHttp, ask: Ask | None = None, silence: float = 30
) -> tuple[list[Event], Exception | None]:
    told: list[Event] = []
    try:
        told.extend(sse_session(Address(http_server.url), ask or Ask(("a",)), silence=silence))
    except (Lost, Refused, Unreachable) as error:
        return told, error
    return told, None


def own(name: str, **fields: object) -> bytes:
    return f"event: everywire.{name}\ndata: {json.dumps(fields)}\n\n".encode()


def test_events_of_the_stream(http_server: FakeHttp) -> None:
    http_server.play(
        stream(
            b"retry: 2000\n\n" + own("position", last_id=5),
            own("gap", channel="a", after=5, before=7, reason="trimmed"),
            f"id: 7\ndata: {json.dumps(message('a', 7, 'x'))}\n\n".encode(),
            b":\n\n",
            b"event: foreign\ndata: {}\n\n",
            own("from_the_future"),
            b'data: {"channel":"a","event":"e","data":1,"ts":0}\n\n',
            own("unsubscribed", channel="a", reason="final"),
        )
    )
    told, error = session(http_server)
    assert told == [
        Connected(),
        Comeback(2.0),
        Moved(5),
        gap_of("a", 5, 7, "trimmed"),
        message("a", 7, "x"),
        {"channel": "a", "event": "e", "data": 1, "ts": 0},
        Ended("a", "final"),
    ]
    assert isinstance(error, Lost)
    assert error.reason == "the stream ended"


def test_the_last_retry_counts(http_server: FakeHttp) -> None:
    http_server.play(stream(b"retry: 2000\n\nretry: 300\n\n"))
    told, _ = session(http_server)
    assert told[-1] == Comeback(0.3)


@pytest.mark.parametrize(
    ("ask", "since", "last_event_id"),
    [
        (Ask(("b", "a.*")), None, None),
        (Ask(("b", "a.*"), since=0), ["0"], None),
        (Ask(("b", "a.*"), since=7, returning=True), None, "7"),
        (Ask(("b", "a.*"), since={"b": 7, "a.*": 5}, returning=True), None, "5"),
    ],
)
def test_what_is_asked(
    http_server: FakeHttp, ask: Ask, since: list[str] | None, last_event_id: str | None
) -> None:
    http_server.play(stream())
    session(http_server, ask)
    (heard,) = http_server.heard
    path, query = urlsplit(heard.target).path, parse_qs(urlsplit(heard.target).query)
    assert path == "/events"
    assert query["channel"] == ["b", "a.*"]
    assert query["format"] == ["envelope"]
    assert query["ephemeral"] == ["1"]
    assert query.get("since") == since
    assert heard.headers["Last-Event-ID"] == last_event_id
    assert heard.headers["Accept"] == "text/event-stream"


def test_204_is_the_end_of_all(http_server: FakeHttp) -> None:
    http_server.play(answer(204))
    told, error = session(http_server, Ask(("a", "b"), since=9))
    assert told == [Connected(), Ended("a", "final"), Ended("b", "final")]
    assert error is None


@pytest.mark.parametrize(
    ("status", "fatal"), [(400, True), (401, True), (403, True), (404, False), (503, False)]
)
def test_refusals(http_server: FakeHttp, status: int, fatal: bool) -> None:
    http_server.play(problem(status, "some_code", "some words", Retry_After="3"))
    told, error = session(http_server)
    assert told == []
    assert isinstance(error, Refused if fatal else Lost)
    assert (str(error), error.retry_after) == ("some words (some_code)", 3)


def test_an_answer_that_is_no_stream(http_server: FakeHttp) -> None:
    http_server.play(answer(200, b"<html>", Content_Type="text/html"))
    told, error = session(http_server)
    assert told == []
    assert isinstance(error, Lost)
    assert "not an event stream but text/html" in error.reason


def test_an_error_event(http_server: FakeHttp) -> None:
    http_server.play(
        stream(own("error", code="too_large", message="too much is pending")),
        stream(own("error", code="token_expired", message="over")),
    )
    assert isinstance(session(http_server)[1], Lost)
    assert isinstance(session(http_server)[1], Refused)


@pytest.mark.parametrize(
    "garbage",
    [b"data: x\n\n", b"data: {}\n\n", own("position", last_id="x"), own("gap", after=None)],
)
def test_what_is_not_the_protocol_is_a_reason_to_come_back(
    http_server: FakeHttp, garbage: bytes
) -> None:
    http_server.play(stream(garbage))
    _, error = session(http_server)
    assert isinstance(error, Lost)
    assert "not the protocol" in error.reason


def test_an_event_that_is_too_large(http_server: FakeHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywire.client.sse.StreamParser.__init__.__defaults__", (100,))
    http_server.play(stream(b"data: " + b"x" * 200))
    _, error = session(http_server)
    assert isinstance(error, Lost)
    assert "over 100 characters" in error.reason


def test_silence_is_the_end(http_server: FakeHttp) -> None:
    go_on = threading.Event()
    http_server.play(stream(own("position", last_id=5), then=go_on.wait))
    try:
        told, error = session(http_server, silence=0.05)
    finally:
        go_on.set()
    assert told == [Connected(), Moved(5)]
    assert isinstance(error, Unreachable)
    assert "timed out" in error.reason
