"""Disks that are full or fail: clear errors, nothing lost, and on as soon as they work."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from everywire.core.errors import LogRefused, LogUnavailable
from everywire.core.rules import ChannelRule, Rules
from everywire.logs.base import Append, Appended
from everywire.logs.sqlite import log as log_module
from everywire.logs.sqlite.connecting import connect
from everywire.logs.sqlite.faults import sentence
from logs.harness import Bench, draft, ids, put, read, submit
from logs.sqlite.disks import FaultyDisk
from logs.sqlite.inside import check_counts

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    made = FaultyDisk()
    yield made
    made.mend()
    made.unregister()


def on(disk: FaultyDisk) -> dict[str, object]:
    return {"vfs": disk.name, "synchronous": "full"}


async def test_a_full_disk_refuses_publishers_and_nothing_else(
    sqlite: Bench, disk: FaultyDisk, caplog: pytest.LogCaptureFixture
) -> None:
    log = await sqlite.open(sqlite=on(disk))
    kept = await put(log, "a")
    disk.fail("write")
    for _ in range(3):
        answers = await asyncio.gather(*[submit(log, [draft("a")], key="k") for _ in range(3)])
        for answer in answers:
            assert isinstance(answer, LogUnavailable)
            assert "full" in answer.message and str(sqlite.path) in answer.message
            assert answer.retry_ms > 0
    assert log.failure == answers[0].message
    assert log.head() == kept == sqlite.follower.advanced
    # Readers are served.
    assert ids(await read(log, "a", after=0)) == [kept]
    assert (await log.status("a")).messages == 1
    # It works again by itself with the next append.
    disk.mend()
    answer = await log.append([draft("a")], key="k")
    assert log.failure is None
    await log.settle()
    assert ids(await read(log, "a", after=0)) == [kept, *answer.positions]
    # Said once when it broke, once when it worked again.
    said = [(r.levelno, r.message) for r in caplog.records if r.name == "everywire.log"]
    assert [level for level, _ in said] == [logging.ERROR, logging.WARNING]


async def test_leases_hold_while_the_disk_fails(sqlite: Bench, disk: FaultyDisk) -> None:
    log = await sqlite.open(sqlite=on(disk))
    await log.lease("kept", 5, [draft("a", "kept")])
    await log.lease("due", 1, [draft("a", "due", key="k")])
    disk.fail("write")
    for change in (log.lease("new", 5, [draft("a")]), log.release("kept")):
        with pytest.raises(LogUnavailable, match="full"):
            await change
    with pytest.raises(LogUnavailable, match="full"):
        await log.lease("kept", 9, [draft("a", "other")])
    assert not log.renew("new")
    sqlite.clock.advance(1)
    for _ in range(2):
        log.tick()
        with pytest.raises(LogUnavailable):
            await log.append([draft("a")])
    assert sqlite.follower.messages == []
    disk.mend()
    log.tick()
    await log.settle()
    assert [m.data for m in sqlite.follower.messages] == [b"due"]
    sqlite.clock.advance(4)
    await log.settle()
    assert [m.data for m in sqlite.follower.messages] == [b"due", b"kept"]
    await check_counts(log)


async def test_a_key_is_what_it_was_after_a_commit_that_failed(
    sqlite: Bench, disk: FaultyDisk
) -> None:
    rules = Rules([ChannelRule("few", max_messages=1)])
    log = await sqlite.open(sqlite=on(disk), rules=rules, max_channel_keys=1)
    held = await put(log, "few", key="k")
    await put(log, "few")
    disk.fail("write")
    for data in ("2", "null"):
        with pytest.raises(LogUnavailable):
            await log.append([draft("few", data, key="k", expected_id=held)])
    disk.mend()
    await log.settle()
    await check_counts(log)
    assert [m.id for m in (await log.state("few")).messages] == [held]
    await log.append([draft("few", "null", key="k", expected_id=held), draft("few", key="l")])
    await log.settle()
    await check_counts(log)


async def test_a_tick_finds_that_the_disk_works_again(sqlite: Bench, disk: FaultyDisk) -> None:
    log = await sqlite.open(sqlite=on(disk))
    disk.fail("write")
    with pytest.raises(LogUnavailable):
        await log.append([draft("a")])
    log.tick()
    await log.settle()
    assert log.failure is not None
    disk.mend()
    log.tick()
    await log.settle()
    assert log.failure is None


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("operation", ["write", "sync"])
async def test_the_nth_operation_fails(
    sqlite: Bench, disk: FaultyDisk, operation: str, error: type[apsw.Error]
) -> None:
    """Whichever it is: what was answered is there once, in order; what was refused is not."""
    rules = Rules([ChannelRule("few", max_messages=2)])
    acked: list[int] = []
    for after in range(12 if operation == "write" else 4):
        log = await sqlite.open(sqlite=on(disk), rules=rules, max_ended=2)
        disk.fail(operation, after, error, once=after % 2 == 1)
        for number in range(6):
            drafts = [draft("a", str(number)), draft("few"), draft(f"new.{after}.{number}")]
            (answer,) = await asyncio.gather(submit(log, drafts, key=f"{after}.{number}"))
            if isinstance(answer, Appended):
                acked.extend(answer.positions)
            log.tick()
            await log.settle()
        disk.mend()
        for number in range(6):  # retried with the same keys
            drafts = [draft("a", str(number)), draft("few"), draft(f"new.{after}.{number}")]
            answer = await log.append(drafts, key=f"{after}.{number}")
            if not answer.duplicate:
                acked.extend(answer.positions)
        await log.settle()
        assert log.failure is None
        await check_counts(log)
        follower = sqlite.follower
        assert [m.id for m in follower.messages] == acked[-len(follower.messages) :]
        for opened in ("still", "again"):
            if opened == "again":
                await log.close()
                log = await sqlite.open(sqlite=on(disk), rules=rules)
            a = ids(await read(log, "a", after=0, limit=1000))
            assert a == acked[::3]
            assert ids(await read(log, "few", after=0)) == acked[1::3][-2:]
            assert len((await read(log, "new.**", after=0, limit=1000)).messages) == len(a)
            assert log.head() == acked[-1]
        await log.close()
    assert connect(sqlite.path).execute("PRAGMA integrity_check").get == "ok"


async def test_a_connection_that_cannot_roll_back_is_opened_anew(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    first = await put(log, "a")
    store = log._store  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(
            "everywire.logs.sqlite.appending.row_of", lambda *_: store.connection.close(True)
        )
        with pytest.raises(LogUnavailable):
            await log.append([draft("b")])
    second = await put(log, "b")
    assert ids(await read(log, "a", "b", after=0)) == [first, second]


async def test_a_disk_that_cannot_be_read_refuses_readers_until_it_can(
    sqlite: Bench, disk: FaultyDisk
) -> None:
    log = await sqlite.open(sqlite=on(disk))
    kept = await put(log, "a")
    disk.fail("read", error=apsw.IOError)
    for ask in (lambda: read(log, "a", after=0), lambda: log.status("a")):
        with pytest.raises(LogUnavailable, match="disk"):
            await ask()
    disk.mend()
    assert ids(await read(log, "a", after=0)) == [kept]


@pytest.mark.parametrize("operation", ["write", "sync"])
async def test_a_checkpoint_that_fails_loses_nothing(
    sqlite: Bench,
    disk: FaultyDisk,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("everywire.logs.sqlite.store.CHECKPOINT_PAGES", 5)
    log = await sqlite.open(sqlite=on(disk))
    given = [await put(log, f"c.{number}", "7" * 1000) for number in range(20)]
    disk.fail(operation, where="main")
    given += [await put(log, f"c.{number}", "7" * 1000) for number in range(20)]
    assert caplog.text.count("no checkpoint") == 1
    assert log.failure is None
    assert ids(await read(log, "**", after=0)) == given
    await log.close()
    assert "not checkpointed" in caplog.text
    disk.mend()
    log = await sqlite.open(sqlite=on(disk))
    assert ids(await read(log, "**", after=0)) == given


async def test_the_write_ahead_log_does_not_grow_for_ever(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everywire.logs.sqlite.store.CHECKPOINT_PAGES", 10)
    log = await sqlite.open()
    for number in range(200):
        await put(log, f"c.{number}", "7" * 1000)
    wal = sqlite.path.with_name("log.db-wal")
    assert wal.stat().st_size < 60 * 4096


async def test_a_closed_log_is_one_file(sqlite: Bench) -> None:
    log = await sqlite.open()
    await put(log, "a")
    await log.close()
    left = sorted(path.name for path in sqlite.directory.iterdir())
    assert left == ["log.db", "log.db.lock"]


async def test_closing_does_not_wait_for_ever_for_a_disk(
    sqlite: Bench, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "CLOSE_SECONDS", 0.05)
    log = await sqlite.open(sqlite=on(disk))
    disk.hang = threading.Event()
    waiting = [submit(log, [draft("a")]) for _ in range(2)]
    await asyncio.sleep(0)
    waiting.append(submit(log, [draft("a")]))
    await log.close()
    for answer in await asyncio.gather(*waiting):
        assert isinstance(answer, LogUnavailable)
    # Others stay out as long as the disk may still write what was handed to it.
    with pytest.raises(LogRefused, match="open in another server"):
        await sqlite.open()
    disk.hang.set()


async def test_too_much_that_waits_is_refused_at_once(sqlite: Bench, disk: FaultyDisk) -> None:
    log = await sqlite.open(sqlite=on(disk), max_waiting_bytes=3000)
    disk.hang = threading.Event()
    waiting = [submit(log, [draft("a", "7" * 800)]) for _ in range(5)]
    assert [future.done() for future in waiting] == [False] * 3 + [True] * 2
    await asyncio.sleep(0)  # handed over, and still counted
    late = submit(log, [draft("a", "7" * 800)])
    assert isinstance(late.result(), LogUnavailable)
    disk.hang.set()
    disk.hang = None
    answers = await asyncio.gather(*waiting[:3])
    assert all(isinstance(answer, Appended) for answer in answers)
    assert (await log.append([draft("a", "7" * 800)])).positions


async def test_a_bug_in_the_writer_answers_everybody_and_passes(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = await sqlite.open()
    kept = await put(log, "a")
    with monkeypatch.context() as patch:
        patch.setattr("everywire.logs.sqlite.appending.row_of", lambda *_: 1 / 0)
        answers = await asyncio.gather(*[submit(log, [draft("a")]) for _ in range(3)])
    for answer in answers:
        assert isinstance(answer, LogUnavailable)
        assert "ZeroDivisionError" in answer.message
    assert "ZeroDivisionError" in (log.failure or "")
    assert any(record.exc_info for record in caplog.records), "no traceback was logged"
    later = await put(log, "a")
    assert log.failure is None
    assert ids(await read(log, "a", after=0)) == [kept, later]


async def test_an_append_that_cannot_be_written_is_refused_alone(
    sqlite: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    log = await sqlite.open()
    sqlite.clock.advance(1)
    good, bad, late, end = await asyncio.gather(
        submit(log, [draft("a")], key="k"),
        submit(log, [draft("a"), draft("new", event="\ud800")], key="l"),
        submit(log, [draft("b"), draft("a")]),
        submit(log, [draft("a", final=True)]),
    )
    assert isinstance(bad, LogUnavailable)
    assert "UnicodeEncodeError" in bad.message
    assert "UnicodeEncodeError" in caplog.text
    assert log.failure is None
    await log.settle()
    given = [*good.positions, *late.positions, *end.positions]
    assert ids(await read(log, "a", "b", "new", after=0)) == given
    assert [m.id for m in sqlite.follower.messages] == given
    assert log.ended("a") == given[-1] == log.head()
    assert [hole.next for hole in log.openings().holes] == given[:1]
    assert (await log.append([draft("a")], key="k")).duplicate
    await check_counts(log)


async def test_a_bug_in_the_reader_is_the_readers_alone(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    with monkeypatch.context() as patch:
        patch.setattr("everywire.logs.sqlite.reading.build_page", lambda *_: 1 / 0)
        with pytest.raises(LogUnavailable, match="ZeroDivisionError"):
            await read(log, "a", after=0)
    assert (await read(log, "a", after=0)).items == []
    assert log.failure is None


async def test_a_bug_in_retention_is_told_and_passes(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    with monkeypatch.context() as patch:
        patch.setattr("everywire.logs.sqlite.retention._first", lambda *_: 1 / 0)
        log.tick()
        await log._writer.idle()  # type: ignore[attr-defined]
    assert "ZeroDivisionError" in (log.failure or "")
    log.tick()
    await log._writer.idle()  # type: ignore[attr-defined]
    assert log.failure is None


async def test_a_follower_that_raises_keeps_nobody_waiting(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = await sqlite.open()
    monkeypatch.setattr(sqlite.follower, "batch", lambda _: 1 / 0)
    assert (await log.append([draft("a")])).positions
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    assert (await log.append([draft("a")])).positions


async def test_a_publisher_that_raises_keeps_no_other_waiting(sqlite: Bench) -> None:
    log = await sqlite.open()
    log.submit(Append([draft("a")], lambda _: 1 / 0))
    assert (await log.append([draft("a")])).positions


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """The directory on a disk of 512 KiB; a function that changes its size."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield lambda size: subprocess.run(
        ["mount", "-o", f"remount,size={size}", str(tmp_path)], check=True
    )
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root may mount")
async def test_a_disk_that_is_really_full(small_disk: Callable[[str], None], sqlite: Bench) -> None:
    log = await sqlite.open()
    acked: list[int] = []
    refused = None
    while refused is None:
        answer = await submit(log, [draft("a", "7" * 10_000)])
        if isinstance(answer, Appended):
            acked.extend(answer.positions)
        else:
            refused = answer
    assert "full" in refused.message
    assert ids(await read(log, "a", after=0, limit=1000)) == acked
    small_disk("4m")
    log.tick()
    await log.settle()
    assert log.failure is None
    acked.append(await put(log, "a"))
    assert ids(await read(log, "a", after=0, limit=1000)) == acked


def test_each_kind_of_trouble_has_its_sentence() -> None:
    path = Path("dir/log.db")
    for kind, part in (
        (apsw.FullError, "full"),
        (apsw.ReadOnlyError, "read-only"),
        (apsw.BusyError, "another program"),
        (apsw.LockedError, "another program"),
        (apsw.CorruptError, "damaged"),
        (apsw.NotADBError, "damaged"),
        (apsw.CantOpenError, "cannot be opened"),
        (apsw.IOError, "disk"),
        (apsw.ConstraintError, "SQLite failed"),
    ):
        said = sentence(kind("detail"), path)
        assert part in said
        assert str(path) in said
