"""Events on disk, until whoever is to be told has taken them.

Each endpoint has its own events, numbered from 1. They are a queue: written at the end, read and
removed at the head. It has bounds. Where it is full the oldest go, but never one of the batch that
is out: what an endpoint is being told stays as it is, so that each attempt says the same.

What was dropped is not noted event by event: it is the numbers that are missing between the last
that was delivered and the next that is there. A batch never spans such a hole. So an endpoint is
told exactly where events are missing, and how many.

All calls block, and come from one thread.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from everywire.webhooks.outbox_file import OutboxUnavailable, open_file


class Bounds(NamedTuple):
    """How much waits for one endpoint, and how much is told at once."""

    events: int
    bytes: int
    batch_events: int
    batch_bytes: int


class Row(NamedTuple):
    """An event of an endpoint."""

    endpoint: str
    seq: int
    body: bytes


class Batch(NamedTuple):
    """What an endpoint is told next.

    Attributes:
        first: Number of its first event.
        bodies: The events, in order, without a hole.
        dropped: Events missing before the first.
    """

    first: int
    bodies: list[bytes]
    dropped: int

    @property
    def last(self) -> int:
        """Number of its last event."""
        return self.first + len(self.bodies) - 1


class Standing(NamedTuple):
    """How an endpoint stands.

    Attributes:
        next: The number that its next event gets.
        waiting: Events that wait.
        dropped: Events that were dropped, ever.
        gone: Whether it wants nothing more.
    """

    next: int
    waiting: int
    dropped: int
    gone: bool


class _Queue:
    """What is known of an endpoint's queue without asking the file."""

    __slots__ = ("bytes", "events", "out")

    def __init__(self, events: int, size: int) -> None:
        self.events = events
        self.bytes = size
        self.out = 0  # last number of the batch that is out


