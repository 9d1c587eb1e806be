"""The queries of reading, as text.

Each comes twice: of ``messages``, and of ``kept``, which has the messages of keyed state that were
set aside as well. SQLite answers the latter by merging two tables in order, row by row, which takes
somewhat longer; so the reader asks for it only where something that was set aside may be wanted.
"""

from __future__ import annotations

from typing import Final

from everywire.logs.sqlite.rows import COLUMNS, select

_NOT_EXPIRED: Final = "(expires = 0 OR expires > ?)"


class Queries:
    """See the module.

    Args:
        source: ``messages``, ``aside`` or ``kept``, which is both.

    Attributes:
        with_news: Which of some channels have messages between two positions.
        of_channel: A channel's messages between two positions, in order.
        at: The message at a position.
        positions: A channel's positions between two, in order, so many.
        scan: Positions between two and their channels, in order, so many.
        back: A channel's messages between two positions, newest first, so many.
        nth_last: The position of a channel's nth last message.
        oldest: The position of a channel's oldest message.
        count: How many a channel has up to a position, expired ones included.
        count_expired: How many of these have expired.
    """

    def __init__(self, source: str) -> None:
        def query(*columns: str, rest: str) -> str:
            return select(*columns, rest=rest, source=source)

        within = "WHERE channel = ? AND position > ? AND position <= ? ORDER BY position"
        any_new = query("1", rest="WHERE channel = value AND position > ? AND position <= ?")
        self.with_news = " ".join(("SELECT value FROM json_each(?) WHERE EXISTS (", any_new, ")"))
        self.of_channel = query(COLUMNS, rest=within)
        self.at = query("channel", COLUMNS, rest="WHERE position = ?")
        self.positions = query("position", rest=f"{within} LIMIT ?")
        self.scan = query(
            "position",
            "channel",
            rest="WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
        )
        self.back = query(
            COLUMNS,
            rest=f"WHERE channel = ? AND position < ? AND position > ? AND {_NOT_EXPIRED}"
            " ORDER BY position DESC LIMIT ?",
        )
        self.nth_last = query(
            "position",
            rest=f"WHERE channel = ? AND position <= ? AND {_NOT_EXPIRED}"
            " ORDER BY position DESC LIMIT 1 OFFSET ?",
        )
        self.oldest = query(
            "position",
            rest=f"WHERE channel = ? AND position <= ? AND {_NOT_EXPIRED}"
            " ORDER BY position LIMIT 1",
        )
        self.count = query("count(*)", rest="WHERE channel = ? AND position <= ?")
        # By expiry, not by channel: what has expired and is still there is little.
        self.count_expired = query(
            "count(*)", rest="WHERE expires > 0 AND expires <= ? AND +channel = ? AND position <= ?"
        )


MESSAGES: Final = Queries("messages")
ASIDE: Final = Queries("aside")
KEPT: Final = Queries("kept")
