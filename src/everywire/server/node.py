"""One running server: its log, its hub, its clock, and everybody who listens.

The log hands batches to the node (it is the log's sink); the node asks the hub who hears them and
writes. Whoever cannot take more is left to `CatchUp`. Sessions come and go through `enter` and
`exit`; everything here runs on the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from everywire.core.errors import LogUnavailable
from everywire.core.hub import Delivery, Hub
from everywire.core.messages import Message
from everywire.core.rules import Rules
from everywire.core.subscriptions import Subscriber
from everywire.core.wheel import Timed, Timer, Wheel
from everywire.logs.base import Log, LogSettings
from everywire.logs.opening import open_log
from everywire.server.catch_up import CatchUp
from everywire.server.counters import Counters
from everywire.server.descriptors import Descriptors
from everywire.server.door import Door, counted_as, too_many_connections
from everywire.server.poll_formats import PollFormats
from everywire.server.publishing import Publishing
from everywire.server.settings import Settings
from everywire.server.shared_pages import SharedPages
from everywire.server.trust import Trust
from everywire.wires.known_queries import KnownQueries

logger = logging.getLogger("everywire.server")

LOG_TICK = 1.0
MAX_CROWD_LINGER = 1.0

T = TypeVar("T")


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Node:
    """See the module.

    Args:
        settings: Everything that can be set.
        clock: Microseconds since the epoch.

    Attributes:
        counters: What happened so far.
        draining: True once clients are being sent away.
        drained_at: When the last of them will have been, by `time`.
        door: Counts connections, where the HTTP protocol is ours.
        descriptors: Watches over the file descriptors.
        keeps_alive: Whether accepted sockets have TCP keepalive already, from who listens.
        polls_waiting: How many polls listen.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int] = now_us) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.clock = clock
        self.trust = Trust(settings)
        # Its own: the log goes by the rules that it was opened with.
        self.rules = Rules(settings.rules.rules[:-1])
        self.queries = KnownQueries(settings.limits)
        self.counters = Counters()
        self.door = Door(self)
        self.descriptors = Descriptors(self)
        self.keeps_alive = False
        self.draining = False
        self.drained_at = 0.0
        self.polls_waiting = 0
        self._sessions: dict[Drainable, None] = {}
        self._addresses: dict[str, int] = {}
        self._wheel_running = False
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the log and begin to serve.

        Raises:
            LogRefused: The log cannot be opened; the message says what to do.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.wheel = Wheel(loop.time())
        self.log: Log = open_log(
            self.settings.log,
            LogSettings(
                now_us=self.clock,
                soon=loop.call_soon,
                retention=self.settings.retention,
                rules=self.settings.rules,
                key_window_ms=self.settings.key_window_ms,
                max_waiting_bytes=self.limits.max_open_batch_bytes,
                max_channel_keys=self.limits.max_channel_keys,
                max_state_bytes=self.limits.max_state_bytes,
                max_leases=self.limits.max_leases,
                monotonic=loop.time,
            ),
        )
        await self.log.open(self)
        self.hub = Hub(self.log.head(), self.rules)
        self.pages = SharedPages(self.log)
        self.catch_up = CatchUp(self.log, self.hub, self.pages, loop.call_soon)
        self.poll_formats = PollFormats(self.hub)
        self.publishing = Publishing(self.log, self.hub, self.clock, self.write)
        self.catch_up.start()
        self.descriptors.start()
        self._log_timer = Timer(self._tick_log)
        self.after(LOG_TICK, self._log_timer)

    async def stop(self) -> None:
        """Let go of the log. Sessions have been sent away before (`drain`)."""
        self.wheel.cancel(self._log_timer)
        await self.catch_up.stop()
        await self.log.close()

    def reload(self, settings: Settings) -> None:
        """Go by other settings from now on.

        What the log was opened with stays as it was, and so do connections that are open where
        they keep a limit; `configuration.reloading` says which settings hold at once.
        """
        self.settings = settings
        self.limits = settings.limits
        self.trust = Trust(settings)
        self.queries = KnownQueries(settings.limits)
        self.rules.replace(settings.rules.rules[:-1])

    @property
    def ready(self) -> str | None:
        """Why the node should get no traffic now; None: it should."""
        return "draining" if self.draining else self.log.failure

    # The log's sink

    def batch(self, messages: Sequence[Message]) -> None:
        """Deliver what was appended. Where that fails, nobody misses it: they read it instead."""
        before = self.hub.position
        try:
            delivery = self.hub.deliver(messages)
        except Exception:
            logger.exception("a batch could not be delivered; who hears it reads it from the log")
            self.hub.position = messages[-1].id
            self.pages.forget()
            for subscriber in self.hub.set_back(before):
                self._loop.call_soon(subscriber.owner.set_back)
            return
        self.write(delivery)

    def advance(self, position: int) -> None:
        """Everything up to a position was handed over."""
        if position > self.hub.position:
            self.hub.position = position
            self.pages.forget()

    def write(self, delivery: Delivery) -> None:
        """Carry out what the hub decided."""
        self.pages.forget()
        for data, subscribers in delivery.writes:
            for subscriber in subscribers:
                try:
                    subscriber.write(data)
                except Exception:
                    # Nobody else is to miss the batch for it, and it is not to miss it unknowingly.
                    logger.exception("writing to a subscriber failed; its connection ends")
                    self._loop.call_soon(subscriber.owner.broken)
        for channel, subscribers in delivery.ended:
            for subscriber in subscribers:
                subscriber.owner.channel_ended(channel)

    def crowd_linger(self) -> float:
        """Seconds that polls linger by themselves, because so many wait.

        Each answer costs about as much as the request that follows it. With few waiting, all are
        answered at once; with very many, fewer and fuller answers leave time for the rest.
        """
        limits = self.limits
        if self.polls_waiting < limits.crowd_polls:
            return 0.0
        return min(self.polls_waiting / 1000 * limits.crowd_linger, MAX_CROWD_LINGER)

    # Sockets that fill and drain

    def socket_full(self, subscriber: Subscriber) -> None:
        """A socket is over its high-water mark: nothing more is written to it."""
        if not self.hub.lag(subscriber):
            # Not from inside the write that filled it.
            self._loop.call_soon(subscriber.owner.too_slow)

    def socket_drained(self, subscriber: Subscriber) -> None:
        """A socket has room again: it reads on from the log."""
        subscriber.full = False
        self.catch_up.pump(subscriber)

    def ask(
        self,
        answer: Coroutine[Any, Any, T],
        done: Callable[[T], None],
        failed: Callable[[LogUnavailable], None],
    ) -> None:
        """Wait for the log on somebody's behalf, off the hot path.

        Args:
            answer: A call of the log's.
            done: Gets what it answers.
            failed: Gets the error where the log cannot answer.
        """

        async def wait() -> None:
            try:
                done(await answer)
            except LogUnavailable as error:
                failed(error)
            except Exception:
                logger.exception("the log failed to answer")
                failed(LogUnavailable("the log failed to answer"))

        task = self._loop.create_task(wait())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    # Sessions

    def check_room(self, peer: str) -> None:
        """Whether one more connection may come.

        Raises:
            RequestError: ``too_many_connections``.
            LogUnavailable: The server is full, or sends its clients away.
        """
        if self.draining:
            raise LogUnavailable("the server is stopping; come back in a moment")
        if len(self._sessions) >= self.limits.max_connections:
            raise LogUnavailable(f"the server holds {self.limits.max_connections} connections")
        most = self.limits.max_connections_per_address
        address = counted_as(peer)
        if address and self._addresses.get(address, 0) >= most:
            raise too_many_connections(most)

    def enter(self, session: Drainable, peer: str) -> None:
        """Count a session."""
        self._sessions[session] = None
        address = counted_as(peer)
        self._addresses[address] = self._addresses.get(address, 0) + 1

    def exit(self, session: Drainable, peer: str) -> None:
        """Forget a session; a second time does nothing."""
        if session not in self._sessions:
            return
        del self._sessions[session]
        address = counted_as(peer)
        left = self._addresses[address] - 1
        if left:
            self._addresses[address] = left
        else:
            del self._addresses[address]

    @property
    def connections(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def begin_drain(self) -> list[Drainable]:
        """Take no more clients; returns those who are to be sent away."""
        self.draining = True
        return list(self._sessions)

    def send_away(self, session: Drainable) -> None:
        """Send a client away in an orderly way, if it has not gone by itself."""
        if session not in self._sessions:
            return
        self.counters.clients_sent_away += 1
        try:
            session.drain()
        except Exception:
            logger.exception("a client could not be sent away")

    def drain(self) -> None:
        """Send every client away at once (`draining.Drain` takes its time)."""
        self.drained_at = self.time()
        for session in self.begin_drain():
            self.send_away(session)

    def come_back_ms(self) -> int:
        """When a client that is sent away is told to come back: after the drain, at random.

        Not at once, even then: an EventSource keeps to what it was told, and would knock without
        end at the door of a server that takes a moment to start.
        """
        longest = self.settings.drain_retry_ms
        rest = max(0.0, self.drained_at - self.time())
        return int(rest * 1000) + random.randint(longest // 4, longest)

    # Time

    def soon(self, action: Callable[[], None]) -> None:
        """Do something at the end of this turn of the loop."""
        self._loop.call_soon(action)

    def time(self) -> float:
        """Seconds of the clock that `after` goes by."""
        return self._loop.time()

    def after(self, seconds: float, timer: Timed) -> None:
        """Start a timer, or start it anew."""
        self.wheel.start(timer, self._loop.time() + seconds)
        if not self._wheel_running:
            self._wheel_running = True
            self._loop.call_later(self.wheel.resolution, self._turn_wheel)

    def _turn_wheel(self) -> None:
        for timer in self.wheel.turn(self._loop.time()):
            try:
                timer.due()
            except Exception:
                logger.exception("a timer failed")
        self._wheel_running = len(self.wheel) > 0
        if self._wheel_running:
            self._loop.call_later(self.wheel.resolution, self._turn_wheel)

    def _tick_log(self) -> None:
        self.log.tick()
        self.descriptors.tick()
        self.pages.forget()
        self.catch_up.retry()
        self.after(LOG_TICK, self._log_timer)


class Drainable(Protocol):
    """A session that can be sent away."""

    def drain(self) -> None:
        """Tell the client to come back later, then let it go."""
        ...
