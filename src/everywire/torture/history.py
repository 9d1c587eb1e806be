"""What happened, as everybody was told it.

A run writes down events; the checker reads them. One event says what one party saw, in the order
in which it saw it: the events of one client are in order among each other, and so are those of one
publisher. Between parties the order says nothing.

Messages are known by a *label* that their publisher gave them, which is part of their data, and by
the CRC of that data: so a message that is altered, invented or taken twice shows.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="event"):
    """Something that somebody saw."""


class Attempted(Event, frozen=True):
    """A publisher is about to publish; whether it comes to anything is not known yet."""

    publisher: str
    channel: str
    label: str
    digest: int


class Acknowledged(Event, frozen=True):
    """The server said that it has a message.

    Attributes:
        again: It was sent once more after it had been acknowledged, with the same key.
    """

    publisher: str
    channel: str
    label: str
    id: int
    again: bool = False


class Listens(Event, frozen=True):
    """A client begins.

    Attributes:
        names: The channels and patterns it hears.
        since: It starts after this position; 0: with all that is kept.
    """

    client: str
    names: tuple[str, ...]
    since: int


class Connected(Event, frozen=True):
    """A client's connection begins.

    Attributes:
        connection: Its number, of this client's.
        wire: ``ws``, ``sse`` or ``poll``.
        since: Where it asked to go on, for all names or for each.
    """

    client: str
    connection: int
    wire: str
    since: int | dict[str, int]


class Received(Event, frozen=True):
    """A message came over the connection that began last."""

    client: str
    channel: str
    id: int
    label: str
    digest: int


class Missed(Event, frozen=True):
    """A gap came."""

    client: str
    name: str
    after: int
    before: int
    reason: str


class Moved(Event, frozen=True):
    """The server said that everything up to a position has been sent."""

    client: str
    position: int


class Handed(Event, frozen=True):
    """The client gave a message to the program that uses it."""

    client: str
    channel: str
    id: int


class Finished(Event, frozen=True):
    """A client has come to the end of every channel it hears."""

    client: str


class Failed(Event, frozen=True):
    """A client or publisher could not do what it has to do."""

    who: str
    why: str


class Kept(Event, frozen=True):
    """What the log holds of a channel at the end: position, label and digest of each message."""

    channel: str
    messages: tuple[tuple[int, str, int], ...]


AnyEvent = (
    Attempted
    | Acknowledged
    | Listens
    | Connected
    | Received
    | Missed
    | Moved
    | Handed
    | Finished
    | Failed
    | Kept
)

MAX_EVENTS: Final = 5_000_000
"""Events that a history takes; a run is told when it is full."""


class HistoryFull(Exception):
    """Too much has happened to be kept."""


class History:
    """Takes down events, from any thread.

    Attributes:
        events: In the order in which they were noted.
    """

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self._lock = threading.Lock()

    def add(self, event: AnyEvent) -> None:
        """Note an event.

        Raises:
            HistoryFull: There is no more room.
        """
        with self._lock:
            if len(self.events) >= MAX_EVENTS:
                raise HistoryFull
            self.events.append(event)

    def count(self, kind: type[Event]) -> int:
        """How many events of a kind there are."""
        with self._lock:
            return sum(isinstance(event, kind) for event in self.events)


def save(events: Iterable[AnyEvent], path: Path) -> None:
    """Write events as NDJSON."""
    with path.open("wb") as file:
        file.writelines(msgspec.json.encode(event) + b"\n" for event in events)


def load(path: Path) -> Sequence[AnyEvent]:
    """Read what `save` wrote.

    Raises:
        msgspec.DecodeError: It is something else.
    """
    decode = msgspec.json.Decoder(AnyEvent).decode
    with path.open("rb") as file:
        return [decode(line) for line in file]


def digest(data: bytes) -> int:
    """What is remembered of a message's data."""
    return zlib.crc32(data)


def label_of(data: object) -> str:
    """The label in a message's data; empty where there is none."""
    if isinstance(data, Mapping):
        label: Any = data.get("label")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return label if isinstance(label, str) else ""
    return ""
