"""One client's part of a history, walked through in order.

Two things are asked. On each connection: does every message rise above the one before, and was
whatever lies between them told as a gap first? And over all of them: was each message after the
client's start received, or told as missing?

How far a gap reaches back is softened twice. It stands behind the messages of the other channels up
to its end, so who is cut before it comes, or whose page ends there, goes on from one of those; the
gap then begins there, and means all since the last that was told of its channel. And a pattern has
one gap, which stands where the last of its channels lost something: what the others lost may be
said after their own messages, if it is said before the server says that all has been sent; it
reaches back to the client's start. A channel of which all is kept is excused by no gap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from everywire.core.channels import matches
from everywire.torture.facts import Broken, Facts
from everywire.torture.history import (
    AnyEvent,
    Connected,
    Finished,
    Handed,
    Listens,
    Missed,
    Moved,
    Received,
)


class Listener:
    """Judges one client.

    Args:
        begin: Who it is, and what it hears.
        facts: What the log is known to hold.
        lossless: Whether nothing of a channel may be missing.
    """

    def __init__(self, begin: Listens, facts: Facts, lossless: Callable[[str], bool]) -> None:
        self.who = begin.client
        self._facts = facts
        self._lossless = lossless
        self._start = begin.since
        covering = {
            channel: tuple(name for name in begin.names if matches(name, channel))
            for channel in facts.known
        }
        self._covering = {channel: names for channel, names in covering.items() if names}
        self._finished = False
        self._told: dict[str, int] = {}
        self._received: defaultdict[str, set[int]] = defaultdict(set)
        self._gaps: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._handed: defaultdict[str, list[int]] = defaultdict(list)
        # Of the running connection.
        self._connection = ""
        self._wire = ""
        self._seen: defaultdict[str, set[int]] = defaultdict(set)
        self._newest: dict[str, int] = {}
        self._upto: dict[str, int] = {}
        self._owed: dict[str, list[int]] = {}
        self._position = 0

    def take(self, event: AnyEvent) -> Iterator[Broken]:
        """Note the next event, and yield what it breaks."""
        match event:
            case Connected():
                self._connect(event)
            case Received():
                yield from self._receive(event.channel, event.id)
            case Missed():
                yield from self._miss(event)
            case Moved():
                yield from self._move(event.position)
            case Handed():
                self._handed[event.channel].append(event.id)
            case Finished():
                self._finished = True
            case _:
                pass

    def end(self) -> Iterator[Broken]:
        """There are no more events; yield what was never told."""
        if not self._finished:
            yield self._broken("unfinished", "never came to the end of what it hears")
        for channel in self._covering:
            yield from self._check_whole(channel)
            yield from self._check_handed(channel)

    # On a connection

    def _connect(self, event: Connected) -> None:
        self._connection = f"connection {event.connection} ({event.wire})"
        self._wire = event.wire
        self._seen.clear()
        self._newest.clear()
        self._owed.clear()
        self._position = 0
        self._upto = {
            channel: since
            for channel, names in self._covering.items()
            if (since := _since_of(event.since, names)) or self._lossless(channel)
        }

    def _receive(self, channel: str, position: int) -> Iterator[Broken]:
        if channel not in self._covering:
            yield self._broken("invented", f"{channel} {position}, which it does not hear")
            return
        seen, newest = self._seen[channel], self._newest.get(channel, 0)
        if position in seen:
            yield self._broken("repeat", f"{channel} {position} came twice")
        elif position < newest:
            yield self._broken("order", f"{channel} {position} came after {newest}")
        elif position <= self._position:
            words = f"{channel} {position} came after the position {self._position}"
            yield self._broken("position", words)
        elif channel in self._covering[channel] or self._lossless(channel):
            yield from self._check_hole(channel, position, f"{channel} {position}")
        else:
            self._owed.setdefault(channel, []).extend(self._skipped(channel, position))
        self._upto[channel] = max(position, self._upto.get(channel, 0))
        self._told[channel] = max(position, self._told.get(channel, 0))
        self._newest[channel] = max(position, newest)
        seen.add(position)
        self._received[channel].add(position)

    def _miss(self, gap: Missed) -> Iterator[Broken]:
        heard = [c for c, names in self._covering.items() if gap.name in names]
        words = f"a gap of {gap.name} from {gap.after} to {gap.before} ({gap.reason})"
        if gap.reason == "unknown_position":
            yield self._broken("gap", f"{words}, though the log was never another one")
            return
        if heard and all(map(self._lossless, heard)):
            yield self._broken("gap", f"{words}, of which all is kept")
        for channel in heard:
            if self._lossless(channel):
                continue
            after = min(gap.after, self._back(channel, gap))
            self._owed.pop(channel, None)
            self._gaps[channel].append((after, gap.before))
            self._upto[channel] = max(gap.before - 1, self._upto.get(channel, 0))
            self._told[channel] = max(gap.before - 1, self._told.get(channel, 0))

    def _back(self, channel: str, gap: Missed) -> int:
        if gap.name != channel:
            return self._start
        return self._told.get(channel, self._start)

    def _move(self, position: int) -> Iterator[Broken]:
        if position < self._position:
            yield self._broken("position", f"went from {self._position} back to {position}")
        self._position = position
        for channel in self._covering:
            if self._wire != "poll":
                words = f"the position {position}"
                yield from self._check_hole(channel, position + 1, words)
            if position:  # of who asks for what is kept, the beginning says nothing
                self._upto[channel] = max(position, self._upto.get(channel, 0))

    def _check_hole(self, channel: str, position: int, what: str) -> Iterator[Broken]:
        """Whether anything was passed over before a position, without a word."""
        skipped = self._owed.pop(channel, []) + self._skipped(channel, position)
        if skipped:
            words = f"{what} came without {_some(skipped)} of {channel}, and without a gap"
            yield self._broken("hole", words)

    def _skipped(self, channel: str, position: int) -> list[int]:
        """What there is of a channel between the last that was told of it and a position."""
        if channel not in self._upto:
            return []
        return self._facts.between(channel, self._upto[channel], position)

    # Over all connections

    def _check_whole(self, channel: str) -> Iterator[Broken]:
        received = self._received[channel]
        end = 2**53 if self._finished else max(received, default=0)
        start = self._start
        if not start and not self._lossless(channel):
            # It asked for what was kept, and was not told what was not.
            start = min(received, default=end)
        missing = [
            position
            for position in self._facts.between(channel, start, end)
            if position not in received
            and not any(after < position < before for after, before in self._gaps[channel])
        ]
        if missing:
            words = f"{_some(missing)} of {channel} never came, and no gap says so"
            yield Broken("lost", self.who, words)

    def _check_handed(self, channel: str) -> Iterator[Broken]:
        handed = self._handed[channel]
        if len(set(handed)) < len(handed):
            twice = sorted(position for position, times in Counter(handed).items() if times > 1)
            yield Broken("handed", self.who, f"{_some(twice)} of {channel} handed on twice")
        elif handed != sorted(handed):
            yield Broken("handed", self.who, f"{channel} was handed on out of order")
        withheld = sorted(self._received[channel].difference(handed))
        if withheld and self._finished:
            yield Broken("handed", self.who, f"{_some(withheld)} of {channel} came, but no further")

    def _broken(self, promise: str, what: str) -> Broken:
        return Broken(promise, f"{self.who}, {self._connection}", what)


def _since_of(since: int | Mapping[str, int], names: Sequence[str]) -> int:
    """Where a channel begins that is heard by these names: a message heard twice comes once."""
    if isinstance(since, Mapping):
        return min(since.get(name, 0) for name in names)
    return since


def _some(positions: list[int]) -> str:
    """A few of many positions."""
    shown = ", ".join(map(str, positions[:3]))
    return shown if len(positions) <= 3 else f"{shown} and {len(positions) - 3} more"
