"""How long a client may take: to send a request whole once it has begun, or to begin the next.

One timer a connection, on the node's wheel. It is moved only when somebody begins to wait for
something; what happens on the way sets the deadline, which the timer finds when it comes. So a
request that arrives whole costs two assignments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from everywire.core.wheel import Timed

if TYPE_CHECKING:
    from everywire.server.node import Node

Part = Literal["head", "body"]

_NEVER: Final = float("inf")


class Patience(Timed):
    """See the module.

    Args:
        node: Its clock and limits.
        ended: Called when the time is up, with what was arriving then.
    """

    __slots__ = ("_arriving", "_deadline", "_ended", "_looks", "_node")

    def __init__(self, node: Node, ended: Callable[[Part | None], None]) -> None:
        super().__init__()
        self._node = node
        self._ended = ended
        self._arriving: Part | None = None
        self._allow(node.limits.head_timeout)

    def arriving(self, part: Part) -> None:
        """A part has begun to arrive; said again while it does, it changes nothing."""
        if self._arriving != part:
            self._arriving = part
            limits = self._node.limits
            self._allow(limits.head_timeout if part == "head" else limits.body_timeout)

    def arrived(self) -> None:
        """It is here; the client has time until the next part is waited for."""
        self._arriving = None
        self._deadline = _NEVER

    def idle(self) -> None:
        """The client may begin a request, or not."""
        seconds = self._node.limits.idle_timeout
        self._deadline = self._node.time() + seconds
        if self._deadline < self._looks:
            self._start(seconds)

    def stop(self) -> None:
        """Nobody waits any more."""
        self._node.wheel.cancel(self)

    def _allow(self, seconds: float) -> None:
        self._start(seconds)
        self._deadline = self._looks

    def _start(self, seconds: float) -> None:
        self._looks = self._node.time() + seconds
        self._node.after(seconds, self)

    def due(self) -> None:
        """Look at the clock."""
        left = self._deadline - self._node.time()
        if left > 0:
            self._start(min(left, self._node.limits.idle_timeout))
        else:
            self._ended(self._arriving)
