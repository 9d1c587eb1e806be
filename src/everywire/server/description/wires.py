"""What goes over the wires once they are open: every frame and event, with an example.

What clients send has its table in `clients`, beside the structs that it is decoded with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from everywire.server.description import frames
from everywire.server.description.answers import Gap, Message

_MESSAGE: Final[dict[str, Any]] = {
    "channel": "room.1",
    "id": 1763942400000101,
    "event": "said",
    "data": {"text": "hi"},
    "ts": 1763942400000,
}
_GAP: Final[dict[str, Any]] = {
    "channel": "room.1",
    "after": 1763942400000000,
    "before": 1763942400000101,
    "reason": "trimmed",
}

SERVER_FRAMES: Final[Mapping[type[msgspec.Struct], dict[str, Any]]] = {
    frames.Welcome: {
        "type": "welcome",
        "connection": "q2N1s8mQk0Xw4VbZ",
        "last_id": 1763942400000101,
        "heartbeat_ms": 25000,
        "key_window_ms": 600000,
    },
    frames.Subscribed: {
        "type": "subscribed",
        "channel": "room.1",
        "last_id": 1763942400000000,
        "ref": 1,
    },
    frames.MessageFrame: {"type": "message", **_MESSAGE},
    frames.GapFrame: {"type": "gap", **_GAP},
    frames.PositionFrame: {"type": "position", "last_id": 1763942400000101},
    frames.Unsubscribed: {"type": "unsubscribed", "channel": "room.1", "ref": 2},
    frames.PublishedFrame: {"type": "published", "id": 1763942400000101, "ref": 3},
    frames.Pong: {"type": "pong", "ref": 4},
    frames.ErrorFrame: {
        "type": "error",
        "code": "conflict",
        "message": "channel 'room.1' is subscribed already",
        "channel": "room.1",
        "ref": 5,
    },
    frames.Bye: {"type": "bye", "reason": "shutdown", "retry_ms": 1200},
}
"""Every frame that the server sends, and one of its kind."""

BARE_CONTROL: Final = (
    frames.GapFrame,
    frames.ErrorFrame,
    frames.Unsubscribed,
    frames.Bye,
)
"""Those that ``format=data`` sends, as ``{"everywire": frame}``."""


class Event(NamedTuple):
    """An event of a stream.

    Attributes:
        about: What it is.
        holds: The struct of its data; None: whatever was published.
        event: Its ``event:``; None: the message's own, which is absent for ``message``.
        has_id: Whether it has an ``id:``; a message that is ephemeral has none.
        data: Data of one.
    """

    about: str
    holds: type[msgspec.Struct] | None
    event: str | None
    has_id: bool
    data: Any


EVENTS: Final = {
    "message": Event(
        "A message: its event, its position and its bare data. JSON stands on one line; text is "
        "split at line ends; bytes are base64. An ephemeral one has no `id`.",
        None,
        None,
        True,
        {"text": "hi"},
    ),
    "envelope": Event(
        "With `format=envelope`: the whole message as data, and no `event`.",
        Message,
        None,
        True,
        _MESSAGE,
    ),
    "position": Event(
        "Everything up to here has come: the first event, the end of a replay, and the heartbeat "
        "where the position has moved.",
        frames.StreamPosition,
        "everywire.position",
        True,
        {"last_id": 1763942400000101},
    ),
    "gap": Event(
        "Messages may be missing. Its `id` is where the channel goes on from.",
        Gap,
        "everywire.gap",
        True,
        _GAP,
    ),
    "unsubscribed": Event(
        "A channel has ended. The stream ends with the last of them.",
        frames.StreamUnsubscribed,
        "everywire.unsubscribed",
        False,
        {"channel": "build.42", "reason": "final"},
    ),
    "error": Event(
        "The stream ends next, because of this.",
        frames.StreamError,
        "everywire.error",
        False,
        {"code": "too_large", "message": "too much is pending"},
    ),
}
"""Every event that a stream sends, by name."""
