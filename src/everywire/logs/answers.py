"""How a read is answered from messages in memory, with its gaps.

Shared by the memory log and by the recent tail of the others, so that both tell the same gaps.
"""

from __future__ import annotations

from everywire.core.pages import Page, Query, build_page, known
from everywire.core.positions import Openings
from everywire.core.watermarks import Watermarks, trimmed_gaps
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
    passed = marks if query.after == 0 else query.waived
    return build_page(query, messages, unknown, trimmed, now_ms, passed)
