"""A server that dies: by SIGKILL in the midst of publishing, or by a power cut.

What was answered is there once; what was not may be retried with its key and is there once then.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from everywire.core.errors import LogRefused
from everywire.core.messages import Gap
from everywire.core.rules import ChannelRule, Rules
from everywire.logs.sqlite.connecting import connect
from logs.harness import Bench, draft, ids, put, read, read_all, submit
from logs.sqlite.disks import PowerDisk
from logs.sqlite.inside import check_counts

pytestmark = pytest.mark.anyio

PUBLISHER = """
import asyncio, sys, time
from everywire.core.messages import Draft
from everywire.core.rules import ChannelRule, Rules
from everywire.logs.base import LogSettings
from everywire.logs.opening import open_log

class Sink:
    def batch(self, messages): pass
    def advance(self, position): pass

async def main(path, first):
    loop = asyncio.get_running_loop()
    settings = LogSettings(
        lambda: time.time_ns() // 1000,
        loop.call_soon,
        rules=Rules([ChannelRule("few", max_messages=5), ChannelRule("keyed", max_messages=2)]),
    )
    log = open_log(f"sqlite:{path}", settings)
    await log.open(Sink())
    # First the lease, then what it takes back; both are of one transaction or in this order.
    await log.lease("server", 2, [Draft("here", b"null", key="server")])
    await log.append([Draft("here", b'"up"', key="server")])
    print("open", flush=True)

    async def publish(worker):
        number = first + worker
        while True:
            drafts = [Draft(f"c.{worker}", b"%d" % number), Draft("few", b"1")]
            drafts += [Draft("keyed", b"%d" % number, key=f"k{worker}")]
            answer = await log.append(drafts, key=f"key-{number}")
            print(number, answer.positions[0], flush=True)
            log.tick()
            number += 8
    await asyncio.gather(*[publish(worker) for worker in range(8)])

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def publisher(bench: Bench, first: int) -> subprocess.Popen[str]:
    """A process that has the log open and publishes messages with numbers from the first on."""
    child = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(bench.path), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


