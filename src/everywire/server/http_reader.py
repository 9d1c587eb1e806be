"""The requests of one connection, one after the other, without I/O.

Bytes go in by `feed`. `head` gives the head of the next request once it is there; what it belongs
to is then decided, and its body is taken by `body`, or what there is of it given away whole by
`release`. What comes after waits in the buffer for the next `head`.

The buffer holds at most one head or one body over what a single read of the socket brought; who
feeds stops reading while an answer is due.
"""

from __future__ import annotations

from typing import Final

from everywire.core.errors import bad_request
from everywire.core.limits import Limits
from everywire.server.http_body import Body, ChunkedBody, SizedBody, too_large_body
from everywire.server.http_head import END_OF_HEAD, head_too_large, parse_head
from everywire.server.messages import Request

_LENGTH: Final = b"\r\ncontent-length: "
_LENGTH_DIGITS: Final = 9


class RequestReader:
    """See the module.

    Args:
        limits: Of heads and bodies.
        peer: IP address of the other end.

    Attributes:
        repeatable: The last head, if it may come again with another length; then it is the very
            object that `head` gives again.
    """

    __slots__ = (
        "_before",
        "_behind",
        "_buffer",
        "_chunks",
        "_head_bytes",
        "_limits",
        "_peer",
        "_searched",
        "_size",
        "repeatable",
    )

    def __init__(self, limits: Limits, peer: str) -> None:
        self._limits = limits
        self._peer = peer
        self._buffer: bytes | bytearray = b""
        self._searched = 0
        self._head_bytes = b""
        self._size = 0
        self._chunks: ChunkedBody | None = None
        self.repeatable: Request | None = None
        self._before = self._behind = b""

    @property
    def buffered(self) -> int:
        """Bytes that are here and not taken."""
        return len(self._buffer)

    @property
    def body_due(self) -> bool:
        """Whether the client has something of the body still to send."""
        if self._chunks is not None:
            return not self._chunks.done
        return len(self._buffer) < self._size

    def feed(self, data: bytes) -> None:
        """Take bytes as they came from the socket."""
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            # Grows in place: a body that trickles in must not cost its square.
            self._buffer = bytearray(self._buffer) + data

    def head(self) -> Request | None:
        """The next request's head; None while it is not there whole.

        Raises:
            RequestError: It is no HTTP, or over a limit; nothing can be read after it.
        """
        buffer, limits = self._buffer, self._limits
        if not buffer:
            return None
        if self.repeatable is not None and self._repeats(buffer):
            return self.repeatable
        if buffer[:1] in (b"\r", b"\n"):
            # A client may send empty lines before a request (RFC 9112, 2.2).
            buffer = self._buffer = buffer.lstrip(b"\r\n")
        found = buffer.find(END_OF_HEAD, self._searched)
        end = found + len(END_OF_HEAD)
        if (len(buffer) if found < 0 else end) > limits.max_head_bytes:
            raise head_too_large(limits)
        if found < 0:
            self._searched = max(0, len(buffer) - len(END_OF_HEAD) + 1)
            return None
        self._searched = 0
        head = self._head_bytes = bytes(buffer[:end])
        self._buffer = bytes(buffer[end:])
        self._chunks = None
        self.repeatable, self._size = None, 0
        request = parse_head(head, limits, self._peer)
        if request.header(b"transfer-encoding") is not None:
            self._chunks = _chunked(request, limits.max_body_bytes)
        else:
            self._size = _content_length(request)
            self._remember(request, head)
        return request

    def _remember(self, request: Request, head: bytes) -> None:
        """Know a publisher's head again: most differ in the length of the body alone."""
        begin = head.lower().find(_LENGTH)
        if begin < 0 or request.method != "POST" or request.header(b"expect") is not None:
            return
        begin += len(_LENGTH)
        self.repeatable = request
        self._before = head[:begin]
        self._behind = head[head.index(b"\r", begin) :]

    def _repeats(self, buffer: bytes | bytearray) -> bool:
        """Whether the head that was parsed last comes again, but for the length; takes it then.

        All of it is compared, so it ends where that one did, and need not be searched for its end.
        Where it is not here whole, or there is more than a plain number, it is parsed.
        """
        if not buffer.startswith(self._before):
            return False
        begin = len(self._before)
        end = buffer.find(b"\r", begin, begin + _LENGTH_DIGITS + 1)
        length = buffer[begin:end]
        if end < 0 or not length.isdigit() or not buffer.startswith(self._behind, end):
            return False
        end += len(self._behind)
        if end > self._limits.max_head_bytes:
            return False
        self._searched = 0
        self._size = int(length)
        self._head_bytes = bytes(buffer[:end])
        self._buffer = bytes(buffer[end:])
        return True

    def body(self) -> bytes | None:
        """The body of the request whose head was given; None while it is not there whole.

        Raises:
            RequestError: ``too_large``, or ``bad_request``; nothing can be read after it.
        """
        buffer, size = self._buffer, self._size
        if self._chunks is not None:
            return self._dechunked(self._chunks)
        if size > self._limits.max_body_bytes:
            raise too_large_body(self._limits.max_body_bytes)
        if len(buffer) < size:
            return None
        self._head_bytes = b""
        self._buffer = bytes(buffer[size:])
        return bytes(buffer[:size])

    def _dechunked(self, chunks: ChunkedBody) -> bytes | None:
        data = bytes(self._buffer)
        self._buffer = data[chunks.take(data) :]
        return bytes(chunks.content) if chunks.done else None

    def release(self) -> tuple[bytes, bytes, Body]:
        """Give a request away, and all that follows it.

        Returns:
            Its head, what has come after that, and what tells where its body ends in it.
        """
        rest, self._buffer = bytes(self._buffer), b""
        body = SizedBody(self._size) if self._chunks is None else ChunkedBody(None)
        return self._head_bytes, rest, body


def _chunked(request: Request, most: int) -> ChunkedBody:
    codings = request.header_values(b"transfer-encoding")
    if [coding.lower() for coding in codings] != ["chunked"] or request.version == "1.0":
        raise bad_request("of transfer codings, a request may be chunked, and nothing else")
    return ChunkedBody(most)


def _content_length(request: Request) -> int:
    # The parser of heads lets digits pass only, and one length only.
    value = request.header(b"content-length")
    return 0 if value is None else int(value)
