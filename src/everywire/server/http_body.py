"""Where the body of a request ends (RFC 9112, 6).

A body is framed by a length or by chunks. Both kinds are told apart from what follows them by the
same question: how much of these bytes belongs to it? Whoever asks keeps what was taken, or passes
it on as it came; so a request can be given to uvicorn and the next one kept back.

Chunks are read strictly: what one server takes for the end of a body and another does not is how
requests are smuggled.
"""

from __future__ import annotations

import re
from typing import Final

from everywire.core.errors import RequestError, bad_request

_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_MAX_LINE_BYTES: Final = 1024
_MAX_TRAILER_BYTES: Final = 8192


def too_large_body(most: int) -> RequestError:
    """The error for a body over the limit, in bytes."""
    return RequestError("too_large", f"a request's body may be {most} bytes")


class SizedBody:
    """A body with a length.

    Args:
        size: Bytes.
    """

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    @property
    def done(self) -> bool:
        """It has come whole."""
        return self._left == 0

    def take(self, data: bytes, start: int = 0) -> int:
        """Take what belongs to the body; return where that ends."""
        taken = min(self._left, len(data) - start)
        self._left -= taken
        return start + taken


class ChunkedBody:
    """A body in chunks (RFC 9112, 7.1).

    Args:
        most: Bytes that are kept of it, at most; None: nothing is kept, and it may be of any size.

    Attributes:
        done: It has come whole.
        content: What it holds, if that is kept. Trailers are dropped.
    """

    __slots__ = ("_after_chunk", "_left", "_line", "_most", "_trailer", "content", "done")

    def __init__(self, most: int | None) -> None:
        self.content = bytearray()
        self.done = False
        self._most = most
        self._left = 0  # of the chunk that is arriving
        self._after_chunk = False
        self._line = b""  # the part of one that is here
        self._trailer: int | None = None  # bytes of trailers, once the last chunk has come

    def take(self, data: bytes, start: int = 0) -> int:
        """Take what belongs to the body; return where that ends.

        Raises:
            RequestError: ``bad_request``, or ``too_large``.
        """
        end = len(data)
        while start < end and not self.done:
            start = self._take_content(data, start) if self._left else self._take_line(data, start)
        return start

    def _take_content(self, data: bytes, start: int) -> int:
        stop = min(start + self._left, len(data))
        if self._most is not None:
            self.content += data[start:stop]
        self._left -= stop - start
        self._after_chunk = self._left == 0
        return stop

    def _take_line(self, data: bytes, start: int) -> int:
        found = data.find(b"\n", start, start + _MAX_LINE_BYTES)
        stop = len(data) if found < 0 else found + 1
        line = self._line + data[start:stop]
        if len(line) > _MAX_LINE_BYTES:
            raise bad_request(f"a line between chunks is over {_MAX_LINE_BYTES} bytes")
        if found < 0:
            self._line = line
            return stop
        self._line = b""
        if self._after_chunk:
            self._after_chunk = False
            if line != b"\r\n":
                raise bad_request("a chunk is longer than its size says")
        elif self._trailer is None:
            self._begin_chunk(line)
        else:
            self._take_trailer(line)
        return stop

    def _begin_chunk(self, line: bytes) -> None:
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise bad_request("a chunk begins with its size in hexadecimal digits")
        self._left = int(size[1], 16)
        if self._most is not None and len(self.content) + self._left > self._most:
            raise too_large_body(self._most)
        if self._left == 0:
            self._trailer = 0

    def _take_trailer(self, line: bytes) -> None:
        assert self._trailer is not None
        self._trailer += len(line)
        if line == b"\r\n":
            self.done = True
        elif _TRAILER.fullmatch(line) is None or self._trailer > _MAX_TRAILER_BYTES:
            raise bad_request(
                f"trailers are header lines of at most {_MAX_TRAILER_BYTES} bytes together"
            )


Body = SizedBody | ChunkedBody
