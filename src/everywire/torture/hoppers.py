"""Clients that are cut, and come back on another wire.

A hopper is the client that everybody uses (`everywire.client.Tail`), with the wire of each
connection drawn anew, and connections that it leaves by itself after some events. What the server
says is noted as it comes, before the client makes anything of it; what the client makes of it is
noted too.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Final

from everywire.client import GaveUp, Message, Refused
from everywire.client.address import Address
from everywire.client.errors import Lost
from everywire.client.events import Ask, Event
from everywire.client.events import Moved as EventMoved
from everywire.client.messages import Gap
from everywire.client.retry import Backoff
from everywire.client.tails import SESSIONS, Tail, Wire
from everywire.torture.history import (
    Connected,
    Failed,
    Finished,
    Handed,
    History,
    Listens,
    Missed,
    Moved,
    Received,
    digest,
    label_of,
)

END_LABEL: Final = "end/"
"""Labels of a channel's last message begin so."""

_STAYS: Final = 0.4
"""The part of connections that it does not leave by itself."""

_MOST_EVENTS: Final = 400


class Stopped(Exception):
    """The run is over, whether everything has come or not."""


class Hopper:
    """See the module; `run` is a thread's.

    Args:
        name: Unlike all others.
        url: Where to connect.
        names: Channels and patterns.
        since: Where to start.
        history: Takes down what happens.
        draw: Its luck.
        stop: Set when the run is over.
        channels: The channels that its names stand for; it is done when all have ended.
        healed: Set when faults are over; it then stays where it is.

    Attributes:
        connections: How many there were, by wire.
        done: Whether it has come to the end.
    """

    def __init__(
        self,
        name: str,
        url: str,
        names: Sequence[str],
        since: int,
        history: History,
        draw: random.Random,
        stop: threading.Event,
        channels: Sequence[str],
        healed: threading.Event,
    ) -> None:
        self.name = name
        self.connections: Counter[str] = Counter()
        self.done = False
        self._url = url
        self._names = tuple(names)
        self._since = since
        self._history = history
        self._draw = draw
        self._stop = stop
        self._waiting = set(channels)
        self._healed = healed

    def run(self) -> None:
        """Hear everything, up to the end of each channel."""
        self._history.add(Listens(self.name, self._names, self._since))
        try:
            self._hear()
        except Stopped:
            return
        except (Refused, GaveUp) as error:
            self._history.add(Failed(self.name, f"was turned away: {error}"))
        else:
            self.done = True
            self._history.add(Finished(self.name))

    def _hear(self) -> None:
        tail = Tail(
            self._url,
            self._names,
            self._since,
            patience=60,
            backoff=Backoff(base=0.05, cap=0.5, random=self._draw.random),
            sleep=pause(self._stop),
            session=self._session,
        )
        with tail:
            for item in tail:
                if isinstance(item, Gap):
                    continue
                self._hand_on(item)
                if not self._waiting:
                    return

    def _hand_on(self, message: Message) -> None:
        self._history.add(Handed(self.name, message.channel, message.id or 0))
        if label_of(message.get("data")).startswith(END_LABEL):
            self._waiting.discard(message.channel)

    def _session(self, address: Address, ask: Ask, token: str | None = None) -> Generator[Event]:
        wire: Wire = self._draw.choice(tuple(SESSIONS))
        self.connections[wire] += 1
        number = self.connections.total()
        since = ask.since if wire == "ws" else ask.lowest
        asked = dict(since) if isinstance(since, Mapping) else since or 0
        self._history.add(Connected(self.name, number, wire, asked))
        left = None if self._draw.random() < _STAYS else self._draw.randint(1, _MOST_EVENTS)
        with closing(SESSIONS[wire](address, ask, token)) as events:
            for count, event in enumerate(events):
                self._note(event)
                yield event
                if self._stop.is_set():
                    raise Stopped
                if count == left and not self._healed.is_set():
                    raise Lost("it leaves by itself")

    def _note(self, event: Event) -> None:
        match event:
            case Message():
                label = label_of(event.get("data"))
                seen = Received(self.name, event.channel, event.id or 0, label, digest(event.json))
                self._history.add(seen)
            case Gap():
                gap = Missed(self.name, event.channel, event.after, event.before, event.reason)
                self._history.add(gap)
            case EventMoved(position):
                self._history.add(Moved(self.name, position))
            case _:
                pass


def pause(stop: threading.Event) -> Callable[[float], None]:
    """Something that waits for so many seconds, but no longer than the run goes on."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    return sleep
