"""From a path to a store that is ready, with what the loop's thread has to know of it.

The order matters: the lock before anything is touched; whose file it is before it is changed
(switching to WAL is a change); then the layout; then what is in it. Nothing here goes through the
whole file, so a large log opens as fast as a small one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from everywire.core.errors import LogRefused
from everywire.core.messages import Message
from everywire.core.positions import MAX_HOLES, Hole, Openings, next_position
from everywire.logs.leases import Lease
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.connecting import check_version, connect
from everywire.logs.sqlite.leases import read_leases
from everywire.logs.sqlite.lock import take_lock
from everywire.logs.sqlite.rows import COLUMNS, message_of, select
from everywire.logs.sqlite.schema import check_owner, migrate
from everywire.logs.sqlite.store import Numbers, Store

WARM_MESSAGES: Final = 20_000
"""Newest messages read into the tail at opening, about 0.1 s."""

WARM_MARKS: Final = 20_000

_NEWEST: Final = select(
    "(SELECT name FROM channels WHERE id = channel)",
    "size",
    COLUMNS,
    rest="ORDER BY position DESC LIMIT ?",
    source="kept",
)
_NEWEST_MARKS: Final = (
    "SELECT name, watermark FROM channels WHERE watermark > 0 ORDER BY watermark DESC LIMIT ?"
)


class Opened(msgspec.Struct):
    """What the loop's thread begins with.

    Attributes:
        head: The newest position.
        openings: Birth and holes.
        ended: Channels that have ended, and where, in the order in which they did.
        messages: The newest, in position order.
        marks: The newest watermarks.
        whole_above: ``messages`` and ``marks`` are all there are above this position.
        floor: Watermarks are exact above it.
        leases: In the order in which they were taken.
    """

    head: int
    openings: Openings
    ended: dict[str, int]
    messages: list[Message]
    marks: dict[str, int]
    whole_above: int
    floor: int
    leases: list[Lease]


def open_store(store: Store, tail_bytes: int) -> Opened:
    """Open a log's file; called on the writer's thread.

    Args:
        tail_bytes: Of the newest messages, at most so much is read.

    Raises:
        LogRefused: It cannot be opened; the message says what to do.
    """
    check_version(apsw.sqlite_lib_version())
    _check_place(store.path)
    store.lock = take_lock(store.path)
    try:
        return _open(store, tail_bytes)
    except BaseException as error:
        store.abandon()
        if isinstance(error, apsw.Error):
            raise LogRefused(faults.sentence(error, store.path)) from error
        raise


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise LogRefused(
            f"the directory of the log {path} does not exist; create {path.parent}, or give the "
            "log another place"
        )
    if path.is_dir():
        raise LogRefused(f"{path} is a directory; name a file in it for the log")


def _open(store: Store, tail_bytes: int) -> Opened:
    connection = connect(store.path, store.vfs, create=True)
    store.adopt(connection)
    check_owner(connection, store.path)
    mode = connection.execute("PRAGMA journal_mode = wal").get
    if mode != "wal":
        raise LogRefused(
            f"the log {store.path} is on a file system without shared memory (journal mode "
            f"{mode}); put it on a local disk"
        )
    with store.transaction():
        migrate(connection)
        birth = _read_numbers(store)
    return _read(store, birth, tail_bytes)


def _read_numbers(store: Store) -> int:
    """Load what is counted, or count from now on; answers the log's birth."""
    found = store.row("SELECT birth, head, floor, bytes, state_bytes FROM meta")
    if found is None:
        birth = next_position(0, store.settings.now_us())
        # The birth itself is no message, so nothing is lost just below it either.
        store.connection.execute(
            "INSERT INTO meta (id, birth, head, floor, bytes, probes) VALUES (1, ?, ?, ?, 0, 0)",
            (birth, birth, birth - 1),
        )
        found = (birth, birth, birth - 1, 0, 0)
    birth, head, floor, size, state_size = found
    newest = _number(store, "SELECT max(position) FROM messages")
    if newest > head:
        raise LogRefused(faults.DAMAGED.format(path=store.path))
    store.numbers = Numbers(
        head,
        floor,
        size,
        state_size,
        marks=_number(store, "SELECT count(*) FROM channels WHERE watermark > 0"),
        ended=_number(store, "SELECT count(*) FROM channels WHERE final > 0"),
        keys=_number(store, "SELECT count(*) FROM keys"),
    )
    store.handed_over = head
    return birth


def _number(store: Store, sql: str) -> int:
    found = store.row(sql)
    return 0 if found is None or found[0] is None else found[0]


def _read(store: Store, birth: int, tail_bytes: int) -> Opened:
    holes = store.rows("SELECT head, next FROM openings ORDER BY head DESC LIMIT ?", MAX_HOLES)
    ended = store.rows(
        "SELECT name, final FROM channels WHERE final > 0 ORDER BY final DESC LIMIT ?",
        store.settings.max_ended,
    )
    messages, messages_above = _newest_messages(store, tail_bytes)
    marks = store.rows(_NEWEST_MARKS, WARM_MARKS + 1)
    marks_above = marks.pop()[1] if len(marks) > WARM_MARKS else 0
    return Opened(
        store.numbers.head,
        Openings(birth, [Hole(head, following) for head, following in reversed(holes)]),
        dict(reversed(ended)),
        messages,
        dict(marks),
        max(messages_above, marks_above),
        store.numbers.floor,
        read_leases(store),
    )


def _newest_messages(store: Store, tail_bytes: int) -> tuple[list[Message], int]:
    """The newest messages, and above which position these are all."""
    newest: list[Message] = []
    above = 0
    size = 0
    cursor = store.connection.execute(_NEWEST, (WARM_MESSAGES + 1,))
    row: tuple[Any, ...]
    for row in cursor:
        size += row[1]
        if len(newest) == WARM_MESSAGES or size > tail_bytes:
            above = row[2]
            break
        newest.append(message_of(row[2:], row[0]))
    cursor.close()
    newest.reverse()
    return newest, above
