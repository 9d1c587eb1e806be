"""The socket of an event stream: our own small protocol, once HTTP has let go of the transport.

The answer has neither a length nor chunks: it ends with the connection (RFC 9112, 6.3), so that
every stream gets the same bytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from everywire.server.closing import ClosingWatch, close
from everywire.server.event_stream import HEADERS, EventStream
from everywire.server.http_head import AnswerHeads
from everywire.server.liveness import cut_if_gone
from everywire.server.messages import Headers, Request
from everywire.wires.queries import StreamRequest

if TYPE_CHECKING:
    from everywire.server.node import Node

_heads = AnswerHeads()


def stream_head(request: Request, defaults: Headers) -> bytes:
    """The head of the answer that a stream is.

    Args:
        request: What it answers.
        defaults: Headers that every answer has.
    """
    return _heads.endless(request.origin, HEADERS, defaults)


class EventStreamProtocol(asyncio.Protocol):
    """Carries an `EventStream` over a transport of ours.

    Args:
        node: The server.
        transport: Taken over.
        asked: What to stream.
        peer: IP address of the client.
        connections: The HTTP server's set of connections to wait for when it stops.
    """

    __slots__ = (
        "_closed",
        "_connections",
        "_node",
        "_peer",
        "_stream",
        "_transport",
        "_watch",
        "write",
    )

    def __init__(
        self,
        node: Node,
        transport: asyncio.Transport,
        asked: StreamRequest,
        peer: str,
        connections: set[object],
    ) -> None:
        self._node = node
        self._transport = transport
        self._connections = connections
        self._peer = peer
        self._closed = False
        self._watch: ClosingWatch | None = None
        self.write = transport.write
        self._stream = EventStream(node, asked, self, peer)
        connections.add(self)

    def start(self, asked: StreamRequest, head: bytes) -> None:
        """Begin to stream, with the head of the answer before the first events."""
        self._stream.start(asked, head)

    def data_received(self, data: bytes) -> None:
        """A client has nothing to say here; what it says is passed over."""

    def pause_writing(self) -> None:
        """The socket is over its high-water mark."""
        if not self._closed:
            self._node.socket_full(self._stream.subscriber)

    def resume_writing(self) -> None:
        """The socket has room again."""
        if not self._closed:
            self._node.socket_drained(self._stream.subscriber)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._connections.discard(self)
        self._node.door.leave(self, self._peer)
        self._closed = True
        if self._watch is not None:
            self._watch.stop()
        self._stream.gone()

    def shutdown(self) -> None:
        """The HTTP server stops."""
        if not self._closed:
            self._stream.drain()

    def close(self) -> None:
        """Send what is left, then end."""
        if not self._closed:
            self._closed = True
            self._watch = close(self._node, self._transport)

    def cut_if_gone(self, heartbeat: float) -> bool:
        """End at once if the peer has vanished."""
        gone = cut_if_gone(self._node, self._transport, heartbeat)
        self._closed = self._closed or gone
        return gone
