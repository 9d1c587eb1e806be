"""The words and bounds of what clients send are the parser's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.server.description.clients import FRAME_STRUCTS, PUBLISH_OBJECT
from everywire.server.description.members import ABOUT, ABOUT_OWN, RESERVED, about
from everywire.server.description.schemas import name_of
from everywire.wires.commands import parse_json
from everywire.wires.publishing import parse_publish

from .checking import ASYNCAPI, OPENAPI

STRUCTS = (*FRAME_STRUCTS, PUBLISH_OBJECT)
MEMBERS = {
    f"{name_of(struct)}.{member}" for struct in STRUCTS for member in struct.__struct_fields__
}


def test_every_member_has_words() -> None:
    for name in MEMBERS - RESERVED:
        assert about(*name.split("."), Limits())


def test_no_words_are_left_over() -> None:
    assert set(ABOUT_OWN) | RESERVED <= MEMBERS
    assert {name.partition(".")[2] for name in MEMBERS} | {"type"} >= set(ABOUT)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("Subscribe.presence", {"type": "subscribe", "channel": "a", "presence": True}),
        ("Publish.channels", {"type": "publish", "channel": "a", "channels": ["b"], "data": 1}),
    ],
)
def test_what_is_reserved_is_refused(name: str, frame: dict[str, Any]) -> None:
    """Once it is offered, it has to be described."""
    assert name in RESERVED
    with pytest.raises(RequestError) as refused:
        parse_json(json.dumps(frame).encode(), Limits())
    assert refused.value.code == "bad_request"


def test_these_are_all_that_are_reserved() -> None:
    assert len(RESERVED) == 2


GOOD: dict[str, Any] = {"channel": "a", "data": 1}
CASES: list[tuple[dict[str, Any], bool]] = [
    (GOOD, True),
    ({**GOOD, "data": None}, True),
    ({"channels": ["a", "b"], "data": 1}, True),
    ({**GOOD, "event": None, "meta": None, "ttl": None}, True),
    (
        {**GOOD, "meta": {"a": 1, "b": "c", "d": None, "e": True}, "key": "k", "expected_id": 0},
        True,
    ),
    ({**GOOD, "ttl": 0.5, "final": True, "echo": False, "idempotency_key": "k" * 200}, True),
    ({**GOOD, "encoding": "text", "data": "a", "connection": "c" * 22}, True),
    ({**GOOD, "unknown": 1}, True),
    ({"channel": "a"}, False),
    ({**GOOD, "channel": "a..b"}, False),
    ({**GOOD, "channel": "chat.*"}, False),
    ({**GOOD, "channel": 1}, False),
    ({**GOOD, "channel": "c" * 201}, False),
    ({"channels": [], "data": 1}, False),
    ({"channels": ["a b"], "data": 1}, False),
    ({**GOOD, "event": ""}, False),
    ({**GOOD, "event": "e" * 101}, False),
    ({**GOOD, "key": ""}, False),
    ({**GOOD, "key": "k", "expected_id": -1}, False),
    ({**GOOD, "meta": {"a": [1]}}, False),
    ({**GOOD, "meta": 1}, False),
    ({**GOOD, "ttl": 0}, False),
    ({**GOOD, "encoding": "hex"}, False),
    ({**GOOD, "final": 1}, False),
    ({**GOOD, "idempotency_key": "k" * 201}, False),
    ({**GOOD, "connection": "short"}, False),
]


def accepted(body: dict[str, Any]) -> bool:
    try:
        parse_publish(json.dumps(body).encode(), None, Limits())
    except RequestError:
        return False
    return True


@pytest.mark.parametrize(("body", "good"), CASES)
def test_the_schema_of_a_publish_and_the_parser_agree(body: dict[str, Any], good: bool) -> None:
    schema = {
        "$ref": "#/components/schemas/PublishObject",
        "components": OPENAPI["components"],
    }
    assert Draft202012Validator(schema).is_valid(body) is good
    assert accepted(body) is good


FRAMES: list[tuple[str, dict[str, Any], bool]] = [
    ("Subscribe", {"type": "subscribe", "channel": "chat.**", "since": 0, "ref": "r"}, True),
    ("Subscribe", {"type": "subscribe", "channels": {"a": 1, "b": None}, "history": 2}, True),
    ("Subscribe", {"type": "subscribe", "channels": ["a", "b"], "ref": 1}, True),
    ("Subscribe", {"type": "subscribe", "channel": "a", "since": -1}, False),
    ("Subscribe", {"type": "subscribe", "channel": "a", "since": 2**53}, False),
    ("Subscribe", {"type": "subscribe", "channel": "a", "ref": 1.5}, False),
    ("Unsubscribe", {"type": "unsubscribe", "channels": ["a"]}, True),
    ("Unsubscribe", {"type": "unsubscribe", "channel": ["a"]}, False),
    ("Publish", {"type": "publish", "channel": "a", "data": {}}, True),
    ("Publish", {"type": "publish", "channel": "a"}, False),
    ("Ping", {"type": "ping"}, True),
    ("Ping", {"type": "ping", "ref": []}, False),
]


@pytest.mark.parametrize(("name", "frame", "good"), FRAMES)
def test_the_schema_of_a_frame_and_the_parser_agree(
    name: str, frame: dict[str, Any], good: bool
) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": ASYNCAPI["components"]}
    assert Draft202012Validator(schema).is_valid(frame) is good
    try:
        parse_json(json.dumps(frame).encode(), Limits())
        parsed = True
    except RequestError:
        parsed = False
    assert parsed is good
