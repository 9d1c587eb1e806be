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
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, Protocol

from everywire.core.channels import matches
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


class Subscription:
    """Channels and patterns that move together.

    Attributes:
        state: Changed by `step` only.
        channels: Names; the set shrinks as channels are unsubscribed or end.
        patterns: Patterns, likewise.
        position: Everything up to here was sent. Of no meaning while live.
        waived: Losses that are no news (`everywire.core.pages.Page.marks`).
        conflation: Set where only the newest message of each event name is to be sent.
        version: Grows when the sets change, so that an answer read for others is noticed.
    """

    __slots__ = ("channels", "conflation", "patterns", "position", "state", "version", "waived")

    def __init__(
        self,
        channels: Iterable[str],
        patterns: Iterable[str],
        position: int,
        state: State = State.REPLAYING,
    ) -> None:
        self.channels = set(channels)
        self.patterns = set(patterns)
        self.position = position
        self.state = state
        self.waived: Mapping[str, int] = {}
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
        self.channels.discard(name)
        self.patterns.discard(name)
        self.version += 1

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

    def level(self, position: int) -> None:
        """Everything up to the position has been sent, after a replay or a lag."""
        ...

    def channel_ended(self, channel: str) -> None:
        """The last message of a channel has been sent."""
        ...

    def too_slow(self) -> None:
        """It is behind, and the rule of a channel says to disconnect."""
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
    """

    __slots__ = (
        "ephemeral",
        "format",
        "full",
        "multi",
        "name",
        "owner",
        "reading",
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

    def live(self) -> Subscription | None:
        """The subscription that is live, if one is."""
        for subscription in self.subscriptions:
            if subscription.state is State.LIVE:
                return subscription
        return None

    def behind(self) -> Subscription | None:
        """The first subscription that has to read from the log."""
        for subscription in self.subscriptions:
            if subscription.state is not State.LIVE:
                return subscription
        return None

    def holding(self, name: str) -> Subscription | None:
        """The subscription that a channel or pattern is in."""
        for subscription in self.subscriptions:
            if subscription.holds(name):
                return subscription
        return None

    def held(self) -> int:
        """How many channels and patterns it is subscribed to."""
        return sum(len(s.channels) + len(s.patterns) for s in self.subscriptions)
