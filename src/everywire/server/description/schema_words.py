"""A schema in words and lists, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from everywire.core.positions import MAX_POSITION
from everywire.server.description.html import NOTHING, Markup, inline, join, tag
from everywire.server.description.layout import entry
from everywire.server.description.members import Schema

_ALIKE: Final = {"integer": "integer", "number": "number", "string": "string", "boolean": "boolean"}


def words(schema: Schema) -> Markup:
    """What a value is, in a few words; objects that have a name are linked to."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return tag("a", name, href=f"#object-{name}")
    if "const" in schema:
        return _value(schema["const"])
    if "enum" in schema:
        return join((_value(value) for value in schema["enum"]), " or ")
    if "anyOf" in schema:
        return join(dict.fromkeys(words(inner) for inner in schema["anyOf"]), " or ")
    return _plain(schema)


def _plain(schema: Schema) -> Markup:
    kind = schema.get("type")
    if kind is None:
        return join(["any JSON"])
    if isinstance(kind, list):
        alternatives: list[Schema] = [{**schema, "type": each} for each in cast("list[str]", kind)]
        return join((_plain(each) for each in alternatives), " or ")
    if kind == "array":
        return _list(schema)
    if kind == "object":
        return _map(schema)
    if schema.get("maximum") == MAX_POSITION:
        return join(["position"])
    return join([_ALIKE.get(str(kind), str(kind)), _bounds(schema)])


def _map(schema: Schema) -> Markup:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return join(["object of ", words(cast("Schema", values))])
    return join(["object"])


def _list(schema: Schema) -> Markup:
    items, most = schema.get("items", {}), schema.get("maxItems")
    of = join(["strings"]) if items.get("type") == "string" else words(items)
    return join(["list of ", of, "" if most is None else f", at most {most}"])


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minLength"), schema.get("maxLength")
    if high is not None:
        return f", {low or 0} to {high} bytes"
    above = schema.get("exclusiveMinimum")
    if above is not None:
        return f" above {above}"
    least = schema.get("minimum")
    return "" if least is None else f" from {least}"


def default_of(schema: Schema) -> Markup:
    """What it is where it is absent; nothing, if nothing is said."""
    default = schema.get("default")
    return NOTHING if default is None else join([" Default ", _value(default), "."])


def members(schema: Schema) -> Markup:
    """The members of an object, as a list."""
    required = schema.get("required", ())
    entries = [
        entry(
            tag("code", name),
            tag("span", words(member) if name in required else _optional(member), class_="type"),
            inline(member.get("description", "")),
        )
        for name, member in cast("dict[str, Schema]", schema.get("properties", {})).items()
    ]
    return tag("dl", *entries) if entries else NOTHING


def _optional(schema: Schema) -> Markup:
    """What it is where it is there; that it may as well be null goes without saying."""
    kinds, alternatives = schema.get("type"), schema.get("anyOf")
    if isinstance(kinds, list):
        others = [kind for kind in cast("list[str]", kinds) if kind != "null"]
        schema = {**schema, "type": others[0] if len(others) == 1 else others}
    elif alternatives is not None:
        schema = {"anyOf": [inner for inner in alternatives if inner.get("type") != "null"]}
    return join([words(schema), ", optional"])


def _value(value: Any) -> Markup:
    if isinstance(value, float):
        return tag("code", f"{value:g}")
    shown = value if isinstance(value, str) else json.dumps(value)
    return tag("code", shown)
