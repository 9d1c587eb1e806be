"""One timing wheel instead of a timer for each connection.

Time is cut into ticks; what is due in a tick waits in that tick's set. Adding, moving and
cancelling cost one set operation each. The wheel has no clock: whoever turns it says what time it
is, in seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections.abc import Callable


class Timer:
    """Something that is due at some time; the owner keeps it to move or cancel it.

    Attributes:
        action: What to do then.
        tick: Where it waits on its wheel, which alone changes it; -1: nowhere.
    """

    __slots__ = ("action", "tick")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.tick = -1

    @property
    def waiting(self) -> bool:
        """Whether it is on the wheel."""
        return self.tick >= 0


class Wheel:
    """See the module.

    Args:
        now: The time at which it begins.
        resolution: Seconds a tick; what is due is done at most so much late.
    """

    __slots__ = ("_slots", "_turned", "resolution")

    def __init__(self, now: float, resolution: float = 0.05) -> None:
        self.resolution = resolution
        self._slots: dict[int, set[Timer]] = {}
        self._turned = int(now / resolution)

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots.values())

    def start(self, timer: Timer, due: float) -> None:
        """Put a timer on the wheel, or move it."""
        self.cancel(timer)
        tick = max(int(due / self.resolution), self._turned) + 1
        timer.tick = tick
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = set()
        slot.add(timer)

    def cancel(self, timer: Timer) -> None:
        """Take a timer off the wheel, if it is on it."""
        tick = timer.tick
        if tick < 0:
            return
        timer.tick = -1
        slot = self._slots.get(tick)
        if slot is not None:
            slot.discard(timer)
            if not slot:
                del self._slots[tick]

    def turn(self, now: float) -> list[Timer]:
        """Take off what is due, the earliest tick first; the caller acts."""
        tick = int(now / self.resolution)
        due: list[Timer] = []
        if len(self._slots) < tick - self._turned:
            reached = sorted(number for number in self._slots if number <= tick)
        else:
            reached = [n for n in range(self._turned + 1, tick + 1) if n in self._slots]
        for number in reached:
            for timer in self._slots.pop(number):
                timer.tick = -1
                due.append(timer)
        self._turned = max(self._turned, tick)
        return due
