"""The log in memory: for tests and throw-away servers. It dies with the process.

Appending is a few list operations, done at once; the follower gets the batch that one turn of the
loop gathered. Every opening is a birth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Message, message_from
from everywire.core.pages import Page, Query
from everywire.core.positions import Openings, next_position
from everywire.core.rules import LogRetention
from everywire.core.watermarks import Watermarks
from everywire.logs.answers import answer
from everywire.logs.base import (
    Append,
    Appended,
    ChannelStatus,
    Log,
    LogSettings,
    Sink,
    ended_conflict,
    first_ended,
)
from everywire.logs.kept import Kept
from everywire.logs.keys import Keys

DEFAULT_RETENTION: Final = LogRetention(max_age=3600, max_bytes=256 * 1024**2)
TRIM_STEP: Final = 1000


class MemoryLog(Log):
    """See the module.

    Args:
        settings: Clock, scheduler, retention.
    """

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._retention = settings.retention or DEFAULT_RETENTION
        self._now_us = settings.now_us
        self._kept = Kept()
        self._keys = Keys(settings.key_window_ms)
        self._ended: dict[str, int] = {}
        self._batch: list[Message] = []
        self._sink: Sink | None = None
        birth = next_position(0, settings.now_us())
        self._openings = Openings(birth)
        # The birth itself is no message, so nothing is lost just below it either.
        self._watermarks = Watermarks(birth - 1, settings.max_watermarks)
        self._given = self._handed_over = birth
        self._first = True

    @property
    def where(self) -> str:
        """For people: where the data is."""
        return "memory (gone when the server stops)"

    @property
    def failure(self) -> str | None:
        """Memory takes appends as long as it is open."""
        return None if self._sink is not None else "the log is closed"

    async def open(self, sink: Sink) -> None:
        """Begin to hand batches to a sink."""
        self._sink = sink

    async def close(self) -> None:
        """Hand over what waits, and take nothing more."""
        self._flush()
        self._sink = None

    def submit(self, append: Append) -> None:
        """Append at once."""
        try:
            result: Appended | EverywireError = self._append(append)
        except EverywireError as error:
            result = error
        append.done(result)

    def _append(self, append: Append) -> Appended:
        if self._sink is None:
            raise LogUnavailable("the log is closed")
        now_us = self._now_us()
        now_ms = now_us // 1000
        scope = append.scope
        if scope is not None:
            known = self._keys.find(scope, now_ms)
            if known is not None:
                return Appended(known, duplicate=True)
            self._keys.check_room()
        drafts = append.drafts
        if self._ended or len(drafts) > 1:
            ended = first_ended(drafts, self._ended.__contains__)
            if ended is not None:
                raise ended_conflict(ended)
        first = next_position(self._given, now_us)
        if self._first:
            self._openings.note(self._given, first)
            self._first = False
        if not self._batch:
            self._settings.soon(self._flush)
        for position, draft in enumerate(drafts, first):
            message = message_from(draft, position, now_ms)
            self._kept.add(message)
            self._batch.append(message)
            if draft.final:
                self._end(draft.channel, position)
        self._given = first + len(drafts) - 1
        positions = range(first, self._given + 1)
        if scope is not None:
            self._keys.store(scope, positions, now_ms)
        return Appended(positions)

    def _flush(self) -> None:
        batch = self._batch
        if not batch or self._sink is None:
            return
        self._batch = []
        self._handed_over = batch[-1].id
        self._sink.batch(batch)
        self._sink.advance(self._handed_over)
        for channel in {message.channel for message in batch}:
            self._trim_channel(channel)
        self._trim_all(TRIM_STEP + len(batch))

    def flush(self) -> None:
        """Hand over what this turn has gathered, now."""
        self._flush()

    def _end(self, channel: str, position: int) -> None:
        self._ended[channel] = position
        if len(self._ended) > self._settings.max_ended:
            del self._ended[next(iter(self._ended))]

    def head(self) -> int:
        """The newest position that was handed over."""
        return self._handed_over

    def openings(self) -> Openings:
        """Birth, and the hole before the first message."""
        return self._openings

    def ended(self, channel: str) -> int:
        """The position that ended the channel, as far as it was handed over; else 0."""
        position = self._ended.get(channel, 0)
        return position if position <= self._handed_over else 0

    def recent(self, query: Query) -> Page:
        """Everything is in memory."""
        now_ms = self._now_us() // 1000
        return answer(query, self._kept, self._openings, self._watermarks, now_ms)

    async def read(self, query: Query) -> Page:
        """Everything is in memory."""
        return self.recent(query)

    async def read_back(self, channel: str, before: int, after: int, limit: int) -> list[Message]:
        """The newest messages between two positions, newest first."""
        shelf = self._kept.shelves.get(channel)
        if shelf is None:
            return []
        now_ms = self._now_us() // 1000
        found: list[Message] = []
        index = shelf.index_after(before - 1) - 1
        while index >= shelf.start and len(found) < limit:
            message = shelf.messages[index]
            if message.id <= after:
                break
            if message.id <= self._handed_over and not 0 < message.expires <= now_ms:
                found.append(message)
            index -= 1
        return found

    async def nth_last(self, channel: str, count: int) -> int:
        """The position to read after for the last messages."""
        if count == 0:
            return self._handed_over
        found = await self.read_back(channel, self._handed_over + 1, 0, count)
        return found[-1].id - 1 if len(found) == count else 0

    async def status(self, channel: str) -> ChannelStatus:
        """What is known of a channel."""
        kept = await self.read_back(channel, self._handed_over + 1, 0, self._kept.count)
        last = kept[0].id if kept else max(self._watermarks.of(channel), self.ended(channel))
        return ChannelStatus(last or None, kept[-1].id if kept else None, len(kept))

    async def watermarks(self, names: Iterable[str]) -> Mapping[str, int]:
        """The newest lost positions."""
        return self._watermarks.of_all(names)

    def tick(self) -> None:
        """Drop what has expired or is too old."""
        now_ms = self._now_us() // 1000
        self._kept.drop_expired(now_ms)
        for channel in self._aged(now_ms):
            self._trim_channel(channel)
        self._trim_all(TRIM_STEP)

    async def settle(self) -> None:
        """Hand over what waits, and trim to the end."""
        self._flush()
        while True:
            count = self._kept.count
            self.tick()
            if self._kept.count == count:
                return

    def _aged(self, now_ms: int) -> list[str]:
        """Channels whose own rule has an age that their oldest message has passed."""
        rules = self._settings.rules
        if all(rule.max_age is None for rule in rules.rules):
            return []
        return [
            channel
            for channel, shelf in self._kept.shelves.items()
            if (age := rules.of(channel).max_age) is not None
            and shelf.oldest().ts < now_ms - age * 1000
        ]

    def _trim_channel(self, channel: str) -> None:
        rule = self._settings.rules.of(channel)
        if rule.max_messages is None and rule.max_bytes is None and rule.max_age is None:
            return
        shelf = self._kept.shelves.get(channel)
        too_old = None if rule.max_age is None else self._now_us() // 1000 - rule.max_age * 1000
        while shelf and (
            (rule.max_messages is not None and len(shelf) > rule.max_messages)
            or (rule.max_bytes is not None and shelf.size > rule.max_bytes)
            or (too_old is not None and shelf.oldest().ts < too_old)
        ):
            if not self._lose(shelf.oldest()):
                return
            self._kept.drop_oldest_of(channel)

    def _trim_all(self, most: int) -> None:
        """A bounded step of what the whole log's retention asks for, the oldest first."""
        kept, limit, age = self._kept, self._retention.max_bytes, self._retention.max_age
        too_old = 0.0 if age is None else self._now_us() // 1000 - age * 1000
        for _ in range(most):
            oldest = kept.oldest()
            if oldest is None or not (
                (limit is not None and kept.size > limit) or oldest.ts < too_old
            ):
                return
            if not self._lose(oldest):
                return
            kept.drop_oldest()

    def _lose(self, message: Message) -> bool:
        """Note a loss before it happens; not of what was not handed over yet."""
        if message.id > self._handed_over:
            return False
        if not 0 < message.expires <= self._now_us() // 1000:
            self._watermarks.raise_to(message.channel, message.id)
        return True
