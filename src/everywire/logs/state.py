"""Keyed state: of each channel and key the newest message, kept whatever the retention.

A key holds the newest message that was published with it. JSON ``null`` frees the key, and so does
the message's own ``ttl``; the one before never comes back. What was newest and is no more is an
ordinary message again. The message that frees a key is an ordinary one from the beginning.

Retention goes over messages without asking for keys. Only what it would take is looked at: the
newest of a key is set aside instead, still read as before, and goes (and is lost) when it is newest
no more. So a message is lost when it is neither within retention nor the newest of its key, and the
cost of trimming does not grow with the keys.

`plan` decides for every log what a publish makes of the keys, before anything is appended; a log
answers its questions as a `Keys`. `MemoryState` is those of the memory log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

import msgspec

from everywire.core.errors import LogUnavailable, RequestError
from everywire.core.messages import Draft, Message, message_from
from everywire.core.pages import fitting

Name = tuple[str, str]
"""Channel and key."""


class Newest(msgspec.Struct, frozen=True, gc=False):
    """What a key holds: position and size of its newest message, and when that expires, or 0."""

    id: int
    size: int
    expires: int


class Keys(Protocol):
    """What a log knows of its keys."""

    @property
    def bytes(self) -> int:
        """Of all messages that keys hold."""
        ...

    def newest(self, channel: str, key: str) -> Newest | None:
        """What a key holds, perhaps expired; None: nothing."""
        ...

    def count(self, channel: str) -> int:
        """Keys of a channel that hold something, perhaps expired."""
        ...


class Plan(msgspec.Struct, frozen=True):
    """What an append makes of the keys.

    Attributes:
        newest: What each holds afterwards; None: nothing.
        grown: Bytes by which that is more than before.
    """

    newest: dict[Name, Newest | None]
    grown: int


class StatePage(msgspec.Struct, frozen=True):
    """Messages that keys of a channel hold.

    Attributes:
        messages: The newest of each key, in position order.
        position: What they stand for: with it as ``since`` a subscription goes on without a hole
            and without a repeat.
        complete: There are no more; else ask again with ``after`` the last one's id, and ``upto``
            this position.
    """

    messages: Sequence[Message]
    position: int
    complete: bool = True


def has_keys(drafts: Sequence[Draft]) -> bool:
    """Whether a draft has a key."""
    # No generator: most lists have none, and are gone through whole.
    return bool([None for draft in drafts if draft.key is not None])


def plan(
    drafts: Sequence[Draft],
    first: int,
    now_ms: int,
    keys: Keys,
    max_keys: int,
    max_bytes: int,
) -> Plan:
    """What drafts make of the keys, each seeing what those before it did.

    Args:
        drafts: Those of one append; drafts without a key are passed over.
        first: The position of the first.
        now_ms: Milliseconds since the epoch; what expires at or before it holds no key.
        keys: As they are before.
        max_keys: Keys of a channel that may hold something.
        max_bytes: Bytes of all that keys may hold.

    Raises:
        RequestError: ``conflict``, with the id that ``expected_id`` would have had to be; or
            ``too_large``: the channel holds as many keys as one may.
        LogUnavailable: The keys of all channels hold as many bytes as they may.
    """
    made: dict[Name, Newest | None] = {}
    counts: dict[str, int] = {}
    grown = 0
    for position, draft in enumerate(drafts, first):
        if draft.key is None:
            continue
        name = (draft.channel, draft.key)
        held = made[name] if name in made else keys.newest(*name)
        _check_expected(draft, held, now_ms)
        new = None
        if not draft.frees:
            message = message_from(draft, position, now_ms)
            new = Newest(position, message.size, message.expires)
        if (held is None) != (new is None):
            count = counts.get(draft.channel)
            if count is None:
                count = keys.count(draft.channel)
            counts[draft.channel] = count + (1 if held is None else -1)
            if held is None and count >= max_keys:
                raise _too_many_keys(draft.channel, max_keys)
        grown += (0 if new is None else new.size) - (0 if held is None else held.size)
        made[name] = new
    if grown > 0 and keys.bytes + grown > max_bytes:
        raise LogUnavailable(
            f"the keys of all channels hold {keys.bytes} bytes, and at most {max_bytes} may be "
            "held; publish null under keys that are not needed, or with a ttl"
        )
    return Plan(made, grown)


def _check_expected(draft: Draft, held: Newest | None, now_ms: int) -> None:
    if draft.expected_id is None:
        return
    current = 0 if held is None or 0 < held.expires <= now_ms else held.id
    if current != draft.expected_id:
        raise RequestError(
            "conflict",
            f"expected_id is {draft.expected_id}, but the newest message of key {draft.key!a} has "
            f"the id {current} (0: the key holds none); read the state and decide anew",
            channel=draft.channel,
        )


def _too_many_keys(channel: str, most: int) -> RequestError:
    return RequestError(
        "too_large",
        f"channel {channel!r} holds {most} keys, as many as one may; publish null under one that "
        "is not needed",
        channel=channel,
    )


def state_page(messages: Sequence[Message], position: int, limit: int) -> StatePage:
    """A page of state.

    Args:
        messages: What there is to tell, perhaps more than a page holds.
        position: What it stands for.
        limit: Messages at most.
    """
    count = fitting(messages, limit)
    return StatePage(messages[:count], position, count == len(messages))


class MemoryState:
    """The keys of a log in memory. In each channel they stand in order of their positions."""

    __slots__ = ("_channels", "bytes")

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Message]] = {}
        self.bytes = 0

    def newest(self, channel: str, key: str) -> Newest | None:
        """What a key holds, perhaps expired."""
        message = self._channels.get(channel, {}).get(key)
        return None if message is None else Newest(message.id, message.size, message.expires)

    def count(self, channel: str) -> int:
        """Keys of a channel that hold something."""
        return len(self._channels.get(channel, ()))

    def put(self, key: str, message: Message, frees: bool) -> Message | None:
        """Note a key's newest message.

        Returns:
            What it held before.
        """
        held = self._channels.setdefault(message.channel, {})
        before = held.pop(key, None)
        if before is not None:
            self.bytes -= before.size
        if not frees:
            held[key] = message
            self.bytes += message.size
        elif not held:
            del self._channels[message.channel]
        return before

    def holds(self, message: Message) -> bool:
        """Whether a message is the newest of its key."""
        key = message.key
        return key is not None and self._channels.get(message.channel, {}).get(key) is message

    def discard(self, message: Message) -> None:
        """Free the key of a message that has expired, if it is the newest of it."""
        if message.key is not None and self.holds(message):
            held = self._channels[message.channel]
            del held[message.key]
            self.bytes -= message.size
            if not held:
                del self._channels[message.channel]

    def page(self, channel: str, after: int, upto: int, limit: int, now_ms: int) -> StatePage:
        """What the keys of a channel hold, between two positions."""
        held = list(self._channels.get(channel, {}).values())
        start = bisect_right(held, after, key=attrgetter("id"))
        found: list[Message] = []
        for message in held[start:]:
            if message.id > upto or len(found) > limit:
                break
            if not 0 < message.expires <= now_ms:
                found.append(message)
        return state_page(found, upto, limit)
