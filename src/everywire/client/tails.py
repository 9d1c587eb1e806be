"""Hearing channels, for as long as it takes.

A `Tail` hears channels and patterns over one wire, and when the connection is lost it comes back
and goes on where it was: no message twice, none silently missed. What may be missing is a `Gap`.

The wires' sessions say what a connection tells; here it is decided what that means: what is new
(``positions``), when to come back (``retry``), and when it is over: when every channel has ended,
or the server has refused for good. Once the server has been reached it is tried for ever; until
then for ``patience`` seconds, so that a wrong URL is an error and not a silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Final, Literal, Protocol

from everywire.client.address import Address
from everywire.client.errors import GaveUp, Lost, Refused, Unreachable
from everywire.client.events import Ask, Comeback, Connected, Ended, Event, Moved, Started
from everywire.client.messages import Gap, Message
from everywire.client.poll_tail import poll_session
from everywire.client.positions import Positions
from everywire.client.retry import Backoff
from everywire.client.sse_tail import sse_session
from everywire.client.ws_tail import ws_session
from everywire.core.channels import check_channel_or_pattern, is_pattern
from everywire.core.errors import UsageError
from everywire.core.positions import MAX_POSITION

Wire = Literal["ws", "sse", "poll"]

FIRST_CONTACT: Final = 10.0
"""Seconds in which the server has to be reached for the first time."""

_GOOD: Final = 10.0
"""Seconds after which a connection was a good one, even where no message came."""


class Session(Protocol):
    """A wire's session (``events``)."""

    def __call__(self, address: Address, ask: Ask, token: str | None = None) -> Generator[Event]:
        """Ask, and yield what a connection tells."""
        ...


SESSIONS: Final[dict[Wire, Session]] = {
    "ws": ws_session,
    "sse": sse_session,
    "poll": poll_session,
}


