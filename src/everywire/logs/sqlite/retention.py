"""Trimming, in small steps.

A step is one transaction that looks at a bounded number of rows: what has expired, idempotency
keys that count no more, channels that hold more than their rule allows, messages older than a
rule allows, then the oldest of all for the log's own retention. With each message that is lost,
its channel's watermark is raised in the same transaction; one that expired by itself raises none.

Nothing that was not handed over is touched. What a step finds it need not find again: the age
rules go through the log once, each at its own pace, since what comes later is younger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

import apsw
import msgspec

from everywire.core.errors import LogUnavailable
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.appending import probe
from everywire.logs.sqlite.store import Store

STEP_ROWS: Final = 500
REVIEW_CHANNELS: Final = 100

_COLUMNS: Final = "position, channel, size, expires"
_EXPIRED: Final = (
    f"SELECT {_COLUMNS} FROM messages WHERE expires > 0 AND expires <= ? AND position <= ?"
    " ORDER BY expires LIMIT ?"
)
_OF_CHANNEL: Final = (
    f"SELECT {_COLUMNS} FROM messages WHERE channel = ? AND position <= ? ORDER BY position LIMIT ?"
)
_OLDEST: Final = (
    f"SELECT {_COLUMNS}, ts FROM messages WHERE position <= ? ORDER BY position LIMIT ?"
)
_ON: Final = (
    f"SELECT {_COLUMNS}, ts, (SELECT name FROM channels WHERE id = channel) FROM messages"
    " WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
)
_OLD_KEYS: Final = (
    "DELETE FROM keys WHERE (channel, publisher, key) IN"
    " (SELECT channel, publisher, key FROM keys WHERE expires <= ? ORDER BY expires LIMIT ?)"
)
_LOWEST_MARKS: Final = (
    "SELECT id, watermark FROM channels WHERE watermark > 0 ORDER BY watermark LIMIT ?"
)

_Lost = tuple[int, int, int, int]
"""Position, channel, size, expires."""

logger = logging.getLogger("everywire.log")


class Trimmed(msgspec.Struct):
    """What a step did.

    Attributes:
        marks: The newest lost position of each channel that lost something.
        floor: Watermarks are exact above it.
        more: There is more to do.
        unavailable: Why the log does not take appends; None: it does, or that was not tried.
        probed: It was tried.
    """

    marks: dict[str, int]
    floor: int
    more: bool
    unavailable: LogUnavailable | None = None
    probed: bool = False


class Retention:
    """See the module.

    Args:
        store: What it trims. All methods are called on the writer's thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ages = _ages(store)
        self._reviewed: int | None = None
        if all(r.max_messages is None and r.max_bytes is None for r in store.settings.rules.rules):
            self._reviewed = -1
        self._failing = False
        self._left = 0
        self._marks: dict[str, int] = {}

    def step(self, rows: int, try_writing: bool) -> Trimmed:
        """Do a step; also a checkpoint if one is due.

        Args:
            rows: Looked at, at most.
            try_writing: The log has failed: first see whether it works again.
        """
        if try_writing:
            unavailable = probe(self._store)
            if unavailable is not None:
                return Trimmed({}, self._store.numbers.floor, False, unavailable, True)
        trimmed = self._trim(rows)
        if self._store.checkpoint_due:
            self._store.checkpoint()
        trimmed.probed = try_writing
        return trimmed

    def _trim(self, rows: int) -> Trimmed:
        self._left = rows
        self._marks = {}
        saved = dict(self._ages), self._reviewed, dict(self._store.over)
        now_ms = self._store.settings.now_us() // 1000
        try:
            with self._store.transaction(durable=False) as connection:
                self._review(connection)
                self._drop_expired(connection, now_ms)
                self._drop_keys(connection, now_ms)
                self._drop_over(connection, now_ms)
                self._drop_aged(connection, now_ms)
                self._drop_oldest(connection, now_ms)
                if self._left < rows:
                    self._store.save_numbers(connection)
            self._failing = False
        except apsw.Error as error:
            self._ages, self._reviewed, self._store.over = saved
            if not self._failing:
                logger.error("not trimmed: %s", faults.sentence(error, self._store.path))
            self._failing = True
            return Trimmed({}, self._store.numbers.floor, False)
        return Trimmed(self._marks, self._store.numbers.floor, self._left <= 0)

    def _review(self, connection: apsw.Connection) -> None:
        """After opening, find channels that hold more than a rule allows that is new since."""
        if self._reviewed == -1:
            return
        found = connection.execute(
            "SELECT id, name, final FROM channels WHERE id > ? ORDER BY id LIMIT ?",
            (self._reviewed or 0, REVIEW_CHANNELS),
        ).fetchall()
        for number, name, _ in found:
            rule = self._store.settings.rules.of(name)
            if rule.max_messages is not None or rule.max_bytes is not None:
                self._store.over[name] = None
        self._reviewed = found[-1][0] if found else -1

    def _drop_expired(self, connection: apsw.Connection, now_ms: int) -> None:
        bindings = (now_ms, self._store.handed_over, self._left)
        self._drop(connection, connection.execute(_EXPIRED, bindings).fetchall(), now_ms)

    def _drop_keys(self, connection: apsw.Connection, now_ms: int) -> None:
        if self._left <= 0 or not self._store.numbers.keys:
            return
        connection.execute(_OLD_KEYS, (now_ms, self._left)).fetchall()
        dropped = connection.changes()
        self._store.numbers.keys -= dropped
        self._left -= dropped

    def _drop_over(self, connection: apsw.Connection, now_ms: int) -> None:
        """What channels hold above their rule's number and bytes."""
        store = self._store
        for name in list(store.over):
            if self._left <= 0:
                return
            found = store.row("SELECT id FROM channels WHERE name = ?", (name,))
            if found is not None:
                channel = store.channels.get(name) or store.know(name, found[0])
                ...
