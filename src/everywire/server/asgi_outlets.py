"""From ``write``, which never waits, to an ASGI server's ``send``, which does.

An outlet holds what was written since the last ``send``. Over its high-water mark its subscriber
counts as full, like a socket's; what it holds is then sent, and the subscriber reads on from the
log. So it holds a page at most, whatever the client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from everywire.core.subscriptions import Subscriber
from everywire.wires import frames

if TYPE_CHECKING:
    from everywire.server.node import Node

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HIGH_WATER: Final = 64 * 1024
"""What a transport of asyncio or uvloop holds before it says that it is full."""

_TEXT: Final = 1
_BINARY: Final = 2


class Outlet:
    """What both outlets share.

    Args:
        node: The server.

    Attributes:
        subscriber: Whose outlet it is; set once it is made.
    """

    def __init__(self, node: Node) -> None:
        self.subscriber: Subscriber | None = None
        self._node = node
        self._parts: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def write(self, data: bytes) -> None:
        """Take bytes; never waits."""
        if self._closed:
            return
        self._parts.append(data)
        self._size += len(data)
        self._wake()
        if self._size > HIGH_WATER and self.subscriber is not None and not self.subscriber.full:
            self._node.socket_full(self.subscriber)

    async def run(self) -> None:
        """Send what is written, until the outlet is closed and empty."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._parts:
                if self._closed:
                    return
                # A bare future: an Event costs as much again, for each delivery.
                self._waiter = loop.create_future()
                await self._waiter
            parts, self._parts, self._size = self._parts, [], 0
            await self.send(parts[0] if len(parts) == 1 else b"".join(parts))
            if not self._parts and self.subscriber is not None and self.subscriber.full:
                self._node.socket_drained(self.subscriber)
                self.drained()

    def _wake(self) -> None:
        """Something has changed for who runs the outlet."""
        waiter, self._waiter = self._waiter, None
        # It is done where the connection's task has been cancelled meanwhile.
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        raise NotImplementedError

    def drained(self) -> None:
        """There is room again."""

    def cut_if_gone(self, heartbeat: float) -> bool:
        """Whether the peer is there is the server's own business."""
        return False


class StreamOutlet(Outlet):
    """Where an event stream's bytes go.

    Args:
        node: The server.
        send: The ASGI server's.
    """

    def __init__(self, node: Node, send: Send) -> None:
        super().__init__(node)
        self._send = send

    def close(self) -> None:
        """Send what is left, then end."""
        self._closed = True
        self._wake()

    async def run(self) -> None:
        """Send the stream, then its end."""
        await super().run()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, data: bytes) -> None:
        """Send bytes of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


class SocketOutlet(Outlet):
    """Where a WebSocket session's frames go: taken apart again, for the server makes its own.

    Args:
        node: The server.
        send: The ASGI server's.

    Attributes:
        room: Called when there is room again.
        pings: The server's own business.
        reading: Cleared while the session wants nothing to be read.
    """

    def __init__(self, node: Node, send: Send) -> None:
        super().__init__(node)
        self._send = send
        self.pings = False
        self.room: Callable[[], None] = _nothing
        self.reading = asyncio.Event()
        self.reading.set()
        self._code = 1000
        self._reason = ""

    async def send(self, data: bytes) -> None:
        """Send each message; pings are the server's own business."""
        for opcode, payload in frames.split_frames(data):
            if opcode == _TEXT:
                await self._send({"type": "websocket.send", "text": payload.decode()})
            elif opcode == _BINARY:
                await self._send({"type": "websocket.send", "bytes": payload})

    async def run(self) -> None:
        """Send frames, then the close."""
        await super().run()
        await self._send({"type": "websocket.close", "code": self._code, "reason": self._reason})

    def drained(self) -> None:
        """There is room again."""
        self.room()

    def close(self, code: int, reason: str) -> None:
        """Send what is left, then close."""
        self._code, self._reason = code, reason
        self._closed = True
        self._wake()
        self.reading.set()

    def pause(self) -> None:
        """Do not ask for messages."""
        self.reading.clear()

    def resume(self) -> None:
        """Ask for messages again."""
        self.reading.set()


def _nothing() -> None:
    """Until there is a session."""
