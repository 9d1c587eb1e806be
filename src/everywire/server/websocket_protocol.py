"""The socket of a WebSocket: our own small protocol, once HTTP has let go of the transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from everywire.server.closing import ClosingWatch, linger
from everywire.server.liveness import cut_if_gone
from everywire.server.websocket_session import MSGPACK, WebSocketSession, format_for
from everywire.wires import frames
from everywire.wires.deflate import Inflater
from everywire.wires.frame_reader import FrameReader
from everywire.wires.handshake import Upgrade
from everywire.wires.queries import SocketRequest

if TYPE_CHECKING:
    from everywire.server.node import Node


class WebSocketProtocol(asyncio.Protocol):
    """Carries a `WebSocketSession` over a transport of ours.

    Args:
        node: The server.
        transport: Taken over.
        asked: What the query of the request said.
        upgrade: What the handshake agreed on.
        peer: IP address of the client.
        connections: The HTTP server's set of connections to wait for when it stops.
    """

    __slots__ = (
        "_closing",
        "_connections",
        "_node",
        "_peer",
        "_reader",
        "_session",
        "_transport",
        "_watch",
        "pings",
        "write",
    )

    def __init__(
        self,
        node: Node,
        transport: asyncio.Transport,
        asked: SocketRequest,
        upgrade: Upgrade,
        peer: str,
        connections: set[object],
    ) -> None:
        self._node = node
        self._transport = transport
        self._connections = connections
        self._peer = peer
        self.write = transport.write
        self.pings = True
        self._closing = False
        self._watch: ClosingWatch | None = None
        inflater = None
        if upgrade.deflate is not None:
            inflater = Inflater(upgrade.deflate.client_window_bits)
        limits = node.limits
        self._reader = FrameReader(limits.frame_bytes, limits.max_fragments, inflater)
        msgpack = upgrade.subprotocol == MSGPACK
        wire = format_for(asked, upgrade)
        self._session = WebSocketSession(node, asked, wire, msgpack, self, peer)
        connections.add(self)

    def start(self, asked: SocketRequest, head: bytes, rest: bytes) -> None:
        """Begin the conversation.

        Args:
            asked: What the query of the request said.
            head: The 101 answer.
            rest: What came behind the request; a client may not wait for the answer.
        """
        self._session.start(asked, head)
        if rest:
            self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        events = self._reader.feed(data)
        if not self._closing:
            self._session.receive(events)
        elif any(isinstance(event, frames.Closing) for event in events):
            self._transport.close()

    def eof_received(self) -> None:
        """The peer sends no more; the transport closes itself."""

    def pause_writing(self) -> None:
        """The socket is over its high-water mark."""
        if not self._closing:
            self._node.socket_full(self._session.subscriber)

    def resume_writing(self) -> None:
        """The socket has room again."""
        if not self._closing:
            self._node.socket_drained(self._session.subscriber)
            self._session.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._connections.discard(self)
        self._node.door.leave(self, self._peer)
        if self._watch is not None:
            self._watch.stop()
        self._closing = True
        self._session.gone()

    def shutdown(self) -> None:
        """The HTTP server stops."""
        self._session.drain()

    # The session's outlet

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, then wait for the peer's, or for its end of the connection."""
        if not self._closing:
            self._closing = True
            self._transport.write(frames.close_frame(code, reason))
            self._watch = linger(self._node, self._transport)

    def cut_if_gone(self, heartbeat: float) -> bool:
        """End at once if the peer has vanished."""
        gone = cut_if_gone(self._node, self._transport, heartbeat)
        self._closing = self._closing or gone
        return gone

    def pause(self) -> None:
        """Do not read."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._transport.resume_reading()
