"""Which SQLite is trusted, and how a connection is opened.

WAL, so that one thread reads while another writes. SQLite 3.7.0 to 3.51.2 can lose committed
transactions in WAL when two connections write and checkpoint at once (sqlite.org/wal.html,
walresetbug); we have only one that does either, but a tool that looks into the file would be the
second. apsw carries a newer SQLite of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from everywire.core.errors import LogRefused

BUSY_MS: Final = 2000
"""How long another program that holds the file is waited for."""

_CACHE_KIB: Final = 16 * 1024
# After a long read the write-ahead log shrinks to this again.
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
_STATEMENTS: Final = 64


def check_version(version: str) -> None:
    """Whether a SQLite is trusted with the log.

    Raises:
        LogRefused: It has the WAL-reset bug, or is older than WAL.
    """
    number = tuple(int(part) for part in version.split("."))
    if number >= (3, 51, 3):
        return
    if number[:2] in ((3, 50), (3, 44)) and number[2] >= {50: 7, 44: 6}[number[1]]:
        return
    raise LogRefused(
        f"SQLite {version} can lose committed messages (sqlite.org/wal.html#walresetbug); use "
        "3.51.3 or later, 3.50.7 or 3.44.6: pip install --upgrade apsw"
    )


def connect(path: Path, vfs: str | None = None, *, create: bool = False) -> apsw.Connection:
    """Open the connection that writes."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags, vfs=vfs, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute(
        f"PRAGMA cache_size = -{_CACHE_KIB};"
        f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES};"
        "PRAGMA temp_store = memory"
    ).fetchall()
    return connection


def connect_to_read(path: Path, vfs: str | None = None) -> apsw.Connection:
    """Open a connection that reads."""
    flags = apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(str(path), flags, vfs=vfs, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA query_only = on").fetchall()
    return connection
