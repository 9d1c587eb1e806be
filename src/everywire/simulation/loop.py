"""An event loop without sockets, on a clock that moves only when it is told.

It is asyncio's own loop, so callbacks run in the order in which asyncio runs them; only what it
waits for is ours. With nothing to do it does not sleep: its clock jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from everywire.core.wheel import Timed, Wheel

START_US: Final = 1_760_000_000_000_000
"""When each schedule begins, microseconds since the epoch."""

_PATIENCE: Final = 86_400.0
"""Seconds that the clock may jump in all; by then nothing will come that has not come yet."""


class Clock:
    """One time for the loop and for the log."""

    def __init__(self) -> None:
        self.us = START_US

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return self.us

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.us += int(seconds * 1_000_000)


class _NoSockets(selectors.BaseSelector):
    """A selector that knows sockets, for the loop has one to wake itself, and never hears them."""

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._jumped = 0.0
        self.idle: Callable[[float], None] = lambda seconds: None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._jumped += timeout or 0.0
        if timeout is None or self._jumped > _PATIENCE:
            raise RuntimeError("the simulation waits for something that can never happen")
        if timeout > 0:
            self.idle(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class SimulatedLoop(asyncio.SelectorEventLoop):
    """See the module.

    Attributes:
        clock: Its time.
        faults: What went wrong in callbacks.
        overfull: What was written to sockets that were full.
    """

    def __init__(self) -> None:
        selector = _NoSockets()
        self.clock = Clock()
        self.faults: list[str] = []
        self.overfull: list[str] = []
        selector.idle = lambda seconds: self.clock.pass_by(seconds + 1e-6)
        super().__init__(selector)
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Seconds."""
        return (self.clock.us - START_US) / 1_000_000

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")


class OrderedWheel(Wheel):
    """A wheel whose timers of one tick come in the order in which they were started.

    The server's own leaves that order open; a schedule that is to be the same twice cannot.
    """

    __slots__ = ("_numbers", "_order")

    def __init__(self, now: float, resolution: float = 0.05) -> None:
        super().__init__(now, resolution)
        self._numbers = count()
        self._order: dict[Timed, tuple[int, int]] = {}

    def start(self, timer: Timed, due: float) -> None:
        """Put a timer on the wheel, or move it."""
        super().start(timer, due)
        self._order[timer] = (timer.tick, next(self._numbers))

    def cancel(self, timer: Timed) -> None:
        """Take a timer off the wheel, if it is on it."""
        super().cancel(timer)
        self._order.pop(timer, None)

    def turn(self, now: float) -> list[Timed]:
        """Take off what is due, in order."""
        return sorted(super().turn(now), key=self._order.pop)
