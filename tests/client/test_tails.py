"""Hearing channels across connections: what is new, when to come back, when it is over."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from everywire.client.address import Address
from everywire.client.errors import GaveUp, Lost, Refused, Unreachable
from everywire.client.events import Ask, Comeback, Connected, Ended, Event, Moved, Started
from everywire.client.messages import Gap, Message, gap_of, message_of
from everywire.client.retry import Backoff
from everywire.client.tails import Tail, Wire, tail
from everywire.core.errors import RequestError, UsageError

from .fakes import (
    FakeHttp,
    FakeTime,
    FakeWs,
    answer,
    answer_json,
    frame,
    message,
    stream,
    welcome,
)

URL = "http://127.0.0.1:1"
AWAY = Unreachable(URL, "nothing listens there")


def msg(channel: str, position: int | None, **fields: Any) -> Message:
    head = {"channel": channel} if position is None else {"channel": channel, "id": position}
    return message_of(json.dumps({**head, **fields}).encode())


class Sessions:
    """Plays a list of connections: what each tells, then what it raises."""

    def __init__(self, *connections: list[Event | Exception | float], time: FakeTime) -> None:
        self._connections = list(connections)
        self._time = time
        self.asked: list[Ask] = []
        self.closed = 0

    def __call__(self, address: Address, ask: Ask, token: str | None = None) -> Generator[Event]:
        self.asked.append(ask)
        try:
            for event in self._connections.pop(0):
                if isinstance(event, Exception):
                    raise event
                if isinstance(event, float):
                    self._time.now += event
                else:
                    yield event
        finally:
            self.closed += 1


class Told:
    """A tail over written connections, and everything it said."""

    def __init__(
        self,
        time: FakeTime,
        *connections: list[Event | Exception | float],
        channels: tuple[str, ...] = ("a",),
        **options: Any,
    ) -> None:
        self.words: list[str] = []
        self.sessions = Sessions(*connections, time=time)
        self.tail = Tail(
            URL,
            channels,
            notify=self.words.append,
            backoff=Backoff(base=1, cap=8, random=lambda: 1.0),
            clock=time.clock,
            sleep=time.sleep,
            session=self.sessions,
            **options,
        )


def test_it_comes_back_where_it_was(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Started("a", 5), msg("a", 7), Lost("cut")],
        [Connected(), msg("a", 7), msg("a", 9), Ended("a", "final")],
    )
    assert list(told.tail) == [msg("a", 7), msg("a", 9)]
    assert [ask.lowest for ask in told.sessions.asked] == [None, 7]
    assert [ask.returning for ask in told.sessions.asked] == [False, True]
    assert told.words == ["cut; trying again", "connected again after 1.0 s", "a has ended"]
    assert told.sessions.closed == 2


def test_a_fresh_tail_misses_nothing_that_comes_while_it_is_away(time: FakeTime) -> None:
    for first in ([Started("a", 5)], [Moved(5)]):
        told = Told(
            time,
            [Connected(), *first, Lost("cut")],
            [Connected(), Ended("a", "final")],
        )
        assert list(told.tail) == []
        assert told.sessions.asked[1].lowest == 5


def test_one_who_was_never_told_a_position_begins_anew(time: FakeTime) -> None:
    told = Told(time, [Connected(), Lost("cut")], [Connected(), Ended("a", "final")])
    assert list(told.tail) == []
    assert told.sessions.asked[1].since is None


def test_an_outage_is_told_once(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Started("a", 5), Lost("cut")],
        [AWAY],
        [AWAY],
        [Lost("502")],
        [Connected(), Ended("a", "final")],
    )
    assert list(told.tail) == []
    assert told.words == ["cut; trying again", "connected again after 15.0 s", "a has ended"]
    assert time.slept == [1, 2, 4, 8]


def test_the_next_outage_is_told_again(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), msg("a", 1), Lost("cut")],
        [Connected(), msg("a", 2), Lost("cut again")],
        [Connected(), Ended("a", "final")],
    )
    list(told.tail)
    assert [words for words in told.words if "trying" in words] == [
        "cut; trying again",
        "cut again; trying again",
    ]
    assert time.slept == [1, 1]


def test_a_connection_that_brings_nothing_does_not_reset_the_waits(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Lost("shed")],
        [Connected(), Lost("shed")],
        [Connected(), 60.0, Lost("an hour later")],
        [Connected(), Ended("a", "final")],
    )
    list(told.tail)
    assert time.slept == [1, 2, 1]


def test_what_the_server_asks_for_is_waited(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Comeback(3.0), msg("a", 1), Lost("ended")],
        [Connected(), msg("a", 2), Lost("goodbye", retry_after=30.0)],
        [Connected(), Ended("a", "final")],
    )
    list(told.tail)
    assert time.slept == [4, 31]


def test_it_is_tried_for_ever_once_reached(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Started("a", 5), Lost("cut")],
        *[[AWAY]] * 1000,
        [Connected(), Ended("a", "final")],
        patience=10,
    )
    list(told.tail)
    assert len(time.slept) == 1001


def test_it_is_not_tried_for_ever_before(time: FakeTime) -> None:
    told = Told(time, *[[AWAY]] * 10, patience=10)
    with pytest.raises(GaveUp, match="nothing listens there") as caught:
        list(told.tail)
    assert caught.value.last is AWAY
    assert 8 <= time.now - 1000 <= 16


def test_no_patience_is_one_try(time: FakeTime) -> None:
    told = Told(time, [Lost("502", refused=Refused("http_502", "x", status=502))], patience=0)
    with pytest.raises(GaveUp) as caught:
        list(told.tail)
    assert isinstance(caught.value.last, Refused)
    assert time.slept == []
    assert told.words == []


def test_a_refusal_for_good_is_raised(time: FakeTime) -> None:
    told = Told(time, [Connected(), Refused("forbidden", "not yours", status=403)])
    with pytest.raises(Refused, match="not yours"):
        list(told.tail)
    assert told.sessions.closed == 1


def test_it_ends_when_all_channels_have(time: FakeTime) -> None:
    told = Told(
        time,
        [
            Connected(),
            Moved(0),
            msg("a", 1, final=True),
            Ended("a", "final"),
            msg("b", 2),
            msg("b", 3, final=True),
            msg("b", 4),
        ],
        channels=("a", "b"),
    )
    assert [item["id"] for item in told.tail] == [1, 2, 3]
    assert told.words == ["a has ended", "b has ended"]


def test_a_channel_that_has_ended_is_not_asked_for_again(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Moved(0), msg("a", 1, final=True), Lost("cut")],
        [Connected(), msg("b", 2, final=True)],
        channels=("a", "b"),
    )
    assert len(list(told.tail)) == 2
    assert told.sessions.asked[1].names == ("b",)


def test_the_end_of_a_channel_is_not_that_of_a_pattern(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Moved(0), msg("build.1", 1, final=True), msg("build.2", 2), Lost("cut")],
        [Connected(), Ended("build.*", "final")],
        channels=("build.*",),
    )
    assert len(list(told.tail)) == 2


def test_access_that_ends_is_an_error_in_the_end(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Moved(0), Ended("a", "token_expired"), msg("b", 2, final=True)],
        channels=("a", "b"),
    )
    heard: list[Message | Gap] = []
    with pytest.raises(Refused, match=r"subscription to a \(token_expired\)"):
        heard.extend(told.tail)
    assert told.words[0] == "the server ended the subscription to a (token_expired)"


def test_gaps_are_told(time: FakeTime) -> None:
    gap = gap_of("a", 5, 9, "trimmed")
    told = Told(time, [Connected(), gap, msg("a", 9), Ended("a", "final")], since=5)
    assert list(told.tail) == [gap, msg("a", 9)]


def test_ephemeral_messages_have_no_position(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Started("a", 5), msg("a", None), msg("a", None), Lost("cut")],
        [Connected(), Ended("a", "final")],
    )
    assert list(told.tail) == [msg("a", None)] * 2
    assert told.sessions.asked[1].since == 5


def test_history_is_asked_for_once(time: FakeTime) -> None:
    told = Told(
        time,
        [Connected(), Started("a", 5), Lost("cut")],
        [Connected(), Ended("a", "final")],
        history=3,
    )
    list(told.tail)
    assert [(ask.since, ask.history) for ask in told.sessions.asked] == [(None, 3), (5, 3)]


def test_a_session_that_just_ends_is_a_lost_connection(time: FakeTime) -> None:
    told = Told(time, [Connected()], [Connected(), Ended("a", "final")])
    list(told.tail)
    assert time.slept == [1]


def test_who_stops_listening_closes_the_connection(time: FakeTime) -> None:
    told = Told(time, [Connected(), Started("a", 0), msg("a", 1), msg("a", 2)])
    with told.tail as heard:
        assert next(heard) == msg("a", 1)
        assert heard.position == 1
    assert told.sessions.closed == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": []}, "at least one"),
        ({"wire": "pigeon"}, "allowed are ws, sse, poll"),
        ({"since": -1}, "a position"),
        ({"since": 2**53}, "a position"),
        ({"history": 3, "wire": "sse"}, "on sse give since"),
        ({"history": 3, "since": 0}, "give one"),
        ({"history": 0}, "counts from 1"),
        ({"history": 3, "channels": ["a.*"]}, "no history on patterns"),
        ({"url": "example.org"}, "URL"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Tail(**{"url": URL, "channels": ["a"], **arguments})


def test_a_name_that_is_no_channel() -> None:
    with pytest.raises(RequestError, match="is not a channel or pattern"):
        Tail(URL, ["a b"])


# The real sessions, on servers that play a script


def test_over_websocket(ws_server: FakeWs) -> None:
    subscribed: list[Any] = []

    def first(connection: ServerConnection) -> None:
        welcome(connection)
        subscribed.append(json.loads(connection.recv()))
        connection.send(frame("subscribed", channel="a", last_id=5))
        connection.send(frame("message", **message("a", 7)))
        connection.send(frame("bye", reason="drain", retry_ms=1))

    def second(connection: ServerConnection) -> None:
        welcome(connection)
        subscribed.append(json.loads(connection.recv()))
        connection.send(frame("subscribed", channel="a", last_id=7))
        connection.send(frame("message", **message("a", 9, final=True)))
        connection.send(frame("unsubscribed", channel="a", reason="final"))

    ws_server.play(first, second)
    assert [item["id"] for item in tail(ws_server.url, ["a"])] == [7, 9]
    assert subscribed[1] == {"type": "subscribe", "channels": ["a"], "since": 7}


def _stream(position: int, *messages: dict[str, Any]) -> bytes:
    told = f'event: everywire.position\ndata: {{"last_id":{position}}}\n\n'
    return (told + "".join(f"id: {m['id']}\ndata: {json.dumps(m)}\n\n" for m in messages)).encode()


@pytest.mark.parametrize("wire", ["sse", "poll"])
def test_over_http(http_server: FakeHttp, wire: Wire) -> None:
    if wire == "sse":
        http_server.play(
            stream(b"retry: 1\n\n" + _stream(5, message("a", 7))),
            stream(_stream(7, message("a", 9))),
            answer(204),
        )
    else:
        http_server.play(
            answer_json(200, {"data": [], "last_id": 5}),
            answer_json(200, {"data": [message("a", 7)], "last_id": 7}),
            answer(502),
            answer_json(200, {"data": [message("a", 9)], "last_id": 9, "final": ["a"]}),
        )
    heard = Tail(http_server.url, ["a"], wire=wire, sleep=lambda seconds: None)
    assert [item["id"] for item in heard] == [7, 9]
