"""One timing wheel instead of a timer for each connection.

Time is cut into ticks; what is due in a tick waits in that tick's set. Adding, moving and
cancelling cost one set operation each. The wheel has no clock: whoever turns it says what time it
is, in seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections.abc import Callable


class Timed:
    """Something that is due at some time; whoever has it can move or cancel it.

    Attributes:
        tick: Where it waits on its wheel, which alone changes it; -1: nowhere.
    """

    __slots__ = ("tick",)

    def __init__(self) -> None:
        self.tick = -1

    @property
    def waiting(self) -> bool:
        """Whether it is on the wheel."""
        return self.tick >= 0

    def due(self) -> None:
        """Its time has come."""
        raise NotImplementedError


class Timer(Timed):
    """One that is given what to do then.

    Where there are very many, a class of its own with a `due` saves the timer and the callback.
    """

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action

    def due(self) -> None:
        """Its time has come."""
        self.action()


class Wheel:
    """See the module.

    Args:
        now: The time at which it begins.
        resolution: Seconds a tick; what is due is done at most so much late.
    """

    __slots__ = ("_slots", "_turned", "resolution")

    def __init__(self, now: float, resolution: float = 0.05) -> None:
        self.resolution = resolution
        self._slots: dict[int, set[Timed]] = {}
        self._turned = int(now / resolution)

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots.values())

    def start(self, timer: Timed, due: float) -> None:
        """Put a timer on the wheel, or move it."""
        self.cancel(timer)
        tick = max(int(due / self.resolution), self._turned) + 1
        timer.tick = tick
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = set()
        slot.add(timer)

    def cancel(self, timer: Timed) -> None:
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

    def turn(self, now: float) -> list[Timed]:
        """Take off what is due, the earliest tick first; the caller acts."""
        tick = int(now / self.resolution)
        due: list[Timed] = []
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
