"""Long polling: a request that is held until there is something to say.

A poll first reads what the log has after its position. If that is nothing, it waits as a
subscriber like any other; the first batch answers it, with a body that all who wait for the same
channels share.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from everywire.core.access import OPEN
from everywire.core.errors import EverywireError
from everywire.core.messages import Gap
from everywire.core.pages import PAGE_BYTES, Page
from everywire.core.subscriptions import Subscriber, Subscription, shared_names
from everywire.core.wheel import Timed
from everywire.server.messages import JSON, NO_STORE, Request, Response, internal_error, problem
from everywire.server.poll_formats import Ephemeral, ShortLived, page_answer
from everywire.server.publishing import public_name
from everywire.server.shared_pages import SharedPage, query
from everywire.server.subscribing import all_ended, check_access
from everywire.wires import longpoll

if TYPE_CHECKING:
    from everywire.server.node import Node

WAIT_JITTER: Final = 0.1
"""A wait is shortened at random by up to this part, so that polls do not end in step."""


class Poll(Timed):
    """One request to ``GET /updates``.

    Args:
        node: The server.
        request: The request; not kept.
        respond: Called once with the answer.

    Raises:
        RequestError: The request is refused.
        LogUnavailable: It is refused for load.
    """

    __slots__ = (
        "_asked",
        "_cacheable",
        "_gone",
        "_hurried",
        "_lingering",
        "_node",
        "_peer",
        "_position",
        "_respond",
        "_until",
        "_waived",
        "subscriber",
    )

    def __init__(self, node: Node, request: Request, respond: Callable[[Response], None]) -> None:
        asked = node.queries.poll(request.query, request.header(b"prefer"))
        check_access(OPEN, asked.channels + asked.patterns)
        node.check_room(request.peer)
        super().__init__()
        self._node = node
        self._asked = asked
        self._respond = respond
        self._peer = request.peer
        self._cacheable = (
            asked.connection is None and not asked.ephemeral and not has_credential(request)
        )
        self._position = 0
        self._waived: Mapping[str, int] = {}
        self._until = 0.0
        self._hurried = False
        self._lingering = False
        self._gone = False
        self.subscriber: Subscriber | None = None

    def start(self) -> None:
        """Answer now, or wait."""
        node = self._node
        node.log.flush()
        node.enter(self, self._peer)
        if self._asked.since is None:
            head = node.hub.position
            self._answer(longpoll.body((), head, (), self._ended(head)), NO_STORE)
            return
        self._position = self._asked.since
        self._look()

    def _look(self) -> None:
        """Read what the log has; without waiting where its tail reaches back far enough."""
        asked, node = self._asked, self._node
        names, patterns = shared_names(asked.channels), shared_names(asked.patterns)
        while True:
            where = (names, patterns, self._position, node.hub.position, asked.limit, PAGE_BYTES)
            shared = node.pages.recent(*where, self._waived)
            if shared is None:
                node.ask(node.log.read(query(*where, self._waived)), self._read, self._failed)
                return
            if self._taken(shared):
                return

    def _read(self, page: Page) -> None:
        if not self._gone and not self._taken(SharedPage(page)):
            self._look()

    def _taken(self, shared: SharedPage) -> bool:
        """Answer with a page, or wait where it is the last; False: there is more to be read."""
        page, name = shared.page, self._name()
        if page.items and (
            name is None
            or shared.echoes
            or any(isinstance(i, Gap) or i.echo or i.connection != name for i in page.items)
        ):
            self._answer_page(shared, name)
            return True
        # Nothing, or nothing but its own echo.
        self._position, self._waived = page.last, page.marks
        if not page.complete or page.last < self._node.hub.position:
            # The log may have moved, if it was read on another thread.
            return False
        self._nothing_there()
        return True

    def _nothing_there(self) -> None:
        asked, node = self._asked, self._node
        hurried = self._hurried or asked.wait == 0
        if hurried or all_ended(node, asked.channels, asked.patterns, self._position):
            self._answer_nothing()
        else:
            self._wait()

    def _wait(self) -> None:
        """Listen, and look at the clock."""
        node = self._node
        if self.subscriber is None:
            self.subscriber = self._listen()
            wait = self._asked.wait * (1 - random.uniform(0, WAIT_JITTER))
            self._until = node.time() + wait
        self._lingering = False
        node.after(max(0.0, self._until - node.time()), self)

    def due(self) -> None:
        """It has waited, or lingered, long enough."""
        if self._lingering:
            self._look()
        else:
            self._answer_nothing()

    def _listen(self) -> Subscriber:
        node, asked = self._node, self._asked
        ended = tuple(self._ended(self._position))
        wire = node.poll_formats.of(asked, ended)
        subscriber = Subscriber(wire, self._heard, self, self._name(), asked.ephemeral)
        running = [channel for channel in asked.channels if channel not in ended]
        subscription = Subscription(running, asked.patterns, self._position)
        node.hub.enter(subscriber)
        node.hub.subscribe(subscriber, subscription)
        node.hub.caught_up(subscriber, subscription)
        node.polls_waiting += 1
        return subscriber

    def _leave(self) -> None:
        """Do not listen any more."""
        if self.subscriber is not None:
            self._node.hub.exit(self.subscriber)
            self._node.polls_waiting -= 1
            self.subscriber = None

    def _heard(self, body: bytes) -> None:
        """The first batch has come."""
        if self._lingering or self._gone:
            return
        rules = self._node.settings.rules
        names = self._asked.channels + self._asked.patterns
        linger = max(self._node.crowd_linger(), *(rules.of(name).linger for name in names))
        if linger and not isinstance(body, Ephemeral):
            self._lingering = True
            self._node.after(linger, self)
            return
        self._answer(body, self._caching(not isinstance(body, ShortLived)))

    def _answer_page(self, shared: SharedPage, name: str | None) -> None:
        page = shared.page
        ended = self._ended(page.last)
        if name is None or shared.echoes:
            by = ("poll", *ended)
            body = self._node.pages.write(shared, by, lambda: page_answer(page, ended))
        else:
            body = page_answer(page, ended, name)
        self._answer(body, self._caching(not isinstance(body, ShortLived)))

    def _answer_nothing(self) -> None:
        position, subscriber = self._position, self.subscriber
        if subscriber is not None and subscriber.behind() is None:
            # It has heard everything up to the head. One that was set back has not.
            position = max(position, self._node.hub.position)
        moved = position > (self._asked.since or 0)
        body = longpoll.body((), position, (), self._ended(position))
        self._answer(body, self._caching(moved))

    def _answer(self, body: bytes, caching: tuple[bytes, bytes]) -> None:
        if self._gone:
            return
        respond = self._respond
        self.gone()
        respond(Response(200, body, (JSON, caching)))

    def _failed(self, error: EverywireError) -> None:
        if not self._gone:
            respond = self._respond
            self.gone()
            respond(problem(error))

    def _caching(self, allowed: bool) -> tuple[bytes, bytes]:
        seconds = self._node.settings.cache_seconds
        if not (allowed and self._cacheable and seconds):
            return NO_STORE
        return (b"cache-control", b"public, max-age=%d" % seconds)

    def _ended(self, position: int) -> list[str]:
        """Those of its channels that have ended by a position."""
        ended = self._node.log.ended
        return [c for c in self._asked.channels if 0 < ended(c) <= position]

    def _name(self) -> str | None:
        secret = self._asked.connection
        return None if secret is None else public_name(secret)

    # What the hub and the catching up tell (core.subscriptions.Owner)

    def level(self, position: int) -> bytes:
        """A poll is only ever live."""
        return b""

    def channel_ended(self, channel: str) -> None:
        """Said in the answer itself."""

    def too_slow(self) -> None:
        """A waiting poll has nothing pending."""

    def set_back(self) -> None:
        """What came last is read from the log."""
        if self.subscriber is not None:
            self._leave()
            self._look()

    def broken(self) -> None:
        """It cannot be answered by a batch."""
        self._failed(internal_error())

    # The end

    def drain(self) -> None:
        """Answer at once with what there is; the client asks the next server."""
        self._hurried = True
        if self._lingering:
            self._look()
        elif self.subscriber is not None:
            self._answer_nothing()
        # Else the log is being read, and what comes of it is the answer.

    def gone(self) -> None:
        """Answered, or the connection is no more."""
        if self._gone:
            return
        self._node.wheel.cancel(self)
        self._leave()
        self._node.exit(self, self._peer)
        self._gone = True


def has_credential(request: Request) -> bool:
    """Whether a request carries a credential, so that no cache may share its answer."""
    return (
        request.header(b"authorization") is not None
        or ("token=" in request.query and _has_token(request.query))
        or any("everywire_token=" in cookie for cookie in request.header_values(b"cookie"))
    )


def _has_token(query: str) -> bool:
    return any(part.startswith("token=") for part in query.split("&"))
