"""What a subscriber wants to see of what it hears.

A filter belongs to the channel or pattern that it was asked for with. `Selected` puts the filters
of a subscriber in front of its wire's format: what is hidden becomes no bytes. Since subscribers
with equal filters share one format, a batch is filtered and written once for all of them, and the
hub knows nothing of it: positions move, and a write of no bytes is none.

A message that several names of a subscriber cover is shown if any of them shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from everywire.core.channels import matches
from everywire.core.filters import Filter
from everywire.core.messages import Gap, Message
from everywire.core.subscriptions import Format

_MAX_KNOWN: Final = 1024


class Selection:
    """The filters of a subscriber.

    Args:
        filters: By the name that each was asked for with.
        unfiltered: Its other names.
    """

    __slots__ = ("_filters", "_known", "_unfiltered")

    def __init__(self, filters: Mapping[str, Filter], unfiltered: frozenset[str]) -> None:
        self._filters = filters
        self._unfiltered = unfiltered
        self._known: dict[str, tuple[Filter, ...] | None] = {}

    def shows(self, message: Message) -> bool:
        """Whether a message is shown."""
        channel = message.channel
        try:
            filters = self._known[channel]
        except KeyError:
            filters = self._of(channel)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[channel] = filters
        return filters is None or any(each.shows(message) for each in filters)

    def _of(self, channel: str) -> tuple[Filter, ...] | None:
        """The filters a channel's messages may pass by; None: all of them are shown."""
        if any(matches(name, channel) for name in self._unfiltered):
            return None
        return tuple(each for name, each in self._filters.items() if matches(name, channel))


class Selected:
    """A format that writes only what a selection shows.

    Args:
        format: Writes it.
        selection: Decides.
    """

    __slots__ = ("_format", "_selection")

    def __init__(self, format: Format, selection: Selection) -> None:
        self._format = format
        self._selection = selection

    def message(self, message: Message) -> bytes:
        """One message, encoded; nothing where it is hidden."""
        return self._format.message(message) if self._selection.shows(message) else b""

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        """Those that are shown, as one write; nothing where none is."""
        shown = [pair for pair in zip(parts, messages, strict=True) if pair[0]]
        if not shown:
            return b""
        return self._format.join([part for part, _ in shown], [message for _, message in shown])

    def gap(self, gap: Gap) -> bytes:
        """A gap is never hidden: what was lost might have been shown."""
        return self._format.gap(gap)


@lru_cache(_MAX_KNOWN)
def _selected(
    format: Format, filters: frozenset[tuple[str, Filter]], unfiltered: frozenset[str]
) -> Selected:
    return Selected(format, Selection(dict(filters), unfiltered))


def selected(format: Format, filters: Mapping[str, Filter], unfiltered: frozenset[str]) -> Format:
    """A format with filters in front of it; the format itself where there are none.

    Equal arguments get the same object, so that the hub writes once for all who are alike.
    """
    if not filters:
        return format
    return _selected(format, frozenset(filters.items()), unfiltered)
