"""server.turn_answers: the publishers of a turn are answered together, in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from everywire.server.http_head import AnswerHeads
from everywire.server.http_protocol import HTTPProtocol
from everywire.server.messages import Response
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.turn_answers import TurnAnswers
from everywire.server.uvicorn_handover import NODE

SOCKET_HEAD = (
    b"GET /ws?channel=a&format=data HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class StubLoop:
    """Keeps what is to be done in the next turn."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        due, self.soon = self.soon, []
        for callback in due:
            callback()


@pytest.fixture
def loop() -> Any:
    return StubLoop()


class Answered:
    """Whoever is answered: statuses, and 0 for who is cut."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._answers = TurnAnswers()
        self.statuses: list[int] = []

    def add(self, status: int, respond: Callable[[Response], None] | None = None) -> None:
        respond = respond or (lambda response: self.statuses.append(response.status))
        self._answers.add(respond, Response(status), self._cut)

    def gather(self) -> None:
        self._answers.gather(self._loop)

    def _cut(self) -> None:
        self.statuses.append(0)


def test_one_callback_answers_all_of_a_turn_in_order(loop: Any) -> None:
    answered = Answered(loop)
    for status in (200, 409, 201):
        answered.gather()
        answered.add(status)
    assert (len(loop.soon), answered.statuses) == (1, [])
    loop.turn()
    assert (loop.soon, answered.statuses) == ([], [200, 409, 201])


def test_what_an_answer_brings_about_is_answered_in_the_next_turn(loop: Any) -> None:
    def goes_on(_: Response) -> None:
        answered.gather()
        answered.add(202)

    answered = Answered(loop)
    answered.gather()
    answered.add(201, goes_on)
    answered.add(203)
    loop.turn()
    assert answered.statuses == [203]
    loop.turn()
    assert answered.statuses == [203, 202]


def test_what_is_answered_later_does_not_wait(loop: Any) -> None:
    answered = Answered(loop)
    answered.gather()
    loop.turn()
    answered.add(200)
    assert (loop.soon, answered.statuses) == ([], [200])


def test_one_that_fails_does_not_keep_the_next_from_being_answered(
    loop: Any, errors: list[str]
) -> None:
    def fails(_: Response) -> None:
        raise RuntimeError("a fault of ours")

    answered = Answered(loop)
    answered.gather()
    answered.add(200, fails)
    answered.add(201)
    loop.turn()
    assert answered.statuses == [0, 201]
    assert ["could not be answered" in error for error in errors] == [True]
    errors.clear()


class StubTransport:
    """Notes who writes what, in the order of all."""

    socket = socket.socket()

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        self._name = name
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append((self._name, data))

    def get_extra_info(self, name: str) -> object:
        return {"peername": ("127.0.0.1", 1), "socket": self.socket}.get(name)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 0, 1

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self._written.append((self._name, b""))


def connect(node: Node, name: str, written: list[tuple[str, bytes]]) -> Callable[[bytes], None]:
    config = uvicorn.Config(lambda: None, log_config=None, http=HTTPProtocol)
    transport = StubTransport(name, written)
    protocol = HTTPProtocol(config, ServerState(), {NODE: node}, asyncio.get_running_loop())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)  # type: ignore[arg-type]  # as much as is asked for
    return protocol.data_received


def publish(data: str) -> bytes:
    body = f'{{"channel":"a","data":{data}}}'
    head = f"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def run(scene: Callable[[Node, list[tuple[str, bytes]]], Any]) -> list[tuple[str, bytes]]:
    """Play a scene on a node of its own; what was written since its last ``clear``."""
    written: list[tuple[str, bytes]] = []

    async def play() -> None:
        node = Node(Settings(log="memory:"))
        await node.start()
        await scene(node, written)
        await node.stop()

    asyncio.run(play())
    return written


async def turns() -> None:
    """Let the loop do what is due, and what that brings about."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_publishers_of_a_turn_are_answered_and_then_who_listens_hears_it() -> None:
    async def scene(node: Node, written: list[tuple[str, bytes]]) -> None:
        connect(node, "listener", written)(SOCKET_HEAD)
        publishers = [connect(node, f"publisher {number}", written) for number in range(2)]
        await turns()
        written.clear()
        for number, data_received in enumerate(publishers):
            data_received(publish(str(number)))
        assert written == []
        await turns()

    written = run(scene)
    assert [name for name, _ in written] == ["publisher 0", "publisher 1", "listener"]
    assert all(b'\r\n\r\n{"id":' in answer for _, answer in written[:2])
    assert written[2][1] == b"\x81\x010\x81\x011"


def test_pipelined_publishes_do_not_wait_for_a_turn_each() -> None:
    async def scene(node: Node, written: list[tuple[str, bytes]]) -> None:
        data_received = connect(node, "publisher", written)
        await turns()
        data_received(publish("1") + publish("2") + publish("{") + publish("3"))
        assert len(written) == 3
        await turns()

    written = run(scene)
    assert [answer[9:12] for _, answer in written] == [b"200", b"200", b"400", b"200"]


def test_a_publisher_who_cannot_be_answered_is_cut(
    monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    def fails(*_: Any) -> bytes:
        raise RuntimeError("a fault of ours")

    async def scene(node: Node, written: list[tuple[str, bytes]]) -> None:
        data_received = connect(node, "publisher", written)
        await turns()
        data_received(publish("1"))
        await turns()

    monkeypatch.setattr(AnswerHeads, "answer", fails)
    assert run(scene) == [("publisher", b"")]
    assert ["could not be answered" in error for error in errors] == [True]
    errors.clear()
