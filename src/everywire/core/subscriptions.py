"""A subscriber, and where in the log it is.

A subscriber is a connection that listens. It has subscriptions: sets of channels that move
together at one position. Each is in one state::

    replaying   asked for the past, reads it from the log
    live        level with the log, gets each batch as it comes
    lagging     was live, its socket was full; behind the log and reading from it
    gap         met a loss, which has to be said before anything else
    closed      gone

`NEXT` is the whole state machine; an entry that is missing is a fault of ours. At most one
subscription of a subscriber is live: what catches up joins it. So live messages leave in position
order across channels, and replays run beside them, each in its own order.

A pattern may cover a channel that is subscribed to as well, from another position. A message
matched twice is sent once: the one that was asked for first sends it, and the later one only what
lies before the start of that (`Subscriber.sent_by_others`). To keep that true, subscriptions that
may overlap become live together, when all of them are level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, Protocol

from everywire.core.channels import is_pattern, matches
from everywire.core.conflation import Conflation
from everywire.core.messages import Gap, Message


class State(Enum):
    """Where a subscription stands to the log."""

    REPLAYING = auto()
    LIVE = auto()
    LAGGING = auto()
    GAP = auto()
    CLOSED = auto()


class Input(Enum):
    """What happens to a subscription."""

    CAUGHT_UP = auto()
    SOCKET_FULL = auto()
    LOST = auto()
    GAP_SENT = auto()
    CLOSE = auto()


_MAX_SHARED: Final = 4

NEXT: Final[dict[tuple[State, Input], State]] = {
    (State.REPLAYING, Input.CAUGHT_UP): State.LIVE,
    (State.REPLAYING, Input.LOST): State.GAP,
    (State.REPLAYING, Input.SOCKET_FULL): State.REPLAYING,
    (State.REPLAYING, Input.CLOSE): State.CLOSED,
    (State.LIVE, Input.SOCKET_FULL): State.LAGGING,
    (State.LIVE, Input.CLOSE): State.CLOSED,
    (State.LAGGING, Input.CAUGHT_UP): State.LIVE,
    (State.LAGGING, Input.LOST): State.GAP,
    (State.LAGGING, Input.SOCKET_FULL): State.LAGGING,
    (State.LAGGING, Input.CLOSE): State.CLOSED,
    (State.GAP, Input.GAP_SENT): State.LAGGING,
    (State.GAP, Input.SOCKET_FULL): State.GAP,
    (State.GAP, Input.CLOSE): State.CLOSED,
}


@lru_cache(4096)
def _first_equal(names: frozenset[str]) -> frozenset[str]:
    return names


def shared_names(names: Iterable[str]) -> frozenset[str]:
    """A set of names; for few names the same object for all who ask for them.

    Most connections hear one channel and no pattern, which thousands of others hear as well.
    """
    found = frozenset(names)
    return _first_equal(found) if len(found) <= _MAX_SHARED else found


class Subscription:
    """Channels and patterns that move together.

    Attributes:
        state: Changed by `step` only.
        channels: Names; they become fewer as channels are unsubscribed or end.
        patterns: Patterns, likewise.
        position: Everything up to here was sent. Of no meaning while live.
        start: Where it began.
        owed: Where a loss began that a page was too short to tell, by channel; the gap that tells
            it in a later page goes back to there.
        waived: Losses that are no news (`everywire.core.pages.Page.marks`).
        conflation: Set where only the newest message of each event name is to be sent.
        version: Grows when the sets change, so that an answer read for others is noticed.
    """

    __slots__ = (
        "channels",
        "conflation",
        "owed",
        "patterns",
        "position",
        "start",
        "state",
        "version",
        "waived",
    )

    def __init__(
        self,
        channels: Iterable[str],
        patterns: Iterable[str],
        position: int,
        state: State = State.REPLAYING,
    ) -> None:
        self.channels = shared_names(channels)
        self.patterns = shared_names(patterns)
        self.position = self.start = position
        self.state = state
        self.waived: Mapping[str, int] = {}
        self.owed: dict[str, int] | None = None
        self.conflation: Conflation | None = None
        self.version = 0

    def step(self, happened: Input) -> State:
        """Go to the next state.

        Raises:
            KeyError: This cannot happen in this state; a fault of ours.
        """
        self.state = NEXT[self.state, happened]
        return self.state

    def holds(self, name: str) -> bool:
        """Whether a channel or pattern was subscribed to by this name."""
        return name in self.channels or name in self.patterns

    def hears(self, channel: str) -> bool:
        """Whether messages of a channel belong to it."""
        return channel in self.channels or any(matches(p, channel) for p in self.patterns)

    def discard(self, name: str) -> None:
        """Give up a channel or pattern."""
        self.channels = shared_names(self.channels - {name})
        self.patterns = shared_names(self.patterns - {name})
        self.version += 1

    def settle(self, items: Sequence[Message | Gap], left: Sequence[Gap]) -> list[Message | Gap]:
        """Stretch gaps back to where their losses began, and remember those still to be told."""
        owed = self.owed or {}
        told = [
            Gap(i.channel, owed.pop(i.channel, i.after), i.before, i.reason)
            if isinstance(i, Gap) and i.reason == "trimmed"
            else i
            for i in items
        ]
        for gap in left:
            owed.setdefault(gap.channel, gap.after)
        self.owed = owed or None
        return told

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it."""
        return not self.channels and not self.patterns


