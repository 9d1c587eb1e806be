"""Keyed state in the file.

``state`` says which position is the newest of a key; the message itself is in ``messages`` until
retention would take it, and from then on in ``aside``, until a newer one comes. All of this happens
in the transaction of what causes it: an append moves the key, a step of trimming sets aside. A
message that is aside and newest no more is marked ``free``, and the next step of trimming takes it
and writes its channel's watermark; so nothing but trimming ever loses anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from everywire.core.messages import Draft
from everywire.logs.sqlite.connecting import Connection
from everywire.logs.sqlite.rows import SET_ASIDE
from everywire.logs.sqlite.store import Store
from everywire.logs.state import Name, Newest, plan

_FIND: Final = "SELECT position, size, expires FROM state WHERE channel = ? AND key = ?"
_COUNT: Final = "SELECT count(*) FROM state WHERE channel = ?"
_PUT: Final = (
    "INSERT INTO state (channel, key, position, size, expires) VALUES (?,?,?,?,?)"
    " ON CONFLICT (channel, key) DO UPDATE SET"
    " position = excluded.position, size = excluded.size, expires = excluded.expires"
)
_FREE_KEY: Final = "DELETE FROM state WHERE channel = ? AND key = ?"
_FREE_POSITION: Final = "DELETE FROM state WHERE channel = ? AND position = ?"
_NO_MORE: Final = "UPDATE aside SET free = 1 WHERE position = ?"
_NEWEST_AMONG: Final = (
    "SELECT position FROM state WHERE channel = ? AND position IN (SELECT value FROM json_each(?))"
)

_json = msgspec.json.Encoder().encode


class KeyChanges:
    """What a batch of appends makes of the keys; the appends see each other in order.

    Args:
        store: The log's.
    """

    __slots__ = ("_before", "_grown", "_made", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: dict[Name, Newest | None] = {}
        self._made: dict[Name, Newest | None] = {}
        self._grown = 0

    # How `plan` sees the keys

    @property
    def bytes(self) -> int:
        """Of all messages that keys hold."""
        return self._store.numbers.state_bytes + self._grown

    def newest(self, channel: str, key: str) -> Newest | None:
        """What a key holds, perhaps expired."""
        name = (channel, key)
        if name in self._made:
            return self._made[name]
        if name not in self._before:
            known = self._store.find(channel)
            found = None if known is None else self._store.row(_FIND, known.id, key)
            self._before[name] = None if found is None else Newest(*found)
        return self._before[name]

    def count(self, channel: str) -> int:
        """Keys of a channel that hold something."""
        known = self._store.find(channel)
        if known is None:
            return 0
        count = known.keys
        if count is None:
            (count,) = self._store.row(_COUNT, known.id) or (0,)
            known.keys = count
        return count

    # What is done

    def take(self, drafts: Sequence[Draft], first: int, now_ms: int) -> None:
        """Note what an append makes of the keys.

        Raises:
            RequestError: It may not be; nothing was noted.
            LogUnavailable: Likewise.
        """
        settings = self._store.settings
        planned = plan(
            drafts, first, now_ms, self, settings.max_channel_keys, settings.max_state_bytes
        )
        for name, new in planned.newest.items():
            grown = (new is not None) - (self.newest(*name) is not None)
            if grown:
                self.count(name[0])
                channel = self._store.channel(name[0])
                channel.keys = (channel.keys or 0) + grown
        self._made.update(planned.newest)
        self._grown += planned.grown

    def write(self, connection: Connection) -> bool:
        """Put it into the file; whether a message was freed that had been set aside."""
        freed = False
        for (name, key), new in self._made.items():
            number = self._store.channel(name).id
            before = self._before[name, key]
            if new is not None:
                connection.execute(_PUT, (number, key, new.id, new.size, new.expires))
            elif before is not None:
                connection.execute(_FREE_KEY, (number, key))
            if before is not None:
                connection.execute(_NO_MORE, (before.id,))
                freed = freed or connection.changes() > 0
        self._store.numbers.state_bytes += self._grown
        return freed


def set_aside(connection: Connection, rows: Sequence[tuple[Any, ...]], now_ms: int) -> set[int]:
    """Of messages whose turn it is to go, copy those that stay; the caller deletes them all.

    Args:
        rows: Position, channel, size, expires and perhaps more.
        now_ms: What expires at or before it does not stay.

    Returns:
        The positions of those that stay.
    """
    turns: dict[int, list[int]] = {}
    for position, channel, _, expires, *_ in rows:
        if not 0 < expires <= now_ms:
            turns.setdefault(channel, []).append(position)
    stay: set[int] = set()
    for channel, positions in turns.items():
        found = connection.execute(_NEWEST_AMONG, (channel, _json(positions).decode()))
        stay.update(position for (position,) in found)
    connection.executemany(SET_ASIDE, [(position,) for position in stay])
    return stay


def free_expired(store: Store, rows: Sequence[tuple[Any, ...]], now_ms: int) -> None:
    """Free the keys of messages that have expired.

    Args:
        rows: As for `set_aside`.
    """
    for position, number, size, expires, *_ in rows:
        if not 0 < expires <= now_ms:
            continue
        store.connection.execute(_FREE_POSITION, (number, position))
        if store.connection.changes():
            store.numbers.state_bytes -= size
            (name,) = store.row("SELECT name FROM channels WHERE id = ?", number) or ("",)
            channel = store.channels.get(name)
            if channel is not None and channel.keys is not None:
                channel.keys -= 1
