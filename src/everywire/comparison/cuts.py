"""What happens on a cut, with the client that a wire usually has.

A proxy stands between. While messages are published at a steady rate it cuts the connection, and
for a while it lets nobody in. The client comes back as clients of its wire do:

- ``websocket``: a loop written by hand, as it should be: full-jitter waits, ``since``.
- ``naive``: the loop as it is often written: it connects again, and that is that.
- ``sse``: as the HTML standard has an EventSource do it: wait for the ``retry`` that the server
  set, send ``Last-Event-ID``.
- ``longpoll``: the loop that polls goes on with the ``since`` it had.

It is whole again when it has everything that was published up to then. What it never got is lost,
what it got twice is repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from everywire.advice.rules import Wire
from everywire.comparison.clients import PATIENCE, WireClient
from everywire.comparison.speed import data, new_channel
from everywire.comparison.wires import CLIENTS, publisher
from everywire.torture.chaos import ChaosProxy
from everywire.torture.links import CLEAN, Link, Plan

Manner = Literal["websocket", "naive", "sse", "longpoll"]

MANNERS: Final[tuple[Manner, ...]] = ("websocket", "naive", "sse", "longpoll")

_EVERY: Final = 0.05
_AWAY: Final = 0.3
_BEFORE: Final = 5
_FIRST_WAIT: Final = 0.5
_RETRY: Final = 2.0
_AFTER: Final = 5
_LONGEST: Final = 15.0


class Recovery(NamedTuple):
    """What a cut came to.

    Attributes:
        seconds: Until everything was there again; None: something never was.
        missed: Messages published while the client was away.
        lost: Messages that never came.
        repeated: Messages that came more than once.
    """

    seconds: float | None
    missed: int
    lost: int
    repeated: int


class Record:
    """What was published and what was heard of it, and when it was whole again."""

    def __init__(self) -> None:
        self.published = 0
        self.heard: Counter[int] = Counter()
        self._cut_at: float | None = None
        self._before = 0
        self._missed = 0
        self._whole_at: float | None = None

    @property
    def back(self) -> bool:
        """Whether anything came since the cut."""
        return any(n >= self._before for n in self.heard)

    def cut(self, now: float) -> None:
        """The connection is cut."""
        self._cut_at, self._before = now, self.published

    def returning(self) -> None:
        """The client tries to come back."""
        if self._cut_at is not None and not self.back:
            self._missed = self.published - self._before

    def hear(self, n: int, now: float) -> None:
        """The nth message has come."""
        self.heard[n] += 1
        whole = len(self.heard) == self.published
        if self._cut_at is not None and n >= self._before and whole and self._whole_at is None:
            self._whole_at = now

    def outcome(self) -> Recovery:
        """What it came to."""
        lost = self.published - len(self.heard)
        repeated = sum(times > 1 for times in self.heard.values())
        seconds = None
        if self._cut_at is not None and self._whole_at is not None and not lost:
            seconds = self._whole_at - self._cut_at
        return Recovery(seconds, max(self._missed, lost), lost, repeated)


class _Number(msgspec.Struct):
    n: int


_number = msgspec.json.Decoder(_Number).decode


class Returning:
    """A client that comes back.

    Args:
        manner: How.
        port: Of the proxy.
        channel: What to hear.
        record: Told what it hears.
    """

    def __init__(self, manner: Manner, port: int, channel: str, record: Record) -> None:
        self._manner: Manner = manner
        self._wire: Wire = "websocket" if manner == "naive" else manner
        self._port = port
        self._channel = channel
        self._record = record
        self._since: int | None = None
        self._retry = _RETRY
        self._tries = 0
        self._client = self._new()
        self._changed = asyncio.Event()

    async def first(self) -> None:
        """Connect for the first time."""
        await self._client.open()

    async def run(self) -> None:
        """Stay, and come back, until cancelled."""
        try:
            while True:
                await self._client.gone
                self._learn(self._client)
                await asyncio.sleep(self._wait())
                self._record.returning()
                self._client = self._new()
                with contextlib.suppress(OSError, TimeoutError):
                    await self._client.open()
        finally:
            self._client.abort()

    async def until(self, n: int) -> None:
        """Wait for the nth message."""
        while n not in self._record.heard:
            self._changed.clear()
            await self._changed.wait()

    def _learn(self, client: WireClient) -> None:
        """What it knows of a connection that is over."""
        if self._manner != "naive":
            self._since = client.position
        if client.retry_ms is not None:
            self._retry = client.retry_ms / 1000

    def _new(self) -> WireClient:
        return CLIENTS[self._wire](self._port, self._channel, self._hear, self._since)

    def _hear(self, data: bytes) -> None:
        self._record.hear(_number(data).n, time.perf_counter())
        self._tries = 0
        self._changed.set()

    def _wait(self) -> float:
        if self._manner == "sse":
            return self._retry
        wait = random.uniform(0, _FIRST_WAIT * 2**self._tries)
        self._tries += 1
        return wait


async def cut(port: int, manner: Manner) -> Recovery:
    """Cut one client off while messages are published, and look what it comes to.

    Args:
        port: Of the server.
        manner: How the client comes back.
    """
    channel, record = new_channel(), Record()
    proxy = ChaosProxy(port)
    client = Returning(manner, await proxy.start(), channel, record)
    sender = await publisher(port)

    def publish() -> int:
        sender.publish(channel, data(record.published))
        record.published += 1
        return record.published - 1

    await client.first()
    staying = asyncio.create_task(client.run())
    try:
        for _ in range(_BEFORE):
            await client.until(publish())
        proxy.plan = _turned_away
        proxy.each(Link.cut)
        record.cut(time.perf_counter())
        asyncio.get_running_loop().call_later(_AWAY, _let_in, proxy)
        await _publish_on(publish, client, record)
    finally:
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
        sender.abort()
        await proxy.close()
    return record.outcome()


def _turned_away(number: int) -> Plan:
    return Plan(faults=((0.0, "cut"),))


def _left_alone(number: int) -> Plan:
    return CLEAN


def _let_in(proxy: ChaosProxy) -> None:
    proxy.plan = _left_alone


async def _publish_on(publish: Callable[[], int], client: Returning, record: Record) -> None:
    """Publish at a steady rate until the client is back, and a few times more."""
    after, until = 0, time.perf_counter() + _LONGEST
    last = record.published
    while after < _AFTER and time.perf_counter() < until:
        last = publish()
        await asyncio.sleep(_EVERY)
        after += record.back
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(client.until(last), PATIENCE)
