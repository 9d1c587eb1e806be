"""Schemas in words."""

from __future__ import annotations

import pytest

from everywire.core.positions import MAX_POSITION
from everywire.server.description.members import Schema
from everywire.server.description.schema_words import default_of, members, words


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "any JSON"),
        ({"type": "string"}, "string"),
        ({"type": "string", "minLength": 1, "maxLength": 9}, "string, 1 to 9 bytes"),
        ({"type": "integer", "minimum": 0, "maximum": MAX_POSITION}, "position"),
        ({"type": "integer", "minimum": 1}, "integer from 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"type": "array", "items": {"type": "string"}}, "list of strings"),
        (
            {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
            "list of integer, at most 3",
        ),
        ({"enum": ["a", 1]}, "<code>a</code> or <code>1</code>"),
        ({"const": "<"}, "<code>&lt;</code>"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "object"}, "object"),
        (
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            "object of boolean",
        ),
        ({"$ref": "#/components/schemas/Gap"}, '<a href="#object-Gap">Gap</a>'),
    ],
)
def test_words(schema: Schema, said: str) -> None:
    assert words(schema) == said


def test_defaults() -> None:
    assert default_of({"default": 30.0}) == " Default <code>30</code>."
    assert default_of({"default": 0}) == " Default <code>0</code>."
    assert default_of({}) == ""


def test_members_say_which_may_be_absent() -> None:
    schema = {
        "properties": {"a": {"type": "string", "description": "The `a`."}, "b": {}},
        "required": ["a"],
    }
    made = members(schema)
    assert "<code>a</code>" in made
    assert "The <code>a</code>." in made
    assert made.count("optional") == 1
    either = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert "integer, optional" in members({"properties": {"a": either}})
    assert "boolean, optional" in members({"properties": {"a": {"type": ["boolean", "null"]}}})
    assert "integer or null" in members({"properties": {"a": either}, "required": ["a"]})
    assert members({"type": "object"}) == ""
