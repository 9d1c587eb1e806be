"""Serving those that are behind: the log is their queue.

A subscription that is behind has a position. It is sent pages of the log, one at a time, as long
as its socket has room, until it is level with the hub. Pages come from the log's recent tail
without waiting; where that does not reach back, a few readers ask the log, whoever asked first
being served first. No task, queue or timer belongs to a connection.

What a client is told as it begins, its first page, and that it is level go out in one write: for
most who come back that is all there is, and a write costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import structs

from everywire.core.conflation import Conflation
from everywire.core.errors import LogUnavailable
from everywire.core.hub import Hub
from everywire.core.messages import Gap, Message
from everywire.core.pages import Page, Query
from everywire.core.subscriptions import Input, State, Subscriber, Subscription
from everywire.logs.base import Log
from everywire.server.shared_pages import SharedPage, SharedPages, query

logger = logging.getLogger("everywire.server")

READERS: Final = 4
PAGE_MESSAGES: Final = 500
PAGE_BYTES: Final = 64 * 1024
"""What is written at once to a socket that is behind, about its own buffer; so that a stalled
reader costs no more."""
_PAGES_A_TURN: Final = 8
_JOINED: Final = 16 * 1024
"""A page up to here does not fill a socket that had room, so its reader is level once it is
written, and can be told so in the same write."""

_Waiting = tuple[Subscriber, Subscription, int, Query]


class CatchUp:
    """See the module.

    Args:
        log: Where pages come from that are not recent.
        hub: Who is level.
        pages: The recent ones.
        soon: Runs a callback in the loop's next turn.
        page_messages: Messages in a page.
    """

    def __init__(
        self,
        log: Log,
        hub: Hub,
        pages: SharedPages,
        soon: Callable[[Callable[[], None]], object],
        page_messages: int = PAGE_MESSAGES,
    ) -> None:
        self._log = log
        self._hub = hub
        self._pages = pages
        self._soon = soon
        self._page_messages = page_messages
        self._waiting: deque[_Waiting] = deque()
        self._failed: list[Subscriber] = []
        self._wake = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the readers."""
        self._readers = [asyncio.create_task(self._read_for_all()) for _ in range(READERS)]

    async def stop(self) -> None:
        """Stop the readers."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def pump(self, subscriber: Subscriber, lead: bytes = b"") -> None:
        """Send a subscriber what it is behind by, as far as its socket and this turn allow.

        Args:
            subscriber: Who may be behind.
            lead: What it is to be sent before, whether or not it is behind.
        """
        for _ in range(_PAGES_A_TURN):
            subscription = None
            if not (subscriber.full or subscriber.reading):
                subscription = subscriber.behind()
            shared = None if subscription is None else self._recent(subscription)
            if subscription is None or shared is None:
                if lead:
                    subscriber.write(lead)
                if subscription is not None:
                    self._wait(subscriber, subscription)
                return
            self._send(subscriber, subscription, shared, lead)
            lead = b""
        self._soon(lambda: self.pump(subscriber))

    def retry(self) -> None:
        """Try again for those whom the log could not answer."""
        failed, self._failed = self._failed, []
        for subscriber in failed:
            subscriber.reading = False
            self.pump(subscriber)

    def _recent(self, subscription: Subscription) -> SharedPage | None:
        """A page without waiting."""
        return self._pages.recent(
            subscription.channels,
            subscription.patterns,
            subscription.position,
            self._hub.position,
            self._page_messages,
            PAGE_BYTES,
            subscription.waived,
        )

    def _wait(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Its page is no more in memory: the log is asked in its turn."""
        asked = query(
            subscription.channels,
            subscription.patterns,
            subscription.position,
            self._hub.position,
            self._page_messages,
            PAGE_BYTES,
            subscription.waived,
        )
        subscriber.reading = True
        self._waiting.append((subscriber, subscription, subscription.version, asked))
        self._wake.set()

    async def _read_for_all(self) -> None:
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            subscriber, subscription, version, asked = self._waiting.popleft()
            if subscription not in subscriber.subscriptions:
                subscriber.reading = False
                self.pump(subscriber)
                continue
            try:
                page = await self._log.read(asked)
                subscriber.reading = False
                if subscription in subscriber.subscriptions and subscription.version == version:
                    self._send(subscriber, subscription, SharedPage(page))
                self.pump(subscriber)
            except LogUnavailable as error:
                logger.warning("a subscriber waits for the log: %s", error.message)
                self._try_again(subscriber)
            except Exception:
                logger.exception("reading for a subscriber failed")
                self._try_again(subscriber)

    def _try_again(self, subscriber: Subscriber) -> None:
        """It stays where it is until the next tick of the log."""
        subscriber.reading = True
        self._failed.append(subscriber)

    def _send(
        self,
        subscriber: Subscriber,
        subscription: Subscription,
        shared: SharedPage,
        lead: bytes = b"",
    ) -> None:
        """Write a page and move the subscription to its end."""
        page = shared.page
        before, subscription.position = subscription.position, page.last
        subscription.waived = page.marks
        if shared.gaps:
            subscription.step(Input.LOST)
            subscription.step(Input.GAP_SENT)
        if page.left or subscription.owed:
            items = subscription.settle(page.items, page.left)
            shared = SharedPage(structs.replace(page, items=items))
        level = self._level(subscriber, subscription) if page.complete else []
        try:
            encoded = self._encoded(subscriber, subscription, shared)
            joined = len(lead) + len(encoded) <= _JOINED
            said = self._said(subscriber, level) if joined else b""
            data = b"".join((lead, encoded, said))
        except Exception:
            logger.exception("a page could not be written")
            subscription.position = before
            self._try_again(subscriber)
            data, level, joined = lead, [], True
        if data:
            subscriber.write(data)
        # Written to the end, but over its high-water mark: nothing new until it drains.
        if level and not subscriber.full:
            self._go_live(subscriber, level, told=joined)

    def _encoded(
        self, subscriber: Subscriber, subscription: Subscription, shared: SharedPage
    ) -> bytes:
        items, conflation = shared.page.items, subscription.conflation
        sent = subscriber.sent_by_others(subscription)
        if sent is not None:
            items = [item for item in items if isinstance(item, Gap) or not sent(item)]
        if conflation is not None:
            conflation.take(items)
            return encode(subscriber, self._released(conflation, subscription, shared.page))
        if sent is not None or (subscriber.name is not None and not shared.echoes):
            return encode(subscriber, items)
        return self._pages.write(shared, subscriber.format, lambda: encode(subscriber, items))

    def _released(
        self, conflation: Conflation, subscription: Subscription, page: Page
    ) -> list[Message | Gap]:
        """Nothing until the end is read; then the newest of each event name, and what waited."""
        level = page.complete and subscription.position >= self._hub.position
        if not (level or conflation.full):
            return []
        # What was given up meanwhile was read before.
        held = subscription.holds
        return [
            item
            for item in conflation.release()
            if held(item.channel) or subscription.hears(item.channel)
        ]

    def _level(self, subscriber: Subscriber, subscription: Subscription) -> list[Subscription]:
        """What becomes live now that a subscription has been read to the end of a page."""
        head = self._hub.position
        if subscription.position < head:
            return []
        if subscriber.starts is None:
            return [subscription]
        # They may overlap, and so become live together; the others are served first.
        behind = [s for s in subscriber.subscriptions if s.state is not State.LIVE]
        return behind if all(s.position >= head for s in behind) else []

    def _said(self, subscriber: Subscriber, level: list[Subscription]) -> bytes:
        """What a subscriber is told as these become live: its position, if all of it is level."""
        if not level or any(
            s.state is not State.LIVE and s not in level for s in subscriber.subscriptions
        ):
            return b""
        return subscriber.owner.level(self._hub.position)

    def _go_live(self, subscriber: Subscriber, level: list[Subscription], *, told: bool) -> None:
        """Subscriptions have everything: they hear what comes."""
        names = [name for subscription in level for name in subscription.channels]
        for subscription in level:
            subscription.conflation = None
            self._hub.caught_up(subscriber, subscription)
        said = b"" if told else self._said(subscriber, level)
        if said:
            subscriber.write(said)
        for channel in names:
            if 0 < self._log.ended(channel) <= self._hub.position:
                subscriber.owner.channel_ended(channel)


def encode(subscriber: Subscriber, items: list[Message | Gap]) -> bytes:
    """Messages and gaps as a subscriber's format writes them, its own echo left out."""
    wire, name = subscriber.format, subscriber.name
    parts: list[bytes] = []
    for item in items:
        if isinstance(item, Gap):
            parts.append(wire.gap(item))
        elif item.echo or name is None or item.connection != name:
            parts.append(wire.message(item))
    return b"".join(parts)
