"""What a server really answers is what is described, and has nothing that is not."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, Rules
from everywire.server.description.openapi import openapi
from everywire.server.description.operations import OPERATIONS
from everywire.server.description.shapes import BASE
from server.running import Running

from .checking import is_as_described

SECRET = "s" * 22


def test_publishing(server: Running, channel: str) -> None:
    def published(body: Any, **headers: str) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = server.post("/publish", body, named)
        assert answer.status == 200
        is_as_described("publish", answer)
        return answer.json

    one = {"channel": channel, "data": 1, "idempotency_key": f"key of {channel}"}
    assert published(one)["id"] == published(one)["id"]
    assert published(one)["duplicate"] is True
    assert published({**one, "ephemeral": True, "idempotency_key": None}) == {"id": None}
    assert len(published({"channels": [channel, channel + ".b"], "data": 1})["ids"]) == 2
    many = [{"channel": channel, "data": n} for n in range(3)]
    assert len(published(many, Idempotency_Key=f"keys of {channel}")["ids"]) == 3
    assert published(many, Idempotency_Key=f"keys of {channel}")["duplicate"] is True
    assert published([{"channel": channel, "data": 1, "ephemeral": True}]) == {"ids": [None]}
    assert published([]) == {"ids": []}


def test_publishing_a_body(server: Running, channel: str) -> None:
    for kind in ("application/json", "text/plain", "application/octet-stream"):
        answer = server.post(server.channel_path(channel), b"1", {"Content-Type": kind})
        assert answer.status == 200
        is_as_described("publish_raw", answer)


def everything(server: Running, channel: str) -> None:
    """Publish one of every kind."""
    server.publish(channel, {"a": 1}, event="named", meta={"b": 1, "c": None}, key="k")
    server.publish(channel, "text", encoding="text", connection=SECRET)
    server.publish(channel, "AAEC", encoding="base64")
    server.publish(channel, 185.5, ttl=3600)
    server.publish(channel, None, final=True)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_reading(server: Running, channel: str, order: str) -> None:
    everything(server, channel)
    answer = server.get(server.channel_path(channel, "/messages"), order=order)
    is_as_described("messages", answer)
    assert len(answer.json["data"]) == 5
    for query in ({"since": 7}, {"limit": 2}, {"since": server.head()}):
        answer = server.get(server.channel_path(channel, "/messages"), order=order, **query)
        assert answer.status == 200
        is_as_described("messages", answer)
    is_as_described("messages", server.get("/channels/never.heard.of/messages", order=order))


def test_gaps(start_native: Callable[..., Running], channel: str) -> None:
    server = start_native(rules=Rules([ChannelRule("**", max_messages=1)]))
    first = server.publish(channel, 1)
    for n in range(3):
        server.publish(channel, n)
    for route, path in (
        ("updates", f"/updates?channel={channel}&since="),
        ("messages", f"/channels/{channel}/messages?since="),
    ):
        for since, reason in ((first, "trimmed"), (7, "unknown_position")):
            answer = server.get(path + str(since))
            assert answer.json["gaps"][0]["reason"] == reason
            is_as_described(route, answer)


def test_reading_state(server: Running, channel: str) -> None:
    for key in "abc":
        server.publish(channel, 1, key=key)
    for query in ({}, {"limit": 1}):
        answer = server.get(server.channel_path(channel, "/state"), **query)
        assert answer.status == 200
        is_as_described("state", answer)
    assert "after" in answer.json


def test_looking_at_a_channel(server: Running, channel: str) -> None:
    is_as_described("channel", server.get(server.channel_path(channel)))
    server.publish(channel, 1)
    answer = server.get(server.channel_path(channel))
    assert answer.json["messages"] == 1
    is_as_described("channel", answer)


def test_polling(server: Running, channel: str) -> None:
    is_as_described("updates", server.get("/updates", channel=channel))
    with server.waiting({"channel": channel, "since": server.head()}) as polls:
        everything(server, channel)
        is_as_described("updates", polls[0].result())
    answer = server.get("/updates", channel=channel, since=0)
    assert answer.json["final"] == [channel]
    is_as_described("updates", answer)


def test_streams_and_sockets_open_as_described(server: Running, channel: str) -> None:
    server.publish(channel, 1, final=True)
    over = server.get("/events", channel=channel, since=server.head())
    assert over.status == 204
    is_as_described("events", over)
    stream = server.stream(channel=channel)
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")


def test_health(server: Running) -> None:
    for route in ("health", "ready"):
        is_as_described(route, server.get(f"/{route}"))
        is_as_described(f"{route}_head", server.request("HEAD", f"/{route}"))


def test_a_server_that_drains_is_not_ready(start_native: Callable[..., Running]) -> None:
    server = start_native()
    server.call(lambda: setattr(server.node, "draining", True))
    answer = server.get("/ready")
    assert answer.status == 503
    is_as_described("ready", answer)


@pytest.mark.parametrize(
    ("route", "method", "path", "body", "status"),
    [
        ("publish", "POST", "/publish", b"{", 400),
        ("publish", "POST", "/publish", b'{"channel":"a b","data":1}', 400),
        ("publish", "POST", "/publish", b'{"channel":"@a","data":1}', 403),
        ("publish", "POST", "/publish", b'{"channel":"a","data":"%b"}' % (b"x" * 70_000), 413),
        ("publish", "PUT", "/publish", b"{}", 405),
        ("publish_raw", "POST", "/channels/a%20b", b"1", 400),
        ("publish_raw", "POST", "/channels/@a", b"1", 403),
        ("messages", "GET", "/channels/@a/messages", None, 403),
        ("messages", "GET", "/channels/a/messages?limit=0", None, 400),
        ("state", "GET", "/channels/a/state?after=x", None, 400),
        ("channel", "GET", "/channels/@a", None, 403),
        ("updates", "GET", "/updates", None, 400),
        ("events", "GET", "/events?channel=@a", None, 403),
        ("ws", "GET", "/ws", None, 426),
    ],
)
def test_refusals(
    server: Running, route: str, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = server.request(method, path, body)
    assert answer.status == status
    is_as_described(route, answer)
    assert answer.json["type"] == f"/docs/errors/{answer.code}"


def test_a_conflict(server: Running, channel: str) -> None:
    server.publish(channel, 1, final=True)
    answer = server.post("/publish", {"channel": channel, "data": 2})
    assert answer.status == 409
    is_as_described("publish", answer)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.route)
def test_every_command_runs(native: Running, operation: Any) -> None:
    command = operation.curl.replace("\\\n", " ").replace(BASE, f"http://127.0.0.1:{native.port}")
    write_status = "--write-out '\\n%{http_code} %{content_type}'"
    native.publish("room.1", {"text": "hi"}, event="said")
    done = subprocess.run(
        shlex.split(f"{command} {write_status}"), stdout=subprocess.PIPE, check=False, timeout=30
    )
    body, _, told = done.stdout.rpartition(b"\n")
    status, _, kind = told.decode().partition(" ")
    assert status == str(operation.answers[0].status)
    # A stream and a WebSocket go on until the time is over.
    assert done.returncode == (28 if operation.route in ("ws", "events") else 0)
    if operation.route == "events":
        assert b"event: everywire.position" in body
    elif operation.route == "ws":
        assert b'"type":"welcome"' in body
    else:
        assert kind == "application/json"
        assert json.loads(body)


def test_the_document_of_a_server_tells_its_own_limits(start: Callable[..., Running]) -> None:
    limits = Limits(max_wait=3.0, max_batch=2)
    server = start(limits=limits)
    assert server.get("/docs/openapi.json").json == json.loads(json.dumps(openapi(limits)))
    assert server.post("/publish", [{"channel": "a", "data": 1}] * 3).code == "too_large"
