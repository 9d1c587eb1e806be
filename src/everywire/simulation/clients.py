"""A client: it connects, reads what it is told, is cut, and goes on elsewhere from where it was.

What it remembers is the Python client's own `Positions`; which wire comes next is drawn. All that
it is told it writes down, in the words of `everywire.torture.history`; what only the truth can
judge (a position that was never given out, a channel subscribed to in between, an ephemeral
message) it judges at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from everywire.client.messages import gap_of
from everywire.client.positions import Positions
from everywire.simulation.asking import Wire, request
from everywire.simulation.decoding import (
    Told,
    answer_of,
    masked,
    page_told,
    socket_told,
    stream_told,
)
from everywire.simulation.extras import Episode
from everywire.simulation.network import SimulatedTransport
from everywire.simulation.scribe import Scribe
from everywire.torture.history import (
    Connected,
    Finished,
    Handed,
    Listens,
    Missed,
    Moved,
    Received,
)
from everywire.wires import frames

_PASSING: Final = frozenset({"unavailable", "too_large", "shutdown"})
"""Errors after which one comes back."""


class Client:
    """See the module.

    Args:
        number: Unlike all others.
        names: What it hears: channels, then patterns.
        since: 0: it begins with what is kept; None: with what is new.
        named: Whether it brings a name for its connections.
        world: Where it writes.

    Attributes:
        transport: Its connection; None: it has none.
        wire: Of this connection or the last.
    """

    def __init__(
        self, number: int, names: Sequence[str], since: int | None, named: bool, world: Scribe
    ) -> None:
        self.number = number
        self.names = tuple(names)
        self.transport: SimulatedTransport | None = None
        self.wire: Wire = "ws"
        self._world = world
        self._named = named
        self._open = self.names
        self._positions = Positions(self.names, since)
        self._life = -1
        self._listening = False
        self._connections = 0
        self._unknown: int | None = None
        self._asked = 0
        self._moved_first = False
        self._head_read = False
        self._welcomed = self._subscribed = False
        self._ephemeral: set[str] = set()
        self.extras: dict[str, Episode] = {}
        self._talk_waits = 0
        self._talked = 0
        self._published = 0

    @property
    def who(self) -> str:
        """Its name in the history: another one in each life of the log."""
        return f"client {self.number}" + (f" (life {self._life})" if self._life > 0 else "")

    @property
    def own(self) -> str:
        """Labels of what its connection must not hear begin so."""
        return f"c{self.number}/" + ("" if self._named else f"{self._connections}/")

    @property
    def done(self) -> bool:
        """Whether all it hears has ended."""
        return not self._open

    @property
    def ready(self) -> bool:
        """Whether it has a WebSocket that was welcomed."""
        return self.transport is not None and self.wire == "ws" and self._welcomed

    def level_at(self, head: int) -> bool:
        """Whether it was told that all up to a position has been sent."""
        whole = self._listening and self._unknown is None and not self._talk_waits
        return self.done or (whole and self._positions.lowest == head)

    # Connecting

    def connect(self, transport: SimulatedTransport, wire: Wire) -> None:
        """Begin a connection."""
        world = self._world
        if self._life != world.life:
            self._begin_life()
        self.transport, self.wire = transport, wire
        self._positions.resume()
        self._connections += 1
        self._head_read = self._welcomed = self._subscribed = False
        self._ephemeral.clear()
        self.extras.clear()
        self._talk_waits = self._published = 0
        if wire != "ws":
            self._begin_to_hear()
        self._ask()

    def _begin_life(self) -> None:
        """The log is another one, or has lost what it had said."""
        self._life = self._world.life
        self._listening = False
        self._unknown = None
        self._positions = Positions(self._open, self._positions.lowest)

    def _begin_to_hear(self) -> None:
        """It is about to ask for its channels."""
        self._world.flush()
        lowest = self._positions.lowest
        if not self._listening and lowest is not None:
            self._look_whether_known(lowest)
        if self._listening:
            self._note_connected()

    def _look_whether_known(self, since: int) -> None:
        # An event stream says the new position first (PROTOCOL): who is cut right there was told
        # where to go on, and not what it has missed.
        if self._unknown is not None and since != self._asked and not self._moved_first:
            words = f"goes on from {since}, and was never told that {self._asked} is unknown"
            self._world.broken("gap", self.who, words)
        self._asked, self._moved_first = since, False
        self._unknown = self._world.truth.unknown(since)
        if self._unknown is None:
            self._listen(since)

    def _listen(self, since: int) -> None:
        self._listening = True
        self._world.note(Listens(self.who, self._open, since))

    def _note_connected(self) -> None:
        since = self._positions.by_name(self._open) if self.wire == "ws" else None
        if since is None:
            since = self._positions.lowest or 0
        self._world.note(Connected(self.who, self._connections, self.wire, since))

    def _ask(self) -> None:
        connection = f"simulated-client-{self.number:08d}" if self._named else None
        since, limit = self._positions.lowest, 1 + self.number % 5
        self._send(request(self.wire, self._open, since, connection, limit))

    def _send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.send(data)

    def _say(self, frame: dict[str, object]) -> None:
        self._send(masked(msgspec.json.encode(frame)))

    def _subscribe(self) -> None:
        self._begin_to_hear()
        since = self._positions.by_name(self._open)
        if isinstance(since, dict):
            self._say({"type": "subscribe", "channels": since})
        elif since is None:
            self._say({"type": "subscribe", "channels": self._open})
        else:
            self._say({"type": "subscribe", "channels": self._open, "since": since})

    # What it does beside listening, on a WebSocket

    def subscribe(self, channel: str, start: int | str | None) -> None:
        """Hear one more channel: after a position, from its last two, or from now on."""
        if channel in self.extras and not self.extras[channel].over:
            return
        world = self._world
        self.extras[channel] = Episode(channel, world.truth, self.own, world.tight)
        frame: dict[str, object] = {"type": "subscribe", "channel": channel}
        if start == "history":
            frame["history"] = 2
        elif start is not None:
            frame["since"] = start
        self._say(frame)

    def unsubscribe(self, which: int) -> None:
        """Give up one of the channels that were subscribed to so.

        Each once: an answer to the second time could not be told from one to what comes after.
        """
        channels = [name for name, episode in self.extras.items() if not episode.leaving]
        if channels:
            channel = channels[which % len(channels)]
            self.extras[channel].leaving = True
            self._say({"type": "unsubscribe", "channel": channel})

    def talk(self, channel: str) -> None:
        """Publish, not to itself."""
        self._talked += 1
        self._talk_waits += 1
        data = {"label": f"c{self.number}/{self._connections}/{self._talked}"}
        frame = {"type": "publish", "channel": channel, "data": data, "echo": False}
        self._say({**frame, "ref": self._talked})

    def finish(self) -> None:
        """It has come to the end."""
        if self._listening and not self.done:
            self._world.note(Finished(self.who))

    # Listening

    def serve(self, writes: int) -> None:
        """Take so many writes, as far as there are any."""
        for _ in range(writes):
            transport = self.transport
            if transport is None:
                return
            data = transport.take()
            if data is None:
                if transport.finished:
                    self.leave()
                return
            self._read(data)

    def leave(self) -> None:
        """Have no connection any more."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.cut()

    def _read(self, data: bytes) -> None:
        if self._head_read and self.wire != "poll":
            told = socket_told(data) if self.wire == "ws" else stream_told(data)
        else:
            status, data = answer_of(data)
            self._head_read = True
            if status in (101, 200):
                reads = {"ws": socket_told, "sse": stream_told, "poll": page_told}
                told = reads[self.wire](data)
            else:
                self._turned_away(status)
                return
        for item in told:
            self._take(item)
        if self.wire == "poll":
            self._goes_on_polling()

    def _turned_away(self, status: int) -> None:
        if status == 204:
            for name in self._open:
                self._end(name)
        elif status != 503:
            self._world.broken("error", self.who, f"was answered {status}")
        self.leave()

    def _goes_on_polling(self) -> None:
        if self.done:
            self.leave()
        elif self.transport is not None:
            self._ask()

    def _take(self, told: Told) -> None:
        match told.kind:
            case "message":
                self._take_message(told)
            case "gap":
                self._take_gap(told)
            case "position":
                self._take_position(told.position)
            case "subscribed":
                self._take_start(told)
            case "unsubscribed":
                self._take_end(told)
            case "published":
                self._take_published(told.position)
            case "welcome":
                self._welcomed = True
                self._subscribe()
            case "ping":
                self._send(masked(b"", frames.PONG))
            case "close":
                self.leave()
            case "error":
                self._take_error(told)
            case _:
                pass

    def _take_message(self, told: Told) -> None:
        world, channel, position = self._world, told.name, told.position
        if not position:
            self._take_ephemeral(told)
            return
        if channel in self.extras:
            self._break(self.extras[channel].take(told))
            return
        if not self._listening:
            words = f"{channel} {position} came before it was told where it starts"
            world.broken("gap", self.who, words)
            return
        world.note(Received(self.who, channel, position, told.label, told.digest))
        if self._positions.take(channel, position):
            world.note(Handed(self.who, channel, position))
        if told.final and channel in self._open:
            self._end(channel)

    def _take_ephemeral(self, told: Told) -> None:
        label = told.label
        if self._world.ephemeral.get(label) != told.name:
            self._world.broken("invented", self.who, f"{label} in {told.name} is not ephemeral")
        if label in self._ephemeral:
            self._world.broken("repeat", self.who, f"the ephemeral {label} came twice")
        self._ephemeral.add(label)

    def _take_gap(self, told: Told) -> None:
        world, name = self._world, told.name
        if name in self.extras:
            self._break(self.extras[name].miss(told))
            return
        gap = gap_of(name, told.after, told.before, told.reason)
        if told.reason == "unknown_position":
            self._take_unknown(told)
        elif not self._listening:
            world.broken("gap", self.who, f"{gap} came before it was told where it starts")
        else:
            world.note(Missed(self.who, name, told.after, told.before, told.reason))
        self._positions.take_gap(gap)

    def _take_unknown(self, told: Told) -> None:
        if told.after != self._asked or told.before not in self._allowed():
            words = f"{self._asked} has the gap {told.after} to {told.before}"
            self._world.broken("gap", self.who, f"{words}, not to one of {self._allowed()}")
        if not self._listening:
            self._start(told.before - 1)

    def _allowed(self) -> set[int | None]:
        """Where the gap of an unknown position may end: the log may have moved meanwhile."""
        return {self._unknown, self._world.truth.unknown(self._asked)}

    def _take_position(self, position: int) -> None:
        if self.wire == "ws" and not self._subscribed:
            # It speaks of nothing: what is asked for is still on its way.
            return
        if not self._listening and self._unknown is not None:
            if position + 1 not in self._allowed():
                words = f"was told {position} for the unknown {self._asked}"
                self._world.broken("position", self.who, words)
            self._moved_first = True
            self._positions.move(position)
            return
        if not self._listening:
            self._start(position)
        self._unknown = None
        self._world.note(Moved(self.who, position))
        self._positions.move(position)
        for episode in self.extras.values():
            self._break(episode.move(position))

    def _take_start(self, told: Told) -> None:
        if told.name in self.extras:
            self.extras[told.name].start(told.position)
            return
        self._subscribed = True
        if not self._listening and self._unknown is None:
            self._start(told.position)
        self._positions.start(told.name, told.position)

    def _start(self, position: int) -> None:
        """It is told where its messages begin, and did not know that before."""
        self._listen(position)
        self._world.note(Connected(self.who, self._connections, self.wire, position))

    def _take_end(self, told: Told) -> None:
        if told.name in self.extras:
            self.extras[told.name].over = True
        elif told.name in self._open:
            self._end(told.name)

    def _end(self, name: str) -> None:
        self._open = tuple(other for other in self._open if other != name)
        self._positions.end(name)
        if not self._open and self._listening:
            self._world.note(Finished(self.who))

    def _take_published(self, position: int) -> None:
        self._talk_waits -= 1
        if position <= self._published:
            words = f"its publishes got {self._published}, then {position}"
            self._world.broken("rising", self.who, words)
        self._published = position

    def _take_error(self, told: Told) -> None:
        if told.reason not in _PASSING:
            self._world.broken("error", self.who, f"was told {told.reason}")
        self._talk_waits = max(0, self._talk_waits - 1)

    def _break(self, found: Iterable[tuple[str, str]]) -> None:
        for promise, what in found:
            self._world.broken(promise, self.who, what)
