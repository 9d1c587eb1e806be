"""How much work something is, counted and not timed: lines of Python executed, and C calls made.

What C does within one call is not seen (a copy of a set is one step, however large); where that
matters, the test counts it itself and adds it by `Work.extra`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

GROWTH = 2.2
"""What twice the input may cost, over what one of it does."""


class Work:
    """Counts while it is entered.

    Attributes:
        extra: Steps that a test counts itself.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.extra = 0

    @property
    def total(self) -> int:
        return self.steps + self.extra

    def __enter__(self) -> Work:
        self._before = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._call)
        sys.settrace(self._line)
        return self

    def __exit__(self, *_: object) -> None:
        trace, profile = self._before
        sys.settrace(trace)
        sys.setprofile(profile)

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.steps += 1
        return self._line

    def _call(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            self.steps += 1


Make = Callable[[int], Callable[[], object]]


def work_of(make: Make, size: int, work: Work | None = None) -> int:
    """The work of what ``make`` returns for a size; making it is not counted."""
    counted = work or Work()
    do = make(size)
    counted.extra = 0
    with counted:
        do()
    return counted.total


def check_growth(make: Make, size: int, work: Callable[[], Work] = Work) -> None:
    """Twice the size is at most 2.2 times the work."""
    once, twice = work_of(make, size, work()), work_of(make, 2 * size, work())
    assert once > 0
    assert twice <= GROWTH * once, f"{size}: {once} steps, {2 * size}: {twice}"
