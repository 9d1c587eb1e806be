"""The socket of a WebSocket: our own small protocol, once HTTP has let go of the transport."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from everywire.core.wheel import Timer
from everywire.server.websocket_session import MSGPACK, WebSocketSession, format_for
from everywire.wires import frames
from everywire.wires.deflate import Inflater
from everywire.wires.frames import FrameReader
from everywire.wires.handshake import Upgrade
from everywire.wires.queries import SocketRequest

if TYPE_CHECKING:
    from everywire.server.node import Node


class WebSocketProtocol(asyncio.Protocol):
    """Carries a `WebSocketSession` over a transport of ours.

    Args:
        node: The server.
        transport: Taken over; the 101 answer is written already.
        asked: What the query of the request said.
        upgrade: What the handshake agreed on.
        peer: IP address of the client.
        connections: The HTTP server's set of connections to wait for when it stops.
    """

    __slots__ = (
        "_closing",
        "_connections",
        "_node",
        "_reader",
        "_session",
        "_timer",
        "_transport",
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
        self.write = transport.write
        self.pings = True
        self._closing = False
        self._timer: Timer | None = None
        inflater = None
        if upgrade.deflate is not None:
            inflater = Inflater(upgrade.deflate.client_window_bits)
        limits = node.limits
        self._reader = FrameReader(limits.frame_bytes, limits.max_fragments, inflater)
        msgpack = upgrade.subprotocol == MSGPACK
        wire = format_for(asked, upgrade)
        self._session = WebSocketSession(node, asked, wire, msgpack, self, peer)
        connections.add(self)

    def start(self, asked: SocketRequest) -> None:
        """Begin the conversation."""
        self._session.start(asked)

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
        if self._timer is not None:
            self._node.wheel.cancel(self._timer)
        self._closing = True
        self._session.gone()

    def shutdown(self) -> None:
        """The HTTP server stops."""
        self._session.drain()

    # The session's outlet

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, then wait for the peer's: a reset would take the frame with it."""
        if self._closing:
            return
        self._closing = True
        self._transport.write(frames.close_frame(code, reason))
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self._transport.write_eof()
        self._timer = Timer(self._transport.abort)
        self._node.after(self._node.limits.close_timeout, self._timer)

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def pause(self) -> None:
        """Do not read."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._transport.resume_reading()
