"""What the HTTP API answers, as structs: the schemas of its answers are made of these.

The server does not build its answers from them: on the hot paths an answer is put together from
bytes that are there already. A test holds the two together, by real answers, both ways: each fits
its struct, and has no member that the struct does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from everywire.core.positions import MAX_POSITION

FIRST_POSITION: Final = 1


def _said(about: str) -> Meta:
    return Meta(description=about)


Position: TypeAlias = Annotated[int, Meta(ge=FIRST_POSITION, le=MAX_POSITION)]
"""One that was given out."""

AnyPosition: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_POSITION)]
"""One that was given out, or 0: before all that is kept."""

Scalar: TypeAlias = str | int | float | bool | None

GapReason: TypeAlias = Literal["trimmed", "conflated", "unknown_position", "forbidden"]


class Sender(msgspec.Struct):
    """Who published a message, as far as it is known."""

    user: Annotated[str, _said("The `sub` of the token it was published with.")] | UnsetType = UNSET
    connection: (
        Annotated[str, _said("The public name of the connection that published it.")] | UnsetType
    ) = UNSET


class Message(msgspec.Struct, kw_only=True):
    """A message, the same on every wire. Members that do not apply are absent."""

    channel: Annotated[str, _said("The channel it was published to.")]
    id: (
        Annotated[
            int,
            Meta(
                ge=FIRST_POSITION,
                le=MAX_POSITION,
                description="Its position; absent for an ephemeral message.",
            ),
        ]
        | UnsetType
    ) = UNSET
    event: Annotated[str, _said("The publisher's name for it; `message` where none was given.")]
    data: Annotated[
        Any,
        _said("As it was published: JSON, or a string where `encoding` says what it stands for."),
    ]
    ts: Annotated[int, _said("When the log took it, in milliseconds since the epoch.")]
    encoding: (
        Annotated[
            Literal["text", "base64"],
            _said("`data` is text, or bytes in base64; absent where it is JSON."),
        ]
        | UnsetType
    ) = UNSET
    sender: Sender | UnsetType = msgspec.field(default=UNSET, name="from")
    key: Annotated[str, _said("The piece of state that it is the newest value of.")] | UnsetType = (
        UNSET
    )
    meta: (
        Annotated[dict[str, Scalar], _said("What the publisher says about it: a flat object.")]
        | UnsetType
    ) = UNSET
    final: Annotated[bool, _said("`true`: the last message of its channel.")] | UnsetType = UNSET


class Gap(msgspec.Struct):
    """Messages of a channel between two positions, both exclusive, may be missing."""

    channel: Annotated[str, _said("A channel, or the pattern it was asked for by.")]
    after: Annotated[AnyPosition, _said("What was there before the hole.")]
    before: Annotated[Position, _said("What comes after it; go on from one below.")]
    reason: Annotated[
        GapReason,
        _said(
            "`trimmed`: no longer kept. `conflated`: left out, because you were behind. "
            "`unknown_position`: this log never gave out the position that you came with."
        ),
    ]


class Published(msgspec.Struct):
    """The log has the message."""

    id: Annotated[Position | None, _said("Its position; `null` for an ephemeral message.")]
    duplicate: (
        Annotated[
            bool,
            _said("`true`: the idempotency key was known. Nothing was published; `id` is as then."),
        ]
        | UnsetType
    ) = UNSET


class PublishedList(msgspec.Struct):
    """The log has all of the messages."""

    ids: Annotated[
        list[Position | None], _said("Their positions, in order; `null` for each ephemeral one.")
    ]
    duplicate: (
        Annotated[bool, _said("`true`: the idempotency key of the list was known.")] | UnsetType
    ) = UNSET


class Listing(msgspec.Struct):
    """A page of what is kept."""

    data: Annotated[list[Message], _said("Messages, in the order that was asked for.")]
    last_id: Annotated[AnyPosition, _said("The last one listed: page on from here.")]
    gaps: (
        Annotated[list[Gap], _said("What may be missing; absent where nothing is.")] | UnsetType
    ) = UNSET


class Poll(msgspec.Struct):
    """A page of what came after a position."""

    data: Annotated[list[Message], _said("Messages, in the order of their positions.")]
    last_id: Annotated[AnyPosition, _said("Where to go on from: `since` of the next poll.")]
    gaps: (
        Annotated[list[Gap], _said("What may be missing; absent where nothing is.")] | UnsetType
    ) = UNSET
    final: (
        Annotated[list[str], _said("Those of the channels that have ended by `last_id`.")]
        | UnsetType
    ) = UNSET


class State(msgspec.Struct):
    """A page of the newest message of each key."""

    data: Annotated[list[Message], _said("Messages with a `key`, in the order of positions.")]
    last_id: Annotated[AnyPosition, _said("What they stand for: subscribe with it as `since`.")]
    after: (
        Annotated[Position, _said("More follow: ask again with this, and `last_id` as `upto`.")]
        | UnsetType
    ) = UNSET


class Channel(msgspec.Struct):
    """What is known of a channel."""

    channel: Annotated[str, _said("Its name.")]
    last_id: Annotated[Position | None, _said("Its newest position, kept or not.")]
    oldest_id: Annotated[Position | None, _said("Of the messages that are kept.")]
    messages: Annotated[int, Meta(ge=0, description="How many are kept.")]
    subscribers: Annotated[
        int,
        Meta(
            ge=0,
            description="Who hears it by name now, on any wire, waiting polls included.",
        ),
    ]


class Health(msgspec.Struct):
    """The server runs."""

    status: Literal["ok"]
    connections: Annotated[int, Meta(ge=0, description="WebSockets, streams and polls now.")]


class Ready(msgspec.Struct):
    """The log takes messages, and nobody is being sent away."""

    status: Literal["ok"]


class NotReady(msgspec.Struct):
    """Send no traffic here now."""

    status: Literal["unavailable"]
    reason: Annotated[str, _said("Why.")]


class Problem(msgspec.Struct):
    """What went wrong: problem details (RFC 9457) with a code."""

    type: Annotated[str, _said("The page about the code, relative to this server.")]
    title: Annotated[str, _said("The status in words.")]
    status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status.")]
    code: Annotated[str, _said("Go by this; treat one that you do not know by its status.")]
    detail: Annotated[str, _said("What was wrong and what is allowed. The words may change.")]
    channel: Annotated[str, _said("The channel that it is about.")] | UnsetType = UNSET
