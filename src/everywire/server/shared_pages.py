"""Pages of the log, read and written out once for all who ask for the same, until the log moves.

A thousand clients that come back at once, or that lingered together, ask for one page. It is kept
here with what each format made of it, whichever wire asked first. What is kept is bounded in number
and in bytes, and the oldest goes first: many who are behind, each at a place of its own, have
nothing to share and must not fill memory with it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, Protocol

from everywire.core.messages import Gap
from everywire.core.pages import PAGE_BYTES, Page, Query

MAX_PAGES: Final = 256
MAX_BYTES: Final = 2 * 1024 * 1024
"""Of pages written out; the messages themselves are the log's."""

_Key = tuple[frozenset[str], frozenset[str], int, int, int]


class Recent(Protocol):
    """The part of a log that is read here."""

    def recent(self, query: Query) -> Page | None:
        """A page from what is in memory; None where that is not enough."""
        ...


class SharedPage:
    """A page, what is worth knowing of it, and what formats made of it.

    Attributes:
        page: As it was read.
        gaps: Whether it has any.
        echoes: Whether everybody gets all of it: no message is kept from its own publisher.
        written: Bytes, by whatever decides on them beside the page.
    """

    __slots__ = ("echoes", "gaps", "key", "page", "written")

    def __init__(self, page: Page, key: _Key | None = None) -> None:
        self.page = page
        self.key = key
        self.gaps = any(isinstance(item, Gap) for item in page.items)
        self.echoes = all(isinstance(item, Gap) or item.echo for item in page.items)
        self.written: dict[Hashable, bytes] = {}


class SharedPages:
    """See the module.

    Args:
        log: What is read.
    """

    def __init__(self, log: Recent) -> None:
        self._log = log
        self._pages: dict[_Key, SharedPage] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def size(self) -> int:
        """Bytes of what is written out."""
        return self._size

    def forget(self) -> None:
        """The log has moved: what was read ends too early."""
        if self._pages:
            self._pages.clear()
            self._size = 0

    def recent(
        self,
        channels: frozenset[str],
        patterns: frozenset[str],
        after: int,
        upto: int,
        limit: int,
        max_bytes: int = PAGE_BYTES,
        waived: Mapping[str, int] | None = None,
    ) -> SharedPage | None:
        """`Log.recent`, shared; the arguments are those of `core.pages.Query`.

        ``upto`` is where the log stands, the same for all. A page with waived losses is its
        reader's own.
        """
        asked = (channels, patterns, after, upto, limit, max_bytes)
        if waived:
            page = self._log.recent(query(*asked, waived))
            return None if page is None else SharedPage(page)
        key = (channels, patterns, after, limit, max_bytes)
        shared = self._pages.get(key)
        if shared is None:
            page = self._log.recent(query(*asked))
            if page is None:
                return None
            shared = self._pages[key] = SharedPage(page, key)
            if len(self._pages) > MAX_PAGES:
                self._drop_oldest()
        return shared

    def write(self, shared: SharedPage, by: Hashable, encode: Callable[[], bytes]) -> bytes:
        """What becomes of a page, worked out once.

        Args:
            shared: The page.
            by: What its bytes depend on beside it: a format.
            encode: Works them out.
        """
        data = shared.written.get(by)
        if data is None:
            data = shared.written[by] = encode()
            if shared.key is not None and self._pages.get(shared.key) is shared:
                self._size += len(data)
                while self._size > MAX_BYTES and self._pages:
                    self._drop_oldest()
        return data

    def _drop_oldest(self) -> None:
        oldest = self._pages.pop(next(iter(self._pages)))
        self._size -= sum(map(len, oldest.written.values()))


def query(
    channels: frozenset[str],
    patterns: frozenset[str],
    after: int,
    upto: int,
    limit: int,
    max_bytes: int,
    waived: Mapping[str, int] | None = None,
) -> Query:
    """What is asked of the log for a set of names."""
    names, covering = tuple(sorted(channels)), tuple(sorted(patterns))
    return Query(names, covering, after, upto, limit, max_bytes, waived or {})
