"""WebSocket frames, the server's side, without I/O (RFC 6455 5, and RSV1 of RFC 7692).

What a client's frames come to (`Event`; ``frame_reader`` reads them), and functions that turn a
payload into a frame once, for any number of subscribers; nothing of a connection is in them.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from everywire.core.errors import UsageError

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

NO_CLOSE_CODE: Final = 1005
"""Stands for a close frame without a code; never sent (RFC 6455 7.4.1)."""

FIN: Final = 0x80
RSV1: Final = 0x40
MAX_CONTROL_BYTES: Final = 125
CLOSE_CODES: Final = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))
"""Registered and allowed in a close frame (RFC 6455 7.4.1, IANA), libraries', ours."""

_MAX_REASON_BYTES: Final = MAX_CONTROL_BYTES - 2

_pack_short = struct.Struct("!BB").pack
_pack_medium = struct.Struct("!BBH").pack
_pack_long = struct.Struct("!BBQ").pack


class Text(msgspec.Struct, frozen=True, gc=False):
    """A text message; ``data`` is UTF-8, checked."""

    data: bytes


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A binary message."""

    data: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """A ping, to be answered by a pong with the same data of at most 125 bytes."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """A pong, asked for or not."""

    data: bytes


class Closing(msgspec.Struct, frozen=True, gc=False):
    """The peer's close frame; ``code`` is `NO_CLOSE_CODE` where it gave none."""

    code: int
    reason: str


class Broken(msgspec.Struct, frozen=True, gc=False):
    """The peer broke the protocol or a limit: fail the connection with this close code."""

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | Closing | Broken


def _head(first: int, length: int) -> bytes:
    """The header of a server's frame: not masked, its length in the least number of bytes."""
    if length < 126:
        return _pack_short(first, length)
    if length < 65_536:
        return _pack_medium(first, 126, length)
    return _pack_long(first, 127, length)


def text_frame(payload: bytes) -> bytes:
    """A whole text message; the payload is UTF-8."""
    return _head(FIN | TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """A whole binary message."""
    return _head(FIN | BINARY, len(payload)) + payload


def compressed_text_frame(payload: bytes) -> bytes:
    """A whole text message; the payload is what `everywire.wires.deflate.compress` made of it."""
    return _head(FIN | RSV1 | TEXT, len(payload)) + payload


def compressed_binary_frame(payload: bytes) -> bytes:
    """A whole binary message, compressed likewise."""
    return _head(FIN | RSV1 | BINARY, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping.

    Raises:
        UsageError: The payload is over 125 bytes.
    """
    return _control_frame(PING, payload)


def pong_frame(payload: bytes = b"") -> bytes:
    """A pong; in answer to a ping, with its payload.

    Raises:
        UsageError: The payload is over 125 bytes.
    """
    return _control_frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame (RFC 6455 5.5.1).

    Args:
        code: One that may be sent, or `NO_CLOSE_CODE` for a frame without code and reason.
        reason: Cut to 123 bytes of UTF-8, between two characters.

    Raises:
        UsageError: The code may not be sent.
    """
    if code == NO_CLOSE_CODE:
        return _control_frame(CLOSE, b"")
    if code not in CLOSE_CODES:
        raise UsageError(
            f"{code} is no code for a close frame: 1000-1003, 1007-1014 and 3000-4999 are"
        )
    encoded = reason.encode("utf-8", "replace")
    if len(encoded) > _MAX_REASON_BYTES:
        encoded = encoded[:_MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
    return _control_frame(CLOSE, code.to_bytes(2, "big") + encoded)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL_BYTES:
        raise UsageError(f"a control frame holds at most {MAX_CONTROL_BYTES} bytes")
    return _head(FIN | opcode, len(payload)) + payload


def split_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Take our own output apart again, for a server that wants messages and not bytes.

    Args:
        data: Frames as the functions above make them, joined; none of them compressed.

    Returns:
        Opcode and payload of each.

    Raises:
        UsageError: It is something else.
    """
    frames: list[tuple[int, bytes]] = []
    offset, end = 0, len(data)
    while offset < end:
        first = data[offset]
        short = data[offset + 1] if offset + 1 < end else -1
        start = offset + {126: 4, 127: 10}.get(short, 2)
        length = short if short < 126 else int.from_bytes(data[offset + 2 : start], "big")
        stop = start + length
        if first & 0xF0 != FIN or not 0 <= short < 128 or stop > end:
            raise UsageError("these are not whole, uncompressed frames of a server")
        frames.append((first & 0x0F, data[start:stop]))
        offset = stop
    return frames
