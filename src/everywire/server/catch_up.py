"""Serving those that are behind: the log is their queue.

A subscription that is behind has a position. It is sent pages of the log, one at a time, as long
as its socket has room, until it is level with the hub. Pages come from the log's recent tail
without waiting; where that does not reach back, a few readers ask the log, whoever asked first
being served first. No task, queue or timer belongs to a connection.

A thousand clients that come back at once ask for the same page: it is read and encoded once, until
the next batch.
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
from everywire.core.subscriptions import Format, Input, State, Subscriber, Subscription
from everywire.logs.base import Log

logger = logging.getLogger("everywire.server")

READERS: Final = 4
PAGE_MESSAGES: Final = 500
PAGE_BYTES: Final = 64 * 1024
"""What is written at once to a socket that is behind, about its own buffer; so that a stalled
reader costs no more."""
_PAGES_A_TURN: Final = 8
_MAX_PAGES_SHARED: Final = 256

_Key = tuple[frozenset[str], frozenset[str], int]
_Waiting = tuple[Subscriber, Subscription, int, Query]


class CatchUp:
    """See the module.

    Args:
        log: Where pages come from.
        hub: Who is level.
        soon: Runs a callback in the loop's next turn.
        page_messages: Messages in a page.
    """

    def __init__(
        self,
        log: Log,
        hub: Hub,
        soon: Callable[[Callable[[], None]], object],
        page_messages: int = PAGE_MESSAGES,
    ) -> None:
        self._log = log
        self._hub = hub
        self._soon = soon
        self._page_messages = page_messages
        self._waiting: deque[_Waiting] = deque()
        self._failed: list[Subscriber] = []
        self._wake = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []
        self._pages: dict[_Key, Page] = {}
        self._bytes: dict[tuple[_Key, Format], bytes] = {}

    def start(self) -> None:
        """Start the readers."""
        self._readers = [asyncio.create_task(self._read_for_all()) for _ in range(READERS)]

    async def stop(self) -> None:
        """Stop the readers."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def forget_pages(self) -> None:
        """The log has moved: pages shared so far end too early."""
        if self._pages:
            self._pages.clear()
            self._bytes.clear()

    def pump(self, subscriber: Subscriber) -> None:
        """Send a subscriber what it is behind by, as far as its socket and this turn allow."""
        for _ in range(_PAGES_A_TURN):
            if subscriber.full or subscriber.reading:
                return
            subscription = subscriber.behind()
            if subscription is None:
                return
            query = self._query(subscription)
            page, key = self._recent(query, subscription)
            if page is None:
                subscriber.reading = True
                self._waiting.append((subscriber, subscription, subscription.version, query))
                self._wake.set()
                return
            self._send(subscriber, subscription, page, key)
        self._soon(lambda: self.pump(subscriber))

    def retry(self) -> None:
        """Try again for those whom the log could not answer."""
        failed, self._failed = self._failed, []
        for subscriber in failed:
            subscriber.reading = False
            self.pump(subscriber)

    def _query(self, subscription: Subscription) -> Query:
        return Query(
            tuple(sorted(subscription.channels)),
            tuple(sorted(subscription.patterns)),
            subscription.position,
            self._hub.position,
            self._page_messages,
            PAGE_BYTES,
            subscription.waived,
        )

    def _recent(self, query: Query, subscription: Subscription) -> tuple[Page | None, _Key | None]:
        """A page without waiting, shared with others that ask for the same."""
        if query.waived:
            return self._log.recent(query), None
        key = (subscription.channels, subscription.patterns, query.after)
        page = self._pages.get(key)
        if page is None:
            page = self._log.recent(query)
            if page is not None and len(self._pages) < _MAX_PAGES_SHARED:
                self._pages[key] = page
        return page, key

    async def _read_for_all(self) -> None:
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            subscriber, subscription, version, query = self._waiting.popleft()
            if subscription not in subscriber.subscriptions:
                subscriber.reading = False
                self.pump(subscriber)
                continue
            try:
                page = await self._log.read(query)
                subscriber.reading = False
                if subscription in subscriber.subscriptions and subscription.version == version:
                    self._send(subscriber, subscription, page, None)
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
        self, subscriber: Subscriber, subscription: Subscription, page: Page, key: _Key | None
    ) -> None:
        """Write a page and move the subscription to its end."""
        before, subscription.position = subscription.position, page.last
        subscription.waived = page.marks
        for item in page.items:
            if isinstance(item, Gap):
                subscription.step(Input.LOST)
                subscription.step(Input.GAP_SENT)
        if page.left or subscription.owed:
            page = structs.replace(page, items=subscription.settle(page.items, page.left))
            key = None
        try:
            data = self._encoded(subscriber, subscription, page, key)
        except Exception:
            logger.exception("a page could not be written")
            subscription.position = before
            self._try_again(subscriber)
            return
        if data:
            subscriber.write(data)
        if page.complete and page.last >= self._hub.position:
            self._level(subscriber, subscription)

    def _encoded(
        self, subscriber: Subscriber, subscription: Subscription, page: Page, key: _Key | None
    ) -> bytes:
        items = page.items
        if subscription.conflation is not None:
            newest = self._conflated(subscription.conflation, subscription, page)
            return encode(subscriber, newest)
        sent = subscriber.sent_by_others(subscription)
        if sent is not None:
            fresh = [item for item in items if isinstance(item, Gap) or not sent(item)]
            return encode(subscriber, fresh)
        own_echo = subscriber.name is not None and any(
            isinstance(item, Message) and not item.echo for item in items
        )
        if key is None or own_echo:
            return encode(subscriber, items)
        data = self._bytes.get((key, subscriber.format))
        if data is None:
            data = encode(subscriber, items)
            if key in self._pages:
                self._bytes[key, subscriber.format] = data
        return data

    def _conflated(
        self, conflation: Conflation, subscription: Subscription, page: Page
    ) -> list[Message | Gap]:
        """Nothing until the end is read; then the newest of each event name."""
        conflation.take(page.items)
        level = page.complete and subscription.position >= self._hub.position
        return conflation.release() if level or conflation.full else []

    def _level(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """A subscription has everything: it is live, if its socket has room."""
        if subscriber.full:
            # Written to the end, but over its high-water mark: nothing new until it drains.
            return
        level = [subscription]
        if subscriber.starts is not None:
            # They may overlap, and so become live together; the others are served first.
            level = [s for s in subscriber.subscriptions if s.state is not State.LIVE]
            if any(s.position < self._hub.position for s in level):
                return
        names = [name for s in level for name in s.channels]
        for one in level:
            one.conflation = None
            self._hub.caught_up(subscriber, one)
        if subscriber.behind() is None:
            subscriber.owner.level(self._hub.position)
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
