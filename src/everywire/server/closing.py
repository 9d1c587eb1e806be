"""How a connection ends.

A transport that closes sends what was written first, and that takes as long as the peer likes: one
that does not read would keep its socket and its buffer for ever. So whoever closes sets a watch: as
long as the buffer shrinks it waits, and when it stands still for ``close_timeout`` seconds, or the
peer does not end its side of the connection in that time, the connection is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from everywire.core.wheel import Timer

if TYPE_CHECKING:
    from everywire.server.node import Node


class ClosingWatch:
    """Cuts a closing connection on which nothing moves; see the module.

    Args:
        node: For its time.
        transport: The connection's.
    """

    __slots__ = ("_left", "_node", "_timer", "_transport")

    def __init__(self, node: Node, transport: asyncio.Transport) -> None:
        self._node = node
        self._transport = transport
        self._left = transport.get_write_buffer_size()
        self._timer = Timer(self._look)
        node.after(node.limits.close_timeout, self._timer)

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        if left < self._left:
            self._left = left
            self._node.after(self._node.limits.close_timeout, self._timer)
        else:
            self._transport.abort()

    def stop(self) -> None:
        """The connection is gone."""
        self._node.wheel.cancel(self._timer)


def close(node: Node, transport: asyncio.Transport) -> ClosingWatch | None:
    """Close a connection whose peer has nothing more to say.

    Returns:
        The watch, to be stopped when the connection is gone; None where nothing is left to send.
    """
    transport.close()
    return ClosingWatch(node, transport) if transport.get_write_buffer_size() else None


def linger(node: Node, transport: asyncio.Transport) -> ClosingWatch:
    """End our side of a connection and go on reading, until the peer ends its side.

    Closing at once, with something of the peer's unread, would make the system send a reset, which
    takes with it what the peer has not read yet: the answer that says why (RFC 9112, 9.6).

    Returns:
        The watch, to be stopped when the connection is gone.
    """
    if transport.can_write_eof():
        # It fails where the connection is gone already.
        with contextlib.suppress(OSError, RuntimeError):
            transport.write_eof()
    else:
        transport.close()
    transport.resume_reading()
    return ClosingWatch(node, transport)
