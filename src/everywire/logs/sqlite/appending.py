"""A batch of appends in one transaction.

First every append is looked at, in order: a known idempotency key answers what is stored with it,
even where the channel has ended since; then an ended channel refuses; then its keys are looked at.
What passes gets positions and becomes rows. So one append's conflict touches no other, and the rows
go to SQLite in one call.

Changes of leases, and wills of those that run out, go with the appends, in the same order.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Draft, Message, message_from
from everywire.core.positions import MAX_HOLES, Hole, next_position
from everywire.logs.base import Append, Appended, ended_conflict, first_ended
from everywire.logs.keys import Scope
from everywire.logs.leases import Lease, LeaseChange
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.channels import Channel
from everywire.logs.sqlite.connecting import Connection
from everywire.logs.sqlite.leases import take_out, write_change
from everywire.logs.sqlite.rows import INSERT, Row, row_of
from everywire.logs.sqlite.state import KeyChanges
from everywire.logs.sqlite.store import Store
from everywire.logs.state import has_keys

MAX_KEYS_ON_DISK: Final = 10_000_000
"""Idempotency keys held within their window, about 1 GB; an append with one more is refused."""

Item = Append | LeaseChange | Lease
"""What a batch is made of; a lease by itself is one that runs out."""

Answer = Appended | EverywireError | None
"""What came of it; None: all is well, where there are no positions to tell."""

logger = logging.getLogger("everywire.log")

_FIND_KEY: Final = (
    "SELECT first, count, expires FROM keys WHERE channel = ? AND publisher = ? AND key = ?"
)
_DROP_KEY: Final = "DELETE FROM keys WHERE channel = ? AND publisher = ? AND key = ?"


class Committed(msgspec.Struct):
    """What came of a batch.

    Attributes:
        answers: One an item, in order.
        messages: Those that are new, in position order.
        head: The newest position.
        finals: Channels that ended, and the positions that ended them.
        hole: What the opening left, if these are the first messages after it.
        due: Retention or a checkpoint has something to do.
    """

    answers: list[Answer]
    messages: list[Message]
    head: int
    finals: dict[str, int]
    hole: Hole | None
    due: bool


def commit(store: Store, items: Sequence[Item]) -> Committed | LogUnavailable:
    """Append a batch, and write what it changes of leases.

    Returns:
        What came of it; or, where nothing did, why.
    """
    try:
        with store.transaction() as connection:
            batch = _Batch(store)
            answers = [batch.take(item) for item in items]
            batch.write(connection)
            # Made before the commit, after which nothing may fail any more.
            committed = batch.committed(answers)
    except apsw.Error as error:
        return LogUnavailable(faults.sentence(error, store.path))
    except Exception as error:
        # Perhaps it is one of them that cannot be written; then it is refused alone.
        if len(items) > 1:
            return _joined(store, [commit(store, (item,)) for item in items])
        logger.exception("an append failed unexpectedly")
        return LogUnavailable(f"the log {store.path} failed unexpectedly: {error!r}")
    committed.due |= bool(store.over) or store.checkpoint_due or store.too_large
    return committed


def _joined(
    store: Store, results: Sequence[Committed | LogUnavailable]
) -> Committed | LogUnavailable:
    """What came of appends that were committed one by one, as of one batch."""
    joined = Committed([], [], store.numbers.head, {}, None, due=True)
    for result in results:
        if isinstance(result, LogUnavailable):
            joined.answers.append(result)
            continue
        joined.answers += result.answers
        joined.messages += result.messages
        joined.finals.update(result.finals)
        joined.hole = joined.hole or result.hole
    failed = [result for result in results if isinstance(result, LogUnavailable)]
    return failed[0] if len(failed) == len(results) else joined


def probe(store: Store) -> LogUnavailable | None:
    """Whether the log can be written, tried by a small write."""
    try:
        with store.transaction() as connection:
            # Something that changes: SQLite does not write what is the same.
            connection.execute("UPDATE meta SET probes = probes + 1")
    except apsw.Error as error:
        return LogUnavailable(faults.sentence(error, store.path))
    return None


class _Batch:
    """What is to be written."""

    __slots__ = (
        "_finals",
        "_first",
        "_freed",
        "_hole",
        "_key_changes",
        "_key_expiry",
        "_keys",
        "_messages",
        "_next",
        "_now_ms",
        "_rows",
        "_size",
        "_store",
    )

    def __init__(self, store: Store) -> None:
        now_us = store.settings.now_us()
        self._store = store
        self._now_ms = now_us // 1000
        self._key_expiry = self._now_ms + store.settings.key_window_ms
        self._first = self._next = next_position(store.numbers.head, now_us)
        self._size = 0
        self._rows: list[Row] = []
        self._messages: list[Message] = []
        self._keys: dict[Scope, range] = {}
        self._key_changes: KeyChanges | None = None
        self._finals: dict[str, int] = {}
        self._hole: Hole | None = None
        self._freed = False

    def take(self, item: Item) -> Answer:
        """Look at an item; give what is to be appended positions if it can have them."""
        if isinstance(item, Append):
            return self._take_append(item)
        if isinstance(item, LeaseChange):
            write_change(self._store, item)
        else:
            take_out(self._store, item)
            for draft in item.will:
                refused = self._stage_all((draft,))
                if refused is not None:
                    logger.info("of the will of lease %r one was refused: %s", item.id, refused)
        return None

    def _take_append(self, append: Append) -> Appended | EverywireError:
        scope = append.scope if append.key is not None else None
        if scope is not None:
            known = self._known(scope)
            if known is not None:
                return Appended(known, duplicate=True)
            if self._store.numbers.keys + len(self._keys) >= MAX_KEYS_ON_DISK:
                return LogUnavailable(
                    f"{MAX_KEYS_ON_DISK} idempotency keys are held within their window; "
                    "publish without a key, or later"
                )
        first = self._next
        refused = self._stage_all(append.drafts)
        if refused is not None:
            return refused
        positions = range(first, self._next)
        if scope is not None:
            self._keys[scope] = positions
        return Appended(positions)

    def _known(self, scope: Scope) -> range | None:
        fresh = self._keys.get(scope)
        if fresh is not None:
            return fresh
        publisher, channel, key = scope
        found = self._store.row(_FIND_KEY, channel, publisher, key)
        if found is None:
            return None
        first, count, expires = found
        if expires > self._now_ms:
            return range(first, first + count)
        self._store.connection.execute(_DROP_KEY, (channel, publisher, key))
        self._store.numbers.keys -= 1
        return None

    def _stage_all(self, drafts: Sequence[Draft]) -> EverywireError | None:
        if len(drafts) > 1:
            # All are looked at before any is staged.
            ended = first_ended(drafts, self._has_ended)
            if ended is not None:
                return ended_conflict(ended)
        if drafts[0].key is not None if len(drafts) == 1 else has_keys(drafts):
            refused = self._take_keys(drafts)
            if refused is not None:
                return refused
        at_hand = self._store.channels
        for draft in drafts:
            channel = at_hand.get(draft.channel) or self._store.channel(draft.channel)
            if channel.ended:
                return ended_conflict(draft.channel)
            self._stage(draft, channel)
        return None

    def _take_keys(self, drafts: Sequence[Draft]) -> EverywireError | None:
        if len(drafts) == 1 and self._has_ended(drafts[0].channel):
            return ended_conflict(drafts[0].channel)
        if self._key_changes is None:
            self._key_changes = KeyChanges(self._store)
        try:
            self._key_changes.take(drafts, self._next, self._now_ms)
        except EverywireError as error:
            return error
        return None

    def _has_ended(self, name: str) -> bool:
        channel = self._store.find(name)
        return channel is not None and channel.ended

    def _stage(self, draft: Draft, channel: Channel) -> None:
        position = self._next
        self._next = position + 1
        message = message_from(draft, position, self._now_ms)
        size = message.size
        self._size += size
        self._messages.append(message)
        self._rows.append(row_of(message, channel.id, size))
        if channel.rule is not None:
            channel.count += 1
            channel.size += size
            if channel.over:
                self._store.over[draft.channel] = None
        if draft.final:
            self._finals[draft.channel] = position
            channel.ended = True

    def write(self, connection: Connection) -> None:
        """Put it into the file."""
        if not self._rows:
            return
        numbers = self._store.numbers
        connection.executemany(INSERT, self._rows)
        if self._keys:
            connection.executemany(
                "INSERT INTO keys (channel, publisher, key, first, count, expires)"
                " VALUES (?,?,?,?,?,?)",
                [
                    (channel, publisher, key, positions[0], len(positions), self._key_expiry)
                    for (publisher, channel, key), positions in self._keys.items()
                ],
            )
            numbers.keys += len(self._keys)
        if self._key_changes is not None:
            self._freed = self._key_changes.write(connection)
        if self._finals:
            self._write_finals(connection)
        if numbers.opened:
            self._write_hole(connection)
            numbers.opened = False
        numbers.bytes += self._size
        numbers.head = self._next - 1
        self._store.save_numbers(connection)

    def _write_finals(self, connection: Connection) -> None:
        connection.executemany(
            "UPDATE channels SET final = ? WHERE name = ?",
            [(position, name) for name, position in self._finals.items()],
        )
        numbers = self._store.numbers
        numbers.ended += len(self._finals)
        excess = numbers.ended - self._store.settings.max_ended
        if excess > 0:
            forgotten = connection.execute(
                "UPDATE channels SET final = 0 WHERE id IN"
                " (SELECT id FROM channels WHERE final > 0 ORDER BY final LIMIT ?)"
                " RETURNING id, name",
                (excess,),
            ).fetchall()
            numbers.ended -= excess
            for _, name in forgotten:
                self._store.channels.pop(name, None)
            self._store.forget_empty(number for number, _ in forgotten)

    def _write_hole(self, connection: Connection) -> None:
        head = self._store.numbers.head
        if self._first <= head + 1:
            return
        self._hole = Hole(head, self._first)
        connection.execute("INSERT INTO openings (head, next) VALUES (?,?)", (head, self._first))
        connection.execute(
            "DELETE FROM openings WHERE head <="
            " (SELECT head FROM openings ORDER BY head DESC LIMIT 1 OFFSET ?)",
            (MAX_HOLES,),
        )

    def committed(self, answers: list[Answer]) -> Committed:
        """What came of it."""
        return Committed(
            answers,
            self._messages,
            self._store.numbers.head,
            self._finals,
            self._hole,
            due=self._freed,
        )
