"""Every parameter of the HTTP API: where it stands, what is allowed, what it does.

One entry each. The test sends the ``malformed`` value of each to a server and expects a refusal,
and watches the functions that read queries (`everywire.wires.queries`) for names without an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from everywire.core.limits import Limits
from everywire.core.positions import MAX_POSITION
from everywire.server.description.members import (
    CHANNEL,
    CHANNEL_OR_PATTERN,
    CONNECTION_PATTERN,
    Schema,
)

Place = Literal["path", "query", "header"]


@dataclass(frozen=True)
class Parameter:
    """A parameter.

    Attributes:
        name: As it is written.
        place: Where it stands.
        schema: What is allowed, by the limits.
        about: What it does; a limit's name in braces stands for its value.
        malformed: A value that is refused; None: whatever is no value is passed over.
        code: With which code.
        required: Whether it has to be there.
        repeats: Whether it may stand more than once; its schema is then a list's.
        example: A value, for those that have to be there.
    """

    name: str
    place: Place
    schema: Callable[[Limits], Schema]
    about: str
    malformed: str | None
    code: str = "bad_request"
    required: bool = False
    repeats: bool = False
    example: str | None = None


def _position(_: Limits) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": MAX_POSITION}


def _flag(_: Limits) -> Schema:
    return {"type": "integer", "enum": [0, 1], "default": 0}


def _names(limits: Limits) -> Schema:
    return {"type": "array", "items": CHANNEL_OR_PATTERN, "maxItems": limits.max_channels}


def _some_names(limits: Limits) -> Schema:
    return {**_names(limits), "minItems": 1}


def _page(limits: Limits) -> Schema:
    return {"type": "integer", "minimum": 1, "default": limits.default_poll_messages}


def _whole_page(limits: Limits) -> Schema:
    return {"type": "integer", "minimum": 1, "default": limits.max_poll_messages}


def _wait(limits: Limits) -> Schema:
    return {"type": "number", "minimum": 0, "default": limits.max_wait}


def _key(limits: Limits) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": limits.max_key_bytes}


def _event(limits: Limits) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": limits.max_event_bytes}


def _choice(*words: str) -> Callable[[Limits], Schema]:
    return lambda _: {"type": "string", "enum": list(words), "default": words[0]}


def _text(_: Limits) -> Schema:
    return {"type": "string"}


IN_PATH: Final = Parameter(
    "channel",
    "path",
    lambda _: CHANNEL,
    "The channel, percent-encoded whole: `/` as `%2F`.",
    "two%20words",
    code="bad_channel",
    required=True,
    example="room.1",
)
CHANNELS: Final = Parameter(
    "channel",
    "query",
    _some_names,
    "A channel, or a pattern such as `chat.*` or `chat.**`; as often as you like.",
    "a..b",
    code="bad_channel",
    required=True,
    repeats=True,
    example="room.1",
)
ANY_CHANNELS: Final = replace(
    CHANNELS,
    schema=_names,
    about="Subscribe at once to a channel or pattern; as often as you like.",
    required=False,
)
SINCE: Final = Parameter(
    "since",
    "query",
    _position,
    "Start after this position; 0: all that is kept. Where it is absent: from now on.",
    "01",
)
SINCE_POLLED: Final = replace(
    SINCE,
    about="Everything after this position; 0: all that is kept. Where it is absent the answer "
    "comes at once and says where the log stands.",
)
SINCE_KEPT: Final = replace(
    SINCE, about="Only what comes after this position; 0: all that is kept."
)
BEFORE: Final = Parameter(
    "before", "query", _position, "Only what comes before this position.", "-1"
)
LIMIT: Final = Parameter(
    "limit",
    "query",
    _page,
    "How many messages at most; more than {max_poll_messages} is cut to it.",
    "0",
)
LIMIT_OF_STATE: Final = replace(LIMIT, schema=_whole_page)
ORDER: Final = Parameter(
    "order", "query", _choice("asc", "desc"), "The oldest first, or the newest.", "up"
)
AFTER: Final = Parameter(
    "after",
    "query",
    _position,
    "The `after` of the page before; it is there where more follow.",
    "1.5",
)
UPTO: Final = Parameter(
    "upto", "query", _position, "The `last_id` of the page before, beside `after`.", "x"
)
WAIT: Final = Parameter(
    "wait",
    "query",
    _wait,
    "How many seconds to wait where there is nothing; more than {max_wait} is cut to it, 0 answers "
    "at once.",
    "-1",
)
CONNECTION: Final = Parameter(
    "connection",
    "query",
    lambda _: {"type": "string", "pattern": CONNECTION_PATTERN},
    "A secret name of your own for the connection: 22 to 64 random characters.",
    "short",
)
EPHEMERAL: Final = Parameter("ephemeral", "query", _flag, "1: ephemeral messages as well.", "true")
FORMAT: Final = Parameter(
    "format",
    "query",
    _choice("data", "envelope"),
    "What an event's data is: the message's own, or the whole message.",
    "xml",
)
FORMAT_OF_FRAMES: Final = replace(
    FORMAT,
    schema=_choice("envelope", "data"),
    about="What a frame is: an object with the message in it, or its bare data.",
)
LAST_EVENT_ID_QUERY: Final = Parameter(
    "lastEventId",
    "query",
    _text,
    "As the header, for clients that cannot set it; it wins over `since`.",
    None,
)
LAST_EVENT_ID: Final = Parameter(
    "Last-Event-ID",
    "header",
    _text,
    "Where to go on from: an EventSource sends it by itself. It wins over the query. What is no "
    "position is answered by a gap, because an error would end an EventSource for good.",
    None,
)
PREFER: Final = Parameter(
    "Prefer",
    "header",
    _text,
    "`wait=N`, whole seconds (RFC 7240), where the query has no `wait`.",
    None,
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    _key,
    "At least 16 random bytes: a publish that is repeated with it is not published twice.",
    "k" * 201,
)
EVENT: Final = Parameter(
    "Event",
    "header",
    _event,
    "The message's event, not beginning with `everywire.`; `message` where there is none.",
    "everywire.mine",
)
CONTENT_TYPE: Final = Parameter(
    "Content-Type",
    "header",
    _text,
    "What the body is: `application/json` and `…+json` are JSON, `text/…` is text in UTF-8, all "
    "else bytes.",
    "text/plain; charset=latin-1",
)
