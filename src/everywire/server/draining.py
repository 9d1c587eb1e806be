"""Sending everybody away, so that they do not all come back at once.

A server that stops and tells all its clients in the same moment has them all at the door of the
next one in the same moment: each asks for what it missed, and that is how a restart becomes an
outage. So they are told one by one, in an order drawn by lot, evenly over ``drain_seconds``; who
has not been told yet is served on. Few are told sooner: each takes `SECONDS_EACH` at most, so that
a server with one client is gone at once.

And each is told when to come back: once the drain is over, because only then another server can
have the log, and after a time of its own (`Node.come_back_ms`). A poll is answered with what there
is; it has no place for a time.

A drain takes at most `MOST_OF_STOP` of the time in which the process has to be gone: the rest is
for clients that read slowly, and for the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everywire.server.node import Node

SECONDS_EACH: Final = 0.05
MOST_OF_STOP: Final = 0.8

_STEP: Final = 0.02
_MOST_AT_ONCE: Final = 500
"""Clients told before others get their turn on the loop."""


class Drain:
    """Tells the clients of a node to leave, once.

    Args:
        node: Its sessions, its settings and its time.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Tell all who are left at once."""
        self._hurried.set()

    async def run(self) -> None:
        """Tell everybody; returns when the last has been told."""
        node = self._node
        sessions = node.begin_drain()
        random.shuffle(sessions)
        seconds = self._seconds(len(sessions))
        begun = node.time()
        node.drained_at = begun + seconds
        told = 0
        while told < len(sessions):
            due = math.ceil(self._part(begun, seconds) * len(sessions))
            until = min(due, told + _MOST_AT_ONCE)
            for session in sessions[told:until]:
                node.send_away(session)
            told = until
            if told < len(sessions):
                await self._pause(behind=told < due)

    def _part(self, begun: float, seconds: float) -> float:
        """How many of the clients are to be told by now."""
        now = self._node.time()
        if self._hurried.is_set():
            self._node.drained_at = min(self._node.drained_at, now)
            return 1.0
        return min(1.0, (now - begun) / seconds) if seconds > 0 else 1.0

    def _seconds(self, clients: int) -> float:
        """How long so many are to take."""
        settings = self._node.settings
        most = min(settings.drain_seconds, settings.stop_seconds * MOST_OF_STOP)
        return min(most, clients * SECONDS_EACH)

    async def _pause(self, *, behind: bool) -> None:
        """Let others have their turn; where nobody is due yet, wait a step."""
        if behind:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), _STEP)
