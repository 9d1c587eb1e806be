"""The HTTP API as an OpenAPI 3.1 document, put together from `operations`.

Nothing is written down twice: paths and methods are those of the routes, the schemas are read off
structs, the bounds are the limits that this server runs with, the codes are the errors' own table.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import everywire
from everywire.core.errors import STATUS
from everywire.core.limits import Limits
from everywire.server.description.answers import Problem
from everywire.server.description.clients import PUBLISH_OBJECT, PUBLISH_OBJECT_IS
from everywire.server.description.codes import CODES, example
from everywire.server.description.members import Schema, filled
from everywire.server.description.operations import OPERATIONS, TAGS
from everywire.server.description.parameters import Parameter
from everywire.server.description.schemas import (
    answer_schemas,
    client_schemas,
    name_of,
    reference,
)
from everywire.server.description.shapes import BASE, PROBLEM, Answer, Body, Operation
from everywire.server.routes import table

VERSION: Final = "3.1.1"

_ABOUT: Final = (
    "One channel over WebSocket, Server-Sent Events and long polling, with one resume position. A "
    "malformed parameter is `bad_request`; one that may stand once and stands twice is malformed; "
    "unknown ones are ignored. `OPTIONS` is answered 204 on every path, for a browser's preflight."
)


@lru_cache(4)
def openapi(limits: Limits) -> dict[str, Any]:
    """The document; not to be changed.

    Args:
        limits: Those of the server that it describes.
    """
    return {
        "openapi": VERSION,
        "info": {
            "title": "Everywire",
            "version": everywire.__version__,
            "summary": "One channel on every wire.",
            "description": _ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "..", "description": "The server that this comes from."},
            {"url": BASE, "description": "As started by `everywire serve`."},
        ],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": _paths(limits),
        "components": {
            "schemas": _schemas(limits),
            "responses": {"Problem": _problem("Refused, or failed.", tuple(CODES))},
        },
    }


def _paths(limits: Limits) -> Schema:
    routes = list(table())
    paths: Schema = {}
    for operation in OPERATIONS:
        for method, path, name in routes:
            if name == operation.route:
                described = _operation(operation, method, limits)
                paths.setdefault(path, {})[method.lower()] = described
    return paths


def _schemas(limits: Limits) -> dict[str, Schema]:
    sent = {
        struct
        for operation in OPERATIONS
        for answer in operation.answers
        for body in answer.bodies
        for struct in body.holds
    }
    found = answer_schemas([*sent, Problem])
    words = {name_of(PUBLISH_OBJECT): PUBLISH_OBJECT_IS}
    found.update(client_schemas([PUBLISH_OBJECT], words, limits))
    return dict(sorted(found.items()))


def _operation(operation: Operation, method: str, limits: Limits) -> Schema:
    bare = method == "HEAD"
    described: Schema = {
        "operationId": f"{operation.route}_head" if bare else operation.route,
        "tags": [operation.tag],
        "summary": operation.summary + (" (without a body)" if bare else ""),
        "description": filled(operation.about, limits),
    }
    if operation.parameters:
        described["parameters"] = [_parameter(each, limits) for each in operation.parameters]
    if operation.bodies:
        described["requestBody"] = {
            "required": True,
            "content": {body.media: _content(body, limits) for body in operation.bodies},
        }
    described["responses"] = _responses(operation, bare, limits)
    if not bare:
        described["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": operation.curl}]
    return described


def _parameter(parameter: Parameter, limits: Limits) -> Schema:
    described: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "description": filled(parameter.about, limits),
        "schema": parameter.schema(limits),
    }
    if parameter.required:
        described["required"] = True
    if parameter.repeats:
        described.update(style="form", explode=True)
    if parameter.example is not None:
        value = parameter.example
        described["example"] = [value] if parameter.repeats else value
    return described


def _responses(operation: Operation, bare: bool, limits: Limits) -> Schema:
    responses: Schema = {}
    for answer in operation.answers:
        responses[str(answer.status)] = _response(answer, bare, limits)
    by_status: dict[int, list[str]] = {}
    for code in operation.errors:
        by_status.setdefault(STATUS[code], []).append(code)
    for status, codes in by_status.items():
        responses[str(status)] = _problem(HTTPStatus(status).phrase + ".", tuple(codes))
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    return responses


def _response(answer: Answer, bare: bool, limits: Limits) -> Schema:
    described: Schema = {"description": answer.about}
    if answer.headers:
        described["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in answer.headers
        }
    if answer.bodies and not bare:
        described["content"] = {body.media: _content(body, limits) for body in answer.bodies}
    return described


def _content(body: Body, limits: Limits) -> Schema:
    alternatives = [reference(struct) for struct in body.holds]
    if body.listed:
        listed: Schema = {"type": "array", "items": alternatives[0]}
        alternatives.append({**listed, "maxItems": limits.max_batch})
    described: Schema = {}
    if len(alternatives) > 1:
        described["schema"] = {"anyOf": alternatives}
    elif alternatives:
        described["schema"] = alternatives[0]
    elif body.media.startswith("text/"):
        described["schema"] = {"type": "string"}
    if body.examples:
        described["examples"] = {name: {"value": value} for name, value in body.examples}
    return described


def _problem(about: str, codes: tuple[str, ...]) -> Schema:
    """A response that is an error with one of these codes, or with one of a later version."""
    examples = {code: {"value": example(code)} for code in codes}
    return {
        "description": about,
        "content": {PROBLEM: {"schema": reference(Problem), "examples": examples}},
    }
