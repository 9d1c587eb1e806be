"""Trimming, in small steps.

A step is one transaction that looks at a bounded number of rows: what has expired, what was set
aside and is the newest of its key no more, idempotency keys that count no more, channels that hold
more than their rule allows, messages older than a rule allows, then the oldest of all for the log's
own retention. What is the newest of its key is set aside instead of going (state.py). With each
message that is lost, its channel's watermark is raised in the same transaction; one that expired by
itself raises none.

Nothing that was not handed over is touched. What a step finds it need not find again: the age
rules go through the log once, each at its own pace, since what comes later is younger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final

import apsw
import msgspec

from everywire.core.errors import LogUnavailable
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.appending import probe
from everywire.logs.sqlite.channels import Channel, limits_channel
from everywire.logs.sqlite.connecting import Connection
from everywire.logs.sqlite.rows import select
from everywire.logs.sqlite.state import free_expired, set_aside
from everywire.logs.sqlite.store import Store

STEP_ROWS: Final = 500
REVIEW_CHANNELS: Final = 100

_COLUMNS: Final = "position, channel, size, expires"
_EXPIRED_FIRST: Final = (
    "WHERE expires > 0 AND expires <= ? AND position <= ? ORDER BY expires LIMIT ?"
)
_EXPIRED: Final = select(_COLUMNS, rest=_EXPIRED_FIRST)
_EXPIRED_ASIDE: Final = select(_COLUMNS, rest=_EXPIRED_FIRST, source="aside")
_FREED: Final = select(
    _COLUMNS, rest="WHERE free = 1 AND position <= ? ORDER BY position LIMIT ?", source="aside"
)
_OF_CHANNEL: Final = select(
    _COLUMNS, rest="WHERE channel = ? AND position <= ? ORDER BY position LIMIT ?"
)
_OLDEST: Final = select(_COLUMNS, "ts", rest="WHERE position <= ? ORDER BY position LIMIT ?")
_ON: Final = select(
    _COLUMNS,
    "ts",
    "(SELECT name FROM channels WHERE id = channel)",
    rest="WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
)
_OLD_KEYS: Final = (
    "DELETE FROM keys WHERE (channel, publisher, key) IN"
    " (SELECT channel, publisher, key FROM keys WHERE expires <= ? ORDER BY expires LIMIT ?)"
)
_LOWEST_MARKS: Final = (
    "SELECT id, watermark FROM channels WHERE watermark > 0 ORDER BY watermark LIMIT ?"
)

_Lost = tuple[Any, ...]
"""A row of `_COLUMNS`, perhaps with more behind."""

logger = logging.getLogger("everywire.log")


class Trimmed(msgspec.Struct):
    """What a step did.

    Attributes:
        gone: The positions that went, by channel.
        marks: The newest lost position of each channel that lost something.
        floor: Watermarks are exact above it.
        more: There is more to do.
        unavailable: Why the log does not take appends; None: it does, or that was not tried.
        probed: It was tried.
    """

    gone: dict[str, list[int]]
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
        rules = store.settings.rules.rules
        ages = sorted({rule.max_age for rule in rules if rule.max_age is not None})
        # Up to where the log was gone through for each age.
        self._ages: dict[float, int] = dict.fromkeys(ages, 0)
        limited = any(limits_channel(rule) for rule in rules)
        self._reviewed: int | None = 0 if limited else None
        self._failing = False
        self._left = 0
        self._changed = False
        self._gone: dict[str, list[int]] = {}
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
                return Trimmed({}, {}, self._store.numbers.floor, False, unavailable, True)
        trimmed = self._trim(rows)
        if self._store.checkpoint_due:
            self._store.checkpoint()
        trimmed.probed = try_writing
        return trimmed

    def _trim(self, rows: int) -> Trimmed:
        self._left = rows
        self._gone = {}
        self._marks = {}
        self._changed = False
        saved = dict(self._ages), self._reviewed, dict(self._store.over)
        now_ms = self._store.settings.now_us() // 1000
        try:
            with self._store.transaction(durable=False) as connection:
                self._review(connection)
                self._drop_expired(connection, now_ms)
                self._drop_freed(connection, now_ms)
                self._drop_keys(connection, now_ms)
                self._drop_over(connection, now_ms)
                self._drop_aged(connection, now_ms)
                self._drop_oldest(connection, now_ms)
                if self._changed:
                    self._store.save_numbers(connection)
            self._failing = False
        except apsw.Error as error:
            self._ages, self._reviewed, self._store.over = saved
            if not self._failing:
                logger.error("not trimmed: %s", faults.sentence(error, self._store.path))
            self._failing = True
            return Trimmed({}, {}, self._store.numbers.floor, False)
        return Trimmed(self._gone, self._marks, self._store.numbers.floor, self._left <= 0)

    # What goes

    def _review(self, connection: Connection) -> None:
        """Once after opening, find channels that hold more than a rule of today allows."""
        if self._reviewed is None:
            return
        found = connection.execute(
            "SELECT id, name FROM channels WHERE id > ? ORDER BY id LIMIT ?",
            (self._reviewed, REVIEW_CHANNELS),
        ).fetchall()
        for _, name in found:
            if limits_channel(self._store.settings.rules.of(name)):
                self._store.over[name] = None
        self._reviewed = found[-1][0] if found else None

    def _drop_expired(self, connection: Connection, now_ms: int) -> None:
        bindings = (now_ms, self._store.handed_over, self._left)
        self._drop(connection, connection.execute(_EXPIRED, bindings).fetchall(), now_ms)
        bindings = (now_ms, self._store.handed_over, max(self._left, 0))
        found = connection.execute(_EXPIRED_ASIDE, bindings).fetchall()
        self._drop_aside(connection, found, now_ms)

    def _drop_freed(self, connection: Connection, now_ms: int) -> None:
        """What was set aside and is the newest of its key no more."""
        bindings = (self._store.handed_over, max(self._left, 0))
        self._drop_aside(connection, connection.execute(_FREED, bindings).fetchall(), now_ms)

    def _drop_keys(self, connection: Connection, now_ms: int) -> None:
        if self._left <= 0 or not self._store.numbers.keys:
            return
        connection.execute(_OLD_KEYS, (now_ms, self._left))
        dropped = connection.changes()
        self._store.numbers.keys -= dropped
        self._left -= dropped

    def _drop_over(self, connection: Connection, now_ms: int) -> None:
        """What channels hold above their rule's number and bytes."""
        lost: list[_Lost] = []
        for name in list(self._store.over):
            left = self._left - len(lost)
            if left <= 0:
                break
            channel = self._store.find(name)
            if channel is None or not channel.over:
                del self._store.over[name]
                continue
            over = Channel(channel.id, channel.ended, channel.rule, channel.count, channel.size)

            def too_much(row: _Lost, over: Channel = over) -> bool:
                if not over.over:
                    return False
                over.drop(1, row[2])
                return True

            bindings = (channel.id, self._store.handed_over, left)
            lost += _first(connection, _OF_CHANNEL, bindings, too_much)
            if not over.over:
                del self._store.over[name]
        self._drop(connection, lost, now_ms)

    def _drop_aged(self, connection: Connection, now_ms: int) -> None:
        """What is older than the rule of its channel allows."""
        rules = self._store.settings.rules
        for age, examined in self._ages.items():
            too_old = now_ms - age * 1000
            bindings = (examined, self._store.handed_over, max(self._left, 0))
            found = _first(connection, _ON, bindings, lambda row, old=too_old: row[4] < old)
            if not found:
                continue
            self._left -= len(found)
            self._ages[age] = found[-1][0]
            lost = [row for row in found if rules.of(row[5]).max_age == age]
            self._drop(connection, lost, now_ms)

    def _drop_oldest(self, connection: Connection, now_ms: int) -> None:
        """What the log's own retention asks for."""
        retention = self._store.retention
        most, age = retention.max_bytes, retention.max_age
        excess = 0 if most is None else self._store.numbers.bytes - most
        too_old = 0 if age is None else now_ms - age * 1000

        def too_much(row: _Lost) -> bool:
            nonlocal excess
            if excess <= 0 and row[4] >= too_old:
                return False
            excess -= row[2]
            return True

        bindings = (self._store.handed_over, max(self._left, 0))
        self._drop(connection, _first(connection, _OLDEST, bindings, too_much), now_ms)

    # How it goes

    def _drop(self, connection: Connection, turns: Sequence[_Lost], now_ms: int) -> None:
        """Delete messages or set them aside, and note what their channels lost."""
        if not turns:
            return
        self._left -= len(turns)
        self._changed = True
        stay: set[int] = set()
        if self._store.numbers.state_bytes:
            stay = set_aside(connection, turns, now_ms)
            free_expired(self._store, turns, now_ms)
        every = [row[:1] for row in turns]
        connection.executemany("DELETE FROM messages WHERE position = ?", every)
        losses: dict[int, _Loss] = {}
        for row in turns:
            loss = losses.get(row[1])
            if loss is None:
                loss = losses[row[1]] = _Loss()
            loss.count += 1
            loss.size += row[2]
            self._store.numbers.bytes -= row[2]
            if row[0] not in stay:
                loss.add(row, now_ms)
        self._note_all(connection, losses)

    def _drop_aside(self, connection: Connection, lost: Sequence[_Lost], now_ms: int) -> None:
        """Delete messages that were set aside, and note what their channels lost."""
        if not lost:
            return
        self._left -= len(lost)
        self._changed = True
        free_expired(self._store, lost, now_ms)
        connection.executemany("DELETE FROM aside WHERE position = ?", [row[:1] for row in lost])
        losses: dict[int, _Loss] = {}
        for row in lost:
            losses.setdefault(row[1], _Loss()).add(row, now_ms)
        self._note_all(connection, losses)

    def _note_all(self, connection: Connection, losses: dict[int, _Loss]) -> None:
        unmarked = [n for n, loss in losses.items() if not self._note(connection, n, loss)]
        self._store.forget_empty(unmarked)
        self._hold_capacity(connection)

    def _note(self, connection: Connection, number: int, loss: _Loss) -> bool:
        """Note what a channel lost; False: it has no watermark."""
        numbers = self._store.numbers
        found = self._store.row("SELECT name, watermark FROM channels WHERE id = ?", number)
        name, before = found or ("", 0)
        channel = self._store.channels.get(name)
        if channel is not None:
            channel.drop(loss.count, loss.size)
        if loss.mark > max(before, numbers.floor):
            connection.execute(
                "UPDATE channels SET watermark = ? WHERE id = ?", (loss.mark, number)
            )
            numbers.marks += before == 0
        if loss.mark:
            self._marks[name] = max(self._marks.get(name, 0), loss.mark)
        if loss.gone:
            self._gone.setdefault(name, []).extend(loss.gone)
        return before > 0 or loss.mark > numbers.floor

    def _hold_capacity(self, connection: Connection) -> None:
        """Drop the lowest watermarks above the number kept; the floor rises to them."""
        numbers = self._store.numbers
        excess = numbers.marks - self._store.settings.max_watermarks
        if excess <= 0:
            return
        lowest = connection.execute(_LOWEST_MARKS, (excess,)).fetchall()
        connection.executemany(
            "UPDATE channels SET watermark = 0 WHERE id = ?", [(number,) for number, _ in lowest]
        )
        numbers.marks -= len(lowest)
        numbers.floor = lowest[-1][1]
        self._store.forget_empty(number for number, _ in lowest)


class _Loss:
    """Whose turn it was in a channel: number, bytes, those that are gone, the newest lost."""

    __slots__ = ("count", "gone", "mark", "size")

    def __init__(self) -> None:
        self.count = self.size = self.mark = 0
        self.gone: list[int] = []

    def add(self, row: _Lost, now_ms: int) -> None:
        """Take in one that is gone."""
        position, expires = row[0], row[3]
        self.gone.append(position)
        if not 0 < expires <= now_ms:
            self.mark = max(self.mark, position)


def _first(
    connection: Connection,
    sql: str,
    bindings: tuple[Any, ...],
    goes: Callable[[Any], bool],
) -> list[Any]:
    """The rows of an answer up to the first that stays; no more are read."""
    cursor = connection.execute(sql, bindings)
    found = list(takewhile(goes, cursor))
    cursor.close()
    return found
