"""How a read is answered from messages in memory, with its gaps.

Shared by the memory log and by the recent tail of the others, so that both tell the same gaps.
"""

from __future__ import annotations

from collections.abc import Mapping

from everywire.core.pages import Page, Query, build_page, known
from everywire.core.positions import Openings
from everywire.core.watermarks import Watermarks, trimmed_gaps
from everywire.logs.holes import tell_holes
from everywire.logs.kept import Kept


def answer(
    query: Query, kept: Kept, openings: Openings, watermarks: Watermarks, now_ms: int
) -> Page:
    """Read what is kept after a position.

    Args:
        query: What is asked.
        kept: Holds everything that the log keeps after the position.
        openings: To tell an unknown position.
        watermarks: Those above the position at least.
        now_ms: Messages that expire at or before it are passed over.
    """
    query, unknown = known(query, openings)
    marks = watermarks.of_all(query.names, query.after)
    trimmed = trimmed_gaps(query.names, marks, watermarks.floor, query.after, query.waived)
    messages = kept.after(query.channels, query.patterns, query.after)
    page = build_page(query, messages, unknown, trimmed, now_ms, query.waived)
    if trimmed:
        least = watermarks.floor if query.after < watermarks.floor else 0
        page = tell_holes(page, query, lambda name: max(watermarks.of(name, query.after), least))
    return waive(page, query, marks, watermarks.floor)


def waive(page: Page, query: Query, marks: Mapping[str, int], floor: int) -> Page:
    """Note on a page what its reader is told no gap for, as it reads on.

    Args:
        page: The answer; changed, and returned.
        query: What was asked. After 0 it asked for what is kept, so what was lost by then is no
            news, neither by watermark nor below the floor.
        marks: The watermarks of what was asked for.
        floor: The log's.
    """
    if query.after == 0:
        if page.last < floor:
            marks = {name: max(marks.get(name, 0), floor) for name in query.names}
        page.marks = marks
    return page
