"""When to try again.

Full jitter: the wait before the n-th try is drawn evenly from nothing to ``base * 2**n``, at most
``cap``. Many clients that were cut at once come back spread out, and one that is alone comes back
soon. What the server asked for (``retry_ms``, ``retry:``, ``Retry-After``) is waited first; the
jitter comes on top, since the server asked many for the same.

`Patience` says how long a request may be repeated. It can be cut short from a signal handler,
which is why it is a plain number that is looked at, and nothing that is waited on.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from typing import Final, TypeVar

from everywire.client.errors import GaveUp, Refused, Unreachable

T = TypeVar("T")

KEY_WINDOW: Final = 600.0
"""Seconds for which a server remembers an idempotency key (the protocol's ``key_window_ms``)."""

REQUEST_TIMEOUT: Final = 10.0
"""Seconds without a byte after which a request is given up and repeated."""

MAX_PATIENCE: Final = KEY_WINDOW - 2 * REQUEST_TIMEOUT
"""Seconds after its first try in which a publish may be repeated: the last one has to arrive, and
be answered, while the server still knows the key of the first."""

_BASE: Final = 0.25
_CAP: Final = 10.0  # Centrifugo 20 s, Socket.IO 5 s


class Backoff:
    """Full-jitter waits.

    Args:
        base: Seconds that the first wait is at most.
        cap: Seconds that any wait is at most.
        random: Draws from 0 to 1.
    """

    __slots__ = ("_base", "_cap", "_random", "_tries")

    def __init__(
        self,
        base: float = _BASE,
        cap: float = _CAP,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._base = base
        self._cap = cap
        self._random = random
        self._tries = 0

    def delay(self, asked: float | None = None) -> float:
        """Seconds to wait before the next try.

        Args:
            asked: Seconds that the server asked for.
        """
        # The exponent is bounded, for 2.0 ** 1024 is an error after a few hours of trying.
        most = min(self._cap, self._base * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return (asked or 0.0) + self._random() * most

    def reset(self) -> None:
        """Begin anew: the connection has shown itself to be good."""
        self._tries = 0


class Patience:
    """How long to try.

    Args:
        seconds: From now.
        clock: Seconds, never going back.
    """

    __slots__ = ("_clock", "began", "until")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began = clock()
        self.until = self.began + seconds

    def shorten(self, seconds: float) -> None:
        """Try for so many seconds more at most."""
        self.until = min(self.until, self._clock() + seconds)

    @property
    def spent(self) -> float:
        """Seconds tried so far."""
        return self._clock() - self.began

    @property
    def left(self) -> float:
        """Seconds in which there may be another try."""
        return self.until - self._clock()


def insist(
    attempt: Callable[[], T],
    patience: Patience,
    backoff: Backoff,
    sleep: Callable[[float], object],
    notify: Callable[[Unreachable | Refused], object] = lambda fault: None,
) -> T:
    """Try until it succeeds, is refused for good, or patience ends.

    Args:
        attempt: Safe to repeat.
        notify: Told of each failure after which there is another try.

    Raises:
        Refused: The server said no, and will again.
        GaveUp: Patience ended.
    """
    while True:
        try:
            return attempt()
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and not error.passing:
                raise
            fault = error
        asked = fault.retry_after if isinstance(fault, Refused) else None
        left = patience.left
        if left <= (asked or 0.0):
            raise GaveUp(fault, patience.spent) from fault
        notify(fault)
        sleep(min(backoff.delay(asked), left))
