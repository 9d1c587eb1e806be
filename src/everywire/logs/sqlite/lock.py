"""One process writes a log: a lock file beside it, held while it is open.

The lock is the operating system's (flock), so a killed process lets go of it. Whoever opens the
file in the same process a second time is refused, too.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from everywire.core.errors import LogRefused


def take_lock(path: Path) -> FileLock:
    """Lock a log.

    Raises:
        LogRefused: Somebody else has it open, or it cannot be locked there.
    """
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise LogRefused(
            f"the log {path} is open in another server; end that one, or give this one a file of "
            f"its own (--log sqlite:OTHER)"
        ) from None
    except (OSError, NotImplementedError, RuntimeError) as error:
        raise LogRefused(
            f"the log {path} cannot be locked ({error}); its directory must be writable and on a "
            f"file system with locks"
        ) from None
    return lock
