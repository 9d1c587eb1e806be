"""The wires as an AsyncAPI 3.0 document: what goes over a connection once it is open.

It speaks as the server: an operation that receives is a client's frame. Polls are requests and
answers, and stand in the OpenAPI document with the other requests.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

import everywire
from everywire.core.limits import Limits
from everywire.server.description.clients import FRAME_STRUCTS, FRAMES, type_of
from everywire.server.description.members import Schema, filled
from everywire.server.description.operations import OPERATIONS
from everywire.server.description.schemas import (
    answer_schemas,
    client_schemas,
    name_of,
    reference,
)
from everywire.server.description.wires import BARE_CONTROL, EVENTS, SERVER_FRAMES, Event
from everywire.wires.handshake import SUBPROTOCOLS

VERSION: Final = "3.0.0"
JSON: Final = "application/json"

_ABOUT: Final = (
    "One channel over WebSocket and Server-Sent Events, with one resume position. How they are "
    "opened, and polls, are described with the other requests (OpenAPI)."
)
_SOCKET: Final = (
    "Frames are objects with a `type`: JSON in text frames (`everywire.v1`, spoken also where no "
    "subprotocol is asked for), or msgpack in binary frames (`everywire.v1.msgpack`). Members that "
    "the server does not know are ignored, `null` is as good as no member (but in `data`), and one "
    "key twice is `bad_request`."
)
_BARE: Final = (
    "With `format=data` a frame is just the data of a message: JSON and text as text frames, bytes "
    "as binary ones. What must not go unsaid comes wrapped, and no other control frame. What the "
    "client sends is as always."
)
_STREAM: Final = (
    "`retry:` comes first. Between the events there are comments, which keep the stream open."
)


@lru_cache(4)
def asyncapi(limits: Limits) -> dict[str, Any]:
    """The document; not to be changed.

    Args:
        limits: Those of the server that it describes.
    """
    sent = {type_of(struct): _sent(struct) for struct in SERVER_FRAMES}
    received = {type_of(struct): _received(struct) for struct in FRAME_STRUCTS}
    events = {name: _event(event) for name, event in EVENTS.items()}
    messages = {
        **_prefixed("client", received),
        **_prefixed("server", sent),
        **_prefixed("stream", events),
        **_bare(),
    }
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Everywire",
            "version": everywire.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache 2.0"},
        },
        "defaultContentType": JSON,
        "servers": {
            "socket": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "description": "As started by `everywire serve`.",
            },
            "stream": {
                "host": "127.0.0.1:8000",
                "protocol": "http",
                "description": "The same server.",
            },
        },
        "channels": _channels(limits, messages),
        "operations": _operations(sent, received, events, limits),
        "components": {"messages": messages, "schemas": _schemas(limits)},
    }


def _prefixed(prefix: str, messages: dict[str, Schema]) -> dict[str, Schema]:
    return {f"{prefix}.{name}": message for name, message in messages.items()}


def _schemas(limits: Limits) -> dict[str, Schema]:
    events = [event.holds for event in EVENTS.values() if event.holds is not None]
    found = answer_schemas([*SERVER_FRAMES, *events])
    words = {name_of(struct): FRAMES[type_of(struct)].about for struct in FRAME_STRUCTS}
    found.update(client_schemas(FRAME_STRUCTS, words, limits))
    return dict(sorted(found.items()))


# Messages


def _received(struct: type[msgspec.Struct]) -> Schema:
    frame = FRAMES[type_of(struct)]
    return _message(type_of(struct), frame.about, reference(struct), frame.example)


def _sent(struct: type[msgspec.Struct]) -> Schema:
    about = " ".join((struct.__doc__ or "").split())
    return _message(type_of(struct), about, reference(struct), SERVER_FRAMES[struct])


def _event(event: Event) -> Schema:
    fields: Schema = {}
    if event.has_id:
        fields["id"] = {"type": "integer", "description": "A position: `Last-Event-ID` later."}
    if event.event is not None:
        fields["event"] = {"type": "string", "const": event.event}
    elif event.holds is None:
        about = "The message's event; absent for `message`."
        fields["event"] = {"type": "string", "description": about}
    payload: Schema = {} if event.holds is None else reference(event.holds)
    message = _message(event.event or "message", event.about, payload, event.data)
    return {**message, "headers": {"type": "object", "properties": fields}}


def _bare() -> dict[str, Schema]:
    control: Schema = {
        "type": "object",
        "required": ["everywire"],
        "properties": {"everywire": {"anyOf": [reference(struct) for struct in BARE_CONTROL]}},
    }
    bye = {"everywire": SERVER_FRAMES[BARE_CONTROL[-1]]}
    return {
        "bare.data": _message("data", "The data of a message.", {}, {"text": "hi"}),
        "bare.control": _message("everywire", "A control frame, whole.", control, bye),
    }


def _message(name: str, about: str, payload: Schema, example: Any) -> Schema:
    # An example has to be an object for AsyncAPI; so are all of ours.
    return {
        "name": name,
        "title": name,
        "summary": about,
        "contentType": JSON,
        "payload": payload,
        "examples": [{"payload": example}],
    }


# Channels and operations


def _channels(limits: Limits, messages: dict[str, Schema]) -> Schema:
    def of(*prefixes: str) -> Schema:
        return {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in messages
            if name.partition(".")[0] in prefixes
        }

    frames = _query("ws", limits)
    subprotocol: Schema = {"type": "string", "enum": list(SUBPROTOCOLS)}
    headers: Schema = {"type": "object", "properties": {"Sec-WebSocket-Protocol": subprotocol}}
    binding: Schema = {"ws": {"method": "GET", "query": frames, "headers": headers}}
    bare: Schema = {"ws": {"method": "GET", "query": {**frames, "required": ["format"]}}}
    return {
        "socket": _channel("/ws", "WebSocket", _SOCKET, of("client", "server"), "socket", binding),
        "bare": _channel("/ws", "WebSocket, format=data", _BARE, of("bare"), "socket", bare),
        "stream": _channel("/events", "Server-Sent Events", _STREAM, of("stream"), "stream", {}),
    }


def _channel(
    address: str, title: str, about: str, messages: Schema, server: str, bindings: Schema
) -> Schema:
    described: Schema = {
        "address": address,
        "title": title,
        "description": about,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": messages,
    }
    return {**described, "bindings": bindings} if bindings else described


def _query(route: str, limits: Limits) -> Schema:
    """The query of a route, as a schema of an object."""
    operation = next(each for each in OPERATIONS if each.route == route)
    return {
        "type": "object",
        "properties": {
            each.name: {**each.schema(limits), "description": filled(each.about, limits)}
            for each in operation.parameters
            if each.place == "query"
        },
    }


def _operations(
    sent: dict[str, Schema],
    received: dict[str, Schema],
    events: dict[str, Schema],
    limits: Limits,
) -> Schema:
    operations: Schema = {}
    for name in received:
        answers = [f"server.{answer}" for answer in (*FRAMES[name].answers, "error")]
        reply = {"channel": {"$ref": "#/channels/socket"}, "messages": _in("socket", answers)}
        operations[f"receive.{name}"] = {
            **_operation("receive", "socket", [f"client.{name}"], f"A client sends {name}."),
            "reply": reply,
        }
    frames = [f"server.{name}" for name in sent]
    operations["send.frames"] = _operation("send", "socket", frames, "The server sends a frame.")
    operations["send.bare"] = _operation(
        "send", "bare", ["bare.data", "bare.control"], "The server sends data."
    )
    names = [f"stream.{name}" for name in events]
    operations["send.events"] = {
        **_operation("send", "stream", names, "The server sends an event."),
        "bindings": {"http": {"method": "GET", "query": _query("events", limits)}},
    }
    return operations


def _operation(action: str, channel: str, messages: list[str], summary: str) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": _in(channel, messages),
    }


def _in(channel: str, names: list[str]) -> list[Schema]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
