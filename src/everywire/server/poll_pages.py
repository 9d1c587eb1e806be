"""What polls read, once for all that ask for the same, until the log moves.

A thousand clients that come back at once, or that lingered together, ask for one page: it is read
and written out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from everywire.core.pages import Page, Query
from everywire.wires import longpoll

MAX_PAGES: Final = 256
MAX_BYTES: Final = 8 * 1024 * 1024

_Key = tuple[tuple[str, ...], tuple[str, ...], int, int]


class Recent(Protocol):
    """The part of a log that is read here."""

    def recent(self, query: Query) -> Page | None:
        """A page from what is in memory; None where that is not enough."""
        ...


class PollPages:
    """See the module.

    Args:
        log: What is read.
    """

    def __init__(self, log: Recent) -> None:
        self._log = log
        self._pages: dict[_Key, Page] = {}
        self._bodies: dict[_Key, bytes] = {}
        self._size = 0

    def forget(self) -> None:
        """The log has moved: what was read ends too early."""
        if self._pages:
            self._pages.clear()
            self._bodies.clear()
            self._size = 0

    def recent(self, query: Query) -> Page | None:
        """`Log.recent`, shared."""
        if query.waived:
            return self._log.recent(query)
        key = _key(query)
        page = self._pages.get(key)
        if page is None:
            page = self._log.recent(query)
            if page is not None and len(self._pages) < MAX_PAGES:
                self._pages[key] = page
        return page

    def body(self, query: Query, page: Page, ended: Sequence[str]) -> bytes:
        """The body of an answer with a page, for one who has no echo to be spared.

        Args:
            query: What the page was asked by.
            page: The page.
            ended: Those of its channels that have ended by then.
        """
        key = _key(query)
        shared = self._pages.get(key) is page
        body = self._bodies.get(key) if shared else None
        if body is None:
            body = longpoll.page_body(page, ended)
            if shared and self._size + len(body) <= MAX_BYTES:
                self._bodies[key] = body
                self._size += len(body)
        return body


def _key(query: Query) -> _Key:
    return query.channels, query.patterns, query.after, query.limit
