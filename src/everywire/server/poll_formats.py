"""How a batch answers the polls that wait for it: one body for all that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from everywire.core.hub import Hub
from everywire.core.messages import Gap, Message
from everywire.core.pages import Page, fitting
from everywire.wires import longpoll
from everywire.wires.envelope import envelope
from everywire.wires.queries import PollRequest

MAX_FORMATS: Final = 256


class PollFormat:
    """How a batch answers those that wait for it; one object for all that are alike.

    Args:
        hub: Where the log stands, for ephemeral messages, which have no position.
        limit: Messages in an answer.
        ended: Channels of these polls that ended before.
        named: Channels asked for by name, where there are patterns too; None: all are. Of the
            others an end is not told.
    """

    def __init__(
        self, hub: Hub, limit: int, ended: tuple[str, ...], named: tuple[str, ...] | None
    ) -> None:
        self._hub = hub
        self._limit = limit
        self._ended = ended
        self._named = named

    def message(self, message: Message) -> bytes:
        """A message object."""
        return envelope(message)

    def gap(self, gap: Gap) -> bytes:
        """Gaps are part of a page; a batch has none."""
        raise NotImplementedError

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        """The body of an answer: the first messages, to a page's end."""
        count = fitting(messages, self._limit)
        messages = messages[:count]
        final = [m.channel for m in messages if m.final]
        if self._named is not None:
            final = [channel for channel in final if channel in self._named]
        last_id = messages[-1].id
        body = longpoll.body(
            parts[:count], last_id or self._hub.position, (), (*self._ended, *final)
        )
        if not last_id:
            return Ephemeral(body)
        return ShortLived(body) if any(m.expires for m in messages) else body


class ShortLived(bytes):
    """The body of an answer that must not live on in a cache, as where its messages expire."""


class Ephemeral(ShortLived):
    """The body of an answer that is nowhere else: it cannot be read again later."""


def page_answer(page: Page, ended: Sequence[str], skip: str | None = None) -> bytes:
    """The body of an answer with a page; the arguments are those of `longpoll.page_body`."""
    body = longpoll.page_body(page, ended, skip)
    unknown = any(gap.reason == "unknown_position" for gap in page.gaps)
    lasting = not unknown and not any(message.expires for message in page.messages)
    return body if lasting else ShortLived(body)


class PollFormats:
    """The format objects of a node's polls.

    Args:
        hub: Where the log stands.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._formats: dict[tuple[int, tuple[str, ...], tuple[str, ...] | None], PollFormat] = {}

    def of(self, asked: PollRequest, ended: tuple[str, ...]) -> PollFormat:
        """The one that all polls alike share."""
        key = (asked.limit, ended, asked.channels if asked.patterns else None)
        wire = self._formats.get(key)
        if wire is None:
            if len(self._formats) >= MAX_FORMATS:
                self._formats.clear()
            wire = self._formats[key] = PollFormat(self._hub, *key)
        return wire
