"""wires.envelope: a message as one JSON object."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from everywire.core.messages import Gap, Kind, Message
from everywire.wires.envelope import envelope, gap_fields

PLAIN = Message(12, "a.b", "message", b'{"x":  1.50}', Kind.JSON, 99)


def test_the_five_fields_that_every_message_has() -> None:
    """PROTOCOL.md, message; and JSON data passed on byte for byte."""
    assert envelope(PLAIN) == (
        b'{"channel":"a.b","id":12,"event":"message","data":{"x":  1.50},"ts":99}'
    )


def test_those_that_apply() -> None:
    message = Message(
        12, "a", "e", b"1", Kind.JSON, 99, "me", "ann", "k", b'{"n":1}', final=True, expires=100
    )
    assert json.loads(envelope(message)) == {
        "channel": "a",
        "id": 12,
        "event": "e",
        "data": 1,
        "ts": 99,
        "from": {"user": "ann", "connection": "me"},
        "key": "k",
        "meta": {"n": 1},
        "final": True,
    }


def test_an_ephemeral_message_has_no_id() -> None:
    assert "id" not in json.loads(envelope(Message(0, "a", "e", b"1", Kind.JSON, 99)))


NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable())


@given(st.text(), NAMES, NAMES)
def test_text_and_names_come_back_as_they_were(text: str, channel: str, event: str) -> None:
    item: dict[str, Any] = json.loads(
        envelope(Message(1, channel, event, text.encode(), Kind.TEXT, 0))
    )
    assert (item["channel"], item["event"], item["data"]) == (channel, event, text)
    assert item["encoding"] == "text"


@given(st.binary())
def test_bytes_come_back_as_they_were(data: bytes) -> None:
    item = json.loads(envelope(Message(1, "a", "e", data, Kind.BYTES, 0)))
    assert b64decode(item["data"], validate=True) == data
    assert item["encoding"] == "base64"


def test_a_gap() -> None:
    assert gap_fields(Gap("a", 1, 9, "trimmed")) == {
        "channel": "a",
        "after": 1,
        "before": 9,
        "reason": "trimmed",
    }
