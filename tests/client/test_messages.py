"""What a subscriber gets to see."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.client.errors import BadAnswer
from everywire.client.messages import message_of


def test_json_is_kept_byte_for_byte() -> None:
    raw = b'{"channel":"a","id":1,"event":"message","data":{"x": 185.50, "n":1e2},"ts":0}'
    message = message_of(raw)
    assert message.raw == raw
    assert message.json == b'{"x": 185.50, "n":1e2}'
    assert message["data"] == {"x": 185.5, "n": 100.0}
    assert message.content == message["data"]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"message","channel":"a","id":1,"data":1.0}',
        b'{"channel":"a","type":"message","id":1,"data":1.0}',
        b'{ "type" : "message", "channel":"a","id":1,"data":1.0}',
    ],
)
def test_a_frame_is_the_message_without_its_type(frame: bytes) -> None:
    message = message_of(frame)
    assert message == {"channel": "a", "id": 1, "data": 1.0}
    assert json.loads(message.raw) == message
    assert b"1.0" in message.raw


def test_content_is_what_was_meant() -> None:
    assert message_of(b'{"channel":"a","data":"aGk=","encoding":"base64"}').content == b"hi"
    assert message_of(b'{"channel":"a","data":"hi","encoding":"text"}').content == "hi"
    assert message_of(b'{"channel":"a","data":"hi"}').content == "hi"
    with pytest.raises(ValueError, match="base64"):
        message_of(b'{"channel":"a","data":"!","encoding":"base64"}').content  # noqa: B018


def test_an_ephemeral_message_has_no_id() -> None:
    message = message_of(b'{"channel":"a","event":"x","data":1,"ts":0}')
    assert message.id is None
    assert not message.final


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"1",
        b"{}",
        b'{"channel":1,"id":1}',
        b'{"channel":"a","id":"1"}',
        b'{"channel":"a","id":1.5}',
        b'{"channel":"a","id":true}',
        b'{"channel":"a","id":1,"data":NaN}',
        b'{"channel":"\xff"}',
        b'{"type":"message","channel":"a"',
        b'{"channel":"a","data":' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_no_message_is_a_bad_answer(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        message_of(raw)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_bad_answer(raw: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        message_of(raw)
