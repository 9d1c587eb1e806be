"""What SQLite's errors mean for people: one sentence each, with what to do."""

from __future__ import annotations

from pathlib import Path

import apsw

DAMAGED = (
    "the log {path} is damaged or no SQLite database; keep the file for a repair, then restore a "
    "copy, or move it away to begin a new log"
)


def sentence(error: apsw.Error, path: Path) -> str:
    """What went wrong with a log, and what helps."""
    if isinstance(error, apsw.FullError):
        return f"the disk of the log {path} is full; appends are taken again once there is room"
    if isinstance(error, apsw.ReadOnlyError):
        return f"the log {path} is read-only; make the file and its directory writable"
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return f"another program holds the log {path}; end it, only the server may write there"
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return DAMAGED.format(path=path)
    if isinstance(error, apsw.CantOpenError):
        return f"the log {path} cannot be opened; look at its directory and permissions"
    if isinstance(error, apsw.IOError):
        return f"the disk of the log {path} failed: {_name(error)}"
    return f"SQLite failed on the log {path}: {error}"


def _name(error: apsw.Error) -> str:
    """SQLite's own name for an error, without what a lower layer added."""
    code: int = getattr(error, "extendedresult", 0)
    return str(apsw.mapping_extended_result_codes.get(code, error))
