"""Making a schedule that breaks a promise as short as it can be made in so many tries.

Clients and steps are left out, first many at once, then fewer, as long as the same promise is
still broken (Zeller and Hildebrandt's delta debugging). What is left is not the shortest there is,
but nothing alone can be left out of it, if the tries lasted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from everywire.simulation.outcome import Outcome
from everywire.simulation.plan import Plan
from everywire.simulation.playing import play

T = TypeVar("T")

TRIES: Final = 400


class _Tries:
    """Plays plans, as often as it may, and knows whether they break the promise."""

    def __init__(self, promise: str, most: int) -> None:
        self._promise = promise
        self._left = most

    @property
    def left(self) -> bool:
        return self._left > 0

    def breaks(self, plan: Plan) -> bool:
        if not self._left:
            return False
        self._left -= 1
        return any(broken.promise == self._promise for broken in play(plan).broken)


def shrink(outcome: Outcome, tries: int = TRIES) -> Outcome:
    """A shorter schedule that breaks the first promise that this one breaks.

    Args:
        outcome: It breaks one.
        tries: How many schedules may be played for it.
    """
    promise = outcome.broken[0].promise
    playing = _Tries(promise, tries)
    plan = outcome.plan
    for _ in range(2):
        # Fewer of the one let more of the other go.
        clients = _fewer(plan.clients, partial(_with_clients, plan), playing)
        plan = replace(plan, clients=clients)
        plan = plan.only(_fewer(plan.steps, plan.only, playing))
    shorter = play(plan)
    shorter.broken.sort(key=lambda broken: broken.promise != promise)
    return shorter if shorter.broken else outcome


def _with_clients(plan: Plan, clients: Sequence[int]) -> Plan:
    return replace(plan, clients=clients)


def _fewer(
    parts: Sequence[T], plan_of: Callable[[Sequence[T]], Plan], playing: _Tries
) -> Sequence[T]:
    """As few parts of a plan as still break the promise."""
    size = (len(parts) + 1) // 2
    while size and playing.left:
        start = 0
        while start < len(parts):
            some = (*parts[:start], *parts[start + size :])
            if playing.breaks(plan_of(some)):
                parts = some
            else:
                start += size
        size //= 2
    return parts
