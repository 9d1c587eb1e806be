"""The file that API keys are kept in: JSON, for nobody but its owner.

It is written whole beside its place, synced, and moved there in one step, so that a reader sees the
old one or the new one, and a crash leaves one of them. Who changes it holds a lock from reading it
to writing it. It holds hashes, so who reads it can use none of its keys; who writes it could add
one of their own. So a file that others may write to is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from filelock import FileLock, Timeout

from everywire.access.api_keys import MAX_API_KEYS, KeyRing, check_name
from everywire.core.access import permissions
from everywire.core.errors import RequestError, UsageError

T = TypeVar("T")

DEFAULT_KEY_FILE: Final = "everywire.keys"

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the file."""

_LOCK_SECONDS: Final = 10.0
_MODE: Final = 0o600


class KeyFile:
    """API keys and the file they are in.

    Args:
        path: Of the file; there need not be one yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ring = KeyRing()
        self._seen: tuple[int, ...] | None = None

    def load(self) -> bool:
        """Read the file if it is not as it was; whether it was not.

        Raises:
            UsageError: It cannot be used; the keys stay as they were.
        """
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                seen = (found.st_ino, found.st_mtime_ns, found.st_size)
                if seen == self._seen:
                    return False
                self._check(found)
                ring = self._parsed(file.read(MAX_FILE_BYTES + 1))
        except FileNotFoundError:
            ring, seen = KeyRing(), None
            if self._seen is None:
                return False
        except OSError as error:
            raise UsageError(f"the API keys in {self.path} cannot be read: {error}") from None
        self.ring, self._seen = ring, seen
        return True

    def change(self, change: Callable[[KeyRing], tuple[KeyRing, T]]) -> T:
        """Change the keys in the file.

        Args:
            change: Makes the new keys of the present ones, and something to return.

        Raises:
            UsageError: The file cannot be read or written, or the change not made.
        """
        if not self.path.parent.is_dir():
            # The lock would make the folder, of whatever was mistyped.
            raise UsageError(f"{self.path} cannot be written: there is no {self.path.parent}")
        try:
            with FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS, mode=_MODE):
                self.load()
                ring, result = change(self.ring)
                self._write(msgspec.json.format(msgspec.json.encode(ring)) + b"\n")
                self.load()
                return result
        except Timeout:
            raise UsageError(f"{self.path} is being changed by somebody else; try again") from None
        except OSError as error:
            raise UsageError(f"the API keys in {self.path} cannot be written: {error}") from None

    def _check(self, found: os.stat_result) -> None:
        if os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(
                f"others may write to {self.path}, so its keys cannot be trusted: "
                f"chmod 600 {self.path}"
            )

    def _parsed(self, data: bytes) -> KeyRing:
        try:
            ring = msgspec.json.decode(data, type=KeyRing)
            if ring.version != 1 or len(ring.keys) > MAX_API_KEYS:
                raise UsageError(f"version 1 and at most {MAX_API_KEYS} keys are expected")
            for name, key in ring.keys.items():
                check_name(name)
                permissions(key.grants)
        except (msgspec.MsgspecError, RequestError, UsageError) as error:
            raise UsageError(f"{self.path} is no file of API keys: {error}") from None
        return ring

    def _write(self, data: bytes) -> None:
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:  # noqa: PTH123 - with its mode from the start
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        if os.name != "posix":
            return  # elsewhere a folder cannot be synced
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
