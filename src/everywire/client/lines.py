"""Bytes into lines, and lines held until they can be sent.

A line ends at a line feed and nowhere else, so that what comes out, joined by line feeds, is what
went in. A line that is longer than a message may be is cut into pieces, where it is UTF-8 at the
border of a character; that is done as it comes, so that a stream without line feeds takes no more
memory than one piece.

`LineBuffer` cuts what it is fed, and stands between the thread that reads and the one that sends.
It is bounded: when it is full, the reader waits, and so does whoever writes to it. No wait is
longer than `SLICE`, since a signal handler can only leave a mark, and somebody has to look.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

MAX_PIECE: Final = 64 * 1024
"""Bytes of a piece; a server's default limit for the data of a message."""

CAPACITY: Final = 4 * 1024 * 1024
"""Bytes held while the server is away."""

SLICE: Final = 0.1
"""Seconds after which a wait looks whether it should go on."""

_OVERHEAD: Final = 64
"""What a line costs in memory beside its bytes, roughly."""


class Piece(NamedTuple):
    """A line, or a part of one that is too long.

    Attributes:
        data: Without the line feed.
        ends_line: False: the line goes on in the next piece.
    """

    data: bytes
    ends_line: bool = True


class LineCutter:
    """Cuts a stream of bytes into pieces.

    Args:
        limit: Bytes of a piece, at least 4.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_PIECE) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes and return the pieces that they complete."""
        pieces: list[Piece] = []
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._grow(part, pieces)
            pieces.append(Piece(bytes(self._rest)))
            self._rest.clear()
        self._grow(rest, pieces)
        return pieces

    def finish(self) -> list[Piece]:
        """The input is over; return the line that had no line feed, if there is one."""
        rest = bytes(self._rest)
        self._rest.clear()
        return [Piece(rest)] if rest else []

    def _grow(self, part: bytes, pieces: list[Piece]) -> None:
        self._rest += part
        while len(self._rest) > self._limit:
            end = _border(self._rest, self._limit)
            pieces.append(Piece(bytes(self._rest[:end]), ends_line=False))
            del self._rest[:end]


def _border(data: Sequence[int], limit: int) -> int:
    """The last place up to ``limit`` where a character of UTF-8 begins; ``limit`` if it is not."""
    for place in range(limit, limit - 4, -1):
        if data[place] & 0xC0 != 0x80:
            return place
    return limit


class LineBuffer:
    """Lines between a reader and a sender, in two threads.

    Args:
        capacity: Bytes, from which on `feed` waits.
        clock: Seconds, never going back.
    """

    def __init__(
        self, capacity: int = CAPACITY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._clock = clock
        self._cutter = LineCutter()
        self._pieces: deque[Piece] = deque()
        self._size = 0
        self._finished = False
        self._changed = threading.Condition()

    def feed(self, chunk: bytes) -> bool:
        """Add bytes, when there is room.

        Returns:
            False: `finish` was called, nothing is taken any more.
        """
        with self._changed:
            while self._size >= self._capacity and not self._finished:
                self._changed.wait(SLICE)
            if self._finished:
                return False
            self._add(self._cutter.feed(chunk))
        return True

    def finish(self) -> None:
        """Nothing more will come; a line without a line feed is one now."""
        with self._changed:
            self._finished = True
            self._add(self._cutter.finish())

    def _add(self, pieces: Sequence[Piece]) -> None:
        self._pieces.extend(pieces)
        self._size += sum(map(_cost, pieces))
        self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Whether nothing is held and nothing more will come."""
        return self._finished and not self._pieces

    def wait(self, seconds: float) -> bool:
        """Wait until a line is held or nothing more will come, at most so long.

        Returns:
            Whether it is so.
        """
        with self._changed:
            if not (self._pieces or self._finished):
                self._changed.wait(seconds)
            return bool(self._pieces or self._finished)

    def settle(self, count: int, size: int, seconds: float) -> bool:
        """Wait until so much is held or nothing more will come, at most so long.

        Args:
            count: Pieces.
            size: Bytes.

        Returns:
            Whether so much is held.
        """
        until = self._clock() + seconds
        with self._changed:
            while len(self._pieces) < count and self._size < size:
                left = until - self._clock()
                if self._finished or left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def take(self, count: int, size: int) -> list[Piece]:
        """Take out pieces in order: so many, or so many bytes of data, but at least one.

        Args:
            count: Pieces.
            size: Bytes of data.
        """
        taken: list[Piece] = []
        held = 0
        with self._changed:
            while self._pieces and len(taken) < count:
                held += len(self._pieces[0].data)
                if taken and held > size:
                    break
                taken.append(self._pieces.popleft())
            self._size -= sum(map(_cost, taken))
            self._changed.notify_all()
        return taken


def _cost(piece: Piece) -> int:
    return len(piece.data) + _OVERHEAD