class Tail(Iterator[Message | Gap]):
    """What channels bring, in order, across as many connections as it takes.

    Args:
        url: The server.
        channels: Channels and patterns, at least one; each once.
        since: Start after this position; 0: with all that is kept; None: with what is new.
        wire: ``ws``, ``sse`` or ``poll``.
        history: Start before the so-manieth last message of each channel; only with the wire
            ``ws``, without ``since``, and not with patterns.
        token: Sent as ``Authorization: Bearer``.
        patience: Seconds in which the server has to be reached for the first time.
        notify: Told in words when the connection is lost (once, not for each try), when it is
            there again, and when a channel ends.
        backoff: Waits between tries.
        clock: Seconds, never going back.
        sleep: Waits so many seconds.
        session: In place of the wire's own, for tests.

    Raises:
        RequestError: ``bad_channel``.
        UsageError: The arguments do not go together.

    Iterating raises:
        Refused: The server said no, for good.
        GaveUp: It was not reached in ``patience`` seconds.
    """

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        since: int | None = None,
        wire: Wire = "ws",
        *,
        history: int | None = None,
        token: str | None = None,
        patience: float = FIRST_CONTACT,
        notify: Callable[[str], object] = lambda words: None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        session: Session | None = None,
    ) -> None:
        self._address = Address(url)
        self._open = tuple(dict.fromkeys(map(check_channel_or_pattern, channels)))
        self._history = _check(self._open, since, wire, history)
        self._token = token
        self._patience = patience
        self._notify = notify
        self._backoff = Backoff() if backoff is None else backoff
        self._clock = clock
        self._sleep = sleep
        self._session = SESSIONS[wire] if session is None else session
        self._positions = Positions(self._open, since)
        self._began = clock()
        self._reached = False
        self._connected_at: float | None = None
        self._away_since: float | None = None
        self._comeback = 0.0
        self._revoked: Refused | None = None
        self._items = self._run()

    @property
    def position(self) -> int | None:
        """Where one would go on, on any wire; None: not known yet."""
        return self._positions.lowest

    def close(self) -> None:
        """Hear no more."""
        self._items.close()

    def __iter__(self) -> Tail:
        return self

    def __next__(self) -> Message | Gap:
        return next(self._items)

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> Generator[Message | Gap]:
        while self._open:
            try:
                yield from self._connection()
            except (Lost, Unreachable) as fault:
                self._wait(fault)
        if self._revoked is not None:
            raise self._revoked

    def _connection(self) -> Generator[Message | Gap]:
        """What one connection brings, up to its end or that of the last channel."""
        self._positions.resume()
        self._connected_at = None
        with closing(self._session(self._address, self._ask(), self._token)) as events:
            for event in events:
                item = self._take(event)
                if item is not None:
                    yield item
                    if isinstance(item, Message) and item.final:
                        self._end(item.channel, "final")
                if not self._open:
                    return
        raise Lost("the connection ended")

    def _ask(self) -> Ask:
        return Ask(self._open, self._positions.by_name(self._open), self._reached, self._history)

    def _take(self, event: Event) -> Message | Gap | None:
        """Draw the consequences of an event; return what is news to the caller."""
        match event:
            case Message():
                return self._take_message(event)
            case Gap():
                return self._positions.take_gap(event)
            case Moved(position):
                self._positions.move(position)
            case Started(name, position):
                self._positions.start(name, position)
            case Connected():
                self._found()
            case Comeback(seconds):
                self._comeback = seconds
            case Ended(name, reason):
                self._end(name, reason)
        return None

    def _take_message(self, message: Message) -> Message | None:
        if message.id is None:
            return message
        if not self._positions.take(message.channel, message.id):
            return None
        self._backoff.reset()
        return message

    def _end(self, name: str, reason: str) -> None:
        if name not in self._open:
            return
        self._open = tuple(other for other in self._open if other != name)
        self._positions.end(name)
        if reason == "final":
            self._notify(f"{name} has ended")
            return
        words = f"the server ended the subscription to {name}" + (reason and f" ({reason})")
        self._notify(words)
        self._revoked = Refused("forbidden", words, status=403)

    def _found(self) -> None:
        now = self._clock()
        self._reached = True
        self._connected_at = now
        if self._away_since is not None:
            self._notify(f"connected again after {now - self._away_since:.1f} s")
            self._away_since = None

    def _wait(self, fault: Lost | Unreachable) -> None:
        """Say that the connection is lost, if that is news, and wait for the next try."""
        now = self._clock()
        if self._connected_at is not None and now - self._connected_at >= _GOOD:
            self._backoff.reset()
        asked = max(self._comeback, getattr(fault, "retry_after", None) or 0.0)
        if not self._reached and now - self._began + asked >= self._patience:
            raise GaveUp(_last(self._address, fault), now - self._began) from fault
        if self._away_since is None:
            self._away_since = now
            self._notify(f"{fault}; trying again")
        self._sleep(self._backoff.delay(asked))


def tail(
    url: str,
    channels: Sequence[str],
    since: int | None = None,
    wire: Wire = "ws",
    *,
    history: int | None = None,
    token: str | None = None,
    notify: Callable[[str], object] = lambda words: None,
) -> Tail:
    """Hear channels and patterns, across as many connections as it takes.

    The arguments, and what is raised, are those of `Tail`.
    """
    return Tail(url, channels, since, wire, history=history, token=token, notify=notify)


def _check(
    names: tuple[str, ...], since: int | None, wire: Wire, history: int | None
) -> int | None:
    if wire not in SESSIONS:
        raise UsageError(f"there is no wire {wire!r}; allowed are {', '.join(SESSIONS)}")
    if not names:
        raise UsageError("name at least one channel or pattern")
    if since is not None and not 0 <= since <= MAX_POSITION:
        raise UsageError(f"since is a position: 0 to {MAX_POSITION}")
    if history is None:
        return None
    if wire != "ws":
        raise UsageError(f"history is for the wire ws; on {wire} give since")
    if since is not None:
        raise UsageError("history and since say both where to start; give one")
    if any(map(is_pattern, names)):
        raise UsageError("there is no history on patterns; name the channels, or give since")
    if history < 1:
        raise UsageError("history counts from 1")
    return history


def _last(address: Address, fault: Lost | Unreachable) -> Unreachable | Refused:
    if isinstance(fault, Unreachable):
        return fault
    return fault.refused or Unreachable(address.url, fault.reason)
