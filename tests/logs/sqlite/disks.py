"""Disks that fail: layers between SQLite and the real one, which refuse what they are told to."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import apsw

_numbers = itertools.count()


class PowerDisk(apsw.VFS):
    """Knows what of each file would be left if the power failed now: what was synced last.

    Attributes:
        name: What a connection is opened with.
        synced: The content of each file, by its name.
    """

    def __init__(self) -> None:
        self.name = f"power-{next(_numbers)}"
        self.synced: dict[str, bytes] = {}
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _SyncedFile(self, name, flags)

    def xDelete(self, path: str, sync: bool) -> None:
        super().xDelete(path, sync)
        self.synced.pop(Path(path).name, None)


class _SyncedFile(apsw.VFSFile):
    def __init__(self, disk: PowerDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.synced[self._path.name] = self._path.read_bytes()


class FaultyDisk(apsw.VFS):
    """Fails writes, syncs or reads from the n-th on, until it is mended.

    Attributes:
        name: What a connection is opened with.
        hang: While set, writes wait for it.
    """

    def __init__(self) -> None:
        self.name = f"faulty-{next(_numbers)}"
        self.read_only = False
        self.hang: threading.Event | None = None
        self._operation = ""
        self._left = 0
        self._error: type[apsw.Error] = apsw.FullError
        self._once = False
        self._where = "any"
        super().__init__(self.name, "")

    def fail(
        self,
        operation: str,
        after: int = 0,
        error: type[apsw.Error] = apsw.FullError,
        once: bool = False,
        where: str = "any",
    ) -> None:
        """Fail an operation (``write``, ``sync``, ``read``) after so many that work.

        ``where`` may be ``main``, for the file itself and not its write-ahead log.
        """
        self._where = where
        self._operation, self._left, self._error, self._once = operation, after, error, once

    def mend(self) -> None:
        self._operation = ""

    def meet(self, operation: str, where: str) -> None:
        if operation != self._operation or self._where not in ("any", where):
            return
        self._left -= 1
        if self._left < 0:
            if self._once:
                self.mend()
            raise self._error(f"{operation} fails as it was told to")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if self.read_only:
            flags[0] &= ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
            flags[1] = apsw.SQLITE_OPEN_READONLY
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._where = "main" if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else "other"

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.hang is not None:
            self._disk.hang.wait()
        self._disk.meet("write", self._where)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.meet("sync", self._where)
        super().xSync(flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.meet("read", self._where)
        return super().xRead(amount, offset)
