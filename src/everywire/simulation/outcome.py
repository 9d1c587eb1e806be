"""What comes of a schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from everywire.simulation.plan import Plan
from everywire.torture.facts import Broken
from everywire.torture.history import AnyEvent


@dataclass(slots=True)
class Outcome:
    """What came of a schedule.

    Attributes:
        plan: What was to happen.
        broken: The promises that were not kept.
        events: What everybody saw, of all lives.
        counts: How often what happened.
        done: The steps that were carried out, in words.
    """

    plan: Plan
    broken: list[Broken] = field(default_factory=list[Broken])
    events: list[AnyEvent] = field(default_factory=list[AnyEvent])
    counts: Counter[str] = field(default_factory=Counter[str])
    done: list[str] = field(default_factory=list[str])
