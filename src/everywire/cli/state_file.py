"""A file that says how far a command has come, so that its next run goes on there.

It is written anew and put in the old one's place, so whenever a process ends the file is whole: the
old one or the new. One process has it at a time; two with the same would each go on where the other
was, and miss what lies between.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock, Timeout

from everywire.core.errors import EverywireError
from everywire.core.positions import MAX_POSITION

_MAX_BYTES: Final = 1024 * 1024


class StateRefused(EverywireError):
    """A state file cannot be used; the message says why, and what to do."""


class _State(msgspec.Struct, forbid_unknown_fields=True):
    channels: list[str]
    position: int
    version: int = 1


class StateFile:
    """See the module.

    Args:
        path: The file; made when there is something to write.
        channels: What is heard; a file for others is refused.

    Attributes:
        position: Where to go on; None: nothing was written yet.

    Raises:
        StateRefused: It is another process's, for other channels, or none.
    """

    def __init__(self, path: Path, channels: Sequence[str]) -> None:
        self._path = path
        self._channels = sorted(set(channels))
        self._lock = FileLock(f"{path}.lock", thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise StateRefused(
                f"the state file {path} is another process's; give each one of its own"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise StateRefused(f"the state file {path} cannot be locked: {error}") from None
        try:
            self.position = self._read()
        except BaseException:
            self.close()
            raise

    def save(self, position: int) -> None:
        """Write where to go on; when this returns, it is on disk.

        Raises:
            StateRefused: It cannot be written.
        """
        if position == self.position:
            return
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(_State(self._channels, position)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise StateRefused(f"the state file {self._path} cannot be written: {error}") from None
        self.position = position

    def close(self) -> None:
        """Let others have it."""
        self._lock.release()

    def _read(self) -> int | None:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateRefused(f"the state file {self._path} cannot be read: {error}") from None
        try:
            state = msgspec.json.decode(text, type=_State)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateRefused(
                f"{self._path} is no state file ({error}); give another, or move it away"
            ) from None
        if state.version != 1 or not 0 <= state.position <= MAX_POSITION:
            raise StateRefused(f"{self._path} was written by another version of Everywire")
        if state.channels != self._channels:
            raise StateRefused(
                f"{self._path} is for {' '.join(state.channels)}; give each set of channels a "
                "state file of its own"
            )
        return state.position
