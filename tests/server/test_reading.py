"""Reading over HTTP, on every carrier: history, channels, health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules

from .running import Running


def history(server: Running, channel: str, **query: Any) -> dict[str, Any]:
    answer = server.get(server.channel_path(channel, "/messages"), **query)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


def ids_of(page: dict[str, Any]) -> list[int]:
    return [message["id"] for message in page["data"]]


def test_history(server: Running, channel: str) -> None:
    """Reading, messages: data and last_id, the last listed id; asc by default."""
    ids = [server.publish(channel, n) for n in range(5)]
    page = history(server, channel)
    assert ids_of(page) == ids
    assert page["last_id"] == ids[-1]
    assert set(page) == {"data", "last_id"}
    assert page["data"][2]["data"] == 2


def test_pages(server: Running, channel: str) -> None:
    """Reading, messages: last_id is there to page on from, both ways."""
    ids = server.publish_all([{"channel": channel, "data": n} for n in range(25)])
    up: list[int] = []
    since = 0
    while page := ids_of(history(server, channel, since=since, limit=10)):
        up += page
        since = page[-1]
    assert up == ids
    down: list[int] = []
    before = None
    while page := ids_of(history(server, channel, before=before, limit=10, order="desc")):
        down += page
        before = page[-1]
    assert down == ids[::-1]


def test_before_is_exclusive(server: Running, channel: str) -> None:
    """Reading, messages: before exclusive, since exclusive, in both orders."""
    ids = [server.publish(channel, n) for n in range(6)]
    asked = {"since": ids[1], "before": ids[4]}
    assert ids_of(history(server, channel, **asked)) == ids[2:4]
    down = history(server, channel, order="desc", **asked)
    assert ids_of(down) == ids[3:1:-1]
    assert down["last_id"] == ids[2]
    assert ids_of(history(server, channel, limit=2, **asked)) == ids[2:4]
    assert ids_of(history(server, channel, limit=1, order="desc", **asked)) == ids[3:4]
    assert ids_of(history(server, channel, before=1)) == []
    assert ids_of(history(server, channel, before=2**53 - 1)) == ids


def test_unknown_channel(server: Running, channel: str) -> None:
    """Reading, messages: an unknown channel is an empty list."""
    assert history(server, channel) == {"data": [], "last_id": 0}
    assert history(server, channel, order="desc") == {"data": [], "last_id": 0}


def test_default_limit(server: Running, channel: str) -> None:
    """Reading, messages: 100 by default, at most 1000."""
    for _ in range(2):
        server.publish_all([{"channel": channel, "data": n} for n in range(600)])
    assert len(history(server, channel)["data"]) == 100
    assert len(history(server, channel, limit=5000)["data"]) == 1000
    assert len(history(server, channel, limit=5000, order="desc")["data"]) == 1000


def test_pages_end_at_1_mib(server: Running, channel: str) -> None:
    """Pages on every read end at 1 MiB, whichever comes first; in both orders."""
    ids = [server.publish(channel, "x" * 60_000) for _ in range(30)]
    up = history(server, channel, limit=1000)
    assert 0 < len(up["data"]) < 30
    assert ids_of(up) == ids[: len(up["data"])]
    down = history(server, channel, limit=1000, order="desc")
    assert 0 < len(down["data"]) < 30
    assert ids_of(down) == ids[::-1][: len(down["data"])]
    assert down["last_id"] == ids_of(down)[-1]


def test_gaps(start: Callable[..., Running]) -> None:
    """Reading, messages: with gaps, as exact as on the wires."""
    server = start(rules=Rules([ChannelRule("short", max_messages=2)]))
    ids = [server.publish("short", n) for n in range(4)]
    gap = {"channel": "short", "after": ids[0], "before": ids[1] + 1, "reason": "trimmed"}
    assert history(server, "short", since=ids[0])["gaps"] == [gap]
    assert history(server, "short", since=ids[0], order="desc")["gaps"] == [gap]
    assert "gaps" not in history(server, "short", since=ids[1])
    assert "gaps" not in history(server, "short")
    # A page that does not reach back to since says nothing of what lies there.
    assert "gaps" not in history(server, "short", since=ids[0], order="desc", limit=1)


def test_unknown_position(server: Running, channel: str) -> None:
    """Terms, unknown position: in history, too."""
    server.publish(channel, 1)
    for order in ("asc", "desc"):
        page = history(server, channel, since=2**53 - 1, order=order)
        assert page["data"] == []
        assert [g["reason"] for g in page["gaps"]] == ["unknown_position"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"since": "x"}, "bad_request"),
        ({"since": "-1"}, "bad_request"),
        ({"before": "x"}, "bad_request"),
        ({"before": "0"}, "bad_request"),
        ({"limit": "0"}, "bad_request"),
        ({"limit": "x"}, "bad_request"),
        ({"order": "up"}, "bad_request"),
    ],
)
def test_bad_queries(server: Running, channel: str, query: dict[str, str], code: str) -> None:
    """Codes: a malformed query parameter is bad_request on every route."""
    answer = server.get(server.channel_path(channel, "/messages"), **query)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("path", ["/channels/{}", "/channels/{}/messages"])
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("a.*", 400, "bad_channel"), ("a%20b", 400, "bad_channel"), ("@a", 403, "forbidden")],
)
def test_bad_names(server: Running, path: str, name: str, status: int, code: str) -> None:
    """Reading: of one channel at a time; the server's own are forbidden."""
    answer = server.get(path.format(name))
    assert (answer.status, answer.code) == (status, code)


def test_channel(server: Running, channel: str) -> None:
    """Reading, channel: last_id, oldest_id, messages, subscribers."""
    path = server.channel_path(channel)
    assert server.get(path).json == {
        "channel": channel,
        "last_id": None,
        "oldest_id": None,
        "messages": 0,
        "subscribers": 0,
    }
    ids = [server.publish(channel, n) for n in range(3)]
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    pattern = server.socket(channel=f"{channel}.**")
    pattern.expect("subscribed")
    assert server.get(path).json == {
        "channel": channel,
        "last_id": ids[-1],
        "oldest_id": ids[0],
        "messages": 3,
        "subscribers": 1,
    }
    socket.ask("unsubscribe", channel=channel)
    assert server.get(path).json["subscribers"] == 0


def test_channel_that_was_trimmed(start: Callable[..., Running]) -> None:
    """Reading, channel: what is kept is counted, whatever was there before."""
    server = start(rules=Rules([ChannelRule("short", max_messages=2)]))
    ids = [server.publish("short", n) for n in range(5)]
    assert server.get("/channels/short").json == {
        "channel": "short",
        "last_id": ids[4],
        "oldest_id": ids[3],
        "messages": 2,
        "subscribers": 0,
    }


def test_health(server: Running) -> None:
    """Health and readiness."""
    socket = server.socket()
    assert server.get("/health").json == {"status": "ok", "connections": 1}
    assert server.get("/ready").json == {"status": "ok"}
    socket.alive()


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_head(server: Running, path: str) -> None:
    """Health and readiness are asked by HEAD, too: the same head, no body."""
    raw = server.raw()
    raw.send_request("HEAD", path)
    answer = raw.answer("HEAD")
    assert answer.status == 200
    raw.send_request("GET", path)
    body = raw.answer().body
    assert answer.headers["content-length"] == str(len(body))
