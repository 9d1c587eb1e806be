"""Messages kept in memory: the whole of the memory log, and the recent tail of every other.

Operations: add at the end; read on after a position, for some channels and patterns, merged;
drop a channel's oldest; drop the oldest of all; drop expired ones; set a channel's oldest aside.

What is set aside is read as before, but is none of those that are dropped as the oldest, nor
counted with them: it is the newest message of its key, kept whatever the retention, and goes by its
position (`drop`). It is older than all else of its channel.

Two orders are kept: a list by channel (reads, trims by channel) and one queue over all channels
(the oldest of all). A message that is dropped by channel stays in the queue until it comes to its
front; ``_gone`` knows those, and the queue is packed when half of it is gone, by number or by
bytes. So what is held beside the messages kept is bounded by them, whatever order they go in. What
is set aside leaves the queue for a list of its own.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from operator import attrgetter
from typing import Final

from everywire.core.channels import matches
from everywire.core.messages import Kind, Message

_position = attrgetter("id")
_PACK_FROM: Final = 1024
_PACK_FROM_BYTES: Final = 1024 * 1024
_DROPPED: Final = Message(0, "", "", b"", Kind.BYTES, 0)


class Shelf:
    """One channel's messages in position order; those before ``start`` are dropped already.

    Attributes:
        aside: Those set aside, in position order, all older than the others; None: there never
            was one. Length and size do not count them.
    """

    __slots__ = ("aside", "messages", "size", "start")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.start = 0
        self.size = 0
        self.aside: list[Message] | None = None

    def __len__(self) -> int:
        return len(self.messages) - self.start

    @property
    def empty(self) -> bool:
        """Whether nothing is left, set aside or not."""
        return self.start == len(self.messages) and not self.aside

    def oldest(self) -> Message:
        """The oldest message; there must be one."""
        return self.messages[self.start]

    def index_after(self, position: int) -> int:
        """Where the first message above a position stands."""
        messages = self.messages
        if not messages or messages[-1].id <= position:
            return len(messages)
        return bisect_right(messages, position, self.start, key=_position)

    def after(self, position: int) -> Iterator[Message]:
        """Messages above a position. The shelf must not change while it is read."""
        aside = self.aside
        if aside and aside[-1].id > position:
            yield from aside[bisect_right(aside, position, key=_position) :]
        messages = self.messages
        for index in range(self.index_after(position), len(messages)):
            yield messages[index]

    def before(self, position: int) -> Iterator[Message]:
        """Messages below a position, newest first. The shelf must not change while it is read."""
        messages = self.messages
        for index in range(self.index_after(position - 1) - 1, self.start - 1, -1):
            yield messages[index]
        aside = self.aside
        if aside:
            yield from reversed(aside[: bisect_right(aside, position - 1, key=_position)])

    def drop_first(self) -> Message:
        """Take the oldest away."""
        message = self.messages[self.start]
        # Its place stays until the list is packed; the message itself must not.
        self.messages[self.start] = _DROPPED
        self.start += 1
        self.size -= message.size
        # Packed now and then, so that dropping costs no move of the rest each time.
        if self.start > 32 and self.start * 2 > len(self.messages):
            del self.messages[: self.start]
            self.start = 0
        return message

    def drop_one(self, position: int) -> Message | None:
        """Take the message with this position away, wherever it stands."""
        index = self.index_after(position - 1)
        if index == len(self.messages) or self.messages[index].id != position:
            return None
        if index == self.start:
            return self.drop_first()
        message = self.messages.pop(index)
        self.size -= message.size
        return message

    def drop_aside(self, position: int) -> Message | None:
        """Take the message with this position away, if it is set aside."""
        return _taken(self.aside, position)


class Kept:
    """See the module.

    Attributes:
        shelves: By channel; none is empty.
        count: Messages, those set aside not counted.
        size: Their bytes.
    """

    __slots__ = (
        "_aside",
        "_expiring",
        "_gone",
        "_gone_bytes",
        "_order",
        "count",
        "shelves",
        "size",
    )

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = {}
        self._order: deque[Message] = deque()
        self._aside: list[Message] = []
        self._gone: set[int] = set()
        self._gone_bytes = 0
        self._expiring: list[tuple[int, int, str]] = []
        self.size = 0
        self.count = 0

    def add(self, message: Message) -> None:
        """Add a message above all others."""
        shelf = self.shelves.get(message.channel)
        if shelf is None:
            shelf = self.shelves[message.channel] = Shelf()
        size = message.size
        shelf.messages.append(message)
        shelf.size += size
        self.size += size
        self.count += 1
        self._order.append(message)
        if message.expires:
            heapq.heappush(self._expiring, (message.expires, message.id, message.channel))

    def oldest(self) -> Message | None:
        """The oldest message of all."""
        order, gone = self._order, self._gone
        while order and order[0].id in gone:
            message = order.popleft()
            gone.discard(message.id)
            self._gone_bytes -= message.size
        return order[0] if order else None

    def drop_oldest(self) -> Message | None:
        """Take the oldest of all away."""
        message = self.oldest()
        if message is None:
            return None
        self._order.popleft()
        shelf = self.shelves[message.channel]
        shelf.drop_first()
        self._dropped(shelf, message)
        self._pack()
        return message

    def drop_oldest_of(self, channel: str) -> Message:
        """Take the oldest of a channel away; it must have one."""
        shelf = self.shelves[channel]
        message = shelf.drop_first()
        self._left_behind(message)
        self._dropped(shelf, message)
        self._pack()
        return message

    def set_aside(self, channel: str) -> None:
        """Keep the oldest of a channel apart from those that are dropped; it must have one."""
        shelf = self.shelves[channel]
        message = shelf.drop_first()
        if shelf.aside is None:
            shelf.aside = []
        shelf.aside.append(message)
        insort(self._aside, message, key=_position)
        self._left_behind(message)
        self._dropped(shelf, message)
        self._pack()

    def drop_aside(self, channel: str, position: int) -> Message | None:
        """Take a message away that was set aside; None: it was not."""
        shelf = self.shelves.get(channel)
        message = None if shelf is None else shelf.drop_aside(position)
        if shelf is not None and message is not None:
            _taken(self._aside, position)
            if shelf.empty:
                del self.shelves[channel]
        return message

    def drop(self, channel: str, position: int) -> None:
        """Take the message with this position away, wherever it stands, if it is there."""
        self._drop(channel, position)
        self._pack()

    def drop_expired(self, now_ms: int) -> list[Message]:
        """Take away what has expired by itself, and return it."""
        expiring = self._expiring
        dropped: list[Message] = []
        while expiring and expiring[0][0] <= now_ms:
            _, position, channel = heapq.heappop(expiring)
            message = self._drop(channel, position)
            if message is not None:
                dropped.append(message)
        self._pack()
        return dropped

    def after(
        self, channels: Sequence[str], patterns: Sequence[str], position: int
    ) -> Iterator[Message]:
        """Messages of channels and patterns above a position, merged in order, each once."""
        if not patterns:
            shelves = [shelf for name in channels if (shelf := self.shelves.get(name)) is not None]
            if len(shelves) == 1:
                return shelves[0].after(position)
            return heapq.merge(*(shelf.after(position) for shelf in shelves), key=_position)
        newest = self._newest_after(position, max(_PACK_FROM, len(self.shelves)))
        wanted = set(channels)
        if newest is not None:
            covered: dict[str, bool] = {}

            def hears(message: Message) -> bool:
                name = message.channel
                found = covered.get(name)
                if found is None:
                    found = name in wanted or any(matches(p, name) for p in patterns)
                    covered[name] = found
                return found

            return iter([message for message in newest if hears(message)])
        names = wanted | {
            name for name in self.shelves if any(matches(pattern, name) for pattern in patterns)
        }
        return self.after(tuple(names), (), position)

    def _newest_after(self, position: int, most: int) -> list[Message] | None:
        """Everything above a position, in order, if that is no more than so many."""
        aside = self._aside[bisect_right(self._aside, position, key=_position) :]
        if len(aside) > most:
            return None
        found: list[Message] = []
        gone = self._gone
        for message in takewhile(lambda m: m.id > position, reversed(self._order)):
            if len(found) == most:
                return None
            if message.id not in gone:
                found.append(message)
        found.reverse()
        return list(heapq.merge(aside, found, key=_position)) if aside else found

    def _drop(self, channel: str, position: int) -> Message | None:
        shelf = self.shelves.get(channel)
        message = None if shelf is None else shelf.drop_one(position)
        if shelf is None or message is None:
            return self.drop_aside(channel, position)
        self._left_behind(message)
        self._dropped(shelf, message)
        return message

    def _dropped(self, shelf: Shelf, message: Message) -> None:
        self.size -= message.size
        self.count -= 1
        if shelf.empty:
            del self.shelves[message.channel]

    def _left_behind(self, message: Message) -> None:
        self._gone.add(message.id)
        self._gone_bytes += message.size

    def _pack(self) -> None:
        gone = self._gone
        many = len(gone) > _PACK_FROM and len(gone) * 2 > len(self._order)
        if many or self._gone_bytes > max(self.size, _PACK_FROM_BYTES):
            self._order = deque(message for message in self._order if message.id not in gone)
            gone.clear()
            self._gone_bytes = 0
        expiring = self._expiring
        # Each message that expires stands here once; those dropped before their time stay too.
        if len(expiring) > _PACK_FROM and len(expiring) > 2 * (self.count + len(self._aside)):
            self._expiring = [(m.expires, m.id, m.channel) for m in self._all() if m.expires]
            heapq.heapify(self._expiring)

    def _all(self) -> Iterator[Message]:
        for shelf in self.shelves.values():
            yield from shelf.after(0)


def _taken(messages: list[Message] | None, position: int) -> Message | None:
    """Take the message with this position out of a list in position order, if it is there."""
    if not messages:
        return None
    index = bisect_right(messages, position - 1, key=_position)
    if index == len(messages) or messages[index].id != position:
        return None
    return messages.pop(index)
