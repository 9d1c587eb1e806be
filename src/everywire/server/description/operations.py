"""Every route of the HTTP API: what it takes, what it answers, and a command that shows it.

One entry each, in the order in which people meet them; methods and paths are those of the table in
`everywire.server.routes`. A route that has no entry fails a test, and so does an entry without a
route. Answers are the structs of `answers`; the errors named are the operation's own, beside those
that any request may meet.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from everywire.server.description import answers, parameters
from everywire.server.description.clients import PUBLISH_OBJECT
from everywire.server.description.shapes import BASE, JSON, Answer, Body, Operation

TAGS: Final = {
    "Publishing": "From the backend, the shell, anywhere.",
    "Listening": "The three wires. What you learn on one you can use on the others: the same "
    "message, the same position.",
    "Reading": "What is kept, without subscribing.",
    "Server": "For load balancers and supervisors.",
}

_MESSAGE: Final[dict[str, Any]] = {
    "channel": "room.1",
    "id": 1763942400000101,
    "event": "said",
    "data": {"text": "hi"},
    "ts": 1763942400000,
}
_STATE: Final[dict[str, Any]] = {
    "channel": "room.1",
    "id": 1763942400000104,
    "event": "message",
    "data": "on",
    "ts": 1763942400000,
    "key": "lamp",
}
_GAP: Final[dict[str, Any]] = {
    "channel": "room.1",
    "after": 7,
    "before": 1763942400000101,
    "reason": "unknown_position",
}


def _answered(about: str, *holds: type[msgspec.Struct], **examples: Any) -> Answer:
    return Answer(200, about, (Body(JSON, holds, examples=tuple(examples.items())),))


OPERATIONS: Final = (
    Operation(
        "publish",
        tag="Publishing",
        summary="Publish messages",
        about=(
            "An object, or a list of at most {max_batch}, which is published whole or not at all. "
            "The answer comes once the log has it."
        ),
        answers=(
            _answered(
                "The log has it.",
                answers.Published,
                answers.PublishedList,
                one={"id": 1763942400000101},
                repeated={"id": 1763942400000101, "duplicate": True},
                list={"ids": [1763942400000102, 1763942400000103]},
            ),
        ),
        curl=(
            f"curl -s {BASE}/publish \\\n"
            """  -d '{"channel": "room.1", "event": "said", "data": {"text": "hi"}}'"""
        ),
        parameters=(parameters.IDEMPOTENCY_KEY,),
        bodies=(
            Body(
                JSON,
                (PUBLISH_OBJECT,),
                listed=True,
                examples=(
                    ("one", {"channel": "room.1", "event": "said", "data": {"text": "hi"}}),
                    ("state", {"channel": "room.1", "key": "lamp", "data": "on"}),
                    ("several", {"channels": ["room.1", "room.2"], "data": "to both"}),
                    ("list", [{"channel": "room.1", "data": 2}, {"channel": "room.1", "data": 3}]),
                ),
            ),
        ),
        errors=(
            "bad_request",
            "bad_channel",
            "too_many_channels",
            "forbidden",
            "conflict",
            "too_large",
        ),
    ),
    Operation(
        "publish_raw",
        tag="Publishing",
        summary="Publish a body as data",
        about="The body is the data of one message.",
        answers=(_answered("The log has it.", answers.Published, one={"id": 1763942400000201}),),
        curl=(
            f"curl -s {BASE}/channels/room.1 \\\n"
            "  -H 'Content-Type: text/plain' -H 'Event: line' -d 'words'"
        ),
        parameters=(
            parameters.IN_PATH,
            parameters.EVENT,
            parameters.IDEMPOTENCY_KEY,
            parameters.CONTENT_TYPE,
        ),
        bodies=(
            Body(JSON, examples=(("json", {"text": "hi"}),)),
            Body("text/plain", examples=(("text", "words"),)),
            Body("application/octet-stream"),
        ),
        errors=("bad_request", "bad_channel", "forbidden", "conflict", "too_large"),
    ),
    Operation(
        "ws",
        tag="Listening",
        summary="Open a WebSocket",
        about=(
            "What goes over it then is described under the wires (AsyncAPI). Subprotocols: "
            "`everywire.v1` (JSON), `everywire.v1.msgpack`."
        ),
        answers=(Answer(101, "The connection is a WebSocket now."),),
        curl=(
            f"curl -s -N --max-time 2 '{BASE}/ws?channel=room.1' \\\n"
            "  -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\\n"
            "  -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='"
        ),
        parameters=(
            parameters.ANY_CHANNELS,
            parameters.SINCE,
            parameters.CONNECTION,
            parameters.FORMAT_OF_FRAMES,
        ),
        errors=("bad_request", "bad_channel", "too_many_channels", "forbidden"),
    ),
    Operation(
        "events",
        tag="Listening",
        summary="Open an event stream",
        about="What comes then is described under the wires (AsyncAPI).",
        answers=(
            Answer(
                200, "A stream that ends when one of you ends it.", (Body("text/event-stream"),)
            ),
            Answer(204, "All the channels have ended, and the position is past their ends."),
        ),
        curl=f"curl -s -N --max-time 2 '{BASE}/events?channel=room.1&since=0'",
        parameters=(
            parameters.CHANNELS,
            parameters.SINCE,
            parameters.CONNECTION,
            parameters.EPHEMERAL,
            parameters.FORMAT,
            parameters.LAST_EVENT_ID_QUERY,
            parameters.LAST_EVENT_ID,
        ),
        errors=("bad_request", "bad_channel", "too_many_channels", "forbidden"),
    ),
    Operation(
        "updates",
        tag="Listening",
        summary="Poll",
        about=(
            "Answered at once where there is something after `since`, else with the first message "
            "that comes, or when the wait is over. Then ask again, with `last_id` as `since`."
        ),
        answers=(
            Answer(
                200,
                "A page, which may be empty.",
                (
                    Body(
                        JSON,
                        (answers.Poll,),
                        examples=(
                            ("page", {"data": [_MESSAGE], "last_id": 1763942400000101}),
                            ("nothing", {"data": [], "last_id": 1763942400000101}),
                            (
                                "gap",
                                {"data": [_MESSAGE], "last_id": 1763942400000101, "gaps": [_GAP]},
                            ),
                        ),
                    ),
                ),
                (
                    (
                        "Cache-Control",
                        "`public, max-age=…` where the answer is the same for everybody, else "
                        "`no-store`.",
                    ),
                ),
            ),
        ),
        curl=f"curl -s '{BASE}/updates?channel=room.1&since=0&wait=5'",
        parameters=(
            parameters.CHANNELS,
            parameters.SINCE_POLLED,
            parameters.WAIT,
            parameters.LIMIT,
            parameters.CONNECTION,
            parameters.EPHEMERAL,
            parameters.PREFER,
        ),
        errors=("bad_request", "bad_channel", "too_many_channels", "forbidden"),
    ),
    Operation(
        "messages",
        tag="Reading",
        summary="Read messages",
        about="A page of what is kept of a channel.",
        answers=(
            _answered(
                "A page; an empty one of a channel that nobody has published to.",
                answers.Listing,
                page={"data": [_MESSAGE], "last_id": 1763942400000101},
            ),
        ),
        curl=f"curl -s '{BASE}/channels/room.1/messages?order=desc&limit=1'",
        parameters=(
            parameters.IN_PATH,
            parameters.SINCE_KEPT,
            parameters.BEFORE,
            parameters.LIMIT,
            parameters.ORDER,
        ),
        errors=("bad_request", "bad_channel", "forbidden"),
    ),
    Operation(
        "state",
        tag="Reading",
        summary="Read state",
        about=(
            "The newest message of each `key`, in the order of positions. Subscribe with `last_id` "
            "as `since` to go on from there without a hole."
        ),
        answers=(
            _answered(
                "A page of it.",
                answers.State,
                page={"data": [_STATE], "last_id": 1763942400000104},
            ),
        ),
        curl=f"curl -s {BASE}/channels/room.1/state",
        parameters=(
            parameters.IN_PATH,
            parameters.LIMIT_OF_STATE,
            parameters.AFTER,
            parameters.UPTO,
        ),
        errors=("bad_request", "bad_channel", "forbidden"),
    ),
    Operation(
        "channel",
        tag="Reading",
        summary="Look at a channel",
        about="How far it is, how much of it is kept, and how many hear it.",
        answers=(
            _answered(
                "What is known; zeros and nulls of a channel that nobody has published to.",
                answers.Channel,
                known={
                    "channel": "room.1",
                    "last_id": 1763942400000103,
                    "oldest_id": 1763942400000101,
                    "messages": 3,
                    "subscribers": 0,
                },
            ),
        ),
        curl=f"curl -s {BASE}/channels/room.1",
        parameters=(parameters.IN_PATH,),
        errors=("bad_channel", "forbidden"),
    ),
    Operation(
        "health",
        tag="Server",
        summary="Does it run?",
        about="Answered while the process runs its loop.",
        answers=(_answered("It does.", answers.Health, runs={"status": "ok", "connections": 0}),),
        curl=f"curl -s {BASE}/health",
    ),
    Operation(
        "ready",
        tag="Server",
        summary="Should it get traffic?",
        about="Whether the log takes messages and nobody is being sent away.",
        answers=(
            _answered("It should.", answers.Ready, ready={"status": "ok"}),
            Answer(
                503,
                "It should not now.",
                (
                    Body(
                        JSON,
                        (answers.NotReady,),
                        examples=(("draining", {"status": "unavailable", "reason": "draining"}),),
                    ),
                ),
            ),
        ),
        curl=f"curl -s {BASE}/ready",
    ),
)
