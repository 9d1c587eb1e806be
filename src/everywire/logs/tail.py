"""The newest messages of a log, in memory, shared by all who are only a little behind.

For logs that keep their messages elsewhere. The tail holds every message above its floor, and
every watermark above it, so it answers whoever goes on from there exactly as the log would; what
goes from the log goes from it, and it need not know of keys, or of rules. It
begins with what is read at opening (after a restart all clients come back at once), takes each
batch as it is handed over, and is bounded by bytes, number and watermarks: letting go of the oldest
raises the floor. A floor of 0 means that it holds all the log keeps, and so answers ``after=0``
too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from everywire.core.messages import Message
from everywire.core.pages import Page, Query
from everywire.core.positions import Openings
from everywire.core.watermarks import Watermarks
from everywire.logs.answers import answer
from everywire.logs.kept import Kept

TAIL_BYTES: Final = 32 * 1024 * 1024
TAIL_MESSAGES: Final = 100_000

TAIL_MARKS: Final = 50_000


class Tail:
    """See the module.

    Args:
        floor: Everything above it is put in.
        log_floor: The log's own; watermarks are exact above it.
        max_bytes: Bytes of messages, as `Message.size` counts them.
        max_messages: Their number.
        max_marks: Watermarks.
    """

    def __init__(
        self,
        floor: int,
        log_floor: int,
        max_bytes: int = TAIL_BYTES,
        max_messages: int = TAIL_MESSAGES,
        max_marks: int = TAIL_MARKS,
    ) -> None:
        self.floor = floor
        self._kept = Kept()
        self._watermarks = Watermarks(log_floor)
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._max_marks = max_marks

    def __len__(self) -> int:
        return self._kept.count

    @property
    def size(self) -> int:
        """Bytes of the messages held."""
        return self._kept.size

    def add(self, messages: Iterable[Message]) -> None:
        """Take in what the log handed over."""
        kept = self._kept
        for message in messages:
            kept.add(message)
        while kept.size > self._max_bytes or kept.count > self._max_messages:
            oldest = kept.drop_oldest()
            if oldest is None:
                return
            self.floor = oldest.id

    def trim(
        self, gone: Mapping[str, Iterable[int]], marks: Mapping[str, int], log_floor: int
    ) -> None:
        """Let go of what the log has trimmed.

        Args:
            gone: The positions that went, by channel.
            marks: The newest lost position of each channel that lost something.
            log_floor: The log's floor now.
        """
        watermarks = self._watermarks
        watermarks.floor = max(watermarks.floor, log_floor)
        for channel, positions in gone.items():
            for position in positions:
                if position > self.floor:
                    self._kept.drop(channel, position)
        for channel, mark in marks.items():
            if mark > self.floor:
                watermarks.raise_to(channel, mark)
        if len(watermarks) > self._max_marks:
            self._forget_marks()

    def _forget_marks(self) -> None:
        """Those below the floor, for who stands there is not answered here; or the lower half."""
        watermarks = self._watermarks
        watermarks.forget_below(self.floor)
        if len(watermarks) > self._max_marks // 2:
            self.floor = watermarks.middle()
            watermarks.forget_below(self.floor)
            while (oldest := self._kept.oldest()) is not None and oldest.id <= self.floor:
                self._kept.drop_oldest()

    def expire(self, now_ms: int) -> None:
        """Let go of what has expired by itself."""
        self._kept.drop_expired(now_ms)

    def recent(self, query: Query, openings: Openings, now_ms: int) -> Page | None:
        """Read after a position; None where the tail does not reach back so far."""
        before = openings.unknown(query.after, query.upto)
        after = query.after if before is None else before - 1
        if after < self.floor:
            return None
        return answer(query, self._kept, openings, self._watermarks, now_ms)
