"""Watermarks: what a channel has lost.

A channel's watermark is its newest lost position: everything of that channel up to it may be gone,
everything after it is kept. It is written before, or together with, the deletion.

Only the newest `MAX_WATERMARKS` are kept. Dropping the lowest raises the *floor* of the log to it:
at or above the floor a gap is told exactly when there is one; below it, always. So a watermark at
or below the floor says nothing, and is not kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Final

from everywire.core.channels import PatternTable, is_pattern, matches
from everywire.core.messages import Gap

MAX_WATERMARKS: Final = 1_000_000

_FEW_PATTERNS: Final = 4


class Watermarks:
    """The watermarks of a log, and its floor.

    Args:
        floor: Everything above it is exactly known. A new log's is just below its birth.
        capacity: Watermarks kept.
    """

    __slots__ = ("_capacity", "_low", "_marks", "floor")

    def __init__(self, floor: int, capacity: int = MAX_WATERMARKS) -> None:
        self.floor = floor
        self._marks: dict[str, int] = {}
        # To find the lowest: an entry for each channel, with its mark or one it had before.
        self._low: list[tuple[int, str]] = []
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._marks)

    def raise_to(self, channel: str, position: int) -> None:
        """Note that the channel lost everything up to a position. It never falls."""
        if position <= self.floor:
            return
        mark = self._marks.get(channel)
        if mark is None:
            self._marks[channel] = position
            heapq.heappush(self._low, (position, channel))
            if len(self._marks) > self._capacity:
                self._drop_lowest()
        elif mark < position:
            self._marks[channel] = position

    def _drop_lowest(self) -> None:
        low, marks = self._low, self._marks
        while True:
            noted, channel = low[0]
            mark = marks[channel]
            if mark == noted:
                break
            heapq.heapreplace(low, (mark, channel))
        heapq.heappop(low)
        self.floor = marks.pop(channel)

    def forget_below(self, floor: int) -> None:
        """Raise the floor, and drop the marks at or below it.

        Raising `floor` alone is allowed, too: it costs nothing, and what lies below it is not
        told any more, but still held.
        """
        self.floor = max(self.floor, floor)
        self._marks = {channel: m for channel, m in self._marks.items() if m > self.floor}
        self._low = [(mark, channel) for channel, mark in self._marks.items()]
        heapq.heapify(self._low)

    def middle(self) -> int:
        """The mark that half of the others lie below; the floor where there are none."""
        marks = sorted(self._marks.values())
        return marks[len(marks) // 2] if marks else self.floor

    def of(self, name: str, above: int = 0) -> int:
        """The newest lost position of a channel, or of all that a pattern covers; 0: none.

        Args:
            name: A channel or pattern.
            above: Losses at or below this position are of no interest.
        """
        above = max(above, self.floor)
        if not is_pattern(name):
            mark = self._marks.get(name, 0)
            return mark if mark > above else 0
        newest = above
        for channel, mark in self._marks.items():
            if mark > newest and matches(name, channel):
                newest = mark
        return newest if newest > above else 0

    def of_all(self, names: Iterable[str], above: int = 0) -> dict[str, int]:
        """Those of several channels and patterns, without the zeros."""
        if not self._marks:
            return {}
        names = tuple(names)
        patterns = [name for name in names if is_pattern(name)]
        if len(patterns) <= _FEW_PATTERNS:
            found = ((name, self.of(name, above)) for name in names)
        else:
            of_patterns = self._of_patterns(patterns, max(above, self.floor))
            found = ((n, of_patterns[n] if n in of_patterns else self.of(n, above)) for n in names)
        return {name: mark for name, mark in found if mark}

    def _of_patterns(self, patterns: Iterable[str], above: int) -> dict[str, int]:
        """Those of many patterns, in one walk through the marks and not in one for each."""
        newest = dict.fromkeys(patterns, 0)
        table: PatternTable[str] = PatternTable()
        for pattern in newest:
            table.put(pattern, pattern)
        for channel, mark in self._marks.items():
            if mark > above:
                for pattern in table.covering(channel):
                    newest[pattern] = max(mark, newest[pattern])
        return newest


def trimmed_gaps(
    names: Iterable[str],
    marks: Mapping[str, int],
    floor: int,
    after: int,
    waived: Mapping[str, int] | None = None,
) -> list[Gap]:
    """The gaps that someone meets who goes on from a known position.

    Args:
        names: Channels and patterns asked for.
        marks: Their watermarks, those that have one.
        floor: The log's.
        after: Where they go on from; 0 asks for what is kept, and meets none.
        waived: Losses that were there when a reader asked for what is kept; not told again.
    """
    if after == 0:
        return []
    if after >= floor and not marks:
        return []
    least = floor if after < floor else 0
    gaps: list[Gap] = []
    for name in names:
        lost = max(marks.get(name, 0), least)
        if lost > after and (waived is None or lost > waived.get(name, 0)):
            gaps.append(Gap(name, after, lost + 1, "trimmed"))
    gaps.sort(key=lambda gap: gap.before)
    return gaps