class Outbox:
    """See the module.

    Args:
        path: The file; made where it is not there.
        bounds: How much it holds.
        urls: The endpoints, by name. What waits for others is forgotten.

    Attributes:
        id: Part of every event's id, made with the file.

    Raises:
        OutboxRefused: It cannot be opened.
        OutboxUnavailable: The disk failed.
    """

    def __init__(self, path: Path, bounds: Bounds, urls: Mapping[str, str]) -> None:
        self._path = path
        self._bounds = bounds
        self._queues: dict[str, _Queue] = {}
        self._file, self.id = open_file(path)
        with self._faults(), self._transaction():
            self._take_in(urls)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def standing(self, name: str) -> Standing:
        """How an endpoint stands.

        Raises:
            OutboxUnavailable: The disk failed.
        """
        with self._faults():
            following, dropped, gone = self._one(
                "SELECT next, dropped, gone FROM endpoint WHERE name = ?", name
            )
        return Standing(following, self._queues[name].events, dropped, bool(gone))

    def write(self, rows: Sequence[Row], following: Mapping[str, int]) -> dict[str, int]:
        """Keep events.

        Args:
            rows: In order; a number that is left out was dropped before it came here.
            following: For each endpoint the number that its next event will get.

        Returns:
            Of which endpoints how many had to be dropped for it, those left out included.

        Raises:
            OutboxUnavailable: The disk failed; none is kept.
        """
        with self._faults(), self._transaction():
            self._file.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
            for row in rows:
                queue = self._queues[row.endpoint]
                queue.events += 1
                queue.bytes += len(row.body)
            dropped = {
                name: self._advance(name, number, rows) for name, number in following.items()
            }
        return {name: count for name, count in dropped.items() if count}

    def head(self, name: str) -> Batch | None:
        """What an endpoint is told next; it is *out* until `delivered` or `given_up`.

        Raises:
            OutboxUnavailable: The disk failed.
        """
        with self._faults():
            (delivered,) = self._one("SELECT delivered FROM endpoint WHERE name = ?", name)
            rows = self._file.execute(
                "SELECT seq, body FROM event WHERE endpoint = ? ORDER BY seq LIMIT ?",
                (name, self._bounds.batch_events),
            )
            first, bodies, size = 0, list[bytes](), 0
            for seq, body in rows:
                first = first or seq
                size += len(body)
                if bodies and (seq != first + len(bodies) or size > self._bounds.batch_bytes):
                    break
                bodies.append(body)
            rows.close()
        if not bodies:
            return None
        batch = Batch(first, bodies, first - delivered - 1)
        self._queues[name].out = batch.last
        return batch

    def delivered(self, name: str, batch: Batch) -> None:
        """An endpoint has taken a batch.

        Raises:
            OutboxUnavailable: The disk failed; the batch is still there.
        """
        with self._faults(), self._transaction():
            self._remove(name, batch.last)
            self._file.execute(
                "UPDATE endpoint SET delivered = ? WHERE name = ?", (batch.last, name)
            )
        self._queues[name].out = 0

    def given_up(self, name: str, batch: Batch) -> None:
        """A batch was tried for long enough: it is dropped, and its numbers will be missing.

        Raises:
            OutboxUnavailable: The disk failed; the batch is still there.
        """
        with self._faults(), self._transaction():
            self._count(name, self._remove(name, batch.last))
        self._queues[name].out = 0

    def gone(self, name: str) -> int:
        """An endpoint wants nothing more; returns how many events were dropped for it.

        Raises:
            OutboxUnavailable: The disk failed.
        """
        with self._faults(), self._transaction():
            dropped = self._remove(name, None)
            self._count(name, dropped)
            self._file.execute("UPDATE endpoint SET gone = 1 WHERE name = ?", (name,))
        self._queues[name].out = 0
        return dropped

    def _take_in(self, urls: Mapping[str, str]) -> None:
        for (name,) in self._file.execute("SELECT name FROM endpoint").fetchall():
            if name not in urls:
                # Its numbers stay, or events of another with its name would have the same ids.
                self._queues[name] = _Queue(0, 0)
                self._count(name, self._remove(name, None))
                del self._queues[name]
        for name, url in urls.items():
            # One that has said it is gone is asked again only at another address.
            self._file.execute(
                "INSERT INTO endpoint (name, url) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE "
                "SET gone = gone AND url = ?2, url = ?2",
                (name, url),
            )
            events, size = self._one(
                "SELECT count(*), ifnull(sum(length(body)), 0) FROM event WHERE endpoint = ?", name
            )
            self._queues[name] = _Queue(events, size)

    def _advance(self, name: str, following: int, rows: Sequence[Row]) -> int:
        """Note the next number; make room; return what was dropped."""
        (before,) = self._one("SELECT next FROM endpoint WHERE name = ?", name)
        kept = sum(row.endpoint == name for row in rows)
        dropped = following - before - kept + self._make_room(name)
        self._file.execute("UPDATE endpoint SET next = ? WHERE name = ?", (following, name))
        self._count(name, dropped)
        return dropped

    def _make_room(self, name: str) -> int:
        """Drop the oldest events of a queue that is over its bounds, but none that is out."""
        queue, bounds = self._queues[name], self._bounds
        events, size = queue.events - bounds.events, queue.bytes - bounds.bytes
        last, dropped = 0, 0
        oldest = self._file.execute(
            "SELECT seq, length(body) FROM event WHERE endpoint = ? AND seq > ? ORDER BY seq",
            (name, queue.out),
        )
        for seq, length in oldest:
            if events <= dropped and size <= 0:
                break
            last, dropped, size = seq, dropped + 1, size - length
        oldest.close()
        return self._remove(name, last, queue.out) if dropped else 0

    def _remove(self, name: str, last: int | None, after: int = 0) -> int:
        """Remove events, all where there is no last; return how many."""
        bounds = (name, after, 2**62 if last is None else last)
        where = "FROM event WHERE endpoint = ? AND seq > ? AND seq <= ?"
        events, size = self._one(
            f"SELECT count(*), ifnull(sum(length(body)), 0) {where}",
            *bounds,
        )
        self._file.execute(f"DELETE {where}", bounds)
        self._queues[name].events -= events
        self._queues[name].bytes -= size
        return events

    def _count(self, name: str, dropped: int) -> None:
        self._file.execute(
            "UPDATE endpoint SET dropped = dropped + ? WHERE name = ?", (dropped, name)
        )

    def _one(self, statement: str, *values: Any) -> Any:
        return self._file.execute(statement, values).fetchone()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        sizes = {name: (queue.events, queue.bytes) for name, queue in self._queues.items()}
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            for name, (events, size) in sizes.items():
                self._queues[name].events, self._queues[name].bytes = events, size
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

    @contextmanager
    def _faults(self) -> Generator[None]:
        try:
            yield
        except apsw.Error as error:
            raise OutboxUnavailable(f"the outbox {self._path} failed: {error}") from None
