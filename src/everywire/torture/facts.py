"""What a history says of the log: which messages there are, and whether that can be.

A message is known to be in the log when anybody saw it: its publisher was told its position, a
client received it, or it was listed at the end. All who saw it have to agree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from everywire.torture.history import Acknowledged, AnyEvent, Attempted, Kept, Received


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was not kept.

    Attributes:
        promise: Its name (``checker``).
        who: The client, publisher or log that saw it.
        what: What was seen, and what should have been.
    """

    promise: str
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.who}: {self.what}"


@dataclass(frozen=True, slots=True)
class _Sighting:
    who: str
    channel: str
    id: int
    label: str
    digest: int | None


class Facts:
    """The messages of a history.

    Args:
        events: All of it.

    Attributes:
        known: The positions of each channel's messages, rising.
        broken: What cannot be.
    """

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        self.broken: list[Broken] = []
        self._attempted = {e.label: e for e in events if isinstance(e, Attempted)}
        self._id_of: dict[str, int] = {}
        self._label_at: dict[int, str] = {}
        found: defaultdict[str, set[int]] = defaultdict(set)
        told: set[tuple[str, str, int]] = set()
        for sighting in _sightings(events):
            found[sighting.channel].add(sighting.id)
            for broken in self._contradictions(sighting):
                # One message that is wrong is seen by many.
                key = (broken.promise, sighting.label, sighting.id)
                if key not in told:
                    told.add(key)
                    self.broken.append(broken)
        self.known = {channel: sorted(ids) for channel, ids in found.items()}

    def _contradictions(self, seen: _Sighting) -> Iterator[Broken]:
        attempt = self._attempted.get(seen.label)
        if attempt is None:
            yield Broken("invented", seen.who, f"{_name(seen)} was never published")
            return
        if attempt.channel != seen.channel:
            words = f"{_name(seen)} was published to {attempt.channel}"
            yield Broken("altered", seen.who, words)
        elif seen.digest is not None and seen.digest != attempt.digest:
            yield Broken("altered", seen.who, f"{_name(seen)} has other data than was published")
        first = self._id_of.setdefault(seen.label, seen.id)
        if first != seen.id:
            yield Broken("once", seen.who, f"{_name(seen)} is also message {first}")
        label = self._label_at.setdefault(seen.id, seen.label)
        if label != seen.label:
            words = f"position {seen.id} is both {seen.label} and {label}"
            yield Broken("once", seen.who, words)

    def between(self, channel: str, after: int, before: int) -> list[int]:
        """The known positions of a channel between two, both exclusive."""
        ids = self.known.get(channel, [])
        return ids[bisect_right(ids, after) : bisect_left(ids, before)]


def _sightings(events: Iterable[AnyEvent]) -> Iterator[_Sighting]:
    for e in events:
        if isinstance(e, Acknowledged):
            yield _Sighting(e.publisher, e.channel, e.id, e.label, None)
        elif isinstance(e, Received):
            yield _Sighting(e.client, e.channel, e.id, e.label, e.digest)
        elif isinstance(e, Kept):
            for position, label, digest in e.messages:
                yield _Sighting("the log", e.channel, position, label, digest)


def _name(seen: _Sighting) -> str:
    return f"{seen.label or 'a message without a label'} in {seen.channel} at {seen.id}"
