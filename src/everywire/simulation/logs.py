"""Logs that commit, answer and fail when they are let, and the truth of what they took.

`SlowMemoryLog` is the memory log behaving as one on another thread or machine does: appends wait
until the writer is let go on, who is further behind than its tail asks and waits, and pages come in
any order, from before or after what was trimmed meanwhile.

`SteppedSqliteLog` is the real SQLite log; only its two threads are replaced, by queues that do one
job when they are told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Message
from everywire.core.pages import Page, Query
from everywire.logs.base import Append, LogSettings, Sink
from everywire.logs.memory import MemoryLog
from everywire.logs.sqlite import SqliteLog
from everywire.logs.sqlite.worker import Worker

T = TypeVar("T")


class Witness(Protocol):
    """Who learns the whole truth."""

    def taken(self, messages: Sequence[Message]) -> None:
        """The log has these, and is about to hand them over."""
        ...


class _Tee:
    """A sink that lets the witness see first."""

    def __init__(self, sink: Sink, witness: Witness) -> None:
        self._sink = sink
        self._witness = witness

    def batch(self, messages: Sequence[Message]) -> None:
        self._witness.taken(messages)
        self._sink.batch(messages)

    def advance(self, position: int) -> None:
        self._sink.advance(position)


class SlowMemoryLog(MemoryLog):
    """See the module.

    Args:
        settings: As the server makes them.
        witness: Learns what is appended.
        gathers: Whether appends wait for `commit`.

    Attributes:
        tail: Pages after an older position have to be waited for.
    """

    def __init__(self, settings: LogSettings, witness: Witness, gathers: bool) -> None:
        super().__init__(settings)
        self._witness = witness
        self._gathers = gathers
        self._waiting: list[Append] = []
        self._reads: list[asyncio.Future[None]] = []
        self._failing = {"append": 0, "read": 0}
        self.tail = 0

    async def open(self, sink: Sink) -> None:
        """Begin to hand batches to a sink."""
        await super().open(_Tee(sink, self._witness))

    async def close(self) -> None:
        """Let everybody go on, then hand over what is left."""
        self.commit()
        self.answer_all()
        await super().close()

    def answer_all(self) -> None:
        """Let all who wait have their pages."""
        while self._reads:
            self.answer(0)

    async def everything(self, channel: str) -> Sequence[Message]:
        """What is kept of a channel."""
        return super().recent(Query((channel,), (), 0, self.head())).messages

    def submit(self, append: Append) -> None:
        """Append at once, or with the next `commit`."""
        if self._gathers and self.failure is None:
            self._waiting.append(append)
        else:
            super().submit(append)

    def commit(self) -> None:
        """Append what waits, and hand it over."""
        waiting, self._waiting = self._waiting, []
        if waiting and self._fails("append"):
            for append in waiting:
                append.done(LogUnavailable("the disk of the simulation failed"))
            return
        for append in waiting:
            super().submit(append)
        self.flush()

    # As a `Log` may; the memory log itself always has an answer.
    def recent(self, query: Query) -> Page | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A page from what is said to be in memory (as `everywire.logs.tail.Tail.recent`)."""
        before = self.openings().unknown(query.after, query.upto)
        after = query.after if before is None else before - 1
        return None if after < self.tail else super().recent(query)

    async def read(self, query: Query) -> Page:
        """A page, once it is let go; what it says was so when it was asked for, or is so then."""
        early = super().recent(query) if len(self._reads) % 2 else None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reads.append(turn)
        await turn
        page = early or super().recent(query)
        if self._fails("read"):
            raise LogUnavailable("the disk of the simulation failed")
        return page

    def answer(self, which: int) -> None:
        """Let one of those who wait have its page."""
        while self._reads:
            turn = self._reads.pop(which % len(self._reads))
            if not turn.done():
                turn.set_result(None)
                return

    def fail_next(self, what: str) -> None:
        """Let the next append or read fail."""
        self._failing[what] = 1

    def _fails(self, what: str) -> bool:
        failing, self._failing[what] = self._failing[what], 0
        return failing > 0


