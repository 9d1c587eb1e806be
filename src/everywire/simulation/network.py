"""A connection without a network: what the server wrote lies there until the client takes it.

Both ends are in one thread. The server's end is an asyncio transport, and behaves as one: over its
high-water mark it says so from within the write, under its low-water mark it says that too; what
was written before a close arrives first; while it does not read, what the client sends waits.

The client's end takes one write at a time. A client that takes nothing is stalled. A cut loses what
lies there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from everywire.simulation.loop import SimulatedLoop

OVER: Final = 2048
"""Bytes that may be written to a socket that is full: pings, answers, a goodbye."""


class _NoSocket:
    """What the server finds where it asks the system for a socket: one that knows nothing."""

    def setsockopt(self, *options: object) -> None:
        raise OSError

    def getsockopt(self, *options: object) -> bytes:
        raise OSError


class SimulatedTransport(asyncio.Transport):
    """See the module.

    Args:
        loop: Runs what a transport does in the loop's next turn.
        high: Bytes over which the socket is full; with a quarter of them left it drains.
        number: Tells the connections of a schedule apart.

    Attributes:
        written: What was written and not taken yet.
        size: Its bytes.
        full: Whether the server was told that the socket is.
        ended: The server sends no more after what is written.
        gone: The connection is no more.
    """

    def __init__(self, loop: SimulatedLoop, high: int, number: int) -> None:
        super().__init__({"peername": ("127.0.0.1", number), "socket": _NoSocket()})
        self._loop = loop
        self._high = high
        self._protocol: Any = None
        self._reading = True
        self._arrived: deque[bytes] = deque()
        self._closing = False
        self._over = 0
        self._late_page = False
        self.written: deque[bytes] = deque()
        self.size = 0
        self.full = False
        self.ended = False
        self.gone = False

    # The server's end

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told what happens."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is told what happens."""
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Lay it down for the client."""
        if self._closing or self.ended or not data:
            return
        if self.full:
            self._note_over(data)
        self.written.append(bytes(data))
        self.size += len(data)
        if self.size > self._high and not self.full:
            self.full = True
            self._protocol.pause_writing()

    def _note_over(self, data: bytes | bytearray | memoryview) -> None:
        """A page that was asked for when there was room may come late; one, and no more."""
        if not self._late_page and len(data) > OVER // 8:
            self._late_page = True
            return
        self._over += len(data)
        if self._over > OVER:
            self._loop.overfull.append(f"{self._over} bytes were written to a full socket")

    def write_eof(self) -> None:
        """Nothing comes after what is written."""
        self.ended = True

    def can_write_eof(self) -> bool:
        """A TCP connection can."""
        return True

    def get_write_buffer_size(self) -> int:
        """Bytes that were not taken."""
        return self.size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low-water and high-water mark."""
        return self._high // 4, self._high

    def is_closing(self) -> bool:
        """Whether it closes or is closed."""
        return self._closing

    def close(self) -> None:
        """Close once everything is taken."""
        if not self._closing:
            self._closing = self.ended = True
            self._arrived.clear()
            if not self.written:
                self._loop.call_soon(self.cut)

    def abort(self) -> None:
        """Close at once."""
        self._closing = self.ended = True
        self._drop()
        self._loop.call_soon(self.cut)

    def is_reading(self) -> bool:
        """Whether the server takes what comes."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self._reading = False

    def resume_reading(self) -> None:
        """Take what waits, and what comes."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        while self._arrived and self.is_reading():
            self._protocol.data_received(self._arrived.popleft())

    def _drop(self) -> None:
        self.written.clear()
        self.size = 0

    # The client's end

    def open(self, protocol: asyncio.BaseProtocol) -> None:
        """The server has accepted the connection."""
        self._protocol = protocol
        protocol.connection_made(self)

    def send(self, data: bytes) -> None:
        """Send to the server."""
        if self.gone or self._closing:
            return
        self._arrived.append(data)
        self._hand_over()

    def take(self) -> bytes | None:
        """The next write; None where there is none."""
        if not self.written:
            return None
        data = self.written.popleft()
        self.size -= len(data)
        if self.full and self.size <= self._high // 4:
            self.full = self._late_page = False
            self._over = 0
            if not self._closing:
                self._protocol.resume_writing()
        return data

    @property
    def finished(self) -> bool:
        """Whether the client has come to the end of what the server sends."""
        return self.gone or (self.ended and not self.written)

    def half_close(self) -> None:
        """The client sends no more."""
        if not self.gone and not self._closing and not self._protocol.eof_received():
            self.close()

    def cut(self) -> None:
        """The connection is lost, with what lies there."""
        if not self.gone:
            self.gone = self._closing = self.ended = True
            self._drop()
            self._arrived.clear()
            self._protocol.connection_lost(None)
