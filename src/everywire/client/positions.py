"""What a client remembers, so that it can go on where it was.

The rules of the protocol: a message or gap moves its own channel's position; ``position`` moves
all. On a wire with one ``since`` one asks for the lowest, and drops what is not above its
channel's own.

Channels that start together (one ``since``) come in position order, so one number, the *level*,
says what all of them have had. The exceptions are few and named: channels that began further back
than the others, since an ended channel is replayed from its start to who comes without ``since``,
and ``history`` starts each channel elsewhere. They have positions of their own, *behind* the
level, until the next ``position``.

Nothing is dropped because of the level, for it moves with every message. What is dropped was had
before this connection began (the *floor*), or its channel has had a later one on it (bounded: the
channels seen last). So a seam that repeats is smoothed, and an order that is not the promised one
loses nothing.

``unknown_position`` moves downwards, too: the log is not the one we knew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from everywire.client.messages import Gap, gap_of

MAX_REMEMBERED: Final = 10_000
"""Channels whose own last id is remembered between two ``position``s."""


class Positions:
    """The positions of a subscriber.

    Args:
        names: Channels and patterns it hears.
        since: Where it starts; None: it does not know yet, and takes what the server says.
    """

    __slots__ = ("_asked", "_behind", "_floor", "_last", "_level", "_names", "_started")

    def __init__(self, names: Collection[str], since: int | None = None) -> None:
        self._names = set(names)
        self._started: set[str] = set()
        self._level = since
        self._floor = since
        self._asked = since
        self._behind: dict[str, int] = {}
        self._last: dict[str, int] = {}

    @property
    def lowest(self) -> int | None:
        """Where to go on with one ``since``; None: not known yet."""
        if self._level is None:
            return None
        return min(self._behind.values(), default=self._level)

    def by_name(self, names: Collection[str]) -> dict[str, int] | int | None:
        """Where to go on with a ``since`` for each name; one number where one will do."""
        level = self._level
        if level is None or not self._behind:
            return level
        return {name: self._behind.get(name, level) for name in names}

    def resume(self) -> None:
        """A new connection begins; it will ask for what comes after `lowest` or `by_name`."""
        self._asked = self.lowest
        self._floor = self._level

    def start(self, name: str, position: int) -> None:
        """A name begins after a position that the server chose (``subscribed``)."""
        if self._floor is not None:
            return
        level = self._level
        if level is None:
            self._level = position
        elif position < level:
            self._behind[name] = position
        elif position > level:
            for earlier in self._started - self._behind.keys():
                self._behind[earlier] = level
            self._level = position
        self._started.add(name)

    def take(self, channel: str, position: int) -> bool:
        """Note a message.

        Returns:
            Whether it is new; False: it was had before.
        """
        floor = self._behind.get(channel, self._floor)
        if floor is not None and position <= floor:
            return False
        if position <= self._last.get(channel, 0):
            return False
        self._remember(channel, position)
        if channel in self._behind:
            self._behind[channel] = position
        elif self._level is None or position > self._level:
            self._level = position
        elif self._floor is None and channel in self._names:
            # The first connection, and below where the others began: it is replayed from its start.
            self._behind[channel] = position
        return True

    def take_gap(self, gap: Gap) -> Gap | None:
        """Note a gap.

        Returns:
            The gap as far as it is news; None: everything in it was had before.
        """
        name, end = gap.channel, gap.before - 1
        if gap.reason == "unknown_position" and end < gap.after:
            self._lower(name, end)
            return gap
        had = self._behind.get(name, self._floor)
        if had is not None and end <= had:
            return None
        if name in self._behind:
            self._behind[name] = end
        else:
            self._level = max(end, self._level or 0)
        return gap_of(name, max(gap.after, had or 0), gap.before, gap.reason)

    def move(self, position: int) -> None:
        """Everything up to a position has been sent, in all names (``position``, ``last_id``)."""
        if self._level is None:
            self._level = position
        elif position >= self._level or position < (self._asked or 0):
            # Below what was asked for: the server never gave that out, or lost it.
            self._level = self._floor = position
            self._behind.clear()
            self._last.clear()
        else:
            behind = self._behind
            self._behind = {name: max(own, position) for name, own in behind.items()}

    def end(self, name: str) -> None:
        """A name is heard no more."""
        self._names.discard(name)
        self._started.discard(name)
        self._behind.pop(name, None)
        self._last.pop(name, None)

    def _lower(self, name: str, position: int) -> None:
        if name in self._behind:
            self._behind[name] = position
            self._last.pop(name, None)
        else:
            self._level = self._floor = position
            self._last.clear()

    def _remember(self, channel: str, position: int) -> None:
        last = self._last
        # Taken out and put back, so that the first entry is the channel heard longest ago.
        last.pop(channel, None)
        last[channel] = position
        if len(last) > MAX_REMEMBERED:
            del last[next(iter(last))]
