"""wires.websocket: what each format sends."""

from __future__ import annotations

import json

import msgspec
import pytest

from everywire.core.messages import Gap, Kind, Message
from everywire.wires.deflate import Inflater
from everywire.wires.frames import BINARY, TEXT, split_frames
from everywire.wires.websocket import websocket_format

JSON_MESSAGE = Message(5, "a", "e", b'{"x":1}', Kind.JSON, 9, "me", None, "k", b'{"n":2}', True)
TEXT_MESSAGE = Message(6, "a", "e", "hé".encode(), Kind.TEXT, 9)
BYTES_MESSAGE = Message(7, "a", "e", b"\x00\xff", Kind.BYTES, 9)


def test_json() -> None:
    ((opcode, payload),) = split_frames(websocket_format("json").message(JSON_MESSAGE))
    assert opcode == TEXT
    assert json.loads(payload) == {
        "type": "message",
        "channel": "a",
        "id": 5,
        "event": "e",
        "data": {"x": 1},
        "ts": 9,
        "from": {"connection": "me"},
        "key": "k",
        "meta": {"n": 2},
        "final": True,
    }


@pytest.mark.parametrize("message", [JSON_MESSAGE, TEXT_MESSAGE])
def test_msgpack_is_the_same_object(message: Message) -> None:
    """PROTOCOL.md, Subprotocols: the same objects in binary frames."""
    ((opcode, payload),) = split_frames(websocket_format("msgpack").message(message))
    ((_, text),) = split_frames(websocket_format("json").message(message))
    assert opcode == BINARY
    assert msgspec.msgpack.decode(payload) == json.loads(text)


def test_bytes_travel_in_msgpack_as_bin_without_encoding() -> None:
    ((_, payload),) = split_frames(websocket_format("msgpack").message(BYTES_MESSAGE))
    item = msgspec.msgpack.decode(payload)
    assert item["data"] == b"\x00\xff"
    assert "encoding" not in item


def test_an_ephemeral_message_has_no_id() -> None:
    message = Message(0, "a", "e", b"1", Kind.JSON, 9)
    ((_, payload),) = split_frames(websocket_format("msgpack").message(message))
    assert "id" not in msgspec.msgpack.decode(payload)


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (JSON_MESSAGE, (TEXT, b'{"x":1}')),
        (TEXT_MESSAGE, (TEXT, "hé".encode())),
        (BYTES_MESSAGE, (BINARY, b"\x00\xff")),
    ],
)
def test_data_is_the_bare_data(message: Message, frame: tuple[int, bytes]) -> None:
    """PROTOCOL.md, format=data."""
    assert split_frames(websocket_format("data").message(message)) == [frame]


def test_data_wraps_what_must_not_go_unsaid_and_nothing_else() -> None:
    bare = websocket_format("data")
    gap = Gap("a", 1, 9, "trimmed")
    ((opcode, payload),) = split_frames(bare.gap(gap))
    assert opcode == TEXT
    assert json.loads(payload) == {
        "everywire": {
            "type": "gap",
            "channel": "a",
            "after": 1,
            "before": 9,
            "reason": "trimmed",
        }
    }
    for kind in ("error", "unsubscribed", "bye"):
        assert bare.control({"type": kind})
    for kind in ("welcome", "subscribed", "position", "published", "pong"):
        assert bare.control({"type": kind}) == b""


def test_equal_formats_are_one_object() -> None:
    assert websocket_format("json") is websocket_format("json")
    assert websocket_format("json") is not websocket_format("json", 15)


def test_compressed_messages_are_whole_by_themselves() -> None:
    """No context is taken over: any message can be read without those before it."""
    wire = websocket_format("json", 12)
    data = wire.message(JSON_MESSAGE)
    assert wire.message(JSON_MESSAGE) == data
    assert data[0] == 0x80 | 0x40 | TEXT
    assert data[1] < 126
    inflated = Inflater(12).inflate(data[2:], 10_000)
    assert json.loads(inflated)["id"] == 5
