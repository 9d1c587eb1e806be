"""Pages: what a read of the log answers.

A page is one sequence of messages and gaps in position order. A gap stands at ``before - 1``,
after every message up to there. A page ends at a count of messages or of bytes, whichever comes
first, but holds at least one message if there is one; gaps beyond its end are the next page's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from everywire.core.messages import Gap, Message
from everywire.core.positions import Openings

PAGE_MESSAGES: Final = 1000
PAGE_BYTES: Final = 1024 * 1024


class Query(msgspec.Struct, frozen=True):
    """What is asked of the log.

    Attributes:
        channels: Names, each once.
        patterns: Patterns, each once. A message matched twice is answered once.
        after: Position, exclusive; 0 asks for everything kept.
        upto: Position, inclusive; nothing above it is answered.
        limit: Messages, 1 to `PAGE_MESSAGES`.
        max_bytes: Bytes of messages after which the page ends.
        waived: Watermarks that are no news to the reader (see `Page.marks`).
    """

    channels: tuple[str, ...]
    patterns: tuple[str, ...]
    after: int
    upto: int
    limit: int = PAGE_MESSAGES
    max_bytes: int = PAGE_BYTES
    waived: Mapping[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Channels, then patterns."""
        return self.channels + self.patterns


class Page(msgspec.Struct):
    """What a read answers.

    Attributes:
        items: Messages and gaps in position order.
        last: Everything asked for up to here is in this page or an earlier one.
        complete: Nothing more up to the query's ``upto``; then ``last`` is ``upto``.
        marks: For a query after 0, the watermarks it passed over without a gap. Whoever reads on
            gives them back as ``waived``, for ``since=0`` gets no gap.
        left: Gaps that begin in this page but are the next one's to tell, since it ended early.
    """

    items: list[Message | Gap]
    last: int
    complete: bool
    marks: Mapping[str, int] = {}
    left: Sequence[Gap] = ()

    @property
    def messages(self) -> list[Message]:
        """Only the messages."""
        return [item for item in self.items if isinstance(item, Message)]

    @property
    def gaps(self) -> list[Gap]:
        """Only the gaps."""
        return [item for item in self.items if isinstance(item, Gap)]


def known(query: Query, openings: Openings) -> tuple[Query, list[Gap]]:
    """Answer for a position that was never given out.

    Returns:
        The query from where it can go on, and a gap for each name asked for; the query itself and
        no gap where its position is known.
    """
    before = openings.unknown(query.after, query.upto)
    if before is None:
        return query, []
    # A text that is no position at all counts as one below every log; its gap begins at 0.
    after = max(query.after, 0)
    gaps = [Gap(name, after, before, "unknown_position") for name in query.names]
    return msgspec.structs.replace(query, after=before - 1), gaps


def fitting(messages: Sequence[Message], limit: int = PAGE_MESSAGES) -> int:
    """How many of these messages a page holds."""
    size = 0
    for count, message in enumerate(messages[:limit]):
        size += message.size
        if count and size > PAGE_BYTES:
            return count
    return min(len(messages), limit)


def build_page(
    query: Query,
    messages: Iterable[Message],
    unknown: Sequence[Gap] = (),
    trimmed: Sequence[Gap] = (),
    now_ms: int = 0,
    marks: Mapping[str, int] | None = None,
) -> Page:
    """Merge messages and gaps into a page.

    Args:
        messages: After the query's ``after``, in position order; read no further than needed.
        unknown: Gaps of an unknown position; they come first.
        trimmed: Other gaps, in order of ``before``.
        now_ms: Messages that expire at or before it are passed over.
        marks: For `Page.marks`.
    """
    items: list[Message | Gap] = list(unknown)
    last, count, size, complete = query.after, 0, 0, True
    waiting = list(reversed([gap for gap in trimmed if gap.position <= query.upto]))
    for message in messages:
        if message.id > query.upto:
            break
        if 0 < message.expires <= now_ms:
            continue
        if count == query.limit or (count and size + message.size > query.max_bytes):
            complete = False
            break
        while waiting and waiting[-1].position < message.id:
            items.append(waiting.pop())
        items.append(message)
        last = message.id
        count += 1
        size += message.size
    if complete:
        items.extend(reversed(waiting))
        last = query.upto
        waiting = []
    return Page(items, last, complete, marks or {}, waiting)
