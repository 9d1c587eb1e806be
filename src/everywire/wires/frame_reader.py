"""Reading the frames of a WebSocket client, without I/O (RFC 6455 5, and RSV1 of RFC 7692).

`FrameReader.feed` takes what a socket brought and gives back events.

Rule 1: nothing is thrown at the one who feeds. A peer that breaks the protocol is the last event,
    `Broken`, with the close code to fail the connection with; after it, or after the peer's
    close frame, bytes are ignored.
Rule 2: the same bytes give the same events, however they were cut on their way.
Rule 3: every byte is touched a fixed number of times, and what is kept is bounded: a header is
    judged when it is there, before a byte of its payload is kept.

There are two ways through the reader. What clients mostly send is whole, small, masked frames,
many in one read; for those there is one loop with nothing around it (`_take_whole`). All else
(fragments, control and compressed frames, frames that arrive in pieces) takes the general way: it
judges a header (`_take_frame`), then moves payload into the message as it comes (`_take_payload`),
unmasked and, if it is text, checked up to where it is, so that bad text fails early. Whenever no
message is open the reader is back on the fast way.

An idle connection costs one object of six slots; no buffer exists until a frame is cut.
"""

from __future__ import annotations

import codecs
from typing import Final

from everywire.wires.deflate import InflateError, Inflater
from everywire.wires.frames import (
    BINARY,
    CLOSE,
    CLOSE_CODES,
    CONTINUATION,
    FIN,
    MAX_CONTROL_BYTES,
    NO_CLOSE_CODE,
    PING,
    PONG,
    RSV1,
    TEXT,
    Binary,
    Broken,
    Closing,
    Event,
    Ping,
    Pong,
    Text,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which websockets has no wheel
    from websockets.utils import apply_mask

_OPCODES: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_RSV2_RSV3: Final = 0x30
_CONTROL: Final = 0x08
_WHOLE_TEXT: Final = FIN | TEXT
_WHOLE: Final = frozenset((FIN | TEXT, FIN | BINARY))
_MASKED: Final = 0x80


class _Failure(Exception):
    """How a `Broken` leaves the depth of the reader; it never leaves the reader."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.broken = Broken(code, reason)


class _Message:
    """A message that is not whole yet, and the frame of it that is arriving."""

    __slots__ = (
        "_cut",
        "_mask",
        "body",
        "compressed",
        "final",
        "frames",
        "missing",
        "opcode",
        "size",
    )

    def __init__(self, opcode: int, compressed: bool) -> None:
        self.opcode = opcode
        self.compressed = compressed
        self.body = bytearray()
        self.size = 0  # of all its frames so far, as their headers say
        self.frames = 0
        self.missing = 0  # of the frame that is arriving
        self.final = False
        self._mask = b""
        # A character cut off at the end of what is here; None: not to be checked now.
        # Compressed text can only be checked when it is whole.
        self._cut = b"" if opcode == TEXT and not compressed else None

    def begin_frame(self, length: int, mask: bytes, final: bool) -> None:
        self.size += length
        self.frames += 1
        self.missing = length
        self.final = final
        self._mask = mask

    def add(self, masked: bytes) -> None:
        """Take payload of the frame that is arriving, and fail as soon as text goes wrong."""
        piece = apply_mask(masked, self._mask)
        turn = len(piece) % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        self.missing -= len(piece)
        self.body += piece
        if self._cut is None:
            return
        text = self._cut + piece
        if self.final and not self.missing:
            _check_utf8(text)
        else:
            self._cut = _check_utf8_start(text)


class FrameReader:
    """Reads the frames of one client.

    Args:
        max_message_bytes: Of one message as it is sent, and again as it is decompressed.
        max_fragments: Frames that one message may be cut into, at least 1.
        inflate: What decompresses messages; None where compression was not agreed on.
    """

    __slots__ = ("_inflate", "_max_fragments", "_max_message_bytes", "_message", "_over", "_rest")

    def __init__(
        self, max_message_bytes: int, max_fragments: int, inflate: Inflater | None = None
    ) -> None:
        self._max_message_bytes = max_message_bytes
        self._max_fragments = max_fragments
        self._inflate = inflate
        self._message: _Message | None = None
        # The start of a frame of which the header, or a control payload, is not whole.
        self._rest = b""
        self._over = False

    @property
    def buffered(self) -> int:
        """Bytes kept of what is no event yet: at most ``max_message_bytes`` and 130."""
        return len(self._rest) + (0 if self._message is None else len(self._message.body))

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they came from the socket.

        Returns:
            The events they completed, in order; nothing after a `Closing` or a `Broken`.
        """
        events: list[Event] = []
        if self._over:
            return events
        if self._rest:
            data = self._rest + data
            self._rest = b""
        offset, end = 0, len(data)
        try:
            while offset < end:
                message = self._message
                if message is None:
                    offset = self._take_whole(data, offset, events)
                    if offset == end:
                        break
                elif message.missing:
                    offset = self._take_payload(message, data, offset, events)
                    continue
                offset = self._take_frame(data, offset, events)
        except _Failure as failure:
            self._stop()
            events.append(failure.broken)
        return events

    def _stop(self) -> None:
        self._over = True
        self._message = None

    def _take_whole(self, data: bytes, offset: int, events: list[Event]) -> int:
        """The fast way: as many whole, masked, unfragmented messages up to 65,535 bytes as come.

        Whatever else it meets, wrong or not, it leaves to the general way.
        """
        limit = self._max_message_bytes
        last_head = len(data) - 6
        end = len(data)
        while offset <= last_head:
            first = data[offset]
            if first not in _WHOLE:
                break
            mask = offset + 2
            length = data[offset + 1] - _MASKED
            if length >= 126:
                # With the first 6 bytes there, the two of a 16-bit length are.
                if length == 127:
                    break
                length = data[mask] << 8 | data[mask + 1]
                if length < 126:
                    break
                mask += 2
            start = mask + 4
            stop = start + length
            if length < 0 or length > limit or stop > end:
                break
            payload = apply_mask(data[start:stop], data[mask:start])
            if first == _WHOLE_TEXT:
                if not payload.isascii():
                    _check_utf8(payload)
                events.append(Text(payload))
            else:
                events.append(Binary(payload))
            offset = stop
        return offset

    def _take_frame(self, data: bytes, offset: int, events: list[Event]) -> int:
        """The general way: one frame's header, and its payload if it is a control frame."""
        end = len(data)
        start = offset + 2
        if start > end:
            return self._wait(data, offset)
        first, length = data[offset], data[offset + 1] - _MASKED
        self._check_head(first, length)
        if length >= 126:
            start += 2 if length == 126 else 8
            if start > end:
                return self._wait(data, offset)
            length = _long_length(data[offset + 2 : start])
        if first & _CONTROL:
            stop = start + 4 + length
            if stop > end:
                return self._wait(data, offset)
            mask, payload = data[start : start + 4], data[start + 4 : stop]
            self._control(first & 0x0F, apply_mask(payload, mask), events)
            return end if self._over else stop
        self._check_limits(length)
        start += 4
        if start > end:
            return self._wait(data, offset)
        message = self._message
        if message is None:
            message = self._message = _Message(first & 0x0F, bool(first & RSV1))
        message.begin_frame(length, data[start - 4 : start], first >= FIN)
        return self._take_payload(message, data, start, events)

    def _wait(self, data: bytes, offset: int) -> int:
        self._rest = data[offset:]
        return len(data)

    def _take_payload(
        self, message: _Message, data: bytes, offset: int, events: list[Event]
    ) -> int:
        stop = min(offset + message.missing, len(data))
        message.add(data[offset:stop])
        if message.final and not message.missing:
            self._message = None
            events.append(self._complete(message))
        return stop

    def _complete(self, message: _Message) -> Event:
        payload = bytes(message.body)
        if message.compressed and self._inflate is not None:
            try:
                payload = self._inflate.inflate(payload, self._max_message_bytes)
            except InflateError as error:
                raise _Failure(error.code, error.reason) from None
            if message.opcode == TEXT:
                _check_utf8(payload)
        return Text(payload) if message.opcode == TEXT else Binary(payload)

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:
            events.append(Ping(payload))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            events.append(_closing(payload))
            self._stop()

    def _check_head(self, first: int, length: int) -> None:
        """Judge the first two bytes of a frame (RFC 6455 5.2, 5.4, 5.5)."""
        opcode = first & 0x0F
        if opcode not in _OPCODES:
            raise _Failure(1002, f"opcode {opcode} is reserved")
        if first & _RSV2_RSV3:
            raise _Failure(1002, "a reserved bit is set")
        if first & RSV1 and (self._inflate is None or opcode not in (TEXT, BINARY)):
            raise _Failure(1002, "RSV1 is only for the first frame of a compressed message")
        if length < 0:
            raise _Failure(1002, "a client's frames have to be masked")
        if opcode & _CONTROL:
            if first < FIN:
                raise _Failure(1002, "a control frame cannot be fragmented")
            if length > MAX_CONTROL_BYTES:
                raise _Failure(1002, f"a control frame holds at most {MAX_CONTROL_BYTES} bytes")
        elif (opcode == CONTINUATION) == (self._message is None):
            raise _Failure(
                1002,
                "there is no message to continue"
                if opcode == CONTINUATION
                else "a message begins before the last one is whole",
            )

    def _check_limits(self, length: int) -> None:
        message = self._message
        size, frames = (0, 0) if message is None else (message.size, message.frames)
        if size + length > self._max_message_bytes:
            raise _Failure(1009, f"a message is over {self._max_message_bytes} bytes")
        if frames >= self._max_fragments:
            raise _Failure(1009, f"a message is in more than {self._max_fragments} fragments")


def _long_length(encoded: bytes) -> int:
    """A length of 2 or 8 bytes, which has to need them (RFC 6455 5.2)."""
    length = int.from_bytes(encoded, "big")
    if length < (126 if len(encoded) == 2 else 65_536):
        raise _Failure(1002, "a length is not in the least number of bytes")
    if length >= 2**63:
        raise _Failure(1002, "the highest bit of a length is set")
    return length


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _check_utf8_start(text: bytes) -> bytes:
    """Check the start of a text, and return what it ends with of a character cut off."""
    if text.isascii():
        return b""
    try:
        cut = text[codecs.utf_8_decode(text, "strict", False)[1] :]
    except UnicodeDecodeError:
        raise _not_utf8() from None
    # Python waits for the third byte of a surrogate, which some error handlers let pass.
    if cut[:1] == b"\xed" and cut[1:] >= b"\xa0":
        raise _not_utf8()
    return cut


def _not_utf8() -> _Failure:
    return _Failure(1007, "text is not UTF-8")


def _closing(payload: bytes) -> Closing:
    """Read the payload of a close frame (RFC 6455 5.5.1, 7.4)."""
    if not payload:
        return Closing(NO_CLOSE_CODE, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1:
        raise _Failure(1002, "a close frame holds 1 byte; a code has 2")
    if code not in CLOSE_CODES:
        raise _Failure(1002, f"{code} is no code for a close frame")
    try:
        return Closing(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise _Failure(1007, "the reason in a close frame is not UTF-8") from None
