"""server.websocket_connection: what a session's answers are held back for, and how long."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.websocket_connection import MAX_HELD
from everywire.server.websocket_session import WebSocketSession
from everywire.wires import frames
from everywire.wires.queries import SocketRequest
from everywire.wires.websocket import websocket_format


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**arguments), 10))

    return run


class FakeOutlet:
    """Notes each write as the frames that it brings, and what else is asked of it.

    Attributes:
        room: Writes that fit; with the last of them the socket is full.
    """

    pings = True

    def __init__(self, node: Node, room: int = 1_000_000) -> None:
        self.node = node
        self.room = room
        self.session: Any = None
        self.done: list[Any] = []
        self.written = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.done.append([short(payload) for _, payload in frames.split_frames(data)])
        self.written.set()
        self.room -= 1
        if self.room == 0:
            self.node.socket_full(self.session.subscriber)

    def close(self, code: int, reason: str) -> None:
        self.done.append(code)

    def cut_if_gone(self, heartbeat: float) -> bool:
        return False

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def taken(self) -> list[Any]:
        """What was done since this was asked last."""
        self.written.clear()
        done, self.done = self.done, []
        return done


def short(payload: bytes) -> str:
    """A control frame as its type and ref, a message as its data, bytes as they are."""
    if not payload.startswith(b"{"):
        return payload.decode()
    frame = json.loads(payload)
    told = frame.get("data") if frame["type"] == "message" else frame.get("ref")
    return frame["type"] if told is None else f"{frame['type']} {told}"


def text(**fields: Any) -> frames.Text:
    return frames.Text(json.dumps(fields).encode())


def publish(data: int, channel: str = "a") -> frames.Text:
    return text(type="publish", channel=channel, data=data, ref=data)


@asynccontextmanager
async def serving(log: str = "memory:") -> AsyncIterator[Node]:
    node = Node(Settings(log=log))
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def opened(node: Node, *channels: str, since: int | None = None, room: int = 1_000_000) -> Any:
    """A session that has been welcomed, and its outlet."""
    asked = SocketRequest(channels, (), since, None, "envelope")
    outlet = FakeOutlet(node, room)
    session = WebSocketSession(node, asked, websocket_format("json"), False, outlet, "")
    outlet.session = session
    session.start(asked)
    return session, outlet


def welcomed(node: Node, room: int = 1_000_000) -> Any:
    """The same, with the welcome out of the way."""
    session, outlet = opened(node, room=room + 1)
    assert outlet.taken() == [["welcome"]]
    return session, outlet


async def turn() -> None:
    """Let everything run that this turn of the loop has left for its end."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@on_a_loop
async def test_what_came_at_once_is_answered_by_one_write_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as node:
        session, outlet = welcomed(node)
        # Nothing is left for the end of the turn.
        monkeypatch.setattr(node, "soon", pytest.fail)
        session.receive(
            [publish(1), text(type="ping", ref=2), frames.Ping(b"x"), text(), publish(3)]
        )
        assert outlet.taken() == [["published 1", "pong 2", "x", "error", "published 3"]]
        await turn()
        assert outlet.taken() == []


@on_a_loop
async def test_everything_up_to_level_is_one_write() -> None:
    async with serving() as node:
        session, outlet = welcomed(node)
        session.receive([publish(1), publish(2)])
        await turn()
        _, late = opened(node, "a", since=0)
        assert late.taken() == [["welcome", "subscribed", "message 1", "message 2", "position"]]
        outlet.taken()
        session.receive([text(type="ping", ref=7), text(type="subscribe", channel="a", since=0)])
        assert outlet.taken() == [["pong 7", "subscribed", "message 1", "message 2", "position"]]


@on_a_loop
async def test_the_head_of_the_answer_comes_before() -> None:
    async with serving() as node:
        asked = SocketRequest((), (), None, None, "envelope")
        outlet = FakeOutlet(node)
        session = WebSocketSession(node, asked, websocket_format("json"), False, outlet, "")
        session.start(asked, frames.text_frame(b"head"))
        assert outlet.taken() == [["head", "welcome"]]


@on_a_loop
async def test_of_several_subscribed_each_is_said_before_any_message() -> None:
    async with serving() as node:
        session, outlet = welcomed(node)
        session.receive(
            [publish(1), publish(2, "b"), text(type="subscribe", channels=["a", "b"], since=0)]
        )
        (write,) = outlet.taken()
        assert write[:4] == ["published 1", "published 2", "subscribed", "subscribed"]
        assert sorted(write[4:]) == ["message 1", "message 2", "position"]


@on_a_loop
async def test_unsubscribed_ends_a_channel_s_messages() -> None:
    async with serving() as node:
        session, outlet = opened(node, "a")
        outlet.taken()
        session.receive([publish(1), text(type="unsubscribe", channel="a"), publish(2)])
        await turn()
        assert outlet.taken() == [["published 1", "unsubscribed", "published 2"]]


@on_a_loop
async def test_answers_of_the_log_in_one_turn_are_one_write(tmp_path: Path) -> None:
    async with serving(f"sqlite:{tmp_path / 'log'}") as node:
        session, outlet = welcomed(node)
        session.receive([publish(number) for number in range(10)])
        await outlet.written.wait()
        assert outlet.taken() == [[f"published {number}" for number in range(10)]]


@on_a_loop
async def test_what_was_answered_goes_out_before_the_close() -> None:
    async with serving() as node:
        session, outlet = welcomed(node)
        session.receive([publish(1), frames.Closing(1001, ""), publish(2)])
        assert outlet.taken() == [["published 1"], 1001]
        session.go_on()
        await turn()
        assert outlet.taken() == []


@on_a_loop
async def test_what_the_log_answers_goes_out_before_the_bye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(f"sqlite:{tmp_path / 'log'}") as node:
        session, outlet = welcomed(node)
        answered = asyncio.get_running_loop().create_future()
        # So that the turn does not end.
        monkeypatch.setattr(node, "soon", answered.set_result)
        session.receive([publish(1)])
        flush = await answered
        assert outlet.taken() == []
        session.drain()
        assert outlet.taken() == [["published 1", "bye"], 1001]
        flush()
        assert outlet.taken() == []


@pytest.mark.parametrize("room", [1, 3])
@on_a_loop
async def test_who_does_not_read_its_answers_is_not_read(room: int) -> None:
    async with serving() as node:
        session, outlet = welcomed(node, room)
        pings = [text(type="ping") for _ in range(10 * MAX_HELD)]
        session.receive(pings)
        assert outlet.taken() == [["pong"] * MAX_HELD] * room + ["pause"]
        outlet.room = 1_000_000
        node.socket_drained(session.subscriber)
        session.go_on()
        await turn()
        *writes, end = [done for done in outlet.taken() if done != "resume"]
        assert sum(map(len, writes)) + len(end) == (10 - room) * MAX_HELD
        assert max(map(len, writes)) == MAX_HELD


@on_a_loop
async def test_few_answers_that_fill_the_socket_are_noticed_as_well() -> None:
    async with serving() as node:
        session, outlet = welcomed(node, 1)
        session.receive([text(type="ping")])
        assert outlet.taken() == [["pong"], "pause"]
