"""What a middle box does to the bytes that pass through it, without I/O.

A stage takes the bytes of one direction as they come and gives out what goes on; at the end of the
direction it gives out what it still holds. Each holds a bounded number of bytes, whatever comes.

They read just enough of HTTP for that: heads, lengths, the last chunk. An answer to a HEAD request
is not understood by `ResponseHolder`, which does not see the request.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

END_OF_HEAD: Final = b"\r\n\r\n"

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head; a longer one goes on as it is."""

BAD_GATEWAY: Final = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 28\r\n"
    b"Connection: close\r\n\r\n<html>502 Bad Gateway</html>"
)

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_UPGRADE: Final = re.compile(
    rb"\r\n(?:upgrade:[^\r\n]*|connection:[^\r\n]*upgrade[^\r\n]*)(?=\r\n)", re.IGNORECASE
)
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


class Stage(Protocol):
    """See the module."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that go on now."""
        ...

    def finish(self) -> bytes:
        """No more bytes come; return those that are left."""
        ...


class UpgradeStripper:
    """Takes ``Upgrade`` and ``Connection: upgrade`` out of the first request's head."""

    __slots__ = ("_done", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that go on now."""
        if self._done:
            return data
        self._held += data
        end = self._held.find(END_OF_HEAD)
        if end < 0 and len(self._held) <= MAX_HEAD:
            return b""
        return self.finish()

    def finish(self) -> bytes:
        """Return what is held, as far as it is a head without the fields."""
        self._done = True
        held, self._held = self._held, b""
        head, end, rest = held.partition(END_OF_HEAD)
        return _UPGRADE.sub(b"", head + b"\r\n")[:-2] + end + rest if end else held


class ResponseHolder:
    """Holds answers back until they are whole, or so many bytes have come: a buffering proxy.

    A WebSocket's bytes pass once it has been accepted.

    Args:
        limit: Bytes.
    """

    __slots__ = ("_end", "_held", "_limit", "_tunnel")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._end: int | None = None  # bytes up to the end of this answer; -1: not known
        self._tunnel = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that go on now."""
        if self._tunnel:
            return data
        self._held += data
        released = bytearray()
        while self._held and (part := self._release()):
            released += part
        return bytes(released)

    def finish(self) -> bytes:
        """Return what is held."""
        return self._take(len(self._held))

    def _release(self) -> bytes:
        """The next answer if it is whole, or all that is held where that is too much."""
        if self._end is None:
            self._read_head()
        if self._tunnel:
            return self.finish()
        if self._end is not None and 0 <= self._end <= len(self._held):
            end, self._end = self._end, None
            return self._take(end)
        if self._end == -1 and self._held.endswith(_LAST_CHUNK):
            self._end = None
            return self.finish()
        if len(self._held) < self._limit:
            return b""
        if self._end is not None and self._end > 0:
            self._end -= len(self._held)
        return self.finish()

    def _read_head(self) -> None:
        end = self._held.find(END_OF_HEAD)
        if end < 0:
            return
        head = bytes(self._held[: end + 2])
        if head[9:12] == b"101":
            self._tunnel = True
            return
        length = _LENGTH.search(head)
        after = end + len(END_OF_HEAD)
        if length is not None and _CHUNKED.search(head) is None:
            self._end = after + int(length[1])
        else:
            self._end = after if head[9:10] == b"1" or head[9:12] in (b"204", b"304") else -1

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken
