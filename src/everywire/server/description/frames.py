"""What the server says on a WebSocket and in an event stream, as structs.

As in `answers`, the server does not build its frames from these, and a test holds real frames
against them. What a client says has its structs where it is read, in `everywire.wires.commands`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from everywire.server.description.answers import (
    AnyPosition,
    Gap,
    Message,
    Position,
)

Ref: TypeAlias = (
    Annotated[str | int, Meta(description="The `ref` of the frame that this answers.")] | UnsetType
)
Milliseconds: TypeAlias = Annotated[int, Meta(ge=0)]


def _said(about: str) -> Meta:
    return Meta(description=about)


class Welcome(msgspec.Struct, tag_field="type", tag="welcome"):
    """The first frame."""

    connection: Annotated[str, _said("The public name of this connection.")]
    last_id: Annotated[AnyPosition, _said("Where the log stands.")]
    heartbeat_ms: Annotated[Milliseconds, _said("How often a ping comes; twice that is silence.")]
    key_window_ms: Annotated[Milliseconds, _said("How long an idempotency key counts.")]


class Subscribed(msgspec.Struct, tag_field="type", tag="subscribed"):
    """You hear a channel from now on; one for each name."""

    channel: Annotated[str, _said("The channel or pattern.")]
    last_id: Annotated[AnyPosition, _said("Where its messages start: `since`, or the head.")]
    ref: Ref = UNSET


class MessageFrame(Message, tag_field="type", tag="message", kw_only=True):
    """A message of a channel that you hear."""


class GapFrame(Gap, tag_field="type", tag="gap"):
    """Messages may be missing here. It comes before the first message after the hole."""


class PositionFrame(msgspec.Struct, tag_field="type", tag="position"):
    """Everything up to here has been sent; at the end of a replay, and as the heartbeat."""

    last_id: Annotated[AnyPosition, _said("The position of all your channels.")]


class Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed"):
    """Nothing of this channel follows."""

    channel: Annotated[str, _said("The channel or pattern.")]
    reason: Annotated[str, _said("`final`: the channel has ended.")] | UnsetType = UNSET
    ref: Ref = UNSET


class PublishedFrame(msgspec.Struct, tag_field="type", tag="published"):
    """The log has your message."""

    id: Annotated[Position, _said("Its position; absent for an ephemeral message.")] | UnsetType = (
        UNSET
    )
    duplicate: (
        Annotated[bool, _said("`true`: the idempotency key was known; nothing was published.")]
        | UnsetType
    ) = UNSET
    ref: Ref = UNSET


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    """The answer to a `ping`."""

    ref: Ref = UNSET


class ErrorFrame(msgspec.Struct, tag_field="type", tag="error"):
    """A frame of yours could not be obeyed. The connection stays."""

    code: Annotated[str, _said("As in an HTTP problem.")]
    message: Annotated[str, _said("What was wrong and what is allowed.")]
    channel: Annotated[str, _said("The channel that it is about.")] | UnsetType = UNSET
    ref: Ref = UNSET


class Bye(msgspec.Struct, tag_field="type", tag="bye"):
    """The server closes the connection next."""

    reason: Annotated[Literal["shutdown"], _said("Why.")]
    retry_ms: Annotated[Milliseconds, _said("Come back after so many milliseconds.")]


class StreamPosition(msgspec.Struct):
    """The data of `everywire.position`."""

    last_id: Annotated[AnyPosition, _said("The stream has brought everything up to here.")]


class StreamUnsubscribed(msgspec.Struct):
    """The data of `everywire.unsubscribed`."""

    channel: Annotated[str, _said("Nothing of this channel follows.")]
    reason: Annotated[str, _said("`final`: the channel has ended.")]


class StreamError(msgspec.Struct):
    """The data of `everywire.error`; the end of the stream follows."""

    code: Annotated[str, _said("As in an HTTP problem.")]
    message: Annotated[str, _said("What was wrong.")]
