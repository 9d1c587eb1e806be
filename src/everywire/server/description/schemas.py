"""From structs to JSON Schema, in the words of the documents.

msgspec reads names, types and what is required off a struct, and takes its docstring and the
``Meta`` of its members for the words. The structs that clients' bytes are decoded with speak to
whoever reads the code, though; their words and bounds come from `members` instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from everywire.core.errors import STATUS
from everywire.core.limits import Limits
from everywire.server.description.members import RESERVED, Schema, about, bounds

PREFIX: Final = "#/components/schemas/"

Struct = type[msgspec.Struct]

_Found = dict[str, dict[str, Any]]


def reference(struct: Struct) -> Schema:
    """What stands for the schema of a struct."""
    return {"$ref": PREFIX + name_of(struct)}


def name_of(struct: Struct) -> str:
    """What its schema is called: the struct's name, without what marks it as private."""
    return struct.__name__.lstrip("_")


def answer_schemas(structs: Iterable[Struct]) -> dict[str, Schema]:
    """The schemas of what the server sends, and of all that they hold."""
    found = _components(structs)
    for name in ("Problem", "ErrorFrame", "StreamError"):
        if name in found:
            # Not only these: a client has to live with codes of later versions.
            found[name]["properties"]["code"]["examples"] = list(STATUS)
    return found


def client_schemas(
    structs: Iterable[Struct], words: Mapping[str, str], limits: Limits
) -> dict[str, Schema]:
    """The schemas of what clients send.

    Args:
        structs: What it is decoded with.
        words: What each is, by name.
        limits: Which its members have to keep to.
    """
    found = _components(structs)
    allowed = bounds(limits)
    for name, schema in found.items():
        schema["description"] = words[name]
        members = cast("dict[str, Schema]", schema["properties"])
        for member in list(members):
            if f"{name}.{member}" in RESERVED:
                del members[member]
                continue
            bound = allowed.get(f"{name}.{member}", allowed.get(member, {}))
            members[member] = _bounded(members[member], bound)
            members[member]["description"] = about(name, member, limits)
    return found


def _components(structs: Iterable[Struct]) -> dict[str, Schema]:
    _, found = msgspec.json.schema_components(structs, ref_template=PREFIX + "{name}")
    # Private structs carry an underscore, which is nobody's business outside.
    text = msgspec.json.encode(found).replace(f'"{PREFIX}_'.encode(), f'"{PREFIX}'.encode())
    named = {
        name.lstrip("_"): schema for name, schema in msgspec.json.decode(text, type=_Found).items()
    }
    for name, schema in named.items():
        schema["title"] = name
        if not schema["required"]:
            del schema["required"]
    return named


def _bounded(schema: Schema, bound: Schema) -> Schema:
    """A schema with more said, of what it is where it is not null."""
    alternatives = cast("list[Schema]", schema.get("anyOf", []))
    others = [inner for inner in alternatives if inner.get("type") != "null"]
    if len(others) == 1 and len(others) < len(alternatives):
        return {"anyOf": [{**others[0], **bound}, {"type": "null"}]}
    kept = {key: value for key, value in schema.items() if key != "default"}
    return {**kept, **bound}
