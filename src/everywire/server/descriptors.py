"""File descriptors: as many as there may be, and what happens when they are used up.

Each connection takes one, and so does every file that the log opens. The system gives a process
few by default (1,024, often) and lets it have many more: the limit is raised at the start
(`raise_limit`). Some are kept free for the log: over what is left, a connection is refused with an
answer (`Door`). Where others in the process take theirs, there may be none left all the same; then
the system refuses connections, and nobody who is there is harmed.

Either is said in the server's log, once, and again each minute as long as it lasts.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None

if TYPE_CHECKING:
    from everywire.server.node import Node

logger = logging.getLogger("everywire.server")

KEPT_FREE: Final = 32
"""Descriptors that connections leave to the log and to the process itself."""

_AGAIN_AFTER: Final = 60.0
_ENOUGH: Final = 1_048_576
"""What is asked for where the system has no limit; it is the most that Linux gives by default."""

_USED_UP: Final = (errno.EMFILE, errno.ENFILE)


def raise_limit() -> None:
    """Let this process have as many file descriptors as the system lets it."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= most:
        logger.debug("file descriptors: %d, as many as there may be", soft)
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        logger.warning("file descriptors: %d; %d are not to be had: %s", soft, most, error)
        return
    logger.info("file descriptors: %d (were %d)", most, soft)


class Descriptors:
    """Watches over a node's descriptors; see the module.

    Args:
        node: Its time, its connections and its counters.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._most: int | None = None
        self._others = 0
        self._short_since: float | None = None
        self._said_at = 0.0

    def start(self) -> None:
        """Note what is open before the first connection."""
        self._others = _count_open()
        self._look_at_limit()

    def enough_for(self, connections: int) -> bool:
        """Whether there is one for each of so many connections, and some are left."""
        return self._most is None or connections <= self._most

    def refused(self) -> None:
        """A connection was refused, because there were not enough."""
        self._node.counters.connections_refused_full += 1
        self._say_short()

    def tick(self) -> None:
        """Look, every second: at the limit, which may be changed from outside, and for one more."""
        self._look_at_limit()
        if not _one_to_be_had():
            self._node.counters.descriptors_used_up += 1
            self._say_short()
        elif self._short_since is not None and self.enough_for(self._node.door.connections + 1):
            seconds = self._node.time() - self._short_since
            self._short_since = None
            logger.info("there are file descriptors again, after %.0f seconds", seconds)

    def _look_at_limit(self) -> None:
        if resource is None:
            return
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        infinite = soft == resource.RLIM_INFINITY
        self._most = None if infinite else max(1, soft - self._others - KEPT_FREE)

    def _say_short(self) -> None:
        now = self._node.time()
        if self._short_since is None:
            self._short_since = now
        elif now - self._said_at < _AGAIN_AFTER:
            return
        self._said_at = now
        logger.warning(
            "file descriptors are used up, with %d connections: new ones are refused until some "
            "end. Raise the limit (ulimit -n, LimitNOFILE= of systemd) above what is open",
            self._node.door.connections,
        )


def _one_to_be_had() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _USED_UP
    return True


def _count_open() -> int:
    """How many descriptors are open; a guess where the system does not list them."""
    for listing in (Path("/proc/self/fd"), Path("/dev/fd")):
        try:
            return sum(1 for _ in listing.iterdir())
        except OSError:
            continue
    return KEPT_FREE