class _SteppedWorker(Worker):
    """A worker without a thread: it does a job when it is told, and answers in the next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, soon: bool = False) -> None:
        self._loop = loop
        self._queue: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()
        self.soon = soon

    def put(self, job: Callable[[], T], answer: Callable[[T | Exception], None]) -> None:
        """Do a job, when told, then call ``answer``."""
        self._queue.append((job, answer))
        if self.soon:
            self._loop.call_soon(self.step)

    def step(self) -> None:
        """Do the next job."""
        if not self._queue:
            return
        job, answer = self._queue.popleft()
        try:
            result: Any = job()
        except EverywireError as error:
            result = error
        self._loop.call_soon(answer, result)

    def stop(self) -> None:
        """There is no thread to end."""

    @property
    def busy(self) -> bool:
        """Whether jobs wait."""
        return bool(self._queue)


class SteppedSqliteLog(SqliteLog):
    """See the module.

    Args:
        path: The file.
        settings: As the server makes them.
        witness: Learns what is appended.
        tail_messages: Held in memory.
    """

    def __init__(
        self, path: Path, settings: LogSettings, witness: Witness, tail_messages: int
    ) -> None:
        # Nothing here outlives the process, so nothing has to reach a disk.
        super().__init__(path, settings, "normal", tail_messages=tail_messages)
        self._witness = witness
        self._failing = {"append": 0, "read": 0}
        self.tail = 0

    async def open(self, sink: Sink) -> None:
        """Open the file; from then on nothing is done that is not told."""
        await super().open(_Tee(sink, self._witness))
        for worker in self._workers():
            worker.soon = False

    async def close(self) -> None:
        """Do all that was put, then let go of the file."""
        self._let_go_on()
        await super().close()

    def _let_go_on(self) -> None:
        """Do all that was put, and from now on each job by itself."""
        for worker in self._workers():
            worker.soon = True
            while worker.busy:
                worker.step()

    async def everything(self, channel: str) -> Sequence[Message]:
        """What is kept of a channel."""
        self._let_go_on()
        return (await super().read(Query((channel,), (), 0, self.head()))).messages

    def commit(self) -> None:
        """Let the writer do its next job."""
        self._workers()[0].step()

    def answer(self, which: int) -> None:
        """Let the reader do its next job."""
        self._workers()[1].step()

    def fail_next(self, what: str) -> None:
        """Let the next append or read fail."""
        self._failing[what] = 1

    async def read(self, query: Query) -> Page:
        """As the log does, unless it is to fail."""
        page = await super().read(query)
        failing, self._failing["read"] = self._failing["read"], 0
        if failing:
            raise LogUnavailable("the disk of the simulation failed")
        return page

    def submit(self, append: Append) -> None:
        """As the log does, unless it is to fail."""
        failing, self._failing["append"] = self._failing["append"], 0
        if failing:
            append.done(LogUnavailable("the disk of the simulation failed"))
        else:
            super().submit(append)

    def _workers(self) -> tuple[_SteppedWorker, _SteppedWorker]:
        writer, reader = self._writer, self._reader
        assert isinstance(writer, _SteppedWorker)
        assert isinstance(reader, _SteppedWorker)
        return writer, reader


def stepped_worker(name: str) -> Worker:
    """A worker in place of one with a thread; it works by itself until the log is open."""
    return _SteppedWorker(asyncio.get_running_loop(), soon=True)


class Files:
    """A SQLite log's files as they were at some moment: what a power cut would leave.

    Args:
        path: The log's.
    """

    def __init__(self, path: Path) -> None:
        self._paths = [path, path.with_name(path.name + "-wal")]
        self._contents = [part.read_bytes() if part.exists() else None for part in self._paths]

    def restore(self) -> None:
        """Put them back. Nobody may have the log open."""
        shared = self._paths[0].with_name(self._paths[0].name + "-shm")
        shared.unlink(missing_ok=True)
        for path, content in zip(self._paths, self._contents, strict=True):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
