"""Telling endpoints what happened.

`Sender.emit` never waits: it numbers an event for each endpoint that wants it and hands it to the
outbox's thread, which writes what has gathered in one commit. Each endpoint has a task that takes
the next batch from the outbox and sends it until it is taken. So the batches of an endpoint follow
one another, none is sent before it is on disk, and while one is out the next gathers.

Between `emit` and the commit an event is in memory alone; so much of it is, and what is more counts
as dropped. A process that is killed in that moment loses it, uncounted. What was written is sent by
the next process.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from everywire.webhooks.delivery import Delivery, Outcome
from everywire.webhooks.events import Event, batch_body, encoded, told
from everywire.webhooks.http_client import Transport
from everywire.webhooks.insisting import Clocks, insist
from everywire.webhooks.outbox import Batch, Bounds, Outbox, Row, Standing
from everywire.webhooks.outbox_file import OutboxUnavailable
from everywire.webhooks.questions import overlap
from everywire.webhooks.settings import Endpoint, WebhookSettings

logger = logging.getLogger("everywire.webhooks")

T = TypeVar("T")

MAX_UNWRITTEN: Final = 16 * 1024 * 1024
"""Bytes of events that wait to be written; events over it are dropped."""

SAID_EVERY: Final = 60.0
"""Seconds between two lines about what was dropped for an endpoint."""

_DISK_PAUSE: Final = 1.0


class _Lane:
    """An endpoint and what is under way to it."""

    def __init__(
        self, name: str, endpoint: Endpoint, transport: Transport, delivery: Delivery
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.transport = transport
        self.signer = endpoint.signer
        self.delivery = delivery
        self.wake = asyncio.Event()
        self.following = 1
        self.gone = False
        self.unsaid = 0
        self.said_at = float("-inf")
        self.failing = False

    def wants(self, event: Event) -> bool:
        """Whether it is told of an event."""
        about = event.about
        return event.name in self.endpoint.events and (
            about is None or any(overlap(pattern, about) for pattern in self.endpoint.channels)
        )


class Sender:
    """See the module. All methods are called on the loop's thread.

    Args:
        settings: Who is told, and how much is kept for them.
        transports: Of each endpoint that is told anything, by name.
        clocks: What time it is.
        draw: Draws from 0 to 1.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        transports: Mapping[str, Transport],
        *,
        clocks: Clocks,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._path = Path(settings.outbox)
        self._bounds = Bounds(
            settings.max_events,
            settings.max_event_bytes,
            settings.batch_events,
            settings.batch_bytes,
        )
        self._clocks = clocks
        self._lanes = {
            name: _Lane(name, endpoint, transports[name], Delivery(settings.give_up_after, draw))
            for name, endpoint in settings.endpoints.items()
            if endpoint.events
        }
        self._told = frozenset[str]().union(
            *(lane.endpoint.events for lane in self._lanes.values())
        )
        self._rows: list[Row] = []
        self._unwritten = 0
        self._numbered: dict[str, _Lane] = {}
        self._emitted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the outbox and begin to send what waits in it.

        Raises:
            OutboxRefused: It cannot be opened.
        """
        self._thread = ThreadPoolExecutor(1, "everywire-outbox")
        urls = {name: lane.endpoint.url for name, lane in self._lanes.items()}
        try:
            self._outbox = await self._on_disk(Outbox, self._path, self._bounds, urls)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        for lane in self._lanes.values():
            standing = await self._on_disk(self._outbox.standing, lane.name)
            lane.following, lane.gone = standing.next, standing.gone
            if lane.gone:
                logger.warning("webhook %s has said it is gone (410); it is not told", lane.name)
        self._tasks = [asyncio.create_task(self._write_on())]
        self._tasks += [asyncio.create_task(self._deliver(lane)) for lane in self._lanes.values()]

    async def close(self) -> None:
        """Write what is not written yet, and end. What is out is sent again by the next process."""
        writing, *delivering = self._tasks
        for task in delivering:
            task.cancel()
        await asyncio.gather(*delivering, return_exceptions=True)
        self._closing = True
        self._emitted.set()
        await writing
        # What was emitted while the last was being written.
        await self.flush()
        await self._on_disk(self._outbox.close)
        self._thread.shutdown()

    def tells(self, name: str) -> bool:
        """Whether anybody is told of a type of event; cheap."""
        return name in self._told

    def emit(self, event: Event) -> None:
        """Tell all who want to know. Never waits, never raises."""
        if event.name not in self._told:
            return
        data = encoded(event)
        ts = int(self._clocks.epoch() * 1000)
        for lane in self._lanes.values():
            if not lane.wants(event):
                continue
            seq = lane.following
            lane.following += 1
            self._numbered[lane.name] = lane
            if lane.gone or self._unwritten >= MAX_UNWRITTEN:
                continue  # a number that is left out is counted when the next is written
            body = told(event, data, f"{self._outbox.id}_{lane.name}", seq, ts)
            self._rows.append(Row(lane.name, seq, body))
            self._unwritten += len(body)
        if self._numbered:
            self._emitted.set()

    async def flush(self) -> None:
        """Wait until all that was emitted is on disk, or has been counted as dropped."""
        async with self._writing:
            await self._write()

    async def standings(self) -> dict[str, Standing]:
        """How each endpoint stands, for those who watch.

        Raises:
            OutboxUnavailable: The disk failed.
        """
        return {
            name: await self._on_disk(self._outbox.standing, name) for name in list(self._lanes)
        }

    async def _write_on(self) -> None:
        while not self._closing:
            await self._emitted.wait()
            self._emitted.clear()
            await self.flush()

    async def _write(self) -> None:
        """Write what has gathered, in one commit."""
        rows, lanes = self._rows, self._numbered
        self._rows, self._numbered, self._unwritten = [], {}, 0
        if not lanes:
            return
        following = {name: lane.following for name, lane in lanes.items()}
        try:
            dropped = await self._on_disk(self._outbox.write, rows, following)
        except OutboxUnavailable as error:
            # Their numbers are missing from now on, so they are counted by the next write.
            logger.error("%s; %d events are dropped", error, len(rows))
            self._numbered = {**lanes, **self._numbered}
            return
        for name, lane in lanes.items():
            self._say_dropped(lane, dropped.get(name, 0))
            lane.wake.set()

    def _say_dropped(self, lane: _Lane, count: int) -> None:
        lane.unsaid += 0 if lane.gone else count
        now = self._clocks.monotonic()
        if lane.unsaid and now - lane.said_at >= SAID_EVERY:
            logger.warning(
                "webhook %s: %d events were dropped, for too many wait", lane.name, lane.unsaid
            )
            lane.unsaid, lane.said_at = 0, now

    async def _deliver(self, lane: _Lane) -> None:
        while not lane.gone:
            try:
                await self._deliver_next(lane)
            except OutboxUnavailable as error:
                logger.error("webhook %s: %s", lane.name, error)
                await self._clocks.sleep(_DISK_PAUSE)

    async def _deliver_next(self, lane: _Lane) -> None:
        lane.wake.clear()
        batch = await self._on_disk(self._outbox.head, lane.name)
        if batch is None:
            await lane.wake.wait()
            return
        outcome = await self._insist(lane, batch)
        if outcome is Outcome.TAKEN:
            await self._on_disk(self._outbox.delivered, lane.name, batch)
            if lane.failing:
                logger.info("webhook %s takes events again", lane.name)
                lane.failing = False
        elif outcome is Outcome.GIVEN_UP:
            await self._on_disk(self._outbox.given_up, lane.name, batch)
            logger.error(
                "webhook %s: %d events were dropped, after %d attempts",
                *(lane.name, len(batch.bodies), lane.delivery.attempts),
            )
        else:
            lane.gone = True
            dropped = await self._on_disk(self._outbox.gone, lane.name)
            logger.error(
                "webhook %s answered 410: it is told nothing more, until its url is another; "
                "%d events were dropped",
                *(lane.name, dropped),
            )

    async def _insist(self, lane: _Lane, batch: Batch) -> Outcome:
        return await insist(
            f"msg_{self._outbox.id}_{lane.name}_{batch.first}_{batch.last}",
            batch_body(batch.bodies, batch.dropped, self._clocks.epoch()),
            transport=lane.transport,
            signer=lane.signer,
            delivery=lane.delivery,
            clocks=self._clocks,
            notify=partial(self._say_failing, lane),
        )

    def _say_failing(self, lane: _Lane, trouble: str) -> None:
        if not lane.failing:
            lane.failing = True
            logger.warning("webhook %s does not take events: %s; trying again", lane.name, trouble)

    async def _on_disk(self, job: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(job, *arguments))
