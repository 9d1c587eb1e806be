"""The log in one SQLite file, as the loop's thread sees it.

An append, or a change of a lease, waits in the open batch until the writer is free; then the whole
batch is handed over, and what comes meanwhile is the next. When a batch returns, the next is handed
over first, so that the writer works while this thread tells the follower, then the publishers.

The head, the openings, what has ended, when leases are due and the recent tail are here; nothing
on this thread ever waits for the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Message
from everywire.core.pages import PAGE_MESSAGES, Page, Query, known
from everywire.core.positions import Openings
from everywire.logs.base import Append, ChannelStatus, Log, LogSettings, Sink
from everywire.logs.leases import Lease, LeaseChange, Leases
from everywire.logs.sqlite.appending import Answer, Committed, Item, commit
from everywire.logs.sqlite.opening import open_store
from everywire.logs.sqlite.reading import Reader, Snapshot
from everywire.logs.sqlite.retention import STEP_ROWS, Retention, Trimmed
from everywire.logs.sqlite.store import Store, Synchronous
from everywire.logs.sqlite.worker import Worker
from everywire.logs.state import StatePage
from everywire.logs.tail import TAIL_BYTES, TAIL_MESSAGES, Tail

T = TypeVar("T")

CLOSE_SECONDS: Final = 10.0
"""How long closing waits for the disk."""

_DRAFT_BYTES: Final = 96
"""What a waiting draft costs beside its data, roughly."""

logger = logging.getLogger("everywire.log")


class _State(Enum):
    NEW = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class SqliteLog(Log):
    """See the module.

    Args:
        path: The file; its directory must exist.
        settings: Clock, scheduler, retention.
        synchronous: ``full``: what is answered survives a power cut. ``normal``: it survives the
            process, but the last moments before a power cut may be gone (a gap tells).
        vfs: SQLite's layer to the disk, by name; None: its own. For tests.
        tail_bytes: Bytes of recent messages held in memory.
        tail_messages: Their number.
    """

    def __init__(
        self,
        path: Path,
        settings: LogSettings,
        synchronous: Synchronous = "full",
        *,
        vfs: str | None = None,
        tail_bytes: int = TAIL_BYTES,
        tail_messages: int = TAIL_MESSAGES,
    ) -> None:
        # Two names of one file are one log, and one lock.
        self.path = path.resolve()
        self.synchronous: Synchronous = synchronous
        self._settings = settings
        self._store = Store(self.path, settings, synchronous, vfs)
        self._retention = Retention(self._store)
        self._reads = Reader(self.path, vfs)
        self._tail_bytes = tail_bytes
        self._tail_messages = tail_messages
        self._state = _State.NEW
        self._failure: str | None = None
        # Appends and leases: those that gather, those that are with the writer.
        self._gathering: list[Item] = []
        self._gathering_bytes = 0
        self._scheduled = False
        self._busy: list[Item] = []
        self._busy_bytes = 0
        self._leases = Leases(settings.lease_clock, settings.max_leases)
        self._running_out = 0
        # Retention: whether a step is with the writer; rows to look at in the next.
        self._trimming = False
        self._trim_rows = 0

    @property
    def where(self) -> str:
        """For people: where the data is."""
        return f"{self.path} (SQLite, synchronous {self.synchronous})"

    @property
    def failure(self) -> str | None:
        """Why the log does not take appends now; None: it does."""
        if self._state is not _State.OPEN:
            return "the log is closed"
        return self._failure

    # Opening and closing

    async def open(self, sink: Sink) -> None:
        """Open the file and hand everything appended from now on to a sink.

        Raises:
            LogRefused: It is in use, damaged, of another version or cannot be written.
        """
        self._sink = sink
        self._writer = Worker("everywire-log-writer")
        self._reader = Worker("everywire-log-reader")
        try:
            opened = await self._writer.ask(partial(open_store, self._store, self._tail_bytes))
        except BaseException:
            # Where the wait was cancelled, the file may be open by now.
            self._writer.put(self._store.close, lambda _: None)
            self._stop()
            raise
        self._head = opened.head
        self._openings = opened.openings
        self._ended = opened.ended
        self._tail = Tail(opened.whole_above, opened.floor, self._tail_bytes, self._tail_messages)
        self._tail.add(opened.messages)
        self._tail.trim({}, opened.marks, opened.floor)
        for lease in opened.leases:
            self._leases.put(lease)
        self._state = _State.OPEN

    async def close(self) -> None:
        """Commit and answer what waits, put everything into the file, let go of it.

        A disk that does not answer is waited for so long; then what waits is refused, and the
        file stays locked until the process ends.
        """
        if self._state is not _State.OPEN:
            return
        self._state = _State.CLOSING
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._gathering or self._busy:
                    self._hand_over()
                    await self._writer.idle()
                await self._reader.ask(self._reads.close)
                await self._writer.ask(self._store.close)
        except TimeoutError:
            logger.error("the log %s did not close in %g s", self.path, CLOSE_SECONDS)
        finally:
            self._state = _State.CLOSED
            self._stop()
            self._refuse_all("the log was closed before the disk answered")

    def _stop(self) -> None:
        self._writer.stop()
        self._reader.stop()

    def _refuse_all(self, why: str) -> None:
        waiting = self._busy + self._gathering
        self._busy, self._gathering = [], []
        self._answer_all(waiting, (LogUnavailable(why) for _ in waiting))

    # Appending

    def submit(self, append: Append) -> None:
        """Put drafts into the open batch; they are answered once they are committed."""
        drafts = append.drafts
        size = append.size or sum(len(draft.data) for draft in drafts)
        size += _DRAFT_BYTES * len(drafts)
        refused = self._no_room(size)
        if refused is not None:
            append.done(refused)
            return
        self._gather(append, size)

    def _no_room(self, size: int) -> LogUnavailable | None:
        """Why nothing of that size can be taken now."""
        if self._state is not _State.OPEN:
            return LogUnavailable("the log is closed")
        most = self._settings.max_waiting_bytes
        if self._gathering_bytes + self._busy_bytes + size > most:
            return LogUnavailable(f"{most} bytes wait for the disk, as many as may; try later")
        return None

    def _gather(self, item: Item, size: int) -> None:
        self._gathering_bytes += size
        self._gathering.append(item)
        if not self._scheduled and not self._busy:
            # In the next turn, so that all that comes in this one goes together.
            self._scheduled = True
            self._settings.soon(self._hand_over)

    def _hand_over(self) -> None:
        """Give the writer what has gathered, if it is free."""
        self._scheduled = False
        if self._busy or not self._gathering:
            return
        self._busy, self._gathering = self._gathering, []
        self._busy_bytes, self._gathering_bytes = self._gathering_bytes, 0
        self._writer.put(partial(commit, self._store, self._busy), self._committed)

    def _committed(self, result: Committed | LogUnavailable | Exception) -> None:
        """A batch has come back: hand over the next, tell the follower, then the publishers."""
        items, self._busy, self._busy_bytes = self._busy, [], 0
        if self._state is _State.CLOSED:
            return
        self._hand_over()
        if not isinstance(result, Committed):
            why = self._failed(result)
            self._answer_all(items, (LogUnavailable(why) for _ in items))
            return
        self._set_failure(None)
        try:
            if result.messages:
                self._deliver(result)
        finally:
            self._answer_all(items, result.answers)
        if result.due:
            self._trim(STEP_ROWS + len(result.messages))

    def _deliver(self, committed: Committed) -> None:
        messages = committed.messages
        hole = committed.hole
        if hole is not None:
            self._openings.note(hole.head, hole.next)
        self._tail.add(messages)
        for channel, position in committed.finals.items():
            self._ended[channel] = position
            if len(self._ended) > self._settings.max_ended:
                del self._ended[next(iter(self._ended))]
        self._head = committed.head
        self._sink.batch(messages)
        self._sink.advance(committed.head)
        # Now, not before, it may be trimmed.
        self._store.handed_over = committed.head

    def _answer_all(self, items: Iterable[Item], answers: Iterable[Answer]) -> None:
        """Answer in order; one publisher's trouble is not the next one's."""
        for item, answer in zip(items, answers, strict=False):
            try:
                if not isinstance(item, Append):
                    self._answer_lease(item, answer)
                elif answer is not None:
                    item.done(answer)
            except Exception:
                logger.exception("a publisher could not be answered")

    def _answer_lease(self, item: LeaseChange | Lease, answer: Answer) -> None:
        error = answer if isinstance(answer, EverywireError) else None
        if isinstance(item, LeaseChange):
            self._leases.end(item, done=error is None)
            item.done(error)
            return
        self._leases.ran_out(item, done=error is None)
        self._running_out -= 1
        if self._running_out == 0 and error is None:
            self._run_out()

    # Leases

    def submit_lease(self, change: LeaseChange) -> None:
        """Put a change of a lease into the open batch; it is answered once it is committed."""
        size = 0 if change.lease is None else change.lease.size
        refused = self._no_room(size) or self._leases.begin(change)
        if refused is not None:
            change.done(refused)
            return
        self._gather(change, size)

    def renew(self, lease_id: str) -> bool:
        """Give a lease its whole ttl again; nothing is written."""
        return self._leases.renew(lease_id)

    def _run_out(self) -> None:
        """Put the wills of leases that are due into the open batch, a step at a time."""
        if self._running_out or self._state is not _State.OPEN:
            return
        due = self._leases.run_out()
        self._running_out = len(due)
        for lease in due:
            self._gather(lease, lease.size)

    def _failed(self, error: Exception) -> str:
        """Note why appends fail; what to say to them."""
        unexpected = f"the log {self.path} failed unexpectedly: {error!r}"
        why = error.message if isinstance(error, LogUnavailable) else unexpected
        self._set_failure(why)
        return why

    def _set_failure(self, failure: str | None) -> None:
        if failure is not None and self._failure is None:
            logger.error("%s", failure)
        elif failure is None and self._failure is not None:
            logger.warning("the log %s takes appends again", self.path)
        self._failure = failure

    # Retention

    def tick(self) -> None:
        """A step of retention; leases run out; a log that failed is tried."""
        if self._state is not _State.OPEN:
            return
        self._tail.expire(self._now_ms())
        self._trim(STEP_ROWS)
        self._run_out()

    async def settle(self) -> None:
        """Wait until everything is answered and nothing is left to trim."""
        while self._state is _State.OPEN:
            if self._failure is None:
                self._run_out()
            self._hand_over()
            step = partial(self._retention.step, STEP_ROWS, try_writing=False)
            trimmed = await self._writer.ask(step)
            self._let_go(trimmed)
            if not (self._busy or self._gathering or self._trimming or trimmed.more):
                return

    def _trim(self, rows: int) -> None:
        """Have so many rows more looked at; one step at a time is with the writer."""
        self._trim_rows += rows
        if self._trimming or self._state is not _State.OPEN:
            return
        self._trimming = True
        rows, self._trim_rows = self._trim_rows, 0
        step = partial(self._retention.step, rows, try_writing=self._failure is not None)
        self._writer.put(step, self._trimmed)

    def _trimmed(self, result: Trimmed | Exception) -> None:
        self._trimming = False
        if isinstance(result, Exception):
            self._failed(result)
            return
        if result.probed:
            self._set_failure(None if result.unavailable is None else result.unavailable.message)
        self._let_go(result)
        if result.more or self._trim_rows:
            self._trim(STEP_ROWS if result.more else 0)

    def _let_go(self, trimmed: Trimmed) -> None:
        self._tail.trim(trimmed.gone, trimmed.marks, trimmed.floor)

    # What is in memory

    def head(self) -> int:
        """The newest position that was handed over."""
        return self._head

    def openings(self) -> Openings:
        """Birth and holes."""
        return self._openings

    def ended(self, channel: str) -> int:
        """The position that ended the channel, once it was handed over; else 0."""
        return self._ended.get(channel, 0)

    def recent(self, query: Query) -> Page | None:
        """`read` from the tail; None where it does not reach back so far."""
        return self._tail.recent(query, self._openings, self._now_ms())

    def _now_ms(self) -> int:
        return self._settings.now_us() // 1000

    # What is read from the file

    async def read(self, query: Query) -> Page:
        """Messages and gaps after a position, to a page's end."""
        resolved, unknown = known(query, self._openings)
        now_ms = self._now_ms()
        return await self._ask(lambda snapshot: snapshot.page(resolved, unknown, now_ms))

    async def read_back(self, channel: str, before: int, after: int, limit: int) -> list[Message]:
        """The newest messages between two positions, newest first."""
        before = min(before, self._head + 1)
        now_ms = self._now_ms()
        return await self._ask(lambda s: s.back(channel, before, after, limit, now_ms))

    async def nth_last(self, channel: str, count: int) -> int:
        """The position to read after for the last messages."""
        head, now_ms = self._head, self._now_ms()
        if count == 0:
            return head
        return await self._ask(lambda s: s.nth_last(channel, count, head, now_ms))

    async def status(self, channel: str) -> ChannelStatus:
        """What is known of a channel."""
        head, ended, now_ms = self._head, self.ended(channel), self._now_ms()
        return await self._ask(lambda s: s.status(channel, head, ended, now_ms))

    async def watermarks(self, names: Iterable[str]) -> Mapping[str, int]:
        """The newest lost positions."""
        wanted = tuple(names)
        return await self._ask(lambda s: s.watermarks(wanted))

    async def state(
        self, channel: str, after: int = 0, upto: int | None = None, limit: int = PAGE_MESSAGES
    ) -> StatePage:
        """The newest message of each key of a channel, in position order."""
        upto = self._head if upto is None else min(upto, self._head)
        now_ms = self._now_ms()
        return await self._ask(lambda s: s.state(channel, after, upto, limit, now_ms))

    async def _ask(self, job: Callable[[Snapshot], T]) -> T:
        """Let the reader answer from one snapshot."""
        if self._state is not _State.OPEN:
            raise LogUnavailable("the log is closed")
        try:
            return await self._reader.ask(partial(self._reads.read, job))
        except EverywireError:
            raise
        except Exception as error:
            raise LogUnavailable(f"reading the log {self.path} failed: {error!r}") from error
