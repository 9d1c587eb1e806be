"""When to send, when to try again, when to give up.

::

    IDLE      nothing is being delivered
    SENDING   an attempt is out
    WAITING   for the time of the next attempt
    GONE      the endpoint has said that it wants nothing more (410)

What an answer means is Standard Webhooks': 2xx, taken; 410, gone; all else, not taken, redirects
included. An endpoint may say when to come back (``Retry-After``); the wait drawn here comes on top,
since it says so to all at once. No clock is read here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final

from everywire.webhooks.http_client import Answer

BASE: Final = 1.0
"""Seconds that the wait after the first failure is at most; twice as long after each."""

MAX_WAIT: Final = 600.0
"""Seconds that any wait is at most, beside what the endpoint asked for."""

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds that an endpoint may ask for; more is cut to it."""

_MAX_DIGITS: Final = 9


class State(Enum):
    """See the module."""

    IDLE = auto()
    SENDING = auto()
    WAITING = auto()
    GONE = auto()


class Input(Enum):
    """What may happen to a delivery."""

    BEGUN = auto()
    TAKEN = auto()
    FAILED = auto()
    DUE = auto()
    GIVEN_UP = auto()
    ENDED = auto()


NEXT: Final = {
    (State.IDLE, Input.BEGUN): State.SENDING,
    (State.SENDING, Input.TAKEN): State.IDLE,
    (State.SENDING, Input.FAILED): State.WAITING,
    (State.SENDING, Input.GIVEN_UP): State.IDLE,
    (State.SENDING, Input.ENDED): State.GONE,
    (State.WAITING, Input.DUE): State.SENDING,
}
"""A missing entry cannot happen."""


class Outcome(Enum):
    """How a delivery ended."""

    TAKEN = auto()
    GIVEN_UP = auto()
    GONE = auto()


_ENDS: Final = {
    Input.TAKEN: Outcome.TAKEN,
    Input.GIVEN_UP: Outcome.GIVEN_UP,
    Input.ENDED: Outcome.GONE,
}


class Delivery:
    """Deliveries to one endpoint, one after the other.

    Args:
        give_up_after: Seconds from the first attempt after which a delivery is given up; None:
            never.
        draw: Draws from 0 to 1.
        base: See `BASE`.
        max_wait: See `MAX_WAIT`.

    Attributes:
        state: Where it stands.
        due: When to try again, while waiting; seconds.
        attempts: Of this delivery.
    """

    __slots__ = (
        "_base",
        "_began",
        "_draw",
        "_give_up_after",
        "_max_wait",
        "attempts",
        "due",
        "state",
    )

    def __init__(
        self,
        give_up_after: float | None,
        draw: Callable[[], float] = random.random,
        base: float = BASE,
        max_wait: float = MAX_WAIT,
    ) -> None:
        self.state = State.IDLE
        self.due = 0.0
        self.attempts = 0
        self._give_up_after = give_up_after
        self._draw = draw
        self._base = base
        self._max_wait = max_wait
        self._began = 0.0

    def begin(self, now: float) -> None:
        """A delivery begins, with its first attempt."""
        self._move(Input.BEGUN)
        self._began = now
        self.attempts = 1

    def again(self) -> None:
        """Its time has come: the next attempt."""
        self._move(Input.DUE)
        self.attempts += 1

    def answered(self, answer: Answer | None, now: float, epoch: float) -> Outcome | None:
        """An attempt has ended.

        Args:
            answer: What the endpoint said; None: nothing.
            now: Seconds.
            epoch: The same moment, in seconds since the epoch.

        Returns:
            How the delivery ended; None: it has not, and there is another attempt when `due`.
        """
        happened = self._meaning(answer, now, epoch)
        self._move(happened)
        return _ENDS.get(happened)

    def _meaning(self, answer: Answer | None, now: float, epoch: float) -> Input:
        if answer is not None and 200 <= answer.status < 300:
            return Input.TAKEN
        if answer is not None and answer.status == 410:
            return Input.ENDED
        asked = 0.0 if answer is None else retry_after(answer.retry_after, epoch)
        most = min(self._max_wait, self._base * 2.0 ** min(self.attempts - 1, 32))
        self.due = now + asked + self._draw() * most
        until = self._give_up_after
        return Input.FAILED if until is None or self.due - self._began <= until else Input.GIVEN_UP

    def _move(self, happened: Input) -> None:
        self.state = NEXT[self.state, happened]


def retry_after(value: str | None, epoch: float) -> float:
    """Seconds that a ``Retry-After`` asks for (RFC 9110 10.2.3); 0 where it is none.

    Args:
        value: Seconds or a date, as it came.
        epoch: Now, seconds since the epoch.
    """
    if value is None:
        return 0.0
    if value.isascii() and value.isdigit():
        seconds = float(value[:_MAX_DIGITS])
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - epoch
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
