"""How soon a message is there, and with how many bytes; how long it takes to be connected.

Publisher and client are one process with one clock, on one loop. A latency is the time from just
before the publish is written to just after the message was taken apart: the server, the kernel
twice, and a thin client in Python are all in it. Publishing is by WebSocket, for all wires.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Final, NamedTuple

import msgspec

from everywire.advice.rules import Wire
from everywire.comparison.clients import PATIENCE, WireClient
from everywire.comparison.servers import ComparisonFailed
from everywire.comparison.wires import CLIENTS, publisher

DATA_BYTES: Final = 120
"""Bytes of the data of a message: a small JSON object."""

_WARM_UP: Final = 5

_names = itertools.count()


class _Stamp(msgspec.Struct):
    n: int
    t: int


_stamp = msgspec.json.Decoder(_Stamp).decode


class Speed(NamedTuple):
    """What a run came to.

    Attributes:
        p50: Milliseconds within which half of the messages were there.
        p99: Milliseconds within which 99 of 100 were; of fewer than 100, all.
        bytes: On the wire a message, both ways.
    """

    p50: float
    p99: float
    bytes: float


def new_channel() -> str:
    """A channel that nobody else uses."""
    return f"compare.c{next(_names)}"


def data(n: int) -> bytes:
    """The nth message's data, as long as every other, with the time in it."""
    head = f'{{"n":{n},"t":{time.perf_counter_ns()},"pad":"'.encode()
    return head + b"x" * (DATA_BYTES - len(head) - 2) + b'"}'


class Arrivals:
    """Takes messages and remembers how long each was under way."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._wanted = 0
        self._changed = asyncio.Event()

    def hear(self, data: bytes) -> None:
        """Take one."""
        self.times.append((time.perf_counter_ns() - _stamp(data).t) / 1e6)
        if len(self.times) >= self._wanted:
            self._changed.set()

    async def reach(self, count: int) -> None:
        """Wait until so many have come.

        Raises:
            ComparisonFailed: They did not.
        """
        self._wanted = count
        self._changed.clear()
        if len(self.times) >= count:
            return
        try:
            await asyncio.wait_for(self._changed.wait(), PATIENCE)
        except TimeoutError:
            raise ComparisonFailed(
                f"of {count} messages only {len(self.times)} came within {PATIENCE:.0f} s"
            ) from None


async def speed(port: int, wire: Wire, rate: float, seconds: float) -> Speed:
    """Send messages at a steady rate and look when each is there.

    Args:
        port: Of the server.
        wire: To hear by.
        rate: Messages a second.
        seconds: For how long.

    Raises:
        ComparisonFailed: Not all came.
    """
    arrivals, channel = Arrivals(), new_channel()
    client = CLIENTS[wire](port, channel, arrivals.hear)
    sender = await publisher(port)
    try:
        await client.open()
        for n in range(_WARM_UP):
            sender.publish(channel, data(n))
            await arrivals.reach(n + 1)
        before = client.received + client.sent
        count = max(1, round(rate * seconds))
        began = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            sender.publish(channel, data(n))
        await arrivals.reach(_WARM_UP + count)
        times = sorted(arrivals.times[_WARM_UP:])
        return Speed(
            at(times, 0.5), at(times, 0.99), (client.received + client.sent - before) / count
        )
    finally:
        client.abort()
        sender.abort()


def at(ordered: list[float], part: float) -> float:
    """The value that this part of the values does not exceed."""
    rank = -int(-part * len(ordered) // 1)
    return ordered[max(1, rank) - 1]


async def bare_bytes(port: int, wire: Wire, count: int) -> float:
    """Bytes on the wire a message, where the wire brings the data and nothing beside it."""
    arrivals, channel = Arrivals(), new_channel()
    client = CLIENTS[wire](port, channel, arrivals.hear, bare=True)
    sender = await publisher(port)
    try:
        await client.open()
        before = client.received + client.sent
        for n in range(count):
            sender.publish(channel, data(n))
            await arrivals.reach(n + 1)
        return (client.received + client.sent - before) / count
    finally:
        client.abort()
        sender.abort()


async def set_up(port: int, wire: Wire, count: int) -> float:
    """Milliseconds from nothing to a client that knows where it stands; the median of some."""
    times: list[float] = []
    for _ in range(count):
        client: WireClient = CLIENTS[wire](port, new_channel())
        began = time.perf_counter_ns()
        await client.open()
        times.append((time.perf_counter_ns() - began) / 1e6)
        client.abort()
    return at(sorted(times), 0.5)
