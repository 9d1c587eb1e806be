"""Which SQLite is trusted, and how a connection is opened.

WAL, so that one thread reads while another writes. SQLite 3.7.0 to 3.51.2 can lose committed
transactions in WAL when two connections write and checkpoint at once (sqlite.org/wal.html,
walresetbug); we have only one that does either, but a tool that looks into the file would be the
second. apsw carries a newer SQLite of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

import apsw

from everywire.core.errors import LogRefused

BUSY_MS: Final = 2000
"""How long another program that holds the file is waited for."""

_CACHE_KIB: Final = 16 * 1024
# Whoever catches up reads each page once, and the system has the file in memory too.
_READ_CACHE_KIB: Final = 4 * 1024
# After a long read the write-ahead log shrinks to this again.
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
_STATEMENTS: Final = 64


class Cursor(Protocol):
    """The answer of a statement, as far as it is used here.

    Attributes:
        get: The first column of the first row where there is one column, else that row; None
            without a row.
    """

    get: Any

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows left."""
        ...

    def close(self) -> None:
        """Read no further."""


class Connection(Protocol):
    """A connection of apsw, as far as it is used here; all methods raise `apsw.Error`.

    Its own types speak of `collections.abc.Buffer`, which Python has from 3.12 on.

    Attributes:
        in_transaction: One has begun and has not ended.
    """

    in_transaction: bool

    def execute(self, statements: str, bindings: Sequence[Any] = ()) -> Cursor:
        """Run statements."""
        ...

    def executemany(self, statements: str, rows: Sequence[Sequence[Any]]) -> Cursor:
        """Run a statement once for each row."""
        ...

    def changes(self) -> int:
        """Rows that the last statement changed."""
        ...

    def last_insert_rowid(self) -> int:
        """The number of the row inserted last."""
        ...

    def readonly(self, name: str) -> bool:
        """Whether a database could only be opened to read."""
        ...

    def set_wal_hook(self, hook: Callable[[Any, str, int], int] | None) -> None:
        """Have a function called after each commit, with the pages in the write-ahead log."""

    def wal_checkpoint(self, dbname: str, mode: int) -> tuple[int, int]:
        """Move the write-ahead log into the file."""
        ...

    def close(self, force: bool = ...) -> None:
        """Let go of the file; by force: without an error."""


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


def connect(path: Path, vfs: str | None = None, *, create: bool = False) -> Connection:
    """Open the connection that writes.

    Raises:
        apsw.Error: It cannot be opened, or not written.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = _open(path, flags, vfs)
    if connection.readonly("main"):
        # What SQLite does where it may not write.
        connection.close()
        raise apsw.ReadOnlyError("it could be opened only to read")
    connection.execute(
        f"PRAGMA cache_size = -{_CACHE_KIB};"
        f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES};"
        "PRAGMA temp_store = memory"
    ).fetchall()
    return connection


def connect_to_read(path: Path, vfs: str | None = None) -> Connection:
    """Open a connection that reads.

    Raises:
        apsw.Error: It cannot be opened.
    """
    connection = _open(path, apsw.SQLITE_OPEN_READONLY, vfs)
    settings = f"PRAGMA cache_size = -{_READ_CACHE_KIB}; PRAGMA query_only = on"
    connection.execute(settings).fetchall()
    return connection


def _open(path: Path, flags: int, vfs: str | None) -> Connection:
    connection = apsw.Connection(str(path), flags, vfs=vfs, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    return cast(Connection, connection)
