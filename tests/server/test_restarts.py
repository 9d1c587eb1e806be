"""Killed in the middle of publishing, and started again on the same file.

DESIGN.md, promises: nothing acknowledged is lost (process killed), no duplicate; clients resume on
any wire without loss. Issue 4, faults: unacknowledged publishes retried with their key appear once;
a log swapped for an older copy is told as `unknown_position`.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from everywire.client import Message, Publisher, tail
from support.processes import ServerProcess

KILLS = 5
PUBLISHERS = 4
WIRES = ("ws", "sse", "poll")


class Ledger:
    """What was acknowledged, by publisher and number."""

    def __init__(self) -> None:
        self.acknowledged: dict[tuple[int, int], int] = {}
        self.stop = threading.Event()
        self.progress = threading.Semaphore(0)

    def publish(self, url: str, number: int) -> None:
        """Publish until told to stop; each message is retried with its key until it is taken."""
        with Publisher(url, patience=60) as publisher:
            count = 0
            while not self.stop.is_set():
                done = publisher.publish(f"load.{number}", [number, count])
                assert done.id is not None
                self.acknowledged[number, count] = done.id
                self.progress.release()
                count += 1


def everything(server: ServerProcess, channel: str) -> list[dict[str, Any]]:
    """All that a channel keeps, page by page."""
    found: list[dict[str, Any]] = []
    since = 0
    while True:
        page = json.loads(server.get(f"/channels/{channel}/messages?limit=1000&since={since}"))
        if not page["data"]:
            return found
        found += page["data"]
        since = page["last_id"]


def read_until(url: str, wire: Any, since: int, last: dict[str, int], into: list[Message]) -> None:
    """Hear everything after a position until the last message of each channel has come."""
    waiting = dict(last)
    with tail(url, ["load.*"], since=since, wire=wire) as heard:
        for item in heard:
            assert isinstance(item, Message), f"{wire}: {item}"
            into.append(item)
            if waiting.get(item.channel) == item["id"]:
                del waiting[item.channel]
                if not waiting:
                    return


@pytest.mark.timeout(120)
def test_nothing_acknowledged_is_lost_and_nothing_appears_twice(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    server = serve("--log", f"sqlite:{tmp_path / 'log.db'}")
    start = json.loads(server.get("/updates?channel=load.0"))["last_id"]
    ledger = Ledger()
    threads = [
        threading.Thread(target=ledger.publish, args=(server.url, number))
        for number in range(PUBLISHERS)
    ]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        for _ in range(draw.randrange(20, 200)):
            assert ledger.progress.acquire(timeout=30)
        server.kill()
        server.start()
    ledger.stop.set()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()

    kept: dict[tuple[int, int], int] = {}
    last: dict[str, int] = {}
    for number in range(PUBLISHERS):
        messages = everything(server, f"load.{number}")
        ids = [message["id"] for message in messages]
        assert ids == sorted(set(ids))
        assert [m["data"] for m in messages] == [[number, n] for n in range(len(messages))]
        kept |= {tuple(message["data"]): message["id"] for message in messages}
        last[f"load.{number}"] = ids[-1]
    assert ledger.acknowledged.items() <= kept.items()

    for wire in WIRES:
        heard: list[Message] = []
        read_until(server.url, wire, start, last, heard)
        assert {tuple(m["data"]): m["id"] for m in heard} == kept
        assert len(heard) == len(kept)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wire", WIRES)
def test_a_reader_goes_on_through_kills(
    wire: str, serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = serve("--log", f"sqlite:{tmp_path / 'log.db'}")
    heard: list[Message] = []
    start = json.loads(server.get("/updates?channel=load.0"))["last_id"]
    final = 60
    reached: dict[str, int] = {}

    def read() -> None:
        with tail(server.url, ["load.0"], since=start, wire=wire) as messages:  # type: ignore[arg-type]
            for item in messages:
                assert isinstance(item, Message)
                heard.append(item)
                if item["data"] == final:
                    reached["at"] = item["id"]
                    return

    reader = threading.Thread(target=read)
    reader.start()
    with Publisher(server.url, patience=60) as publisher:
        for number in range(final + 1):
            publisher.publish("load.0", number)
            if number in (20, 40):
                server.kill()
                server.start()
    reader.join(timeout=60)
    assert not reader.is_alive()
    assert [item["data"] for item in heard] == list(range(final + 1))


def test_a_log_swapped_for_an_older_copy_is_told(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """PROTOCOL.md, unknown position: above the head, and later inside of the hole."""
    path = tmp_path / "log.db"
    server = serve("--log", f"sqlite:{path}")
    old = json.loads(server.post("/publish", b'{"channel":"a","data":"old"}'))["id"]
    assert server.stop() == 0
    shutil.copy(path, tmp_path / "copy.db")
    server.start()
    lost = json.loads(server.post("/publish", b'{"channel":"a","data":"lost"}'))["id"]
    assert server.stop() == 0
    shutil.copy(tmp_path / "copy.db", path)
    server.start()

    above = json.loads(server.get(f"/updates?channel=a&since={lost}&wait=0"))
    assert above == {
        "data": [],
        "last_id": old,
        "gaps": [{"channel": "a", "after": lost, "before": old + 1, "reason": "unknown_position"}],
    }
    new = json.loads(server.post("/publish", b'{"channel":"a","data":"new"}'))["id"]
    assert new > lost
    inside = json.loads(server.get(f"/updates?channel=a&since={lost}&wait=0"))
    assert [message["data"] for message in inside["data"]] == ["new"]
    assert inside["gaps"] == [
        {"channel": "a", "after": lost, "before": new, "reason": "unknown_position"}
    ]
