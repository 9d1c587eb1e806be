"""A session over WebSocket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.server import ServerConnection

from everywire.client.address import Address
from everywire.client.errors import Lost, Refused, Unreachable
from everywire.client.events import Ask, Connected, Ended, Event, Moved, Started
from everywire.client.messages import gap_of
from everywire.client.ws_tail import ws_session
from everywire.core.errors import UsageError

from .fakes import FakeHttp, FakeWs, frame, message, problem, welcome


def events_of(session: Iterator[Event]) -> tuple[list[Event], Exception | None]:
    """Everything a session tells, and what it raises in the end."""
    told: list[Event] = []
    try:
        told.extend(session)
    except (Lost, Refused, Unreachable) as error:
        return told, error
    return told, None


def playing(*frames: str | bytes, close: tuple[int, str] = (1001, "")) -> Callable[..., None]:
    def play(connection: ServerConnection) -> None:
        welcome(connection)
        connection.recv()
        for one in frames:
            connection.send(one)
        connection.close(*close)

    return play


def session(ws_server: FakeWs, ask: Ask | None = None) -> tuple[list[Event], Exception | None]:
    return events_of(ws_session(Address(ws_server.url), ask or Ask(("a",))))


def test_frames_become_events(ws_server: FakeWs) -> None:
    text = json.dumps(message("a", 7, {"x": 1}, type="message"))
    ws_server.play(
        playing(
            frame("subscribed", channel="a", last_id=5),
            frame("gap", channel="a", after=5, before=7, reason="trimmed"),
            text,
            '{"type":"message","channel":"a","id":8,"data":1.50}',
            frame("position", last_id=9),
            frame("pong"),
            frame("from_the_future", last_id=3),
            frame("unsubscribed", channel="a", reason="final"),
        )
    )
    told, error = session(ws_server)
    assert told == [
        Connected(),
        Started("a", 5),
        gap_of("a", 5, 7, "trimmed"),
        message("a", 7, {"x": 1}),
        {"channel": "a", "id": 8, "data": 1.5},
        Moved(9),
        Ended("a", "final"),
    ]
    assert isinstance(error, Lost)


def test_a_position_before_the_subscription_is_of_no_channel_of_ours(ws_server: FakeWs) -> None:
    """A heartbeat may cross the subscribe; taken for ours it would skip what is to be resumed."""
    ws_server.play(
        playing(
            frame("position", last_id=50),
            frame("subscribed", channel="a", last_id=5),
            frame("position", last_id=60),
        )
    )
    told, _ = session(ws_server, Ask(("a",), since=5))
    assert told == [Connected(), Started("a", 5), Moved(60)]


@pytest.mark.parametrize(
    ("ask", "sent"),
    [
        (Ask(("a", "b.*")), {"channels": ["a", "b.*"]}),
        (Ask(("a",), since=0), {"channels": ["a"], "since": 0}),
        (Ask(("a", "b"), since={"a": 1, "b": 2}), {"channels": {"a": 1, "b": 2}}),
        (Ask(("a",), history=3), {"channels": ["a"], "history": 3}),
        (Ask(("a",), since=5, history=3), {"channels": ["a"], "since": 5}),
    ],
)
def test_one_frame_subscribes_to_all(ws_server: FakeWs, ask: Ask, sent: dict[str, object]) -> None:
    frames: list[dict[str, object]] = []

    def play(connection: ServerConnection) -> None:
        welcome(connection)
        frames.append(json.loads(connection.recv()))

    ws_server.play(play)
    session(ws_server, ask)
    assert frames == [{"type": "subscribe", **sent}]


def test_the_handshake(ws_server: FakeWs) -> None:
    ws_server.play(playing())
    events_of(ws_session(Address(ws_server.url + "/live"), Ask(("a",)), "secret"))
    request = ws_server.connections[0].request
    assert request is not None
    assert request.path == "/live/ws"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["Sec-WebSocket-Protocol"] == "everywire.v1"
    assert "Sec-WebSocket-Extensions" not in request.headers


@pytest.mark.parametrize(
    ("code", "fatal"),
    [(4400, True), (4401, True), (4403, True)]
    + [(code, False) for code in (1001, 1002, 1009, 1011, 4408, 4413, 4429)],
)
def test_close_codes(ws_server: FakeWs, code: int, fatal: bool) -> None:
    ws_server.play(playing(close=(code, "because")))
    _, error = session(ws_server)
    assert isinstance(error, Refused if fatal else Lost)
    assert f"({code}, because)" in str(error)


@pytest.mark.parametrize(
    ("status", "fatal"), [(400, True), (401, True), (403, True), (404, False), (503, False)]
)
def test_a_refused_handshake(http_server: FakeHttp, status: int, fatal: bool) -> None:
    http_server.play(problem(status, "some_code", "some words", Retry_After="3"))
    told, error = events_of(ws_session(Address(http_server.url), Ask(("a",))))
    assert told == []
    assert isinstance(error, Refused if fatal else Lost)
    assert str(error) == "some words (some_code)"
    assert error.retry_after == 3


def test_an_error_frame_is_fatal_by_its_status(ws_server: FakeWs) -> None:
    ws_server.play(playing(frame("error", code="forbidden", message="not yours", channel="a")))
    _, error = session(ws_server)
    assert isinstance(error, Refused)
    assert str(error) == "not yours (forbidden)"


def test_an_error_frame_that_passes_is_a_reason_to_come_back(ws_server: FakeWs) -> None:
    ws_server.play(playing(frame("error", code="unavailable", message="disk full")))
    _, error = session(ws_server)
    assert isinstance(error, Lost)
    assert error.refused is not None


def test_goodbye_says_when_to_come_back(ws_server: FakeWs) -> None:
    ws_server.play(playing(frame("bye", reason="drain", retry_ms=1500)))
    _, error = session(ws_server)
    assert isinstance(error, Lost)
    assert (error.reason, error.retry_after) == ("the server said goodbye (drain)", 1.5)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "x",
        "[]",
        '{"type":1}',
        '{"type":"position","last_id":"1"}',
        '{"type":"message"}',
        '{"type":"message","channel":1}',
        '{"type":"gap","after":null}',
        b"\xff\xfe",
    ],
)
def test_what_is_not_the_protocol_is_a_reason_to_come_back(
    ws_server: FakeWs, garbage: str | bytes
) -> None:
    ws_server.play(playing(garbage))
    told, error = session(ws_server)
    assert told == [Connected()]
    assert isinstance(error, Lost)
    assert "not the protocol" in error.reason


def test_a_server_that_does_not_begin_with_a_welcome(ws_server: FakeWs) -> None:
    ws_server.play(lambda connection: connection.send(frame("position", last_id=1)))
    told, error = session(ws_server)
    assert told == []
    assert isinstance(error, Lost)


def test_silence_is_asked_about_and_then_the_server_is_gone(ws_server: FakeWs) -> None:
    asked: list[object] = []
    over = threading.Event()

    def play(connection: ServerConnection) -> None:
        welcome(connection, heartbeat_ms=20)
        connection.recv()
        asked.append(json.loads(connection.recv()))
        connection.send(frame("pong"))
        asked.append(json.loads(connection.recv()))
        over.wait()

    ws_server.play(play)
    told, error = session(ws_server)
    over.set()
    assert told == [Connected()]
    assert isinstance(error, Lost)
    assert "nothing was heard" in error.reason
    assert asked == [{"type": "ping"}, {"type": "ping"}]


def test_a_connection_that_is_cut(ws_server: FakeWs) -> None:
    def play(connection: ServerConnection) -> None:
        welcome(connection)
        connection.recv()
        connection.socket.shutdown(socket.SHUT_RDWR)

    ws_server.play(play)
    told, error = session(ws_server)
    assert told == [Connected()]
    assert isinstance(error, Lost)
    assert error.reason == "the connection was cut"


def test_nobody_there(unused_port: int) -> None:
    address = Address(f"http://127.0.0.1:{unused_port}")
    _, error = events_of(ws_session(address, Ask(("a",))))
    assert isinstance(error, Unreachable)
    assert "nothing listens there" in error.reason


def test_a_server_that_speaks_no_websocket(http_server: FakeHttp) -> None:
    http_server.play(lambda handler: handler.wfile.write(b"SSH-2.0\r\n"))
    _, error = events_of(ws_session(Address(http_server.url), Ask(("a",))))
    assert isinstance(error, Unreachable)


def test_proxies_of_the_environment_are_not_used(
    ws_server: FakeWs, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    ws_server.play(playing())
    told, _ = session(ws_server)
    assert told == [Connected()]


def test_names_that_no_frame_holds() -> None:
    names = tuple(f"{number}{'x' * 190}" for number in range(1000))
    with pytest.raises(UsageError, match="at most 65536"):
        next(ws_session(Address("http://127.0.0.1:1"), Ask(names)))


def test_who_stops_listening_closes(ws_server: FakeWs) -> None:
    closed = threading.Event()

    def play(connection: ServerConnection) -> None:
        welcome(connection)
        for _ in connection:
            pass
        # The iteration ends without an exception only where the close code says all was well.
        closed.set()

    ws_server.play(play)
    listening = ws_session(Address(ws_server.url), Ask(("a",)))
    assert next(listening) == Connected()
    listening.close()
    assert closed.wait(10)
