"""What a run is asked to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from everywire.torture.facts import Broken
from everywire.torture.history import History


@dataclass(frozen=True, slots=True)
class Ordered:
    """What to run.

    Attributes:
        seed: Draws all that goes wrong.
        seconds: How long it rages.
        url: A server that is there already; None: one of its own, which is killed now and then.
        log: Where the server of its own keeps messages; None: in a file that is thrown away.
    """

    seed: int
    seconds: float
    url: str | None = None
    log: str | None = None


@dataclass(slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        ordered: What was run.
        broken: The promises that were not kept; empty where all were.
        counts: What has happened, and how often.
        history: All of it.
        complaints: What the server said of errors of its own.
    """

    ordered: Ordered
    broken: list[Broken] = field(default_factory=list[Broken])
    counts: Counter[str] = field(default_factory=Counter[str])
    history: History = field(default_factory=History)
    complaints: list[str] = field(default_factory=list[str])

    @property
    def good(self) -> bool:
        """Whether every promise was kept, and the server had nothing to complain of."""
        return not self.broken and not self.complaints
