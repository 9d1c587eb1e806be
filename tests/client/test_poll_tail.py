"""A session over long polling."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from everywire.client.address import Address
from everywire.client.errors import Lost, Refused, Unreachable
from everywire.client.events import Ask, Connected, Ended, Event, Moved
from everywire.client.messages import gap_of
from everywire.client.poll_tail import poll_session

from .fakes import FakeHttp, answer, answer_json, hang_up, message, problem


def session(http_server: FakeHttp, ask: Ask | None = None) -> tuple[list[Event], Exception | None]:
    told: list[Event] = []
    try:
        told.extend(poll_session(Address(http_server.url), ask or Ask(("a",))))
    except (Lost, Refused, Unreachable) as error:
        return told, error
    return told, None


def queries(http_server: FakeHttp) -> list[list[tuple[str, str]]]:
    return [parse_qsl(urlsplit(heard.target).query) for heard in http_server.heard]


def test_each_poll_goes_on_from_the_one_before(http_server: FakeHttp) -> None:
    http_server.play(
        answer_json(200, {"data": [], "last_id": 5}),
        answer_json(200, {"data": [message("a", 7)], "last_id": 7}),
        problem(403, "forbidden", "no more"),
    )
    told, error = session(http_server, Ask(("b", "a.*", "a")))
    assert told == [Connected(), Moved(5), message("a", 7), Moved(7)]
    assert isinstance(error, Refused)
    rest = [("limit", "1000"), ("wait", "30"), ("ephemeral", "1")]
    channels = [("channel", "a"), ("channel", "a.*"), ("channel", "b")]
    asked = queries(http_server)
    assert asked[0] == [*channels, *rest]
    assert asked[1] == [*channels, ("since", "5"), *rest]
    assert asked[2] == [*channels, ("since", "7"), *rest]


def test_gaps_stand_in_position_order(http_server: FakeHttp) -> None:
    http_server.play(
        answer_json(
            200,
            {
                "data": [message("a", 7), message("a", 12), {"channel": "a", "data": 1}],
                "gaps": [
                    {"channel": "b", "after": 5, "before": 20, "reason": "trimmed"},
                    {"channel": "b", "after": 5, "before": 9, "reason": "trimmed"},
                ],
                "last_id": 19,
            },
        ),
        hang_up,
    )
    told, _ = session(http_server, Ask(("a", "b"), since=5))
    assert told == [
        Connected(),
        message("a", 7),
        gap_of("b", 5, 9, "trimmed"),
        message("a", 12),
        {"channel": "a", "data": 1},
        gap_of("b", 5, 20, "trimmed"),
        Moved(19),
    ]


def test_an_ended_channel_is_not_asked_for_any_more(http_server: FakeHttp) -> None:
    http_server.play(
        answer_json(200, {"data": [message("a", 7)], "last_id": 7, "final": ["a"]}),
        answer_json(200, {"data": [message("b", 8)], "last_id": 8, "final": ["b"]}),
    )
    told, error = session(http_server, Ask(("a", "b"), since=5))
    assert told == [
        Connected(),
        message("a", 7),
        Moved(7),
        Ended("a", "final"),
        message("b", 8),
        Moved(8),
        Ended("b", "final"),
    ]
    assert error is None
    assert queries(http_server)[1][0] == ("channel", "b")


def test_a_server_that_does_not_wait_is_not_asked_in_a_loop(http_server: FakeHttp) -> None:
    http_server.play(*[answer_json(200, {"data": [], "last_id": 5})] * 10)
    _, error = session(http_server, Ask(("a",), since=5))
    assert isinstance(error, Lost)
    assert len(http_server.heard) == 2


def test_a_server_that_moves_on_may_answer_at_once(http_server: FakeHttp) -> None:
    http_server.play(*[answer_json(200, {"data": [], "last_id": n}) for n in (5, 6, 7)])
    told, error = session(http_server, Ask(("a",), since=5))
    assert told == [Connected(), Moved(5), Moved(6), Moved(7)]
    assert isinstance(error, Refused)


def test_a_server_that_goes_away(http_server: FakeHttp) -> None:
    http_server.play(hang_up)
    told, error = session(http_server)
    assert told == []
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize(
    ("status", "fatal"), [(400, True), (401, True), (403, True), (404, False), (503, False)]
)
def test_refusals(http_server: FakeHttp, status: int, fatal: bool) -> None:
    http_server.play(problem(status, "some_code", "some words", Retry_After="3"))
    told, error = session(http_server)
    assert told == []
    assert isinstance(error, Refused if fatal else Lost)
    assert (str(error), error.retry_after) == ("some words (some_code)", 3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":[1],"last_id":5}',
        b'{"data":[],"last_id":"5"}',
        b"\xff",
        b'{"data":[{}],"last_id":5}',
        b'{"data":' + b"[" * 100000,
    ],
)
def test_what_is_not_the_protocol_is_a_reason_to_come_back(
    http_server: FakeHttp, body: bytes
) -> None:
    http_server.play(answer(200, body))
    _, error = session(http_server)
    assert isinstance(error, Lost)
    assert "not the protocol" in error.reason
