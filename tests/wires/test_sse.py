"""wires.sse: what a strict parser (client.sse, from the HTML standard) makes of a stream."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.client.sse import StreamParser
from everywire.core.messages import Gap, Kind, Message
from everywire.wires import sse


def dispatched(data: bytes) -> list[tuple[str, str, str]]:
    """Event, data and last id of everything that is dispatched."""
    parser = StreamParser()
    return [(e.event, e.data, e.last_id) for e in parser.feed(data)]


def test_the_example_of_the_protocol() -> None:
    """PROTOCOL.md, Server-Sent Events."""
    message = Message(1763942400000457, "prices", "price", b'{"symbol": "AAPL"}', Kind.JSON, 0)
    stream = sse.retry(2000) + sse.position_event(1763942400000000) + sse.DATA.message(message)
    assert stream == (
        b"retry: 2000\n\n"
        b"id: 1763942400000000\nevent: everywire.position\n"
        b'data: {"last_id":1763942400000000}\n\n'
        b'id: 1763942400000457\nevent: price\ndata: {"symbol": "AAPL"}\n\n'
    )


def test_the_default_event_has_no_event_line() -> None:
    assert sse.DATA.message(Message(7, "a", "message", b"1", Kind.JSON, 0)) == b"id: 7\ndata: 1\n\n"


def test_an_ephemeral_message_has_no_id_line() -> None:
    message = Message(0, "a", "message", b"1", Kind.JSON, 0)
    assert sse.DATA.message(message) == b"data: 1\n\n"
    assert sse.ENVELOPE.message(message).startswith(b"data: {")


def test_a_gap_moves_the_last_id_to_before_minus_1() -> None:
    stream = sse.DATA.gap(Gap("a", 1, 9, "trimmed"))
    ((event, data, last_id),) = dispatched(stream)
    assert (event, last_id) == ("everywire.gap", "8")
    assert json.loads(data) == {"channel": "a", "after": 1, "before": 9, "reason": "trimmed"}


@given(st.text())
def test_text_is_split_at_every_line_end(text: str) -> None:
    """PROTOCOL.md: text split into data lines at CR, LF and CRLF."""
    stream = sse.DATA.message(Message(1, "a", "e", text.encode(), Kind.TEXT, 0))
    ((event, data, _),) = dispatched(stream)
    assert event == "e"
    assert data == text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.binary())
def test_bytes_are_base64(payload: bytes) -> None:
    ((_, data, _),) = dispatched(sse.DATA.message(Message(1, "a", "e", payload, Kind.BYTES, 0)))
    assert b64decode(data, validate=True) == payload


@pytest.mark.parametrize("text", ["a\nid: 5", "a\r\rdata: x", "\n\n", "event: x", ":", "\ufeff"])
def test_nothing_is_smuggled_in_by_text(text: str) -> None:
    stream = sse.DATA.message(Message(1, "a", "e", text.encode(), Kind.TEXT, 0))
    assert [(event, last) for event, _, last in dispatched(stream)] == [("e", "1")]


def test_envelope_is_the_whole_message_and_the_default_event() -> None:
    message = Message(7, "a", "price", b"[1, 2]", Kind.JSON, 5)
    ((event, data, last_id),) = dispatched(sse.ENVELOPE.message(message))
    assert (event, last_id) == ("message", "7")
    assert json.loads(data)["event"] == "price"


def test_a_comment_dispatches_nothing() -> None:
    assert dispatched(sse.COMMENT) == []


def test_several_messages_are_one_write() -> None:
    parts = [b"one\n\n", b"two\n\n"]
    assert sse.DATA.join(parts, ()) == b"one\n\ntwo\n\n"
