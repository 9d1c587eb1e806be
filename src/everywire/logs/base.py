"""What a log is.

One ordered list of messages over all channels, and what has to be known about it: what was lost
(watermarks), what was never given out (openings), which channels have ended, which publishes were
already taken (idempotency keys).

What every log promises:

* An append is all or nothing; its messages get consecutive positions above the head; it is as
  durable as the log can make it when it is answered.
* Messages reach the follower in position order, each once, before their append is answered where
  the log is on another thread or machine, and at the latest in the next turn of the loop where it
  is not. ``advance(P)`` then says: everything up to P was handed over.
* Nothing is trimmed that was not handed over. A trim writes the channel's watermark with it.
* The order of the checks of an append: a known idempotency key answers the stored positions, even
  after the channel ended; then an ended channel refuses; then ``expected_id``.
* Keyed state (state.py): the newest message of each channel and key is kept whatever the retention.
  It changes together with the append. A watermark stays the newest *lost* position, so below it
  messages may be left; a read gives them in their order, each with a gap before it where something
  may be missing (holes.py). An end frees no key.
* Leases (leases.py): a will is appended once, as any publish is, and after a crash within a ttl of
  the next opening. What one turn submits, appends and leases alike, happens in that order, so who
  takes a lease first and then says that he is here leaves no trace of himself, whatever happens.

All methods are called on the loop's thread. ``submit``, ``renew`` and ``recent`` are the hot ones
and never wait; the others may. Only the clocks of the settings may be called from a thread of the
log. What brokers would do for keyed state and leases is in docs/decisions/0010.

Reserved for later: ``bus`` (what goes between nodes at most once), which a log on one machine has
no use for.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from everywire.core.errors import EverywireError, RequestError
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Message
from everywire.core.pages import PAGE_MESSAGES, Page, Query
from everywire.core.positions import Openings
from everywire.core.rules import LogRetention, Rules
from everywire.core.watermarks import MAX_WATERMARKS
from everywire.logs.leases import Lease, LeaseChange
from everywire.logs.state import StatePage

MAX_ENDED: Final = 1_000_000
"""Channels remembered as ended; the one that ended longest ago is forgotten first."""

_LIMITS: Final = Limits()


class Appended(msgspec.Struct, gc=False):
    """What an append answers.

    Attributes:
        positions: One a draft, in order. For a known key, those stored with it.
        duplicate: The idempotency key was known; nothing was appended.
    """

    positions: Sequence[int]
    duplicate: bool = False


class Append(msgspec.Struct, gc=False):
    """Drafts to append, all or nothing.

    Attributes:
        drafts: At least one; none ephemeral.
        done: Called once, on the loop's thread, with what came of it.
        publisher: Whose idempotency key it is; anonymous publishers are one.
        key: Idempotency key; it counts for the first draft's channel.
        size: Bytes that it counts for while it waits.
    """

    drafts: Sequence[Draft]
    done: Callable[[Appended | EverywireError], None]
    publisher: str = ""
    key: str | None = None
    size: int = 0

    @property
    def scope(self) -> tuple[str, str, str] | None:
        """What the key is unique in; None without a key."""
        if self.key is None:
            return None
        return (self.publisher, self.drafts[0].channel, self.key)


class ChannelStatus(msgspec.Struct, frozen=True):
    """What is known of a channel.

    Attributes:
        last_id: Its newest position, kept, trimmed or final; None: none is known.
        oldest_id: Of the messages kept; None: none is.
        messages: How many are kept.
    """

    last_id: int | None
    oldest_id: int | None
    messages: int


class Sink(Protocol):
    """Who follows a log."""

    def batch(self, messages: Sequence[Message]) -> None:
        """Messages in position order, after all that came before."""
        ...

    def advance(self, position: int) -> None:
        """Everything up to this position was handed over."""
        ...


@dataclass(frozen=True)
class LogSettings:
    """What a log is opened with.

    Attributes:
        retention: What the whole log keeps; None: the engine's own default.
        rules: Retention by channel.
        key_window_ms: How long an idempotency key counts.
        max_waiting_bytes: Bytes of drafts not answered yet; above it appends are refused with
            `LogUnavailable`.
        now_us: The clock, microseconds since the epoch. Called from any thread.
        soon: Runs a callback in the loop's next turn.
        max_watermarks: Watermarks kept; beyond them the lowest goes and raises the floor.
        max_ended: Channels remembered as ended; the one that ended longest ago is forgotten first.
        max_channel_keys: Keys of a channel that may hold a message.
        max_state_bytes: Bytes of all messages that keys hold.
        max_leases: Leases held at once.
        monotonic: A clock of leases, seconds, that does not jump or go back; None: ``now_us``.
    """

    now_us: Callable[[], int]
    soon: Callable[[Callable[[], None]], object]
    retention: LogRetention | None = None
    rules: Rules = field(default_factory=Rules)
    key_window_ms: int = 600_000
    max_waiting_bytes: int = 16 * 1024 * 1024
    max_watermarks: int = MAX_WATERMARKS
    max_ended: int = MAX_ENDED
    max_channel_keys: int = _LIMITS.max_channel_keys
    max_state_bytes: int = _LIMITS.max_state_bytes
    max_leases: int = _LIMITS.max_leases
    monotonic: Callable[[], float] | None = None

    @property
    def lease_clock(self) -> Callable[[], float]:
        """The clock of leases."""
        return self.monotonic or (lambda: self.now_us() / 1e6)


class Log(ABC):
    """The interface of every log; the module says what it promises."""

    @property
    @abstractmethod
    def where(self) -> str:
        """For people: where the data is."""

    @property
    @abstractmethod
    def failure(self) -> str | None:
        """Why the log does not take appends now; None: it does."""

    @abstractmethod
    async def open(self, sink: Sink) -> None:
        """Open the log and hand everything appended from now on to a sink.

        Raises:
            LogRefused: It is in use, damaged or of another version.
        """

    @abstractmethod
    async def close(self) -> None:
        """Answer what waits, then let go of everything."""

    @abstractmethod
    def submit(self, append: Append) -> None:
        """Append drafts; ``append.done`` gets the answer, at once or later.

        It gets `Appended`; or RequestError ``conflict`` (a channel has ended, or a key's newest
        message is not the expected one) or ``too_large`` (a channel holds too many keys); or
        LogUnavailable.
        """

    async def append(
        self, drafts: Sequence[Draft], publisher: str = "", key: str | None = None
    ) -> Appended:
        """`submit`, awaited.

        Raises:
            RequestError: ``conflict`` or ``too_large``.
            LogUnavailable: Nothing was appended.
        """
        answer: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def done(result: Appended | EverywireError) -> None:
            if answer.cancelled():
                return
            if isinstance(result, EverywireError):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        self.submit(Append(drafts, done, publisher, key))
        return await answer

    @abstractmethod
    def head(self) -> int:
        """The newest position that was handed over."""

    @abstractmethod
    def openings(self) -> Openings:
        """Birth and holes."""

    @abstractmethod
    def ended(self, channel: str) -> int:
        """The position of the message that ended the channel; 0: it has not ended."""

    @abstractmethod
    def recent(self, query: Query) -> Page | None:
        """`read` from what is in memory; None where that is not enough."""

    @abstractmethod
    async def read(self, query: Query) -> Page:
        """Messages and gaps after a position, to a page's end.

        Raises:
            LogUnavailable: The store did not answer; nothing was read.
        """

    @abstractmethod
    async def read_back(self, channel: str, before: int, after: int, limit: int) -> list[Message]:
        """The newest messages of a channel between two positions, exclusive, newest first.

        Raises:
            LogUnavailable: The store did not answer.
        """

    @abstractmethod
    async def nth_last(self, channel: str, count: int) -> int:
        """The position to read after for the last ``count`` messages kept; 0: for all of them.

        Raises:
            LogUnavailable: The store did not answer.
        """

    @abstractmethod
    async def status(self, channel: str) -> ChannelStatus:
        """What is known of a channel; Nones and zero where it never was.

        Raises:
            LogUnavailable: The store did not answer.
        """

    @abstractmethod
    async def watermarks(self, names: Iterable[str]) -> Mapping[str, int]:
        """The newest lost positions of channels and patterns, of those that lost something.

        Raises:
            LogUnavailable: The store did not answer.
        """

    @abstractmethod
    async def state(
        self, channel: str, after: int = 0, upto: int | None = None, limit: int = PAGE_MESSAGES
    ) -> StatePage:
        """The newest message of each key of a channel, in position order.

        A subscription from the answer's position goes on without a hole and without a repeat. For
        a further page ask with ``after`` the last one's id, and ``upto`` the first page's
        position: a key that has changed meanwhile is left out, and comes with the subscription.

        Args:
            channel: Its name.
            after: Position, exclusive.
            upto: Position, inclusive; None: the head.
            limit: Messages, 1 to `PAGE_MESSAGES`; a page also ends at `PAGE_BYTES`.

        Raises:
            LogUnavailable: The store did not answer.
        """

    @abstractmethod
    def submit_lease(self, change: LeaseChange) -> None:
        """Begin, replace or give up a lease; ``change.done`` gets the answer, at once or later.

        The old one holds until the log has the change, and does not run out before that.

        Raises:
            UsageError: Its id, ttl or will is none.
        """

    async def lease(self, lease_id: str, ttl: float, will: Sequence[Draft]) -> None:
        """Have drafts appended if this is not renewed; replaces the lease of the same id.

        Args:
            lease_id: 1 to 200 bytes.
            ttl: Seconds, above 0. It may run out as late as a `tick` comes.
            will: At least one draft; each is appended by itself, in order.

        Raises:
            UsageError: One of these is not so.
            LogUnavailable: There are too many leases, or the store did not take it.
        """
        await self._change_lease(lease_id, Lease(lease_id, ttl, tuple(will)))

    async def release(self, lease_id: str) -> None:
        """Give a lease up, without its will; nothing happens if there is none.

        Raises:
            LogUnavailable: The store did not take it, and the lease holds.
        """
        await self._change_lease(lease_id, None)

    async def _change_lease(self, lease_id: str, lease: Lease | None) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: EverywireError | None) -> None:
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(None)

        self.submit_lease(LeaseChange(lease_id, lease, done))
        await answer

    @abstractmethod
    def renew(self, lease_id: str) -> bool:
        """Give a lease its whole ttl again; False: there is none, or it is running out.

        Nothing is written: after an opening every lease has its whole ttl.
        """

    def flush(self) -> None:
        """Hand over now what an append has put into the log in this turn.

        Asked before a subscriber gets its first position, so that what was published before it
        came lies behind it. A log on another thread has nothing of the kind.
        """

    @abstractmethod
    def tick(self) -> None:
        """Retention, expiry, leases, recovery. Called about once a second; does a small step."""

    async def settle(self) -> None:
        """Wait until what was submitted is answered and retention has nothing left to do.

        For tests and tools; a server's log settles by itself.
        """
        self.flush()
        self.tick()

    def want(self, channels: Iterable[str], patterns: Iterable[str]) -> None:
        """Somebody here listens to these. A log that hands everything over need not know."""

    def unwant(self, channels: Iterable[str], patterns: Iterable[str]) -> None:
        """Nobody here listens to these any more."""


def ended_conflict(channel: str) -> RequestError:
    """The error of a publish to a channel that has ended."""
    return RequestError(
        "conflict", f"channel {channel!r} has ended with a final message", channel=channel
    )


def first_ended(drafts: Iterable[Draft], ended: Callable[[str], bool]) -> str | None:
    """The first channel of an append that has ended, by the log or by an earlier draft of it."""
    here: set[str] = set()
    for draft in drafts:
        if draft.channel in here or ended(draft.channel):
            return draft.channel
        if draft.final:
            here.add(draft.channel)
    return None
