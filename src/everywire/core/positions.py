"""Positions: what was given out, and what never was.

A position is a positive integer below 2^53, growing over all channels of a log. An append takes
``max(head + 1, microseconds since the epoch)``, so a log that lost its end (power, a restored
copy) still numbers what comes above all that it gave out before, and the hole in between tells.

A log notes, at the first append after each opening, the head it was opened with and the position
it then gave out (a `Hole`). A position strictly inside a hole, above the head, or below the log's
birth was never given out: it comes from a log that was lost, replaced or restored. The answer is a
gap up to the first position given out above it; the one below that then counts as given out, since
the client goes on from it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

MAX_POSITION: Final = 2**53 - 1
MAX_HOLES: Final = 10_000
"""Openings remembered; older ones lie below every log's floor by then."""


class Hole(msgspec.Struct, frozen=True, gc=False):
    """Between ``head`` and ``next``, both exclusive, no position was ever given out."""

    head: int
    next: int


class Openings:
    """The birth of a log and the holes its openings left.

    Args:
        birth: Position at which the log was made; counts as given out.
        holes: In order.
    """

    __slots__ = ("_heads", "_holes", "birth")

    def __init__(self, birth: int, holes: list[Hole] | None = None) -> None:
        self.birth = birth
        self._holes = list(holes or ())[-MAX_HOLES:]
        self._heads = [hole.head for hole in self._holes]

    @property
    def holes(self) -> list[Hole]:
        """The holes, in order."""
        return list(self._holes)

    def note(self, head: int, first: int) -> Hole | None:
        """Note the first append after an opening; None where it left no hole."""
        if first <= head + 1:
            return None
        hole = Hole(head, first)
        self._holes.append(hole)
        self._heads.append(head)
        if len(self._holes) > MAX_HOLES:
            del self._holes[0], self._heads[0]
        return hole

    def unknown(self, since: int, head: int) -> int | None:
        """For a ``since`` that was never given out: the ``before`` of its gap. Else None.

        Args:
            since: 0 or a position. 0 asks for what is kept and is always known.
            head: The newest position given out.
        """
        if since == 0:
            return None
        if since > head:
            return head + 1
        if since < self.birth:
            return self.birth if since < self.birth - 1 else None
        index = bisect_left(self._heads, since) - 1
        if index >= 0 and since < self._holes[index].next - 1:
            return self._holes[index].next
        return None


def next_position(head: int, now_us: int) -> int:
    """The position of the next message: ``max(head + 1, now)``."""
    return now_us if now_us > head else head + 1
