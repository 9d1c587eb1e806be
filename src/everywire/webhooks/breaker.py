"""Not asking whoever does not answer.

An endpoint that is down would cost every client its whole time-out, and the endpoint, once back,
all of them at once. So after some failures in a row it is not asked for a while, each time twice as
long up to a limit, and then once; that one answer decides.

::

    CLOSED     asked; failures in a row are counted
    OPEN       not asked until a time
    HALF_OPEN  one is asked, the others not

No clock is read here: what time it is comes in, in seconds that do not go back.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """See the module."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class Input(Enum):
    """What may happen to a breaker."""

    ANSWERED = auto()
    FAILED_OFTEN = auto()
    RESTED = auto()
    FAILED = auto()
    ABANDONED = auto()


NEXT: Final = {
    (State.CLOSED, Input.ANSWERED): State.CLOSED,
    (State.CLOSED, Input.FAILED): State.CLOSED,
    # The client did not wait for it. Were that a failure, clients could make it rest.
    (State.CLOSED, Input.ABANDONED): State.CLOSED,
    (State.CLOSED, Input.FAILED_OFTEN): State.OPEN,
    (State.OPEN, Input.RESTED): State.HALF_OPEN,
    # Answers to what was asked before it opened; they do not count.
    (State.OPEN, Input.ANSWERED): State.OPEN,
    (State.OPEN, Input.FAILED): State.OPEN,
    (State.OPEN, Input.ABANDONED): State.OPEN,
    (State.HALF_OPEN, Input.ANSWERED): State.CLOSED,
    (State.HALF_OPEN, Input.FAILED): State.OPEN,
    (State.HALF_OPEN, Input.ABANDONED): State.OPEN,
}
"""A missing entry cannot happen."""

FAILURES: Final = 5
"""Failures in a row after which an endpoint is left alone."""

REST: Final = 2.0
"""Seconds for which it is left alone at first; twice as long after each trial that fails."""

MAX_REST: Final = 60.0
"""Seconds for which it is left alone at most."""


class Breaker:
    """See the module.

    Args:
        failures: In a row, after which it opens.
        rest: Seconds that it stays open the first time.
        max_rest: Seconds that it stays open at most.

    Attributes:
        state: Where it stands.
    """

    __slots__ = (
        "_count",
        "_failures",
        "_max_rest",
        "_opened",
        "_rest",
        "_trial",
        "_until",
        "state",
    )

    def __init__(
        self, failures: int = FAILURES, rest: float = REST, max_rest: float = MAX_REST
    ) -> None:
        self.state = State.CLOSED
        self._failures = failures
        self._rest = rest
        self._max_rest = max_rest
        self._count = 0
        self._opened = 0
        self._until = 0.0
        self._trial = 0

    def admit(self, now: float) -> int | None:
        """Whether to ask now.

        Returns:
            A ticket to give to `settle`; None: it is not asked.
        """
        if self.state is State.OPEN and now >= self._until:
            self._move(Input.RESTED)
        elif self.state is not State.CLOSED:
            return None
        self._trial += 1
        return self._trial

    def settle(self, ticket: int, how: Input, now: float) -> None:
        """Say how asking went.

        Args:
            ticket: From `admit`.
            how: ``ANSWERED``, yes or no; ``FAILED``; or ``ABANDONED``, nobody waited for it.
            now: Seconds.
        """
        was = self.state
        if was is State.HALF_OPEN and ticket != self._trial:
            return  # asked before it opened: not the trial
        if was is State.CLOSED and how is Input.FAILED:
            self._count += 1
            if self._count >= self._failures:
                how = Input.FAILED_OFTEN
        if self._move(how) is State.CLOSED:
            if how is Input.ANSWERED:
                self._opened = self._count = 0
        elif was is not State.OPEN:
            # Whoever gave up the trial has said nothing about the endpoint: the next is one.
            self._until = now if how is Input.ABANDONED else now + self._rest_of(self._opened)
            self._opened += how is not Input.ABANDONED

    def _rest_of(self, opened: int) -> float:
        return min(self._max_rest, self._rest * 2.0 ** min(opened, 32))

    def _move(self, happened: Input) -> State:
        self.state = NEXT[self.state, happened]
        return self.state
