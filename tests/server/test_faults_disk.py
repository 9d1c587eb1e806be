"""A disk that is slow, under load: publishers wait or are told, and nobody else notices (issue 5).

The disk is a layer between SQLite and the real one, which waits before each sync.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from everywire.client import Publisher
from everywire.logs.sqlite.log import SqliteLog

from .clients import Answer, frame
from .conftest import QUICK
from .running import Running, eventually
from .test_faults import KIB, MIB, WIRES, Reader, _send_until_blocked

_numbers = itertools.count()


class SlowDisk(apsw.VFS):
    """Syncs wait for ``open``, and then for a moment.

    Attributes:
        name: What a connection is opened with.
        open: Cleared: they wait.
        seconds: How long that is.
        syncs: How many there were.
    """

    def __init__(self) -> None:
        self.name = f"slow-{next(_numbers)}"
        self.open = threading.Event()
        self.open.set()
        self.seconds = 0.0
        self.syncs = 0
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _SlowFile(self, name, flags)

    def meet(self) -> None:
        self.syncs += 1
        self.open.wait()
        threading.Event().wait(self.seconds)


class _SlowFile(apsw.VFSFile):
    def __init__(self, disk: SlowDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:
        self._disk.meet()
        super().xSync(flags)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """What servers keep their logs on."""
    made = SlowDisk()
    monkeypatch.setattr("everywire.logs.opening.SqliteLog", partial(SqliteLog, vfs=made.name))
    yield made
    made.open.set()
    made.unregister()


@pytest.fixture
def server(
    disk: SlowDisk, start_native: Callable[..., Running], tmp_path: Path
) -> Iterator[Running]:
    """A server on that disk, which lets 1 MiB wait for it."""
    limits = replace(QUICK, max_open_batch_bytes=MIB)
    yield start_native(log=f"sqlite:{tmp_path / 'log.db'}", limits=limits)
    # What waits has to be let go before the server can stop.
    disk.seconds = 0
    disk.open.set()


def waiting_bytes(server: Running) -> int:
    """Bytes that the log holds for publishers it has not answered."""
    log: Any = server.node.log
    return log._gathering_bytes + log._busy_bytes


def test_publishers_over_the_bound_are_told_and_subscribers_stay(
    disk: SlowDisk, server: Running
) -> None:
    """The defence: so many bytes wait for the log, then publishers get `unavailable`."""
    since = server.head()
    readers = [Reader(server.port, wire, "slow") for wire in WIRES]
    for one in readers:
        one.ask(since)
    eventually(lambda: server.node.connections == 3, "they listen")
    disk.open.clear()

    def publish(number: int) -> Answer:
        return server.post("/publish", {"channel": "slow", "data": "x" * (60 * KIB)})

    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(publish, number) for number in range(40)]

        def refused() -> list[Answer]:
            return [one.result() for one in answers if one.done()]

        # 17 of 60 KiB fit into a MiB; the others are told at once, and do not wait.
        eventually(lambda: len(refused()) >= 23, "who does not fit is told")
        assert {(one.status, one.code) for one in refused()} == {(503, "unavailable")}
        assert all("retry-after" in one.headers for one in refused())
        assert server.call(lambda: waiting_bytes(server)) <= MIB
        # Nothing else waits for the disk: not reading, not health, not who listens.
        assert server.get("/health").status == 200
        assert server.poll(channel="slow", since=since, wait=0)["data"] == []
        assert server.node.connections == 3
        disk.open.set()
        done = [one.result() for one in answers]
    acknowledged = sorted(one.json["id"] for one in done if one.status == 200)
    assert len(acknowledged) == 40 - 23
    for one in readers[:2]:
        one.read_to(acknowledged[-1])
        assert one.ids() == acknowledged, "what was refused was kept, or the reverse"
    readers[2].read_to(acknowledged[0])
    for one in readers:
        one.close()
    assert server.publish("slow", "it goes on") > acknowledged[-1]


def test_a_publisher_that_floods_a_disk_that_hangs_is_held_up(
    disk: SlowDisk, server: Running
) -> None:
    """The defence: a connection's publishes in flight; then its socket is not read."""
    disk.open.clear()
    flood = server.raw_socket(receive_buffer=4 * KIB)
    body = json.dumps({"type": "publish", "channel": "flood", "data": "x" * KIB}).encode()
    piece = frame(1, body)
    taken = _send_until_blocked(flood, piece * 50, 64 * MIB)
    assert taken < 64 * MIB, "the server reads on, though the disk hangs"
    assert server.call(lambda: waiting_bytes(server)) <= MIB
    # Others find room.
    listener = server.socket()
    listener.subscribe("calm")
    disk.open.set()
    other = server.publish("calm", "other")
    assert listener.expect("message")["id"] == other


def test_many_publishers_share_the_syncs_of_a_slow_disk(disk: SlowDisk, server: Running) -> None:
    """The defence: what gathers while the disk is busy is one batch, and one sync."""
    listener = server.socket()
    listener.subscribe("shared")
    disk.seconds = 0.02
    before = disk.syncs
    acknowledged: list[int] = []

    def publish() -> None:
        with Publisher(f"http://127.0.0.1:{server.port}", patience=60) as publisher:
            for number in range(20):
                acknowledged.append(publisher.publish("shared", number).id or 0)

    publishers = [threading.Thread(target=publish) for _ in range(8)]
    for one in publishers:
        one.start()
    heard = [frame["id"] for frame in listener.messages(160)]
    for one in publishers:
        one.join()
    assert heard == sorted(acknowledged)
    assert disk.syncs - before < 160 / 2, "each pays for a sync of its own"
