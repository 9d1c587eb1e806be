"""Only the newest message of each event name, and where something was left out.

For channels whose rule says ``latest``: a subscriber that is behind reads the log to its end, and
of what it reads keeps the newest message a channel and event name. What it left out is said by a
gap ``conflated`` before the next message it sends.

Messages of its other channels wait meanwhile, so that all leave in position order: a position that
a client has must not stand above something that was held back, or a cut there would lose it without
a word. Only a little may wait so; then what there is goes out, and reading goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from everywire.core.messages import Gap, Message

MAX_CONFLATED_BYTES: Final = 1024 * 1024
MAX_BETWEEN_BYTES: Final = 64 * 1024
"""Of messages that wait only because others are conflated."""

_THIN_FROM: Final = 256


class Conflation:
    """What is to be sent once a reader is level.

    Args:
        after: Where it began to be behind.
        lossless: Tells of a channel whether all of its messages are sent; None: of no one.
    """

    __slots__ = (
        "_between",
        "_between_size",
        "_gaps",
        "_lossless",
        "_newest",
        "_seen",
        "after",
        "size",
    )

    def __init__(self, after: int, lossless: Callable[[str], bool] | None = None) -> None:
        self.after = after
        self._lossless = lossless
        self._between: list[Message] = []
        self._between_size = 0
        self._newest: dict[tuple[str, str], Message] = {}
        self._seen: dict[str, list[int]] = {}
        self._gaps: list[Gap] = []
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether what it holds has to be sent before more is read; a bound of memory."""
        return self.size > MAX_CONFLATED_BYTES or self._between_size > MAX_BETWEEN_BYTES

    def take(self, items: Iterable[Message | Gap]) -> None:
        """Take in what was read, in position order."""
        for item in items:
            if isinstance(item, Gap):
                self._gaps.append(item)
                self.size += 64
                continue
            if self._lossless is not None and self._lossless(item.channel):
                self._between.append(item)
                self._between_size += item.size
                continue
            name = (item.channel, item.event)
            old = self._newest.get(name)
            if old is not None:
                self.size -= old.size
            self._newest[name] = item
            self.size += item.size
            self._seen.setdefault(item.channel, []).append(item.id)
        for channel, seen in self._seen.items():
            if len(seen) > _THIN_FROM:
                self._thin(channel)

    def _thin(self, channel: str) -> None:
        """Of the positions read keep what tells a hole: those sent, and one between each two."""
        seen = self._seen[channel]
        sent = {m.id for (name, _), m in self._newest.items() if name == channel}
        kept: list[int] = []
        for position in seen:
            if position in sent or not kept or kept[-1] in sent:
                kept.append(position)
        self._seen[channel] = kept

    def release(self) -> list[Message | Gap]:
        """What to send, in position order; the conflation is empty afterwards."""
        out: list[Message | Gap] = [*self._gaps, *self._between]
        sent = {message.id: message for message in self._newest.values()}
        for channel, seen in self._seen.items():
            last, hole = self.after, False
            for position in seen:
                message = sent.get(position)
                if message is None:
                    hole = True
                    continue
                if hole:
                    out.append(Gap(channel, last, position, "conflated"))
                out.append(message)
                last, hole = position, False
        self.after = max([self.after, *(seen[-1] for seen in self._seen.values())])
        out.sort(key=_place)
        self._newest, self._seen, self._gaps, self.size = {}, {}, [], 0
        self._between, self._between_size = [], 0
        return out


def _place(item: Message | Gap) -> tuple[int, int]:
    """Position order; a gap stands after the messages up to it."""
    return (item.position, 1) if isinstance(item, Gap) else (item.id, 0)
