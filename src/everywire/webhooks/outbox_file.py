"""The file of the outbox: one SQLite database of its own, held by one process.

Commits are not synced one by one: a process that is killed loses nothing that was written, a
machine that loses power perhaps the last moments.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final, cast

import apsw

from everywire.core.errors import EverywireError

FORMAT: Final = 1
"""Of the file; kept as its ``user_version``."""

BUSY_MS: Final = 2000
"""How long another program that holds the file is waited for."""

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS outbox (id TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS endpoint (
    name TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 1,
    dropped INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    endpoint TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""


class OutboxRefused(EverywireError):
    """The outbox cannot be opened: in use, damaged, too new. The message says what to do."""


class OutboxUnavailable(EverywireError):
    """The outbox cannot take or answer anything now: disk full, I/O error."""


def open_file(path: Path) -> tuple[Any, str]:
    """Open the file, made where it is not there.

    Returns:
        A connection of apsw; and an id made with the file, a part of every event's id.

    Raises:
        OutboxRefused: It cannot be opened.
    """
    try:
        file = cast(Any, apsw.Connection(str(path)))
    except apsw.Error as error:
        raise _refused(path, error) from None
    try:
        return file, _prepare(file, path)
    except apsw.Error as error:
        file.close()
        raise _refused(path, error) from None
    except OutboxRefused:
        file.close()
        raise


def _prepare(file: Any, path: Path) -> str:
    file.set_busy_timeout(BUSY_MS)
    # Held for as long as it is open: two servers would tell the same things twice.
    file.execute("PRAGMA locking_mode = exclusive").fetchall()
    file.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = normal").fetchall()
    with file:
        version = file.pragma("user_version")
        if version > FORMAT:
            raise OutboxRefused(
                f"the outbox {path} was written by a newer Everywire; use that, or give this one "
                "a file of its own"
            )
        file.execute(_SCHEMA)
        if not file.execute("SELECT id FROM outbox").fetchall():
            file.execute("INSERT INTO outbox VALUES (?)", (secrets.token_hex(6),))
        return file.execute("SELECT id FROM outbox").get


def _refused(path: Path, error: apsw.Error) -> OutboxRefused:
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return OutboxRefused(
            f"the outbox {path} is open in another server; give each a file of its own"
        )
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return OutboxRefused(
            f"the outbox {path} is damaged or no SQLite database; move it away to begin a new one"
        )
    return OutboxRefused(
        f"the outbox {path} cannot be opened ({error}); its directory has to be writable"
    )
