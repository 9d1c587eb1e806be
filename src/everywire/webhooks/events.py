"""What an endpoint is told after it happened.

An event is a type of the table below, and what it is about. In a request it stands with its time
and its number: those of an endpoint count up by one, so a number that is left out is an event that
was dropped. ::

    {"type": "everywire.events", "timestamp": "…", "data": {"dropped": 0, "events": [
        {"id": "evt_3f…_billing_17", "seq": 17, "type": "occupied", "ts": 1763942400000,
         "data": {"channel": "chat.1"}}, …]}}

``dropped`` counts those missing right before the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw

from everywire.webhooks.questions import envelope
from everywire.webhooks.settings import EventName

BATCH_TYPE: Final = "everywire.events"
"""The ``type`` of a request that tells events."""


class Event(msgspec.Struct, omit_defaults=True):
    """Something that happened.

    Attributes:
        name: Its type.
    """

    name: ClassVar[EventName]

    @property
    def about(self) -> str | None:
        """The channel that it is about, by which endpoints choose; None: none."""
        return getattr(self, "channel", None)


class Connected(Event):
    """Somebody has connected.

    Attributes:
        connection: Public name of the connection.
        wire: ``ws``, ``sse`` or ``poll``.
        user: Who they are.
        address: The IP address they come from.
    """

    name = "connected"
    connection: str
    wire: str
    user: str | None = None
    address: str | None = None


class Disconnected(Event):
    """They are gone.

    Attributes:
        connection: Public name of the connection.
        wire: The last they used.
        user: Who they were.
        reason: Why, if the server knows.
    """

    name = "disconnected"
    connection: str
    wire: str
    user: str | None = None
    reason: str | None = None


class Occupied(Event):
    """Somebody hears a channel that nobody heard."""

    name = "occupied"
    channel: str


class Vacated(Event):
    """Nobody hears a channel any more."""

    name = "vacated"
    channel: str


class PresenceChanged(Event):
    """Somebody entered, changed or left a channel.

    Attributes:
        channel: Where.
        action: ``enter``, ``update`` or ``leave``.
        member: As in a presence message, JSON.
    """

    name = "presence"
    channel: str
    action: str
    member: Raw


class Missed(Event):
    """A subscriber was told that messages may be missing.

    Attributes:
        channel: A channel, or the pattern it was asked for by.
        after: Up to here nothing is missing.
        before: From here on likewise.
        reason: As in the gap.
        connection: Whose.
    """

    name = "gap"
    channel: str
    after: int
    before: int
    reason: str
    connection: str | None = None


class _Told(msgspec.Struct):
    id: str
    seq: int
    type: str
    ts: int
    data: Raw


class _Batch(msgspec.Struct):
    dropped: int
    events: Sequence[Raw]


_encode = msgspec.json.Encoder().encode


def encoded(event: Event) -> Raw:
    """What an event is about, as JSON; the same for all who are told."""
    return Raw(_encode(event))


def told(event: Event, data: Raw, queue: str, seq: int, ts: int) -> bytes:
    """An event as one endpoint is told it.

    Args:
        event: What happened.
        data: From `encoded`.
        queue: What sets the endpoint's numbers apart from all others.
        seq: Its number among those of the endpoint.
        ts: Milliseconds since the epoch.
    """
    return _encode(_Told(f"evt_{queue}_{seq}", seq, event.name, ts, data))


def batch_body(events: Sequence[bytes], dropped: int, now: float) -> bytes:
    """The body of a request that tells events.

    Args:
        events: From `told`, in order.
        dropped: Events missing before the first.
        now: Seconds since the epoch.
    """
    batch: Any = _Batch(dropped, [Raw(event) for event in events])
    return envelope(BATCH_TYPE, now, batch)
