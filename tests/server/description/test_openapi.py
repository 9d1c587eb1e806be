"""The document of the requests: valid, whole, and nothing beside the routes."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from everywire.core.errors import STATUS
from everywire.core.limits import Limits
from everywire.server.description.codes import page_of
from everywire.server.description.openapi import openapi
from everywire.server.description.operations import OPERATIONS, TAGS
from everywire.server.routes import match, table

from .checking import OPENAPI, Document, fits, operations


def test_it_is_openapi_3_1() -> None:
    assert OPENAPI["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(OPENAPI).iter_errors()] == []


def test_every_route_is_described_and_nothing_else() -> None:
    routes = {(method, path) for method, path, _ in table()}
    assert {(method, path) for method, path, _ in operations()} == routes
    names = [operation.route for operation in OPERATIONS]
    assert sorted(names) == sorted({name for _, _, name in table()})


def test_the_table_of_routes_is_what_requests_are_matched_by() -> None:
    for method, path, name in table():
        route = match(method, path.replace("{channel}", "a.b"))
        assert route is not None
        assert (route.name, route.channel) == (name, "a.b" if "{channel}" in path else "")


@pytest.mark.parametrize(("method", "path", "operation"), operations())
def test_every_example_fits_its_schema(method: str, path: str, operation: Document) -> None:
    examples = 0
    holders = [operation.get("requestBody", {}), *operation["responses"].values()]
    for holder in holders:
        for content in holder.get("content", {}).values():
            for example in content.get("examples", {}).values():
                fits(example["value"], content.get("schema", {}), OPENAPI)
                examples += 1
    for parameter in operation.get("parameters", ()):
        if "example" in parameter:
            fits(parameter["example"], parameter["schema"], OPENAPI)
    assert examples or method == "HEAD" or path in ("/ws", "/events")


def test_every_problem_that_is_shown_is_one_of_that_status() -> None:
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            for media, content in response.get("content", {}).items():
                if media == "application/problem+json":
                    for code, example in content["examples"].items():
                        assert str(STATUS[code]) == status
                        assert example["value"]["type"] == page_of(code)


def test_every_code_is_shown() -> None:
    shared = OPENAPI["components"]["responses"]["Problem"]["content"]["application/problem+json"]
    assert list(shared["examples"]) == list(STATUS)
    for example in shared["examples"].values():
        fits(example["value"], shared["schema"], OPENAPI)
    assert OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["examples"] == list(
        STATUS
    )


def test_every_tag_is_used_and_described() -> None:
    used = {tag for _, _, operation in operations() for tag in operation["tags"]}
    assert used == set(TAGS) == {tag["name"] for tag in OPENAPI["tags"]}


def test_everything_has_words() -> None:
    def look(value: Any, where: str) -> None:
        if isinstance(value, dict):
            for name, member in value.get("properties", {}).items():
                if "$ref" not in member and name not in ("type", "status"):
                    assert member.get("description"), f"{where}.{name}"
            if "description" in value:
                assert value["description"].strip(), where
                assert "``" not in value["description"], where
                assert "{" not in value["description"], where
            for key, inner in value.items():
                look(inner, f"{where}/{key}")
        elif isinstance(value, list):
            for inner in value:
                look(inner, where)

    look(OPENAPI["paths"], "paths")
    look(OPENAPI["components"]["schemas"], "schemas")


def test_it_tells_the_limits_of_the_server_that_it_comes_from() -> None:
    other = openapi(Limits(max_wait=7.0, max_batch=3, default_poll_messages=5, max_key_bytes=9))
    poll = {p["name"]: p for p in other["paths"]["/updates"]["get"]["parameters"]}
    assert poll["wait"]["schema"]["default"] == 7.0
    assert "more than 7 is cut" in poll["wait"]["description"]
    assert poll["limit"]["schema"]["default"] == 5
    publish = other["paths"]["/publish"]["post"]
    assert publish["parameters"][0]["schema"]["maxLength"] == 9
    content = publish["requestBody"]["content"]["application/json"]["schema"]
    assert [each.get("maxItems") for each in content["anyOf"]] == [None, 3]
    key = other["components"]["schemas"]["PublishObject"]["properties"]["idempotency_key"]
    assert key["anyOf"][0]["maxLength"] == 9
