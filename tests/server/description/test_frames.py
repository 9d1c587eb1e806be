"""Frames and events of a real server are those that are described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules
from everywire.server.description.wires import EVENTS, SERVER_FRAMES
from server.clients import Event
from server.running import Running

from .checking import ASYNCAPI, fits

MESSAGES: dict[str, Any] = ASYNCAPI["components"]["messages"]


def check_frame(frame: dict[str, Any]) -> str:
    """A frame has to fit what is said of its type, which is returned."""
    type = frame["type"]
    fits(frame, MESSAGES[f"server.{type}"]["payload"], ASYNCAPI)
    return type


@pytest.mark.parametrize("msgpack", [False, True])
def test_a_conversation(server: Running, channel: str, msgpack: bool) -> None:
    socket = server.socket(msgpack=msgpack)
    seen = {check_frame(socket.welcome)}
    for n in range(3):
        server.publish(channel, {"n": n}, event="e", meta={"a": 1}, key="k")
    for type, frame in (
        ("subscribe", {"channel": channel, "since": 7, "ref": "r"}),
        ("subscribe", {"channel": channel, "ref": 1}),
        ("publish", {"channel": channel, "data": "t", "encoding": "text", "ref": 2}),
        ("publish", {"channel": channel, "data": 1, "ephemeral": True}),
        ("publish", {"channel": channel, "data": 1, "idempotency_key": channel}),
        ("publish", {"channel": channel, "data": 1, "idempotency_key": channel}),
        ("unsubscribe", {"channel": channel}),
        ("subscribe", {"channels": ["a b", channel], "since": 0}),
        ("publish", {"channel": channel, "data": 1, "final": True, "ref": 3}),
        ("ping", {"ref": "last"}),
    ):
        socket.send(type, **frame)
    frames: list[dict[str, Any]] = []
    # A publish is answered when the log has it, perhaps behind the pong.
    while sum(frame["type"] in ("published", "pong") for frame in frames) < 6:
        frames.append(socket.next())
    seen |= {check_frame(frame) for frame in frames}
    assert seen == {
        "welcome",
        "subscribed",
        "gap",
        "message",
        "position",
        "error",
        "published",
        "unsubscribed",
        "pong",
    }
    assert {frame.get("duplicate") for frame in frames if frame["type"] == "published"} >= {True}


def test_a_goodbye(start_native: Callable[..., Running]) -> None:
    server = start_native()
    socket = server.socket()
    server.begin_stop()
    assert check_frame(socket.next()) == "bye"


def test_the_kinds_of_frames_above_are_all_there_are() -> None:
    assert len(SERVER_FRAMES) == 10


def test_bare_frames(server: Running, channel: str) -> None:
    server.publish(channel, 1, final=True)
    socket = server.socket(format="data", channel=channel, since=7)
    gap = socket.next()
    fits(gap, MESSAGES["bare.control"]["payload"], ASYNCAPI)
    assert gap["everywire"]["type"] == "gap"
    assert socket.receive() == "1"
    end = socket.next()
    fits(end, MESSAGES["bare.control"]["payload"], ASYNCAPI)
    assert end["everywire"]["type"] == "unsubscribed"


def check_event(name: str, event: Event) -> None:
    """An event has to fit what is said of it: its fields, and its data."""
    described = MESSAGES[f"stream.{name}"]
    fields = described["headers"]["properties"]
    has_event = event.event != "message"
    assert has_event <= ("event" in fields)
    if "const" in fields.get("event", {}):
        assert event.event == fields["event"]["const"]
    assert (event.id is not None) <= ("id" in fields)
    if event.id is None:
        assert name in ("message", "unsubscribed", "error")
    fits(event.json, described["payload"], ASYNCAPI)


@pytest.mark.parametrize("format", ["data", "envelope"])
def test_a_stream(server: Running, channel: str, format: str) -> None:
    server.publish(channel, {"a": 1}, event="e")
    server.publish(channel, [1], meta={"b": 2}, key="k", final=True)
    stream = server.stream(channel=channel, since=7, format=format)
    seen: set[str] = set()
    while (event := stream.next()) is not None:
        own = event.event.startswith("everywire.")
        kind = event.event.removeprefix("everywire.") if own else "message"
        name = "envelope" if kind == "message" and format == "envelope" else kind
        check_event(name, event)
        seen.add(kind)
    assert seen == {"position", "gap", "message", "unsubscribed"}


def test_an_ephemeral_message_has_no_id(server: Running, channel: str) -> None:
    stream = server.stream(channel=channel, ephemeral=1)
    stream.opened()
    server.publish(channel, 1, ephemeral=True)
    event = stream.expect("message")
    assert event.id is None
    check_event("message", event)


def test_an_error_that_ends_a_stream() -> None:
    """As a slow reader gets it; the server's own words for it."""
    from everywire.server.event_stream import _TOO_SLOW

    fits(_TOO_SLOW, MESSAGES["stream.error"]["payload"], ASYNCAPI)
    assert set(EVENTS) == {"message", "envelope", "position", "gap", "unsubscribed", "error"}


def test_a_gap_that_was_trimmed(start_native: Callable[..., Running], channel: str) -> None:
    server = start_native(rules=Rules([ChannelRule("**", max_messages=1)]))
    first = server.publish(channel, 1)
    for n in range(3):
        server.publish(channel, n)
    socket = server.socket(channel=channel, since=first)
    frames = socket.until("message")
    assert [check_frame(frame) for frame in frames] == ["subscribed", "gap", "message"]
