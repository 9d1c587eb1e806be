"""What the members of a publish and of a client's frames are, in words and bounds.

Their names and types are read off the structs that the wires decode with; what a type cannot say
stands here. A member that is new in a struct needs its line in `ABOUT`, or a test fails. What a
struct has already and the server does not offer yet is in `RESERVED`, and in no schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from everywire.core.channels import MAX_NAME_BYTES
from everywire.core.limits import Limits
from everywire.core.positions import MAX_POSITION
from everywire.wires.drafts import MAX_STATE_KEY_BYTES

Schema = dict[str, Any]

CHANNEL_PATTERN: Final = r"^[^.*\s]+(\.[^.*\s]+)*$"
NAME_PATTERN: Final = r"^[^.\s]+(\.[^.\s]+)*$"
CONNECTION_PATTERN: Final = r"^[A-Za-z0-9_-]{22,64}$"

CHANNEL: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_NAME_BYTES,
    "pattern": CHANNEL_PATTERN,
}
"""A channel; its length counts bytes, of which it has at least as many as characters."""

CHANNEL_OR_PATTERN: Final[Schema] = {**CHANNEL, "pattern": NAME_PATTERN}

ABOUT: Final[Mapping[str, str]] = {
    "data": "Any JSON, `null` too; with `encoding` a string.",
    "channel": "The channel.",
    "channels": "In place of `channel`: several.",
    "encoding": "`text`: `data` is a string that stands for text; `base64`: for bytes.",
    "event": "Your name for it, not beginning with `everywire.`; `message` where there is none.",
    "key": "Names a piece of state, whose newest message is kept whatever the retention.",
    "expected_id": "Beside `key`: publish only if that is the id of its newest message; 0: it has "
    "none. Else `conflict`.",
    "meta": "What you say about it: a flat object of strings, numbers, booleans and nulls.",
    "ttl": "Seconds after which it is gone.",
    "final": "`true`: the last message of the channel.",
    "ephemeral": "`true`: not kept, without a position; not with `final`.",
    "echo": "`false`: not to your own connection.",
    "idempotency_key": "At least 16 random bytes: a publish that is repeated with it is not "
    "published twice.",
    "connection": "A secret name of a connection of yours, for `from` and `echo`.",
    "ref": "Yours; repeated in every answer to this frame. A string has {max_ref_bytes} bytes at "
    "most.",
    "since": "Start after this position; 0: all that is kept. Where it is absent: from now on.",
    "history": "Start before so many of the last messages, where there is no position.",
    "type": "What the frame is.",
}
"""By name; where one struct means something of its own by it, `struct.name` in `ABOUT_OWN`."""

ABOUT_OWN: Final[Mapping[str, str]] = {
    "Subscribe.channel": "A channel, or a pattern such as `chat.*` or `chat.**`.",
    "Subscribe.channels": "In place of `channel`: a list, or a map from names to positions, which "
    "win over `since`.",
    "Unsubscribe.channel": "The channel or pattern.",
    "PublishObject.channels": "In place of `channel`: the same data in each.",
    "PublishObject.idempotency_key": "At least 16 random bytes: a publish that is repeated with it "
    "is not published twice. Not in a list, whose key is the header's.",
}

RESERVED: Final = frozenset({"Subscribe.presence", "Publish.channels"})
"""What is refused where it stands for anything."""


def about(struct: str, member: str, limits: Limits) -> str:
    """What a member is.

    Raises:
        KeyError: Nobody has said.
    """
    own = ABOUT_OWN.get(f"{struct}.{member}")
    return filled(ABOUT[member] if own is None else own, limits)


def bounds(limits: Limits) -> Mapping[str, Schema]:
    """What is added to the schema of a member that is there, by its name."""
    return {
        "channel": CHANNEL,
        "Subscribe.channel": CHANNEL_OR_PATTERN,
        "Unsubscribe.channel": {},
        "PublishObject.channels": {"minItems": 1, "maxItems": limits.max_batch, "items": CHANNEL},
        "encoding": {"enum": ["text", "base64"]},
        "event": {"minLength": 1, "maxLength": limits.max_event_bytes},
        "key": {"minLength": 1, "maxLength": MAX_STATE_KEY_BYTES},
        "expected_id": {"minimum": 0, "maximum": MAX_POSITION},
        "meta": {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        },
        "ttl": {"exclusiveMinimum": 0},
        "idempotency_key": {"minLength": 1, "maxLength": limits.max_key_bytes},
        "connection": {"pattern": CONNECTION_PATTERN},
    }


def filled(text: str, limits: Limits) -> str:
    """A text, with the limits that it names in braces."""
    for name in limits.__dataclass_fields__:
        text = text.replace(f"{{{name}}}", f"{getattr(limits, name):g}")
    return text
