"""wires.frames: what the server sends, read by another maker's client."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets import frames as peer_frames
from websockets.protocol import CLIENT, OPEN, Protocol

from everywire.core.errors import UsageError
from everywire.wires import frames
from everywire.wires.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
)


def received(data: bytes) -> list[peer_frames.Frame]:
    client = Protocol(CLIENT, state=OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, peer_frames.Frame)]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_what_a_websockets_client_receives(length: int) -> None:
    payload = b"x" * length
    data = frames.text_frame(payload) + frames.binary_frame(payload)
    text, binary = received(data)
    assert (text.opcode, bytes(text.data), text.fin) == (TEXT, payload, True)
    assert (binary.opcode, bytes(binary.data), binary.fin) == (BINARY, payload, True)
    assert len(data) == 2 * (length + (2 if length < 126 else 4 if length < 65_536 else 10))


@pytest.mark.parametrize("payload", [b"", b"12345678", bytes(125)])
def test_control_frames_that_a_websockets_client_receives(payload: bytes) -> None:
    data = frames.ping_frame(payload) + frames.pong_frame(payload)
    assert [(event.opcode, bytes(event.data)) for event in received(data)] == [
        (PING, payload),
        (PONG, payload),
    ]


def test_compressed_frames_have_rsv1_set() -> None:
    assert frames.compressed_text_frame(b"abc") == b"\xc1\x03abc"
    assert frames.compressed_binary_frame(b"abc") == b"\xc2\x03abc"


# Close frames that we send


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4400, 4999])
def test_a_close_frame(code: int) -> None:
    (event,) = received(frames.close_frame(code, "wrong: “x”"))
    assert peer_frames.Close.parse(event.data) == peer_frames.Close(code, "wrong: “x”")


def test_a_close_frame_without_code_answers_one_without_code() -> None:
    assert frames.close_frame(frames.NO_CLOSE_CODE, "unsaid") == b"\x88\x00"


@given(st.text(min_size=1, max_size=140))
@example("x" * 123)
@example("x" * 124)
@example("x" * 122 + "é")
@example("€" * 41)
@example("€" * 42)
def test_a_reason_is_cut_between_two_characters(reason: str) -> None:
    data = frames.close_frame(4400, reason)
    said = data[4:].decode()
    assert data[:4] == b"\x88" + bytes((2 + len(said.encode()),)) + struct.pack("!H", 4400)
    assert reason.startswith(said)
    room = 123 - len(said.encode())
    assert room >= 0
    assert said == reason or room < len(reason[len(said)].encode())


def test_a_reason_that_is_no_unicode_does_not_throw() -> None:
    assert frames.close_frame(4400, "a\ud800b")[4:] == b"a?b"


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 70_000])
def test_codes_that_may_not_be_sent(code: int) -> None:
    with pytest.raises(UsageError, match="no code for a close frame"):
        frames.close_frame(code)


def test_a_control_frame_holds_125_bytes() -> None:
    for make in (frames.ping_frame, frames.pong_frame):
        with pytest.raises(UsageError, match="at most 125 bytes"):
            make(bytes(126))


# Our own output, taken apart


@given(st.lists(st.binary(max_size=300) | st.sampled_from([126, 65_535, 65_536]).map(bytes)))
def test_our_frames_are_split_again(payloads: list[bytes]) -> None:
    data = b"".join(frames.text_frame(p) + frames.binary_frame(p) for p in payloads)
    data += frames.ping_frame() + frames.close_frame(1001, "bye")
    assert frames.split_frames(data) == [
        pair for p in payloads for pair in ((TEXT, p), (BINARY, p))
    ] + [(PING, b""), (CLOSE, b"\x03\xe9bye")]


@pytest.mark.parametrize(
    "data",
    [
        b"\x81",
        frames.text_frame(b"abc")[:-1],
        frames.text_frame(bytes(126))[:3],
        frames.binary_frame(bytes(65_536))[:9],
        frames.text_frame(b"abc") + b"\x81",
        frames.compressed_text_frame(b"abc"),
        b"\x81\x83\x37\xfa\x21\x3d\x56\x98\x42",
        b"\x01\x00",
    ],
)
def test_what_is_not_our_output_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="not whole, uncompressed frames"):
        frames.split_frames(data)


def test_nothing_is_split_into_nothing() -> None:
    assert frames.split_frames(b"") == []
