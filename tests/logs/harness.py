"""What the tests of the logs share: a clock that is moved by hand, a follower, a bench of logs.

`read` asks a log twice, for what is in memory and for what is in the store; wherever memory
answers, both must say the same. So each test of reading is one of the tail, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from everywire.core.messages import Draft, Gap, Message
from everywire.core.pages import Page, Query
from everywire.logs.base import Append, Appended, Log, LogSettings
from everywire.logs.memory import MemoryLog
from everywire.logs.sqlite import SqliteLog

START_US = 1_700_000_000_000_000


class Clock:
    """Microseconds since the epoch, moved by hand."""

    def __init__(self, us: int = START_US) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us

    def advance(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


class Follower:
    """A sink that holds what a log promises to those who follow it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.batches: list[list[Message]] = []
        self.advanced = 0

    def batch(self, messages: Sequence[Message]) -> None:
        assert messages, "an empty batch was handed over"
        ids = [message.id for message in messages]
        assert ids == sorted(set(ids)), "a batch is not in position order"
        assert ids[0] > self.advanced, "a batch came after its positions were passed"
        self.messages.extend(messages)
        self.batches.append(list(messages))

    def advance(self, position: int) -> None:
        assert position >= self.advanced, "advance went back"
        if self.messages:
            assert position >= self.messages[-1].id
        self.advanced = position


class Bench:
    """Opens logs of one kind on one clock, and closes them again.

    Args:
        kind: ``memory`` or ``sqlite``.
        directory: Where files are put.
    """

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.directory = directory
        self.clock = Clock()
        self.follower = Follower()
        self._open: list[Log] = []

    @property
    def path(self) -> Path:
        return self.directory / "log.db"

    @property
    def keeps(self) -> bool:
        """Whether what is in the log outlives its closing."""
        return self.kind != "memory"

    def make(self, *, sqlite: dict[str, Any] | None = None, **settings: Any) -> Log:
        """A log that is not open yet."""
        made = LogSettings(now_us=self.clock, soon=asyncio.get_running_loop().call_soon, **settings)
        if self.kind == "memory":
            return MemoryLog(made)
        # What survives a power cut is not seen here, and not syncing is faster.
        return SqliteLog(self.path, made, **{"synchronous": "normal", **(sqlite or {})})

    async def open(self, *, sqlite: dict[str, Any] | None = None, **settings: Any) -> Log:
        """An open log; its follower is the bench's ``follower``, a new one each time."""
        log = self.make(sqlite=sqlite, **settings)
        self.follower = Follower()
        await log.open(self.follower)
        self._open.append(log)
        return log

    async def close(self) -> None:
        for log in self._open:
            await log.close()
        self._open.clear()


def draft(channel: str, data: str | bytes = "1", **fields: Any) -> Draft:
    return Draft(channel, data.encode() if isinstance(data, str) else data, **fields)


async def put(log: Log, channel: str, data: str | bytes = "1", **fields: Any) -> int:
    """Append one message and let the log settle; its position."""
    answer = await log.append([draft(channel, data, **fields)])
    await log.settle()
    return answer.positions[0]


async def put_all(log: Log, *channels: str) -> list[int]:
    """Append a message to each channel as one list, and let the log settle; the positions."""
    answer = await log.append([draft(channel) for channel in channels])
    await log.settle()
    return list(answer.positions)


def submit(log: Log, drafts: Sequence[Draft], **fields: Any) -> asyncio.Future[Any]:
    """Append without waiting; the future gets the answer or the error itself."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    log.submit(Append(drafts, future.set_result, **fields))
    return future


async def read(
    log: Log,
    *names: str,
    after: int,
    upto: int | None = None,
    **fields: Any,
) -> Page:
    """A page of channels and patterns, from the store, and from memory where that answers."""
    query = Query(
        tuple(name for name in names if "*" not in name),
        tuple(name for name in names if "*" in name),
        after,
        log.head() if upto is None else upto,
        **fields,
    )
    page = await log.read(query)
    recent = log.recent(query)
    assert recent is None or recent == page
    return page


async def read_all(log: Log, *names: str, after: int, **fields: Any) -> list[Message | Gap]:
    """All items, page by page, with the waived marks handed on."""
    items: list[Message | Gap] = []
    waived: Any = {}
    while True:
        page = await read(log, *names, after=after, waived=waived, **fields)
        assert page.complete or page.messages, "a page that ends early holds a message"
        items.extend(page.items)
        if page.complete:
            return items
        after, waived = page.last, page.marks


def ids(page: Page | Sequence[Message | Gap]) -> list[int]:
    items = page.items if isinstance(page, Page) else page
    return [item.id for item in items if isinstance(item, Message)]


def positions(answer: Appended) -> list[int]:
    return list(answer.positions)
