"""Holding what a server really says against the documents.

Here the schemas are closed: a member that a schema does not know is a mistake, though clients are
told to live with more.
"""

from __future__ import annotations

import copy
from typing import Any

from jsonschema import Draft202012Validator

from everywire.core.limits import Limits
from everywire.server.description.asyncapi import asyncapi
from everywire.server.description.openapi import openapi
from server.clients import Answer

Document = dict[str, Any]

LIMITS = Limits()
OPENAPI = openapi(LIMITS)
ASYNCAPI = asyncapi(LIMITS)


def closed(document: Document) -> Document:
    """The same, whose objects have the members that are described and no other."""
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


_CLOSED = {id(document): closed(document) for document in (OPENAPI, ASYNCAPI)}


def fits(value: Any, schema: Any, document: Document) -> None:
    """A value has to fit a schema of a document, and to have nothing beside it."""
    whole = {**schema, "components": _CLOSED[id(document)]["components"]}
    Draft202012Validator.check_schema(whole)
    Draft202012Validator(whole).validate(value)


def operations() -> list[tuple[str, str, Document]]:
    """Method, path and operation, each."""
    return [
        (method.upper(), path, operation)
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
    ]


def response_of(operation: Document, status: int) -> Document:
    """What is said of an answer with a status."""
    response = operation["responses"].get(str(status), operation["responses"]["default"])
    if "$ref" in response:
        return OPENAPI["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response


def is_as_described(route: str, answer: Answer) -> None:
    """An answer has to be one that its operation describes."""
    (operation,) = [each for _, _, each in operations() if each["operationId"] == route]
    if answer.status < 400:
        assert str(answer.status) in operation["responses"], answer
    contents = response_of(operation, answer.status).get("content", {})
    if not contents:
        assert answer.body == b"", answer
        return
    media = answer.headers["content-type"].partition(";")[0]
    assert media in contents, answer
    if "json" in media:
        fits(answer.json, contents[media]["schema"], OPENAPI)
