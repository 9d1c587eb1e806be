"""The log in memory: for tests and throw-away servers. It dies with the process.

Appending is a few list operations, done at once; the follower gets the batch that one turn of the
loop gathered. Every opening is a birth.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Message, message_from
from everywire.core.pages import PAGE_MESSAGES, Page, Query
from everywire.core.positions import Openings, next_position
from everywire.core.rules import ChannelRule, LogRetention
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
from everywire.logs.leases import RUN_OUT_STEP, LeaseChange, Leases
from everywire.logs.state import MemoryState, StatePage, has_keys, plan

DEFAULT_RETENTION: Final = LogRetention(max_age=3600, max_bytes=256 * 1024**2)
TRIM_STEP: Final = 1000

logger = logging.getLogger("everywire.log")


class MemoryLog(Log):
    """See the module.

    Args:
        settings: Clock, scheduler, retention.
    """

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._retention = settings.retention or DEFAULT_RETENTION
        self._now_us = settings.now_us
        # Whether a channel may be kept shorter than the log.
        self._bounded = any(_bounds(rule) for rule in settings.rules.rules)
        self._kept = Kept()
        self._keys = Keys(settings.key_window_ms)
        self._state = MemoryState()
        self._leases = Leases(settings.lease_clock, settings.max_leases)
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
        scope = None if append.key is None else append.scope
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
        keyed = drafts[0].key is not None if len(drafts) == 1 else has_keys(drafts)
        if keyed:
            # Raises where it may not be; nothing has changed until here.
            bounds = self._settings.max_channel_keys, self._settings.max_state_bytes
            plan(drafts, first, now_ms, self._state, *bounds)
        if self._first:
            self._openings.note(self._given, first)
            self._first = False
        if not self._batch:
            self._settings.soon(self._flush)
        position = first - 1
        for draft in drafts:
            position += 1
            message = message_from(draft, position, now_ms)
            self._kept.add(message)
            self._batch.append(message)
            if draft.final:
                self._end(draft.channel, position)
        if keyed:
            for draft, message in zip(drafts, self._batch[-len(drafts) :], strict=True):
                if draft.key is not None:
                    self._hold(draft.key, message, draft.frees)
        self._given = position
        positions = (first,) if position == first else range(first, position + 1)
        if scope is not None:
            self._keys.store(scope, positions, now_ms)
        return Appended(positions)

    def _hold(self, key: str, message: Message, frees: bool) -> None:
        """Note the newest message of a key; what it held before may be lost with that."""
        before = self._state.put(key, message, frees)
        if before is not None and self._kept.drop_aside(before.channel, before.id) is not None:
            self._lose(before)

    def _flush(self) -> None:
        batch = self._batch
        if not batch or self._sink is None:
            return
        self._batch = []
        self._handed_over = batch[-1].id
        self._sink.batch(batch)
        self._sink.advance(self._handed_over)
        if self._bounded:
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
        return list(islice(self._back(channel, before, after), limit))

    def _back(self, channel: str, before: int, after: int) -> Iterator[Message]:
        shelf = self._kept.shelves.get(channel)
        if shelf is None:
            return
        now_ms = self._now_us() // 1000
        for message in shelf.before(min(before, self._handed_over + 1)):
            if message.id <= after:
                return
            if not 0 < message.expires <= now_ms:
                yield message

    async def nth_last(self, channel: str, count: int) -> int:
        """The position to read after for the last messages."""
        if count == 0:
            return self._handed_over
        found = await self.read_back(channel, self._handed_over + 1, 0, count)
        return found[-1].id - 1 if len(found) == count else 0

    async def status(self, channel: str) -> ChannelStatus:
        """What is known of a channel."""
        kept = list(self._back(channel, self._handed_over + 1, 0))
        last = max(self._watermarks.of(channel), self.ended(channel))
        if not kept:
            return ChannelStatus(last or None, None, 0)
        return ChannelStatus(max(last, kept[0].id), kept[-1].id, len(kept))

    async def watermarks(self, names: Iterable[str]) -> Mapping[str, int]:
        """The newest lost positions."""
        return self._watermarks.of_all(names)

    async def state(
        self, channel: str, after: int = 0, upto: int | None = None, limit: int = PAGE_MESSAGES
    ) -> StatePage:
        """The newest message of each key of a channel, in position order."""
        upto = self._handed_over if upto is None else min(upto, self._handed_over)
        return self._state.page(channel, after, upto, limit, self._now_us() // 1000)

    def submit_lease(self, change: LeaseChange) -> None:
        """Begin, replace or give up a lease, at once."""
        if self._sink is None:
            change.done(LogUnavailable("the log is closed"))
            return
        refused = self._leases.begin(change)
        if refused is None:
            self._leases.end(change, done=True)
        change.done(refused)

    def renew(self, lease_id: str) -> bool:
        """Give a lease its whole ttl again."""
        return self._leases.renew(lease_id)

    def _run_out(self) -> None:
        """Append the wills of leases that are due."""
        if self._sink is None:
            return
        due = self._leases.run_out()
        for lease in due:
            self._leases.ran_out(lease, done=True)
            for draft in lease.will:
                try:
                    self._append(Append((draft,), _nobody))
                except EverywireError as error:
                    logger.info("of the will of lease %r one was refused: %s", lease.id, error)
        if len(due) == RUN_OUT_STEP:
            self._settings.soon(self._run_out)

    def tick(self) -> None:
        """Drop what has expired or is too old; leases run out."""
        now_ms = self._now_us() // 1000
        for message in self._kept.drop_expired(now_ms):
            self._state.discard(message)
        for channel in self._aged(now_ms):
            self._trim_channel(channel)
        self._trim_all(TRIM_STEP)
        self._run_out()

    async def settle(self) -> None:
        """Hand over what waits, and trim to the end."""
        while True:
            self._flush()
            before = self._kept.count, self._given
            self.tick()
            if before == (self._kept.count, self._given):
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
            and len(shelf)
            and shelf.oldest().ts < now_ms - age * 1000
        ]

    def _trim_channel(self, channel: str) -> None:
        rule = self._settings.rules.of(channel)
        if not _bounds(rule):
            return
        shelf = self._kept.shelves.get(channel)
        too_old = None if rule.max_age is None else self._now_us() // 1000 - rule.max_age * 1000
        while shelf and (
            (rule.max_messages is not None and len(shelf) > rule.max_messages)
            or (rule.max_bytes is not None and shelf.size > rule.max_bytes)
            or (too_old is not None and shelf.oldest().ts < too_old)
        ):
            oldest = shelf.oldest()
            if oldest.id > self._handed_over:
                return
            if self._holds(oldest):
                self._kept.set_aside(channel)
            else:
                self._lose(oldest)
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
            if oldest.id > self._handed_over:
                return
            if self._holds(oldest):
                kept.set_aside(oldest.channel)
            else:
                self._lose(oldest)
                kept.drop_oldest()

    def _holds(self, message: Message) -> bool:
        """Whether a message stays although it is its turn: it is the newest of its key."""
        return message.key is not None and not self._expired(message) and self._state.holds(message)

    def _lose(self, message: Message) -> None:
        """Note that a message goes, before it does; what has expired is no loss."""
        if not self._expired(message):
            self._watermarks.raise_to(message.channel, message.id)
        elif message.key is not None:
            self._state.discard(message)

    def _expired(self, message: Message) -> bool:
        return 0 < message.expires <= self._now_us() // 1000


def _bounds(rule: ChannelRule) -> bool:
    return rule.max_messages is not None or rule.max_bytes is not None or rule.max_age is not None


def _nobody(_: Appended | EverywireError) -> None:
    """A will has no publisher who waits for an answer."""