async def test_killed_ten_times_while_publishing(sqlite: Bench) -> None:
    acked: dict[int, int] = {}
    asked = 0
    chance = random.Random(4)
    for _ in range(10):
        child = publisher(sqlite, asked)
        assert child.stdout is not None
        for line in itertools.islice(child.stdout, chance.randrange(1, 200)):
            number, position = map(int, line.split())
            acked[number] = position
        child.kill()
        # What it said before it died counts, too; a line may be cut.
        for line in child.stdout.read().splitlines()[:-1]:
            number, position = map(int, line.split())
            acked[number] = position
        child.stdout.close()
        child.wait()
        asked = (max(acked, default=asked) // 8 + 8) * 8

        rules = Rules([ChannelRule("few", max_messages=5), ChannelRule("keyed", max_messages=2)])
        log = await sqlite.open(rules=rules)
        sqlite.clock.us = max(sqlite.clock.us, log.head())
        found = await everything(log)
        # Of each worker that was answered the newest, or one that came after it.
        held = {m.key: int(m.data) for m in (await log.state("keyed")).messages}
        for worker in range(8):
            answered = [number for number in acked if number % 8 == worker]
            assert held.get(f"k{worker}", -1) >= max(answered, default=-1)
        # Whoever died is gone a ttl after the opening, not before.
        assert len((await log.state("here")).messages) == 1
        assert {number: found.get(number) for number in acked} == acked
        for number in range(asked):  # those that were never sent as well as those cut off
            worker = number % 8
            again = await log.append(
                [draft(f"c.{worker}", str(number)), draft("few")], key=f"key-{number}"
            )
            if number in found:
                assert again.duplicate
                assert again.positions[0] == found[number]
            acked[number] = again.positions[0]
        assert await everything(log) == acked
        sqlite.clock.advance(2)
        await log.settle()
        assert (await log.state("here")).messages == []
        await check_counts(log)
        assert len((await read(log, "few", after=0)).messages) == 5
        await sqlite.close()
    assert connect(sqlite.path).execute("PRAGMA integrity_check").get == "ok"


async def everything(log: object) -> dict[int, int]:
    """The position of each numbered message; none is there twice."""
    items = await read_all(log, "c.*", after=0, limit=1000)  # type: ignore[arg-type]
    found = {int(m.data): m.id for m in items if not isinstance(m, Gap)}
    assert len(found) == len(items)
    return found


@pytest.mark.skipif(os.name != "posix", reason="locks are dropped by the system elsewhere, too")
async def test_a_killed_process_lets_go_of_the_file(sqlite: Bench) -> None:
    child = publisher(sqlite, 0)
    assert child.stdout is not None
    try:
        with pytest.raises(LogRefused, match="another server"):
            await sqlite.open()
    finally:
        child.kill()
        child.stdout.close()
        child.wait()
    assert await sqlite.open()


@pytest.fixture
def disk() -> Iterator[PowerDisk]:
    made = PowerDisk()
    yield made
    made.unregister()


async def test_a_power_cut_after_any_answer(
    sqlite: Bench, disk: PowerDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With FULL, what was answered is on the disk. A trim may come back, but whole."""
    monkeypatch.setattr("everywire.logs.sqlite.store.CHECKPOINT_PAGES", 20)
    rules = Rules([ChannelRule("few", max_messages=2), ChannelRule("no.more", max_messages=1)])
    log = await sqlite.open(sqlite={"vfs": disk.name, "synchronous": "full"}, rules=rules)
    birth = log.head()
    given: list[int] = []
    cuts: list[tuple[dict[str, bytes], int]] = []
    for number in range(40):
        answers = await asyncio.gather(
            *[submit(log, [draft("few"), draft(f"a.{number % 7}")]) for _ in range(2)]
        )
        given += [position for answer in answers for position in answer.positions]
        cuts.append((dict(disk.synced), len(given)))
        if number % 3 == 0:
            log.tick()
            await log.settle()
            cuts.append((dict(disk.synced), len(given)))
    for number, (files, answered) in enumerate(cuts):
        after = Bench("sqlite", sqlite.directory / str(number))
        after.directory.mkdir()
        for name, content in files.items():
            (after.directory / name).write_bytes(content)
        after.clock.us = sqlite.clock.us
        again = await after.open(rules=rules)
        there = ids(await read(again, "a.*", after=birth, limit=1000))
        assert there == [position for position in given[:answered] if position in there]
        assert there[: answered // 2] == given[1:answered:2]
        # Of the other each is there, or lies in a gap.
        page = await read(again, "few", after=birth)
        lost = max((gap.before - 1 for gap in page.gaps), default=0)
        few = given[:answered:2]
        assert [position for position in few if position > lost] == ids(page)
        assert len(ids(page)) >= 2
        await put(again, "few")
        await after.close()
        assert connect(after.path).execute("PRAGMA integrity_check").get == "ok"


async def test_a_power_cut_with_synchronous_normal_leaves_a_whole_log(
    sqlite: Bench, disk: PowerDisk
) -> None:
    """The last moments may be gone, which is told; what is left is in order."""
    log = await sqlite.open(sqlite={"vfs": disk.name, "synchronous": "normal"})
    given = [await put(log, "a") for _ in range(10)]
    sqlite.clock.advance(1)
    after = Bench("sqlite", sqlite.directory / "after")
    after.directory.mkdir()
    for name, content in disk.synced.items():
        (after.directory / name).write_bytes(content)
    after.clock.us = sqlite.clock.us
    again = await after.open()
    there = ids(await read(again, "a", after=0))
    assert there == given[: len(there)]
    new = await put(again, "a")
    page = await read(again, "a", after=given[-1])
    if there != given:
        assert [gap.reason for gap in page.gaps] == ["unknown_position"]
    assert ids(page) == [new]
    await after.close()
