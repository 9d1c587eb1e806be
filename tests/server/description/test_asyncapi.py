"""The document of the wires: valid by the specification's own schema, and whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from everywire.server.description.clients import FRAME_STRUCTS, FRAMES, type_of
from everywire.server.description.wires import BARE_CONTROL, SERVER_FRAMES
from everywire.wires import websocket
from everywire.wires.handshake import SUBPROTOCOLS

from .checking import ASYNCAPI, OPENAPI, fits

SPECS = Path(__file__).parents[2] / "node" / "node_modules" / "@asyncapi" / "specs" / "schemas"
MESSAGES: dict[str, Any] = ASYNCAPI["components"]["messages"]


def test_it_is_asyncapi_3() -> None:
    assert SPECS.is_dir(), "run make test, or npm ci in tests/node"
    schema = json.loads((SPECS / "3.0.0.json").read_text(encoding="utf-8"))
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    found = Draft7Validator(schema).iter_errors(ASYNCAPI)
    assert [f"{error.json_path}: {error.message[:200]}" for error in found] == []


def test_that_schema_would_notice() -> None:
    schema = json.loads((SPECS / "3.0.0.json").read_text(encoding="utf-8"))
    wrong = {
        **ASYNCAPI,
        "operations": {"a": {"action": "say", "channel": {"$ref": "#/channels/a"}}},
    }
    assert not Draft7Validator(schema).is_valid(wrong)


def test_every_reference_leads_somewhere() -> None:
    """Which a schema cannot say."""
    found = 0

    def look(value: Any) -> None:
        nonlocal found
        if isinstance(value, dict):
            if "$ref" in value:
                target: Any = ASYNCAPI
                for part in value["$ref"].removeprefix("#/").split("/"):
                    assert part in target, value["$ref"]
                    target = target[part]
                found += 1
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(ASYNCAPI)
    assert found > 50


def test_every_message_of_an_operation_is_one_of_its_channel() -> None:
    for operation in ASYNCAPI["operations"].values():
        for part in (operation, operation.get("reply", operation)):
            for message in part["messages"]:
                assert message["$ref"].startswith(part["channel"]["$ref"] + "/messages/")


def test_every_frame_that_clients_may_send_has_its_entry() -> None:
    assert [type_of(struct) for struct in FRAME_STRUCTS] and {
        type_of(struct) for struct in FRAME_STRUCTS
    } == set(FRAMES)
    answers = {type_of(struct) for struct in SERVER_FRAMES}
    assert all(set(frame.answers) <= answers for frame in FRAMES.values())


def test_the_frames_of_bare_connections_are_those_that_are_sent() -> None:
    assert {type_of(struct) for struct in BARE_CONTROL} == websocket._BARE_CONTROL


def test_the_subprotocols_are_those_that_can_be_chosen() -> None:
    headers = ASYNCAPI["channels"]["socket"]["bindings"]["ws"]["headers"]
    assert headers["properties"]["Sec-WebSocket-Protocol"]["enum"] == list(SUBPROTOCOLS)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_fits_its_schema(name: str) -> None:
    message = MESSAGES[name]
    assert message["examples"]
    for example in message["examples"]:
        fits(example["payload"], message["payload"], ASYNCAPI)


def test_what_stands_in_both_documents_is_the_same() -> None:
    requests, wires = (d["components"]["schemas"] for d in (OPENAPI, ASYNCAPI))
    both = set(requests) & set(wires)
    assert {"Message", "Gap", "Sender"} <= both
    for name in both:
        assert requests[name] == wires[name]
