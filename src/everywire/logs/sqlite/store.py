"""What the writer's thread knows and does: the one connection that changes the file.

Everything changes in a `transaction`. One that fails leaves nothing behind: it is rolled back, the
numbers are what they were, what was cached is forgotten, and a connection that cannot even roll
back is opened anew at the next use. So the store works on as soon as the disk does.

A transaction is ``durable`` (synchronous FULL, where that is asked for) when somebody waits to be
told that it happened. Trimming need not be: should power fail, messages and watermark come back
together, and the next durable commit syncs both.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import apsw
import msgspec
from filelock import BaseFileLock

from everywire.core.rules import LogRetention
from everywire.logs.base import LogSettings
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.channels import Channel, limits_channel
from everywire.logs.sqlite.connecting import Connection, connect

Synchronous = Literal["full", "normal"]

CHECKPOINT_PAGES: Final = 4096
"""Pages of the write-ahead log that are gathered before they are moved into the file (16 MiB)."""

MAX_CACHED: Final = 100_000
"""Channels whose numbers are kept at hand."""

_DROP_EMPTY: Final = (
    "DELETE FROM channels WHERE id = ? AND watermark = 0 AND final = 0"
    " AND NOT EXISTS (SELECT 1 FROM messages WHERE channel = channels.id)"
    " AND NOT EXISTS (SELECT 1 FROM aside WHERE channel = channels.id) RETURNING name"
)

_COUNT: Final = "SELECT count(*) FROM messages WHERE channel = ?"
_SIZE: Final = "SELECT coalesce(sum(size), 0) FROM messages WHERE channel = ?"

logger = logging.getLogger("everywire.log")


class Numbers(msgspec.Struct):
    """What is counted, as the file has it.

    Attributes:
        head: The newest position given out.
        floor: Watermarks are exact above it.
        bytes: Of all messages kept, those set aside not counted.
        state_bytes: Of all messages that keys hold.
        marks: Watermarks kept.
        ended: Channels that are known to have ended.
        keys: Idempotency keys kept.
        opened: Nothing was appended yet since the log was opened.
    """

    head: int
    floor: int
    bytes: int
    state_bytes: int
    marks: int
    ended: int
    keys: int
    opened: bool = True


class Store:
    """See the module.

    Args:
        path: The file.
        settings: The log's.
        synchronous: ``full``: what is answered survives a power cut.
        vfs: SQLite's layer to the disk, by name; None: its own.

    Attributes:
        vfs: As given.
        retention: What the whole log keeps.
        numbers: What is counted.
        channels: Those at hand, by name.
        over: Names of channels that may hold more than their rule allows.
        lock: Keeps others out while the file is open.
        handed_over: Nothing above this position may be trimmed. Written by the loop's thread.
    """

    def __init__(
        self, path: Path, settings: LogSettings, synchronous: Synchronous, vfs: str | None
    ) -> None:
        self.path = path
        self.settings = settings
        self.retention = settings.retention or LogRetention()
        self.numbers = Numbers(0, 0, 0, 0, 0, 0, 0)
        self.channels: dict[str, Channel] = {}
        self.over: dict[str, None] = {}
        self.handed_over = 0
        self._synchronous: Synchronous = synchronous
        self.vfs = vfs
        self.lock: BaseFileLock | None = None
        self._connection: Connection | None = None
        self._level: Synchronous | None = None
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self._checkpoint_fails = False

    # Statements

    @property
    def connection(self) -> Connection:
        """The connection, opened anew if it was lost.

        Raises:
            apsw.Error: It cannot be opened.
        """
        return self._connection or self.adopt(connect(self.path, self.vfs))

    def adopt(self, connection: Connection) -> Connection:
        """Take a connection that is open, and return it."""
        # Called after each commit, in place of SQLite's own checkpoint within it.
        connection.set_wal_hook(self._committed)
        self._connection = connection
        self._level = None
        return connection

    def row(self, sql: str, *bindings: Any) -> tuple[Any, ...] | None:
        """The first row of an answer."""
        return self.connection.execute(sql, bindings).fetchone()

    def rows(self, sql: str, *bindings: Any) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        return self.connection.execute(sql, bindings).fetchall()

    @contextmanager
    def transaction(self, durable: bool = True) -> Generator[Connection, None, None]:
        """All or nothing.

        Raises:
            apsw.Error: It did not happen, and nothing of it is left.
        """
        saved = msgspec.structs.replace(self.numbers)
        if len(self.channels) > MAX_CACHED:
            # Here, and not when one is added: a batch counts on what it has looked up.
            self.channels.clear()
        try:
            connection = self.connection
            self._set_level(connection, self._synchronous if durable else "normal")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self.numbers = saved
            self.channels.clear()
            self._roll_back()
            raise

    def save_numbers(self, connection: Connection) -> None:
        """Write what is counted, as part of a transaction."""
        numbers = self.numbers
        connection.execute(
            "UPDATE meta SET head = ?, floor = ?, bytes = ?, state_bytes = ?",
            (numbers.head, numbers.floor, numbers.bytes, numbers.state_bytes),
        )

    def _set_level(self, connection: Connection, level: Synchronous) -> None:
        if self._level != level:
            connection.execute(f"PRAGMA synchronous = {level}").fetchall()
            self._level = level

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            # Some failures of COMMIT have rolled back already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            self._lose_connection(connection)

    def _lose_connection(self, connection: Connection) -> None:
        self._connection = None
        try:
            connection.close(True)
        except apsw.Error as error:
            logger.warning("the log %s: %s", self.path, error)

    # Channels

    def find(self, name: str) -> Channel | None:
        """A channel; None: it holds nothing."""
        channel = self.channels.get(name)
        if channel is None:
            found = self.row("SELECT id, final FROM channels WHERE name = ?", name)
            if found is not None:
                channel = self._keep_at_hand(name, found[0], found[1] > 0)
        return channel

    def channel(self, name: str) -> Channel:
        """A channel, made if need be."""
        channel = self.find(name)
        if channel is None:
            self.connection.execute("INSERT INTO channels (name) VALUES (?)", (name,))
            channel = self._keep_at_hand(name, self.connection.last_insert_rowid(), False)
        return channel

    def _keep_at_hand(self, name: str, number: int, ended: bool) -> Channel:
        rule = self.settings.rules.of(name)
        channel = self.channels[name] = Channel(number, ended)
        if limits_channel(rule):
            channel.rule = rule
        # By the index alone where bytes do not matter.
        if rule.max_messages is not None:
            (channel.count,) = self.row(_COUNT, number) or (0,)
        if rule.max_bytes is not None:
            (channel.size,) = self.row(_SIZE, number) or (0,)
        return channel

    def forget_empty(self, numbers: Iterable[int]) -> None:
        """Drop those of some channels that hold nothing any more."""
        for number in numbers:
            dropped = self.row(_DROP_EMPTY, number)
            if dropped is not None:
                self.channels.pop(dropped[0], None)

    # What is due

    @property
    def too_large(self) -> bool:
        """Whether there is more in all than retention allows."""
        limit = self.retention.max_bytes
        return limit is not None and self.numbers.bytes > limit

    @property
    def checkpoint_due(self) -> bool:
        """Whether enough was written to the write-ahead log to move it into the file."""
        return self._wal_pages >= self._checkpoint_at

    # Write-ahead log

    def _committed(self, connection: Connection, name: str, pages: int) -> int:
        if pages < self._wal_pages:
            # The write-ahead log has begun anew.
            self._checkpoint_at = CHECKPOINT_PAGES
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint(self) -> None:
        """Move what was written into the file, so that its place can be used again."""
        # Reads are short, so waiting for them is; but only when they have kept it from ending.
        blocked = self._wal_pages > 4 * CHECKPOINT_PAGES
        mode = apsw.SQLITE_CHECKPOINT_RESTART if blocked else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES
        try:
            self.connection.wal_checkpoint("main", mode)
            self._checkpoint_fails = False
        except apsw.BusyError:
            pass
        except apsw.Error as error:
            # Nothing is lost: it is all in the write-ahead log, which grows.
            if not self._checkpoint_fails:
                logger.error("no checkpoint: %s", faults.sentence(error, self.path))
            self._checkpoint_fails = True

    def abandon(self) -> None:
        """Let go of a file that could not be opened whole."""
        if self._connection is not None:
            self._lose_connection(self._connection)
        self._unlock()

    def close(self) -> None:
        """Put everything into the file and let go of it."""
        try:
            if self._connection is not None:
                self._connection.set_wal_hook(None)
                self._connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error as error:
            # What is missing in the file is in the write-ahead log beside it.
            logger.warning("not checkpointed: %s", faults.sentence(error, self.path))
        finally:
            self.abandon()

    def _unlock(self) -> None:
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.release()
