"""What is published, what is kept, and what is missing.

A `Draft` is what a publisher wants; the log turns it into a `Message` by giving it a position and
a time. A `Gap` says that messages may be missing. All three are plain values.

The data of a message is kept as the bytes that were published (JSON), as UTF-8 (text) or as is
(bytes); ``kind`` says which. JSON is checked once, at publish, and never parsed again unless a
wire has to turn it into another format.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec


class Kind(IntEnum):
    """What the data of a message is."""

    JSON = 0
    TEXT = 1
    BYTES = 2


DEFAULT_EVENT: Final = "message"
OWN_EVENTS: Final = "everywire."
"""Names of events that begin so are the server's."""

_OVERHEAD: Final = 96
"""What a message costs beside its own bytes, roughly, in memory or on disk."""


class Draft(msgspec.Struct, gc=False):
    """A message that is not in the log yet.

    Attributes:
        channel: A checked channel name.
        data: JSON, UTF-8 or bytes, as ``kind`` says; checked by `everywire.core.payload`.
        event: The publisher's name for it.
        key: Names a piece of state: the newest message of each channel and key is kept whatever the
            retention. JSON ``null`` as data frees the key.
        meta: A flat JSON object of scalars, encoded, or None.
        ttl: Seconds after which it is gone, above 0; None: never by itself.
        final: The last message of its channel.
        ephemeral: Not kept: it has no position and reaches only who listens now.
        echo: False: not to the connection that published it.
        connection: Public name of the connection that published it.
        user: The user who published it.
        expected_id: Only with ``key``: append if the key's newest message has this position (0: it
            has none), else ``conflict``.
    """

    channel: str
    data: bytes
    kind: Kind = Kind.JSON
    event: str = DEFAULT_EVENT
    key: str | None = None
    meta: bytes | None = None
    ttl: float | None = None
    final: bool = False
    ephemeral: bool = False
    echo: bool = True
    connection: str | None = None
    user: str | None = None
    expected_id: int | None = None

    @property
    def frees(self) -> bool:
        """Whether it frees its key, where it has one."""
        return self.data == b"null" and self.kind is Kind.JSON


class Message(msgspec.Struct, gc=False):
    """A message with its position.

    Attributes:
        id: Its position; 0 for an ephemeral one, which has none.
        ts: When the log took it, milliseconds since the epoch.
        expires: When it is gone, milliseconds since the epoch; 0: never by itself.

    The others are a `Draft`'s.
    """

    id: int
    channel: str
    event: str
    data: bytes
    kind: Kind
    ts: int
    connection: str | None = None
    user: str | None = None
    key: str | None = None
    meta: bytes | None = None
    final: bool = False
    echo: bool = True
    expires: int = 0

    @property
    def size(self) -> int:
        """Bytes that it counts for in limits of total size."""
        meta = self.meta
        return (
            len(self.data)
            + len(self.channel)
            + len(self.event)
            + (0 if meta is None else len(meta))
            + _OVERHEAD
        )


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Messages of ``channel`` between ``after`` and ``before``, both exclusive, may be missing.

    Attributes:
        channel: A channel, or the pattern it was asked for by.
        reason: ``trimmed``, ``conflated``, ``unknown_position`` or ``forbidden``.
    """

    channel: str
    after: int
    before: int
    reason: str

    @property
    def position(self) -> int:
        """Where it stands among the messages, and where its channel goes on from."""
        return self.before - 1


def message_from(draft: Draft, position: int, ts: int) -> Message:
    """Make the message that a draft becomes.

    Args:
        position: Its position; 0 for an ephemeral one.
        ts: Milliseconds since the epoch.
    """
    return Message(
        position,
        draft.channel,
        draft.event,
        draft.data,
        draft.kind,
        ts,
        draft.connection,
        draft.user,
        draft.key,
        draft.meta,
        draft.final,
        draft.echo,
        0 if draft.ttl is None else expiry(ts, draft.ttl),
    )


def expiry(ts: int, ttl: float) -> int:
    """The millisecond at which a message of that age is gone; at the latest in 2^53."""
    return int(min(ts + max(ttl * 1000, 1), 2**53 - 1))