class Format(Protocol):
    """How a wire writes what it sends. Equal subscribers share one object, compared by identity."""

    def message(self, message: Message) -> bytes:
        """One message, encoded."""
        ...

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        """Several encoded messages as one write."""
        ...

    def gap(self, gap: Gap) -> bytes:
        """A gap, encoded."""
        ...


class Owner(Protocol):
    """The session that a subscriber belongs to; the shells of the wires are such."""

    def level(self, position: int) -> bytes:
        """What is said once everything up to the position has been sent, after a replay or a lag.

        It goes out with the last of that, in one write.
        """
        ...

    def channel_ended(self, channel: str) -> None:
        """The last message of a channel has been sent."""
        ...

    def too_slow(self) -> None:
        """It is behind, and the rule of a channel says to disconnect."""
        ...

    def set_back(self) -> None:
        """What came last could not be delivered: it reads that from the log."""
        ...

    def broken(self) -> None:
        """It cannot be written to; its connection ends, and the client comes back."""
        ...


class Subscriber:
    """A connection that listens.

    Attributes:
        format: How it wants messages.
        write: Sends bytes, never waits.
        owner: Its session.
        name: Public name of the connection, or None.
        ephemeral: Whether it gets ephemeral messages.
        subscriptions: In the order in which they were asked for.
        full: Its socket is over the high-water mark.
        reading: The log has been asked for it and has not answered.
        multi: It may hear more than one channel of a batch.
        starts: Where each channel and pattern started, in the order in which they were asked for;
            kept only where some may overlap.
    """

    __slots__ = (
        "ephemeral",
        "format",
        "full",
        "multi",
        "name",
        "owner",
        "reading",
        "starts",
        "subscriptions",
        "write",
    )

    def __init__(
        self,
        format: Format,
        write: Callable[[bytes], Any],
        owner: Owner,
        name: str | None = None,
        ephemeral: bool = True,
    ) -> None:
        self.format = format
        self.write = write
        self.owner = owner
        self.name = name
        self.ephemeral = ephemeral
        self.subscriptions: list[Subscription] = []
        self.full = False
        self.reading = False
        self.multi = False
        self.starts: dict[str, int] | None = None

    def live(self) -> Subscription | None:
        """The subscription that is live, if one is."""
        for subscription in self.subscriptions:
            if subscription.state is State.LIVE:
                return subscription
        return None

    def behind(self) -> Subscription | None:
        """The subscription that has to read from the log next: the one furthest behind."""
        found = None
        for subscription in self.subscriptions:
            if subscription.state is not State.LIVE and (
                found is None or subscription.position < found.position
            ):
                found = subscription
        return found

    def holding(self, name: str) -> Subscription | None:
        """The subscription that a channel or pattern is in."""
        for subscription in self.subscriptions:
            if subscription.holds(name):
                return subscription
        return None

    def note_starts(self, subscription: Subscription) -> None:
        """Remember where a new subscription starts, if it may overlap with another."""
        if self.starts is not None:
            names = [*subscription.channels, *subscription.patterns]
            self.starts.update((name, subscription.position) for name in names)
            return
        if not self.subscriptions:
            return
        every = [*self.subscriptions, subscription]
        if any(s.patterns for s in every):
            self.starts = {n: s.start for s in every for n in (*s.channels, *s.patterns)}

    def sent_by_others(self, subscription: Subscription) -> Callable[[Message], bool] | None:
        """Tells of a message of a subscription whether an earlier one sends it; None: none does."""
        starts = self.starts
        if starts is None:
            return None
        order = {name: number for number, name in enumerate(starts)}

        def covers(name: str, channel: str) -> bool:
            return name == channel or (is_pattern(name) and matches(name, channel))

        def sent(message: Message) -> bool:
            channel = message.channel
            names = [name for name in starts if covers(name, channel)]
            own = min((order[n] for n in names if subscription.holds(n)), default=len(order))
            return any(
                order[name] < own and starts[name] < message.id
                for name in names
                if not subscription.holds(name)
            )

        return sent

    def held(self) -> int:
        """How many channels and patterns it is subscribed to."""
        return sum(len(s.channels) + len(s.patterns) for s in self.subscriptions)
