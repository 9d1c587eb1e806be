"""What clients send: the very structs that the wires decode it with, and what each is in words.

The wires keep these structs to themselves, for nobody else makes or reads one; here only their
shape is looked at. A frame that is new in `everywire.wires.commands` needs its entry in `FRAMES`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast, get_args

import msgspec

from everywire.wires import commands, publishing

PUBLISH_OBJECT: Final[type[msgspec.Struct]] = publishing._PublishObject  # pyright: ignore[reportPrivateUsage] - as said above

FRAME_STRUCTS: Final = cast(
    "tuple[type[msgspec.Struct], ...]",
    get_args(commands._AnyFrame),  # pyright: ignore[reportPrivateUsage] - as said above
)

PUBLISH_OBJECT_IS: Final = "A message to publish. `null` is as good as no member, but in `data`."


class Frame(NamedTuple):
    """A frame that clients send.

    Attributes:
        about: What it is.
        answers: Types of the frames that answer it, beside `error`.
        example: One.
    """

    about: str
    answers: tuple[str, ...]
    example: dict[str, Any]


FRAMES: Final = {
    "subscribe": Frame(
        "Hear channels and patterns. Of several, each that is malformed, forbidden or held already "
        "gets an `error` of its own, and the rest are subscribed.",
        ("subscribed",),
        {"type": "subscribe", "channel": "room.1", "since": 1763942400000000, "ref": 1},
    ),
    "unsubscribe": Frame(
        "Hear them no more.",
        ("unsubscribed",),
        {"type": "unsubscribe", "channel": "room.1", "ref": 2},
    ),
    "publish": Frame(
        "Publish a message.",
        ("published",),
        {"type": "publish", "channel": "room.1", "event": "said", "data": {"text": "hi"}, "ref": 3},
    ),
    "ping": Frame("Ask for a `pong`.", ("pong",), {"type": "ping", "ref": 4}),
}
"""By their type."""


def type_of(struct: type[msgspec.Struct]) -> str:
    """The ``type`` that a frame carries."""
    return str(struct.__struct_config__.tag)
