"""What a client remembers, so that it can go on where it was.

The rules of the protocol: a message or gap moves its own channel's position; ``position`` moves
all. Channels that started together (one ``since``) come in position order; they are *level*, and
one number says what all of them have had.

They are not level where they started apart: an ended channel is replayed from its start to who
comes without ``since``, beside channels that start at the head, and ``history`` starts each
elsewhere. Then each name has a position of its own, until the next ``position`` makes them level.
On a wire with one ``since`` one asks for the lowest of them.

Positions say where to go on; they are not what a message is measured against, for a level moves
with every message of any channel. A message was had before if it is not above the *floor*, which is
where its channel stood when this connection began, or if its own channel has had a later one since
(of the channels heard last). So a seam that repeats is smoothed, and an order that is not the
promised one loses nothing.

Only a gap ``unknown_position`` moves downwards: the log is not the one we knew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from everywire.client.messages import Gap, gap_of
from everywire.core.channels import PatternTable, is_pattern

MAX_REMEMBERED: Final = 10_000
"""Channels whose own last id is remembered between two ``position``s."""


class Positions:
    """The positions of a subscriber.

    Args:
        names: Channels and patterns it hears.
        since: Where it starts; None: it does not know yet, and takes what the server says.
    """

    __slots__ = (
        "_each",
        "_floor",
        "_floors",
        "_last",
        "_level",
        "_names",
        "_patterns",
        "_resumed",
    )

    def __init__(self, names: Collection[str], since: int | None = None) -> None:
        self._names = set(names)
        self._patterns: PatternTable[str] = PatternTable()
        for name in filter(is_pattern, self._names):
            self._patterns.put(name, name)
        self._level = since
        self._each: dict[str, int] = {}
        self._floor = since
        self._floors: dict[str, int] = {}
        self._resumed = False
        self._last: dict[str, int] = {}

    @property
    def lowest(self) -> int | None:
        """Where to go on with one ``since``; None: not known yet."""
        return min(self._each.values()) if self._each else self._level

    def by_name(self, names: Collection[str]) -> dict[str, int] | int | None:
        """Where to go on with a ``since`` for each name; one number where one will do."""
        if not self._each:
            return self._level
        highest = max(self._each.values())
        return {name: self._each.get(name, highest) for name in names}

    def resume(self) -> None:
        """A new connection begins; it will ask for what comes after `lowest` or `by_name`."""
        self._resumed = self.lowest is not None
        self._floors = dict(self._each)
        self._floor = None if self._each else self._level

    def start(self, name: str, position: int) -> None:
        """A name begins after a position that the server chose (``subscribed``)."""
        if self._level is not None or self._resumed:
            return
        self._each[name] = position
        if self._each.keys() >= self._names and len(set(self._each.values())) == 1:
            self._be_level(position)

    def take(self, channel: str, position: int) -> bool:
        """Note a message.

        Returns:
            Whether it is new; False: it was had before.
        """
        floor = self._floor_of(channel)
        if floor is not None and position <= floor:
            return False
        if position <= self._last.get(channel, 0):
            return False
        self._remember(channel, position)
        if not self._each:
            self._level = max(position, self._level or 0)
            return True
        for name in self._covering(channel):
            if name in self._each:
                was = 0 if name == channel else self._each[name]
                self._each[name] = max(position, was)
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
        had = self._floors.get(name) if self._floors else self._floor
        if had is not None and end <= had:
            return None
        if name in self._each:
            self._each[name] = max(end, self._each[name])
        elif not self._each:
            self._level = max(end, self._level or 0)
        return gap_of(name, max(gap.after, had or 0), gap.before, gap.reason)

    def move(self, position: int) -> None:
        """Everything up to a position has been sent, in all names (``position``, ``last_id``)."""
        if self._level is None and not self._each:
            # The first of a connection without since. All start here, but maybe not together.
            self._each = dict.fromkeys(self._names, position)
            return
        highest = max(self._each.values()) if self._each else self._level or 0
        if position >= highest:
            self._be_level(position)
        else:
            self._each = {name: max(own, position) for name, own in self._each.items()}

    def end(self, name: str) -> None:
        """A name is heard no more."""
        self._each.pop(name, None)
        self._names.discard(name)
        if is_pattern(name):
            self._patterns.remove(name)
        self._floors.pop(name, None)
        self._last.pop(name, None)

    def _be_level(self, position: int) -> None:
        self._level = self._floor = position
        self._each = {}
        self._floors = {}
        self._last.clear()

    def _lower(self, name: str, position: int) -> None:
        if name in self._each:
            self._each[name] = position
            self._floors[name] = position
        elif not self._each:
            self._level = self._floor = position
        self._last.clear()

    def _floor_of(self, channel: str) -> int | None:
        """Up to where a channel was had when this connection began; None: nothing of it."""
        if not self._floors:
            return self._floor
        had = (self._floors.get(name) for name in self._covering(channel))
        return min((position for position in had if position is not None), default=None)

    def _covering(self, channel: str) -> list[str]:
        """The names by which a channel is heard."""
        covering = self._patterns.covering(channel)
        return [channel, *covering] if channel in self._names else covering

    def _remember(self, channel: str, position: int) -> None:
        last = self._last
        # Taken out and put back, so that the first entry is the channel heard longest ago.
        last.pop(channel, None)
        last[channel] = position
        if len(last) > MAX_REMEMBERED:
            del last[next(iter(last))]
