"""This machine's own load, so that a demo has something real to show.

A few times a second a reading goes into a channel like any other message. Nothing here is a test
pattern: processor, memory and network, loopback included, so that the page which shows the figures
can be seen in them.

Each reading carries a number that counts from 1 and moves on only when the log has taken the
reading. So whoever hears the channel can tell a hole from the data alone, without asking the
server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import psutil

from everywire.core.access import OPEN
from everywire.core.errors import EverywireError
from everywire.core.messages import Draft
from everywire.server.publishing import Published

if TYPE_CHECKING:
    from everywire.server.node import Node

logger = logging.getLogger("everywire.demo")

CHANNEL: Final = "machine"
EVENT: Final = "load"
INTERVAL: Final = 0.25
"""Seconds between readings."""

_UNTOLD: Final = (OSError, RuntimeError, psutil.Error)
"""What reading the load raises where a system does not allow it, or does not have it."""


class Load(msgspec.Struct):
    """One reading.

    Attributes:
        cpu: Of all processors, percent of what they could do since the reading before.
        cpus: The same for each.
        memory: In use, percent.
        memory_used: In use, bytes.
        sent: Bytes a second over every interface, loopback included, since the reading before.
        received: Likewise.
        n: Counts the readings that the log took, from 1.
    """

    cpu: float
    cpus: list[float]
    memory: float
    memory_used: int
    sent: int
    received: int
    n: int


class Meter:
    """Reads the load of this machine; each reading is about the time since the one before.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        psutil.cpu_percent()
        psutil.cpu_percent(percpu=True)
        self._read_at = clock()
        self._sent, self._received = _network()

    def read(self, n: int) -> Load:
        """Take a reading.

        Args:
            n: Its number.
        """
        now = self._clock()
        seconds = max(now - self._read_at, 0.001)
        sent, received = _network()
        memory = psutil.virtual_memory()
        load = Load(
            cpu=psutil.cpu_percent(),
            cpus=psutil.cpu_percent(percpu=True),
            memory=memory.percent,
            memory_used=memory.used,
            sent=_rate(sent - self._sent, seconds),
            received=_rate(received - self._received, seconds),
            n=n,
        )
        self._read_at, self._sent, self._received = now, sent, received
        return load


def _network() -> tuple[int, int]:
    """Bytes sent and received so far; a machine without an interface has none to tell of."""
    # psutil's types leave out what its documentation says: None without an interface.
    counted = cast("Any | None", psutil.net_io_counters())
    return (0, 0) if counted is None else (counted.bytes_sent, counted.bytes_recv)


def _rate(moved: int, seconds: float) -> int:
    # An interface that goes takes its bytes out of the sum.
    return max(0, round(moved / seconds))


async def publish_load(node: Node, interval: float = INTERVAL) -> None:
    """Publish a reading every ``interval`` seconds, until the server stops.

    A reading that the log cannot take is dropped, for it would be old news by the time it could;
    the next one goes out under its number.

    Args:
        node: The server.
        interval: Seconds.
    """
    loop = asyncio.get_running_loop()
    try:
        meter = Meter()
    except _UNTOLD as error:
        logger.warning("this machine does not tell its load: %s", error)
        return
    number, trouble = 1, ""
    due = loop.time()
    while not node.draining:
        # On a fixed beat; after a stall, from now on, without making up for what was left out.
        due = max(due + interval, loop.time())
        await asyncio.sleep(due - loop.time())
        failure = await _publish(node, meter, number)
        if failure is None:
            number += 1
        elif failure != trouble:
            logger.warning("the machine's load is not published: %s", failure)
        if failure is None and trouble:
            logger.info("the machine's load is published again")
        trouble = failure or ""


async def _publish(node: Node, meter: Meter, number: int) -> str | None:
    """Publish one reading; what went wrong, None where nothing did."""
    try:
        load = meter.read(number)
    except _UNTOLD as error:
        return f"this machine does not tell it: {error}"
    answer: asyncio.Future[Published | EverywireError] = asyncio.get_running_loop().create_future()

    def done(result: Published | EverywireError) -> None:
        if not answer.done():
            answer.set_result(result)

    draft = Draft(CHANNEL, msgspec.json.encode(load), event=EVENT)
    node.publishing.publish(OPEN, (draft,), None, done)
    result = await answer
    return str(result) if isinstance(result, EverywireError) else None
