"""Reading from the file, each answer from one snapshot.

A read transaction sees the file as it was when it began, so messages and watermarks agree whatever
the writer does meanwhile. The answers are those of logs/answers.py, in SQL:

* one channel: its stretch of the index, row by row as far as the page needs;
* up to `MERGED` channels, or patterns that cover no more: the positions of each from the index in
  growing pieces, merged; then the messages themselves, one by one. A channel with nothing new
  costs one step of the index;
* more: through the log from the position on, in pieces, leaving out what is not asked for.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from everywire.core.channels import is_pattern, literal_prefix, matches
from everywire.core.errors import LogUnavailable
from everywire.core.messages import Gap, Message
from everywire.core.pages import PAGE_BYTES, Page, Query, build_page
from everywire.core.watermarks import trimmed_gaps
from everywire.logs.answers import waive
from everywire.logs.base import ChannelStatus
from everywire.logs.holes import tell_holes
from everywire.logs.sqlite import faults
from everywire.logs.sqlite.connecting import Connection, connect_to_read
from everywire.logs.sqlite.queries import ASIDE, KEPT, MESSAGES, Queries
from everywire.logs.sqlite.rows import message_of
from everywire.logs.state import StatePage, state_page

T = TypeVar("T")

MERGED: Final = 500
"""Channels that are merged; for more the log is gone through from the position on."""

_LOOKED_AT: Final = 10 * MERGED
_FIRST_PIECE: Final = 4
_PIECE: Final = 256
_SCAN_PIECE: Final = 2048

_json = msgspec.json.Encoder().encode

_FLOOR: Final = "SELECT floor FROM meta"
_CHANNELS: Final = (
    "SELECT id, name, watermark FROM channels WHERE name IN (SELECT value FROM json_each(?))"
)
_NAMES: Final = "SELECT id, name FROM channels WHERE id IN (SELECT value FROM json_each(?))"
_COVERED: Final = "SELECT id, name FROM channels WHERE name >= ? AND name < ? LIMIT ?"
_COVERED_MARKS: Final = (
    "SELECT name, watermark FROM channels WHERE name >= ? AND name < ? AND watermark > ?"
    " ORDER BY watermark DESC"
)
_MARKS: Final = (
    "SELECT name, watermark FROM channels WHERE watermark > 0 AND watermark > ?"
    " ORDER BY watermark DESC"
)
_ASIDE_UPTO: Final = "SELECT max(position) FROM aside"
_ASIDE_OF: Final = "SELECT 1 FROM aside WHERE channel = ? LIMIT 1"
_MARK: Final = "SELECT watermark FROM channels WHERE name = ?"
_STATE: Final = (
    "SELECT position FROM state WHERE channel = ? AND position > ? AND position <= ?"
    " AND (expires = 0 OR expires > ?) ORDER BY position LIMIT ?"
)


class Reader:
    """The connection that reads; it is opened at its first use, and anew after a failure.

    Args:
        path: The file.
        vfs: SQLite's layer to the disk, by name; None: its own.
    """

    def __init__(self, path: Path, vfs: str | None) -> None:
        self._path = path
        self._vfs = vfs
        self._connection: Connection | None = None

    def read(self, job: Callable[[Snapshot], T]) -> T:
        """Answer from one snapshot.

        Raises:
            LogUnavailable: The file could not be read.
        """
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = connect_to_read(self._path, self._vfs)
            connection.execute("BEGIN")
            try:
                return job(Snapshot(connection))
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as error:
            self.close()
            raise LogUnavailable(faults.sentence(error, self._path)) from error

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)


class Snapshot:
    """The file as it is at one moment.

    Args:
        connection: In a read transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = MESSAGES

    def page(self, query: Query, unknown: Sequence[Gap], now_ms: int) -> Page:
        """Messages and gaps after a position that is known.

        Args:
            query: What is asked.
            unknown: Gaps of an unknown position that it comes from.
            now_ms: Messages that expire at or before it are passed over.
        """
        channels = self._channels(query.channels)
        marks = {name: mark for name, mark in channels.values() if mark > query.after}
        marks.update(self._marks_of_patterns(query.patterns, query.after))
        floor: int = self._connection.execute(_FLOOR).get
        trimmed = trimmed_gaps(query.names, marks, floor, query.after, query.waived)
        names = {number: name for number, (name, _) in channels.items()}
        aside_upto: int = self._connection.execute(_ASIDE_UPTO).get or 0
        self._queries = KEPT if aside_upto > query.after else MESSAGES
        messages = self._messages(query, names)
        page = build_page(query, messages, unknown, trimmed, now_ms, query.waived)
        if trimmed:
            least = floor if query.after < floor else 0
            page = tell_holes(page, query, lambda name: max(self._mark(name), least))
        return waive(page, query, marks, floor)

    def back(self, channel: str, before: int, after: int, limit: int, now_ms: int) -> list[Message]:
        """The newest messages between two positions, newest first."""
        number = self._number(channel)
        back = self._queries_of(number).back
        found = self._connection.execute(back, (number, before, after, now_ms, limit))
        return [message_of(row, channel) for row in found]

    def nth_last(self, channel: str, count: int, upto: int, now_ms: int) -> int:
        """The position to read after for the last messages; 0: for all of them."""
        number = self._number(channel)
        bindings = (number, upto, now_ms, count - 1)
        nth_last = self._queries_of(number).nth_last
        found: int | None = self._connection.execute(nth_last, bindings).get
        return 0 if found is None else found - 1

    def status(self, channel: str, upto: int, ended: int, now_ms: int) -> ChannelStatus:
        """What is known of a channel.

        Args:
            channel: Its name.
            upto: Position, inclusive; nothing above it is told.
            ended: Where it ended, or 0.
            now_ms: Messages that expire at or before it are not counted.
        """
        marks = self.watermarks((channel,))
        number = self._number(channel)
        execute = self._connection.execute
        count = 0
        for queries in (MESSAGES, ASIDE):
            count += execute(queries.count, (number, upto)).get
            count -= execute(queries.count_expired, (now_ms, number, upto)).get
        newest = self.back(channel, upto + 1, 0, 1, now_ms)
        last = max(marks.get(channel, 0), ended)
        if not newest:
            return ChannelStatus(last or None, None, 0)
        oldest: int = execute(self._queries_of(number).oldest, (number, upto, now_ms)).get
        return ChannelStatus(max(newest[0].id, last), oldest, count)

    def state(self, channel: str, after: int, upto: int, limit: int, now_ms: int) -> StatePage:
        """The newest message of each key of a channel, between two positions."""
        number = self._number(channel)
        self._queries = self._queries_of(number)
        # One more than is told, to know whether there is one.
        found = self._connection.execute(_STATE, (number, after, upto, now_ms, limit + 1))
        positions = [position for (position,) in found]
        messages: list[Message] = []
        size = 0
        for message in self._at(positions, {number: channel}):
            messages.append(message)
            size += message.size
            if size > PAGE_BYTES and len(messages) > 1:
                break
        return state_page(messages, upto, limit)

    def watermarks(self, names: Iterable[str]) -> Mapping[str, int]:
        """The newest lost positions of channels and patterns."""
        names = tuple(names)
        marks = {name: mark for name, mark in self._channels(names).values() if mark}
        marks.update(self._marks_of_patterns(filter(is_pattern, names), 0))
        return marks

    # Channels

    def _queries_of(self, number: int) -> Queries:
        """How to ask for all messages of a channel."""
        aside = self._connection.execute(_ASIDE_OF, (number,)).fetchone()
        return MESSAGES if aside is None else KEPT

    def _mark(self, channel: str) -> int:
        found: int | None = self._connection.execute(_MARK, (channel,)).get
        return found or 0

    def _number(self, channel: str) -> int:
        found: int | None = self._connection.execute(
            "SELECT id FROM channels WHERE name = ?", (channel,)
        ).get
        return 0 if found is None else found

    def _channels(self, names: Sequence[str]) -> dict[int, tuple[str, int]]:
        """Name and watermark of those channels that there are, by number."""
        if not names:
            return {}
        found = self._connection.execute(_CHANNELS, (_json(names).decode(),))
        return {number: (name, mark) for number, name, mark in found}

    def _marks_of_patterns(self, patterns: Iterable[str], above: int) -> dict[str, int]:
        """The highest watermark that each pattern covers, where it is above a position."""
        marks: dict[str, int] = {}
        for pattern in patterns:
            low, high = _range(pattern)
            # The highest first: mostly the first row answers.
            found = (
                self._connection.execute(_COVERED_MARKS, (low, high, above))
                if low
                else self._connection.execute(_MARKS, (above,))
            )
            mark = next((mark for name, mark in found if matches(pattern, name)), 0)
            if mark:
                marks[pattern] = mark
        return marks

    # Messages

    def _messages(self, query: Query, names: dict[int, str]) -> Iterator[Message]:
        """What a query asks for, in position order, read no further than is taken."""
        if not query.patterns and len(names) == 1:
            (number, name), *_ = names.items()
            found = self._connection.execute(
                self._queries.of_channel, (number, query.after, query.upto)
            )
            return (message_of(row, name) for row in found)
        few = self._few(query, names)
        if few is not None:
            return self._at(self._merged(list(few), query.after, query.upto), few)
        names = dict(names)
        return self._at(self._scanned(query, names), names)

    def _few(self, query: Query, names: dict[int, str]) -> dict[int, str] | None:
        """All channels that are asked for; None: more than `MERGED`, or too many to look at."""
        few = dict(names)
        left = _LOOKED_AT
        for pattern in query.patterns:
            found = self._connection.execute(_COVERED, (*_range(pattern), left)).fetchall()
            left -= len(found)
            few.update((number, name) for number, name in found if matches(pattern, name))
            if left <= 0 or len(few) > MERGED:
                return None
        return few if len(few) <= MERGED else None

    def _at(self, positions: Iterable[int], names: Mapping[int, str]) -> Iterator[Message]:
        execute = self._connection.execute
        for position in positions:
            row = execute(self._queries.at, (position,)).fetchone()
            if row is not None:
                yield message_of(row[1:], names[row[0]])

    def _merged(self, numbers: list[int], after: int, upto: int) -> Iterator[int]:
        """The positions of some channels, in order."""
        found = self._connection.execute(
            self._queries.with_news, (_json(numbers).decode(), after, upto)
        )
        news: list[int] = [number for (number,) in found]
        return heapq.merge(*(self._positions(number, after, upto) for number in news))

    def _positions(self, number: int, after: int, upto: int) -> Iterator[int]:
        piece = _FIRST_PIECE
        while True:
            found = self._connection.execute(
                self._queries.positions, (number, after, upto, piece)
            ).fetchall()
            for (position,) in found:
                yield position
            if len(found) < piece:
                return
            after = found[-1][0]
            piece = min(piece * 4, _PIECE)

    def _scanned(self, query: Query, names: dict[int, str]) -> Iterator[int]:
        """The positions asked for, by going through the log; names are added as they are met."""
        left_out: set[int] = set()
        after = query.after
        piece = _PIECE
        while True:
            found = self._connection.execute(
                self._queries.scan, (after, query.upto, piece)
            ).fetchall()
            self._tell_apart(query, {number for _, number in found}, names, left_out)
            for position, number in found:
                if number in names:
                    yield position
            if len(found) < piece:
                return
            after = found[-1][0]
            piece = _SCAN_PIECE

    def _tell_apart(
        self, query: Query, numbers: set[int], names: dict[int, str], left_out: set[int]
    ) -> None:
        """Of channels not met before, add those that the patterns cover to the names."""
        new = numbers - left_out - names.keys()
        if not new:
            return
        found = self._connection.execute(_NAMES, (_json(list(new)).decode(),))
        for number, name in found:
            if any(matches(pattern, name) for pattern in query.patterns):
                names[number] = name
            else:
                left_out.add(number)


def _range(pattern: str) -> tuple[str, str]:
    """Between which names those that a pattern covers lie."""
    prefix = literal_prefix(pattern)
    if not prefix:
        return "", chr(0x10FFFF)
    # It ends with the '.' before the first '*'; '/' is the character after it.
    return prefix, prefix[:-1] + "/"
