"""npm's eventsource against the real server: what it dispatches, and how it comes back.

PROTOCOL.md, Server-Sent Events. Chromium's EventSource is tested with the page (tests/browser).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.processes import ServerProcess

OWN = ("everywire.position", "everywire.gap", "everywire.unsubscribed")


class Listener:
    """A Node process that listens; what it dispatches is read as it comes."""

    def __init__(self, repository: Path, url: str, *events: str) -> None:
        node = shutil.which("node")
        assert node, "node is needed for these tests: install Node 20 or later"
        here = repository / "tests" / "node"
        assert (here / "node_modules" / "eventsource").is_dir(), "run make test, or npm ci there"
        self.process = subprocess.Popen(
            [node, str(here / "listen.mjs"), url, *OWN, *events],
            stdout=subprocess.PIPE,
            text=True,
            cwd=here,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the listener has ended"
        return json.loads(line)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Everything up to and with the first that is wanted."""
        seen = [self.next()]
        while not wanted(seen[-1]):
            seen.append(self.next())
        return seen

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def listen(repository: Path) -> Iterator[Callable[..., Listener]]:
    started: list[Listener] = []

    def start(url: str, *events: str) -> Listener:
        started.append(Listener(repository, url, *events))
        return started[-1]

    yield start
    for listener in started:
        listener.close()


def publish(server: ServerProcess, channel: str, data: Any, **fields: Any) -> int:
    body = json.dumps({"channel": channel, "data": data, **fields}).encode()
    return json.loads(server.post("/publish", body))["id"]


def is_event(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line.get("event") == name


def test_it_dispatches_each_kind_of_data_as_it_was_published(
    serve: Callable[..., ServerProcess], listen: Callable[..., Listener]
) -> None:
    server = serve("--log", "memory:")
    first = publish(server, "a", {"price": 185.5}, event="price")
    publish(server, "a", "two\nlines\r\nand\rthree", encoding="text")
    publish(server, "a", "", encoding="text")
    last = publish(server, "a", "AAH/", encoding="base64")
    listener = listen(f"{server.url}/events?channel=a&since=0", "price")
    seen = listener.until(lambda line: line.get("id") == str(last))
    assert seen[:2] == [{"open": True}, {"event": OWN[0], "id": "0", "data": '{"last_id":0}'}]
    messages = [(line["event"], line["data"]) for line in seen[2:]]
    assert messages == [
        ("price", '{"price": 185.5}'),
        ("message", "two\nlines\nand\nthree"),
        ("message", ""),
        ("message", "AAH/"),
    ]
    assert seen[2]["id"] == str(first)


def test_it_comes_back_after_a_kill_and_misses_nothing(
    serve: Callable[..., ServerProcess], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    """It resumes by Last-Event-ID, on the restarted server, by itself."""
    server = serve("--log", f"sqlite:{tmp_path / 'log.db'}")
    listener = listen(f"{server.url}/events?channel=a")
    listener.until(is_event(OWN[0]))
    before = publish(server, "a", 1)
    assert listener.until(is_event("message"))[-1]["id"] == str(before)
    server.kill()
    listener.until(lambda line: "error" in line)
    server.start()
    missed = [publish(server, "a", n) for n in (2, 3)]
    seen = listener.until(lambda line: line.get("id") == str(missed[-1]))
    assert [line["id"] for line in seen if is_event("message")(line)] == [str(p) for p in missed]


def test_it_stops_by_itself_when_its_channels_have_ended(
    serve: Callable[..., ServerProcess], listen: Callable[..., Listener]
) -> None:
    """PROTOCOL.md, Final: a resume past the end is answered 204, on which it stops."""
    server = serve("--log", "memory:")
    listener = listen(f"{server.url}/events?channel=build.1")
    listener.until(is_event(OWN[0]))
    publish(server, "build.1", "done", final=True)
    seen = listener.until(lambda line: line.get("closed") is True)
    names = [line["event"] for line in seen if "event" in line]
    assert names == ["message", "everywire.unsubscribed"]
    assert seen[-1]["error"] == 204


def test_a_gap_moves_its_position(
    serve: Callable[..., ServerProcess], listen: Callable[..., Listener]
) -> None:
    """PROTOCOL.md: everywire.gap with id before - 1."""
    server = serve("--log", "memory:", "--rule", "a:count=1")
    first = publish(server, "a", 1)
    lost = publish(server, "a", 2)
    kept = publish(server, "a", 3)
    listener = listen(f"{server.url}/events?channel=a&since={first}")
    seen = listener.until(lambda line: line.get("id") == str(kept))
    gap = next(line for line in seen if is_event(OWN[1])(line))
    assert gap["id"] == str(lost)
    assert json.loads(gap["data"]) == {
        "channel": "a",
        "after": first,
        "before": lost + 1,
        "reason": "trimmed",
    }
