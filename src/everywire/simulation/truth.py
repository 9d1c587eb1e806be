"""What really happened, which no client can know: all that the log took, and what it gave out.

The checker of histories knows a message once somebody saw it. Here it is known before anybody does,
so some promises can be checked to the letter: which positions are unknown, what a channel's
messages are, and that each gap stands where something is missing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from everywire.core.messages import Message
from everywire.torture.history import digest


class _Labelled(msgspec.Struct):
    label: str = ""


_labelled = msgspec.json.Decoder(_Labelled).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the log."""

    id: int
    channel: str
    label: str
    digest: int


@dataclass(slots=True)
class Truth:
    """See the module.

    Attributes:
        entries: All messages, in order.
        birth: The position at which the log was made.
        head: The newest position.
        openings: For each opening the head before, and the first position after.
    """

    entries: list[Entry] = field(default_factory=list[Entry])
    birth: int = 0
    head: int = 0
    openings: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    _opened_at: int | None = None
    _ids: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _at: dict[int, Entry] = field(default_factory=dict[int, Entry])

    def open(self, head: int, *, born: bool) -> None:
        """The log was opened."""
        if born:
            self.birth = head
        self.head = self._opened_at = head

    def taken(self, messages: Sequence[Message]) -> None:
        """The log has taken messages."""
        if self._opened_at is not None:
            self.openings.append((self._opened_at, messages[0].id))
            self._opened_at = None
        for message in messages:
            data = message.data
            self.add(Entry(message.id, message.channel, _labelled(data).label, digest(data)))

    def add(self, entry: Entry) -> None:
        """Note a message."""
        self.entries.append(entry)
        self._ids.setdefault(entry.channel, []).append(entry.id)
        self._at[entry.id] = entry
        self.head = entry.id

    def copy(self) -> Truth:
        """As it is now."""
        same = Truth(birth=self.birth, openings=list(self.openings), _opened_at=self._opened_at)
        for entry in self.entries:
            same.add(entry)
        same.head = self.head
        return same

    def unknown(self, since: int) -> int | None:
        """For a position that was never given out the ``before`` of its gap; else None.

        PROTOCOL, unknown position: between a head and the next position of an opening, above the
        head, or below the birth; but one below the first position above counts as given out.
        """
        if since == 0:
            return None
        if since > self.head:
            return self.head + 1
        pairs = [(0, self.birth), *self.openings]
        for head, first in pairs:
            if head < since < first - 1:
                return first
        return None

    def between(self, channel: str, after: int, before: int) -> list[int]:
        """The positions of a channel between two, both exclusive."""
        ids = self._ids.get(channel, [])
        return ids[bisect_right(ids, after) : bisect_left(ids, before)]

    def at(self, position: int) -> Entry | None:
        """The message there; None: there is none."""
        return self._at.get(position)

    def label_at(self, position: int) -> str | None:
        """Its label."""
        entry = self._at.get(position)
        return None if entry is None else entry.label

    def ids(self, channel: str) -> Sequence[int]:
        """All positions of a channel."""
        return self._ids.get(channel, ())
