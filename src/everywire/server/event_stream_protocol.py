"""The socket of an event stream: our own small protocol, once HTTP has let go of the transport.

The answer has neither a length nor chunks: it ends with the connection (RFC 9112, 6.3), so that
every stream gets the same bytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from everywire.server.event_stream import EventStream
from everywire.wires.queries import StreamRequest

if TYPE_CHECKING:
    from everywire.server.node import Node


class EventStreamProtocol(asyncio.Protocol):
    """Carries an `EventStream` over a transport of ours.

    Args:
        node: The server.
        transport: Taken over; the head of the answer is written already.
        asked: What to stream.
        peer: IP address of the client.
        connections: The HTTP server's set of connections to wait for when it stops.
    """

    __slots__ = ("_closed", "_connections", "_node", "_stream", "_transport", "write")

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
        self._closed = False
        self.write = transport.write
        self._stream = EventStream(node, asked, self, peer)
        connections.add(self)

    def start(self, asked: StreamRequest) -> None:
        """Begin to stream."""
        self._stream.start(asked)

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
        self._closed = True
        self._stream.gone()

    def shutdown(self) -> None:
        """The HTTP server stops."""
        if not self._closed:
            self._stream.drain()

    def close(self) -> None:
        """Send what is left, then end."""
        self._closed = True
        self._transport.close()
