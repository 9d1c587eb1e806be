"""Keyed state: ``key``, ``expected_id`` and ``GET /channels/{channel}/state``, on every carrier."""

from __future__ import annotations

from typing import Any

import pytest

from .running import Running


def state(server: Running, channel: str, **query: Any) -> dict[str, Any]:
    answer = server.get(server.channel_path(channel, "/state"), **query)
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


def put(server: Running, channel: str, key: str, data: Any, **more: Any) -> Any:
    return server.post("/publish", {"channel": channel, "key": key, "data": data, **more})


def shown(page: dict[str, Any]) -> dict[str, Any]:
    return {message["key"]: message["data"] for message in page["data"]}


def test_the_newest_message_of_each_key(server: Running, channel: str) -> None:
    """Keyed state: the messages and the position they stand for."""
    for n in range(3):
        put(server, channel, "a", n)
    put(server, channel, "b", "one")
    server.publish(channel, "of no key")
    last = server.publish(channel, "nor this")
    page = state(server, channel)
    assert shown(page) == {"a": 2, "b": "one"}
    assert page["last_id"] >= last
    assert set(page) == {"data", "last_id"}


def test_null_frees_a_key(server: Running, channel: str) -> None:
    """Keyed state: ``data: null`` frees it."""
    put(server, channel, "a", 1)
    put(server, channel, "b", 2)
    put(server, channel, "a", None)
    assert shown(state(server, channel)) == {"b": 2}


def test_an_unknown_channel_has_no_state(server: Running, channel: str) -> None:
    page = state(server, channel)
    assert page["data"] == []


def test_a_subscription_from_it_goes_on_without_a_hole(server: Running, channel: str) -> None:
    """Keyed state: subscribing with that ``since`` continues without a hole."""
    put(server, channel, "a", 1)
    page = state(server, channel)
    after = [put(server, channel, "a", n).json["id"] for n in (2, 3)]
    answer = server.get("/updates", channel=channel, since=page["last_id"], wait=0)
    assert [message["id"] for message in answer.json["data"]] == after


def test_pages(server: Running, channel: str) -> None:
    """Keyed state: a page that is not the last says where the next begins."""
    for n in range(5):
        put(server, channel, f"k{n}", n)
    first = state(server, channel, limit=2)
    assert shown(first) == {"k0": 0, "k1": 1}
    # Changed meanwhile: it comes with the subscription, not with a later page.
    changed = put(server, channel, "k3", "new").json["id"]
    asked = {"limit": 2, "upto": first["last_id"]}
    second = state(server, channel, after=first["after"], **asked)
    assert shown(second) == {"k2": 2, "k4": 4}
    if "after" in second:
        assert state(server, channel, after=second["after"], **asked)["data"] == []
    assert second["last_id"] == first["last_id"]
    answer = server.get("/updates", channel=channel, since=first["last_id"], wait=0)
    assert [message["id"] for message in answer.json["data"]] == [changed]


def test_expected_id_is_that_of_the_newest(server: Running, channel: str) -> None:
    """Keyed state: append only if that key's newest message has this id (0: none)."""
    first = put(server, channel, "a", 1, expected_id=0)
    assert first.status == 200
    again = put(server, channel, "a", 2, expected_id=0)
    assert (again.status, again.json["code"]) == (409, "conflict")
    assert str(first.json["id"]) in again.json["detail"], "it says what the id is"
    assert put(server, channel, "a", 2, expected_id=first.json["id"]).status == 200
    assert shown(state(server, channel)) == {"a": 2}
    put(server, channel, "a", None)
    assert put(server, channel, "a", 3, expected_id=0).status == 200


def test_a_list_is_all_or_nothing(server: Running, channel: str) -> None:
    refused = server.post(
        "/publish",
        [
            {"channel": channel, "key": "a", "data": 1},
            {"channel": channel, "key": "b", "data": 1, "expected_id": 77},
        ],
    )
    assert refused.json["code"] == "conflict"
    assert state(server, channel)["data"] == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"expected_id": 5}, "give the key"),
        ({"expected_id": 5, "key": "k", "ephemeral": True}, "not kept"),
        ({"expected_id": -1, "key": "k"}, "a position"),
        ({"expected_id": 2**53, "key": "k"}, "a position"),
    ],
)
def test_expected_id_that_cannot_be(
    server: Running, channel: str, fields: dict[str, Any], says: str
) -> None:
    refused = server.post("/publish", {"channel": channel, "data": 1, **fields})
    assert (refused.status, refused.json["code"]) == (400, "bad_request")
    assert says in refused.json["detail"]


@pytest.mark.parametrize("query", [{"after": "x"}, {"upto": "-1"}, {"limit": "0"}])
def test_malformed_parameters(server: Running, channel: str, query: dict[str, str]) -> None:
    answer = server.get(server.channel_path(channel, "/state"), **query)
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


def test_other_methods(server: Running, channel: str) -> None:
    answer = server.post(server.channel_path(channel, "/state"), {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, OPTIONS")
