"""Every parameter that is described is read, and every one that is read is described."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from everywire.core.limits import Limits
from everywire.server.description.operations import OPERATIONS
from everywire.server.description.parameters import Parameter
from everywire.server.description.shapes import Operation
from everywire.server.routes import table
from everywire.wires import queries
from everywire.wires.queries import Query
from server.clients import Answer
from server.running import Running

CHANNEL = "parameters.are.read"
PATHS = {name: (method, path) for method, path, name in table() if method != "HEAD"}


class Case(NamedTuple):
    operation: Operation
    parameter: Parameter

    def __repr__(self) -> str:
        return f"{self.operation.route}-{self.parameter.name}"


CASES = [Case(operation, each) for operation in OPERATIONS for each in operation.parameters]


def asked(server: Running, case: Case, value: str | None) -> Answer:
    """A request that is right, but for the value of one parameter."""
    operation, parameter = case
    method, path = PATHS[operation.route]
    at_path = value if parameter.place == "path" else quote(CHANNEL, safe="")
    given: dict[str, Any] = {"channel": CHANNEL} if "{" not in path else {}
    headers: dict[str, str] = {}
    if value is not None and parameter.place == "query":
        given[parameter.name] = value
    if value is not None and parameter.place == "header":
        headers[parameter.name] = value
    body = None
    if method == "POST":
        given, body = {}, b'{"channel":"x","data":1}' if operation.route == "publish" else b"1"
    return server.request(method, path.replace("{channel}", str(at_path)), body, headers, **given)


@pytest.mark.parametrize("case", [c for c in CASES if c.parameter.malformed is not None], ids=repr)
def test_what_is_malformed_is_refused(native: Running, case: Case) -> None:
    answer = asked(native, case, case.parameter.malformed)
    assert answer.status == 400
    assert answer.code == case.parameter.code


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.parameter.place == "query" and not c.parameter.repeats], ids=repr
)
def test_what_may_stand_once_may_not_stand_twice(native: Running, case: Case) -> None:
    _, path = PATHS[case.operation.route]
    name = case.parameter.name
    target = path.replace("{channel}", CHANNEL) + f"?channel={CHANNEL}&{name}=1&{name}=1"
    answer = native.get(target)
    assert answer.status == 400
    assert "once" in answer.json["detail"]


# Those of which nothing is malformed


@pytest.mark.parametrize("where", ["header", "query", "both"])
def test_the_last_event_id_is_read(native: Running, channel: str, where: str) -> None:
    id = native.publish(channel, 1)
    native.publish(channel, 2)
    header = {} if where == "query" else {"Last-Event-ID": str(id)}
    given = {} if where == "header" else {"lastEventId": "none" if where == "both" else str(id)}
    stream = native.stream(header, channel=channel, since=0, **given)
    assert stream.opened() == id
    assert stream.expect("message").data == "2"


def test_a_preference_to_wait_is_read(native: Running, channel: str) -> None:
    """Else it would be held for longer than this client waits."""
    answer = native.get("/updates", {"Prefer": "wait=0"}, channel=channel, since=native.head())
    assert answer.json["data"] == []


def test_these_are_all_of_which_nothing_is_malformed() -> None:
    passed_over = {case.parameter.name for case in CASES if case.parameter.malformed is None}
    assert passed_over == {"Last-Event-ID", "lastEventId", "Prefer"}


# What is read


class Watched(Query):
    """A query that notes what it is asked for."""

    __slots__ = ("names",)

    def __init__(self, raw: str) -> None:
        super().__init__(raw)
        self.names: set[str] = set()

    def all(self, name: str) -> list[str]:
        self.names.add(name)
        return super().all(name)


RESERVED = {"presence"}
"""Read to be refused."""


@pytest.mark.parametrize(
    ("route", "read"),
    [
        ("ws", queries.socket_request),
        ("events", lambda query, limits: queries.stream_request(query, None, limits)),
        ("updates", lambda query, limits: queries.poll_request(query, None, limits)),
        ("messages", queries.history_request),
        ("state", queries.state_request),
    ],
)
def test_every_parameter_that_is_read_is_described(route: str, read: Any) -> None:
    query = Watched("channel=a")
    read(query, Limits())
    described = {
        case.parameter.name
        for case in CASES
        if case.operation.route == route and case.parameter.place == "query"
    }
    assert query.names - RESERVED == described


@pytest.mark.parametrize("route", ["events", "updates"])
@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_is_reserved_is_refused(native: Running, route: str, name: str) -> None:
    """Once it is offered, it has to be described."""
    answer = native.get(f"/{route}", channel="a", **{name: 1})
    assert answer.code == "bad_request"
