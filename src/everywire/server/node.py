"""One running server: its log, its hub, its clock, and everybody who listens.

The log hands batches to the node (it is the log's sink); the node asks the hub who hears them and
writes. Whoever cannot take more is left to `CatchUp`. Sessions come and go through `enter` and
`exit`; everything here runs on the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from everywire.core.errors import LogUnavailable, RequestError
from everywire.core.hub import Delivery, Hub
from everywire.core.messages import Message
from everywire.core.subscriptions import Subscriber
from everywire.core.wheel import Timer, Wheel
from everywire.logs.base import Log, LogSettings
from everywire.logs.opening import open_log
from everywire.server.catch_up import CatchUp
from everywire.server.poll_formats import PollFormats
from everywire.server.poll_pages import PollPages
from everywire.server.publishing import Publishing
from everywire.server.settings import Settings
from everywire.server.trust import Trust, is_loopback

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
        draining: True once clients are being sent away.
        polls_waiting: How many polls listen.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int] = now_us) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.clock = clock
        self.trust = Trust(settings)
        self.draining = False
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
            ),
        )
        await self.log.open(self)
        self.hub = Hub(self.log.head(), self.settings.rules)
        self.catch_up = CatchUp(self.log, self.hub, loop.call_soon)
        self.poll_formats = PollFormats(self.hub)
        self.poll_pages = PollPages(self.log)
        self.publishing = Publishing(self.log, self.hub, self.clock, self.write)
        self.catch_up.start()
        self._log_timer = Timer(self._tick_log)
        self.after(LOG_TICK, self._log_timer)

    async def stop(self) -> None:
        """Let go of the log. Sessions have been sent away before (`drain`)."""
        self.wheel.cancel(self._log_timer)
        await self.catch_up.stop()
        await self.log.close()

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
            self._forget_pages()
            for subscriber in self.hub.set_back(before):
                self._loop.call_soon(subscriber.owner.set_back)
            return
        self.write(delivery)

    def advance(self, position: int) -> None:
        """Everything up to a position was handed over."""
        if position > self.hub.position:
            self.hub.position = position
            self._forget_pages()

    def write(self, delivery: Delivery) -> None:
        """Carry out what the hub decided."""
        self._forget_pages()
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

    def _forget_pages(self) -> None:
        """The log has moved: pages shared so far end too early."""
        self.catch_up.forget_pages()
        self.poll_pages.forget()

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
        if self._addresses.get(peer, 0) >= most and not is_loopback(peer):
            raise RequestError(
                "too_many_connections", f"an address may have {most} connections open"
            )

    def enter(self, session: Drainable, peer: str) -> None:
        """Count a session."""
        self._sessions[session] = None
        self._addresses[peer] = self._addresses.get(peer, 0) + 1

    def exit(self, session: Drainable, peer: str) -> None:
        """Forget a session; a second time does nothing."""
        if session not in self._sessions:
            return
        del self._sessions[session]
        left = self._addresses[peer] - 1
        if left:
            self._addresses[peer] = left
        else:
            del self._addresses[peer]

    @property
    def connections(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def drain(self) -> None:
        """Send every client away, in an orderly way."""
        self.draining = True
        for session in list(self._sessions):
            session.drain()

    # Time

    def time(self) -> float:
        """Seconds of the clock that `after` goes by."""
        return self._loop.time()

    def after(self, seconds: float, timer: Timer) -> None:
        """Start a timer, or start it anew."""
        self.wheel.start(timer, self._loop.time() + seconds)
        if not self._wheel_running:
            self._wheel_running = True
            self._loop.call_later(self.wheel.resolution, self._turn_wheel)

    def _turn_wheel(self) -> None:
        for timer in self.wheel.turn(self._loop.time()):
            try:
                timer.action()
            except Exception:
                logger.exception("a timer failed")
        self._wheel_running = len(self.wheel) > 0
        if self._wheel_running:
            self._loop.call_later(self.wheel.resolution, self._turn_wheel)

    def _tick_log(self) -> None:
        self.log.tick()
        self._forget_pages()
        self.catch_up.retry()
        self.after(LOG_TICK, self._log_timer)


class Drainable(Protocol):
    """A session that can be sent away."""

    def drain(self) -> None:
        """Tell the client to come back later, then let it go."""
        ...
