"""A message as a row of the table ``messages``, and back.

The row holds no name of a channel but its number; the event ``message`` is NULL; what the data is
and two flags share one integer, which is 0 for most messages.
"""

from __future__ import annotations

from typing import Any, Final

from everywire.core.messages import DEFAULT_EVENT, Kind, Message

Row = tuple[Any, ...]

COLUMNS: Final = "position, flags, ts, expires, event, data, connection, user, key, meta"


ALL_COLUMNS: Final = (
    "position, channel, flags, ts, expires, size, event, data, connection, user, key, meta"
)


def select(*columns: str, rest: str, source: str = "messages") -> str:
    """A query of the messages; all parts are ours, never a client's."""
    return " ".join(("SELECT", ", ".join(columns), "FROM", source, rest))


INSERT: Final = " ".join(
    ("INSERT INTO messages (", ALL_COLUMNS, ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?)")
)
SET_ASIDE: Final = " ".join(
    (
        "INSERT INTO aside (",
        ALL_COLUMNS,
        ", free)",
        select(ALL_COLUMNS, "0", rest="WHERE position = ?"),
    )
)

_KINDS: Final[dict[int, Kind]] = {kind.value: kind for kind in Kind}
_KIND_BITS: Final = 3
_FINAL: Final = 4
_NO_ECHO: Final = 8


def row_of(message: Message, channel: int, size: int) -> Row:
    """What `INSERT` takes."""
    flags = message.kind | (_FINAL if message.final else 0) | (0 if message.echo else _NO_ECHO)
    event = message.event
    return (
        message.id,
        channel,
        flags,
        message.ts,
        message.expires,
        size,
        None if event == DEFAULT_EVENT else event,
        message.data,
        message.connection,
        message.user,
        message.key,
        message.meta,
    )


def message_of(row: Row, channel: str) -> Message:
    """The message that `COLUMNS` were read of."""
    position, flags, ts, expires, event, data, connection, user, key, meta = row
    return Message(
        position,
        channel,
        DEFAULT_EVENT if event is None else event,
        data,
        _KINDS[flags & _KIND_BITS],
        ts,
        connection,
        user,
        key,
        meta,
        flags & _FINAL != 0,
        flags & _NO_ECHO == 0,
        expires,
    )
