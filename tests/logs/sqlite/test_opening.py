"""Opening a file: what is refused and how, what survives, what is migrated."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import apsw
import pytest

from everywire.core.errors import LogRefused, LogUnavailable
from everywire.core.messages import Gap
from everywire.core.pages import Query
from everywire.core.rules import ChannelRule, Rules
from everywire.logs.base import LogSettings
from everywire.logs.sqlite import SqliteLog, connecting, opening, schema
from everywire.logs.sqlite.connecting import check_version, connect
from logs.harness import Bench, draft, ids, positions, put, put_all, read
from logs.sqlite.disks import FaultyDisk
from logs.sqlite.inside import check_counts

pytestmark = pytest.mark.anyio


async def refused(bench: Bench, **settings: object) -> str:
    """Why a log could not be opened; it must be nothing but `LogRefused`."""
    with pytest.raises(LogRefused) as raised:
        await bench.open(**settings)
    return str(raised.value)


async def test_everything_is_there_after_reopening(sqlite: Bench) -> None:
    rules = Rules([ChannelRule("few", max_messages=1)])
    log = await sqlite.open(rules=rules)
    given = await put_all(log, "a", "few", "few", "b")
    end = await put(log, "b", final=True)
    key = await log.append([draft("a")], key="k")
    before = await read(log, "a", "few", "b", after=given[0] - 1)
    await log.close()
    log = await sqlite.open(rules=rules)
    assert await read(log, "a", "few", "b", after=given[0] - 1) == before
    assert before.gaps == [Gap("few", given[0] - 1, given[1] + 1, "trimmed")]
    assert log.ended("b") == end
    assert positions(await log.append([draft("a")], key="k")) == positions(key)
    assert log.head() == key.positions[-1]
    assert log.recent(Query(("a",), (), 0, log.head())) is not None, "the tail was not warmed"


async def test_the_tail_is_warmed_with_the_newest_only(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WARM_MESSAGES", 3)
    log = await sqlite.open()
    given = await put_all(log, *"abcde")
    await log.close()
    log = await sqlite.open()
    for since, answered in ((0, False), (given[0], False), (given[1], True), (given[3], True)):
        page = log.recent(Query((), ("**",), since, log.head()))
        assert (page is not None) == answered
        assert ids(await read(log, "**", after=since)) == [p for p in given if p > since]


async def test_the_tail_knows_the_watermarks_above_its_floor(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WARM_MARKS", 2)
    rules = Rules([ChannelRule("**", max_messages=1)])
    log = await sqlite.open(rules=rules)
    lost = await put_all(log, *"abc")
    await put_all(log, *"abc")
    await log.close()
    log = await sqlite.open(rules=rules)
    names = ("a", "b", "c")
    assert log.recent(Query(names, (), lost[0] - 1, log.head())) is None
    page = log.recent(Query(names, (), lost[0], log.head()))
    assert page is not None
    assert [gap.channel for gap in page.gaps] == ["b", "c"]
    assert await read(log, *names, after=lost[0]) == page


async def test_a_second_opener_is_refused_and_told_what_to_do(sqlite: Bench) -> None:
    await sqlite.open()
    message = await refused(sqlite)
    assert str(sqlite.path) in message and "another server" in message
    # By another name, too.
    link = sqlite.directory / "link.db"
    link.symlink_to(sqlite.path)
    with pytest.raises(LogRefused, match="another server"):
        await SqliteLog(link, LogSettings(sqlite.clock, lambda _: None)).open(sqlite.follower)
    await sqlite.close()
    assert await sqlite.open()


async def test_an_older_copy_is_told_by_unknown_positions(sqlite: Bench) -> None:
    log = await sqlite.open()
    first = await put(log, "a")
    await log.close()
    copy = sqlite.directory / "copy"
    shutil.copy(sqlite.path, copy)
    log = await sqlite.open()
    sqlite.clock.advance(1)
    lost = await put(log, "a")
    await log.close()

    shutil.copy(copy, sqlite.path)
    log = await sqlite.open()
    page = await read(log, "a", after=lost)
    assert page.items == [Gap("a", lost, first + 1, "unknown_position")]
    sqlite.clock.advance(1)
    new = await put(log, "a")
    assert new > lost
    page = await read(log, "a", after=lost)
    assert page.gaps == [Gap("a", lost, new, "unknown_position")]
    assert ids(page) == [new]


async def test_a_new_file_in_the_place_of_the_old(sqlite: Bench) -> None:
    log = await sqlite.open()
    lost = await put(log, "a")
    await log.close()
    sqlite.path.unlink()
    sqlite.clock.advance(1)
    log = await sqlite.open()
    page = await read(log, "a", after=lost)
    assert page.gaps == [Gap("a", lost, log.openings().birth, "unknown_position")]


async def test_no_directory(tmp_path: Path) -> None:
    message = await refused(Bench("sqlite", tmp_path / "missing"))
    assert "missing does not exist" in message or "does not exist; create" in message


async def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    assert "is a directory" in await refused(Bench("sqlite", tmp_path))


async def test_no_database(sqlite: Bench) -> None:
    sqlite.path.write_bytes(b"This is no database. " * 500)
    message = await refused(sqlite)
    assert "damaged" in message and "restore" in message
    assert sqlite.path.read_bytes() == b"This is no database. " * 500
    sqlite.path.unlink()
    assert await sqlite.open(), "the lock was not let go"


def damage(path: Path, page: int) -> None:
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 + 100 : page * 4096] = b"\xff" * 3996
    path.write_bytes(data)


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_a_damaged_file(sqlite: Bench, page: int) -> None:
    """The schema, what is counted, the channels: what every opening reads."""
    log = await sqlite.open()
    await put(log, "a")
    await log.close()
    damage(sqlite.path, page)
    assert "damaged" in await refused(sqlite)


async def test_damage_wherever_it_is_is_never_more_than_an_error(sqlite: Bench) -> None:
    log = await sqlite.open()
    for number in range(20):
        await put(log, f"c.{number}", "7" * 2000)
    await log.close()
    whole = sqlite.path.read_bytes()
    told = 0
    for page in range(1, len(whole) // 4096 + 1):
        sqlite.path.write_bytes(whole)
        damage(sqlite.path, page)
        try:
            log = await sqlite.open()
            await read(log, "**", after=0)
            await read(log, "c.1", "c.2", after=0)
            await log.append([draft("c.1"), draft("new")], key="k")
            await log.settle()
        except (LogRefused, LogUnavailable) as error:
            assert "damaged" in str(error)
            told += 1
        await sqlite.close()
    assert told > 3


async def test_a_head_below_the_messages_is_damage(sqlite: Bench) -> None:
    log = await sqlite.open()
    await put(log, "a")
    await log.close()
    connection = connect(sqlite.path)
    connection.execute("UPDATE meta SET head = birth")
    connection.close()
    assert "damaged" in await refused(sqlite)


async def test_another_applications_database_is_left_alone(sqlite: Bench) -> None:
    for make in ("CREATE TABLE t (a)", "PRAGMA application_id = 77"):
        connection = connect(sqlite.path, create=True)
        connection.execute(make)
        connection.close()
        before = sqlite.path.read_bytes()
        assert "another application" in await refused(sqlite)
        assert sqlite.path.read_bytes() == before
        sqlite.path.unlink()


async def test_a_newer_version_is_refused(sqlite: Bench) -> None:
    log = await sqlite.open()
    await log.close()
    connection = connect(sqlite.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    message = await refused(sqlite)
    assert "version 99" in message and f"up to {len(schema.STEPS)}" in message


async def test_a_version_0_becomes_the_newest(sqlite: Bench) -> None:
    """An empty database, made by hand, has version 0."""
    connection = connect(sqlite.path, create=True)
    connection.execute("PRAGMA page_size = 8192; VACUUM").fetchall()
    connection.close()
    assert sqlite.path.stat().st_size > 0
    log = await sqlite.open()
    position = await put(log, "a")
    await log.close()
    connection = connect(sqlite.path)
    assert connection.execute("PRAGMA user_version").get == len(schema.STEPS)
    assert connection.execute("PRAGMA application_id").get == schema.APPLICATION_ID
    connection.close()
    log = await sqlite.open()
    assert ids(await read(log, "a", after=0)) == [position]


async def test_a_file_of_version_1_gets_its_keyed_state(sqlite: Bench) -> None:
    """It kept the keys with the messages, and had nothing else of keyed state."""
    connection = connect(sqlite.path, create=True)
    script = Path(__file__).with_name("version_1.sql").read_text(encoding="utf-8")
    connection.execute(script).fetchall()
    assert connection.execute("PRAGMA user_version").get == 1
    connection.close()
    first = 1_700_000_001_000_000
    sqlite.clock.us = first + 1_000_000
    rules = Rules([ChannelRule("few", max_messages=2)])
    log = await sqlite.open(rules=rules)
    everything = await read(log, "**", after=0)
    assert ids(everything) == [first + n for n in (*range(8), *range(10, 14))]
    page = await log.state("prices")
    assert [(m.key, m.id - first) for m in page.messages] == [
        ("MSFT", 1),
        ("AAPL", 2),
        ("TEXT", 5),
        ("SHORT", 6),
    ]
    assert (page.messages[1].connection, page.messages[1].user) == ("c1", "u1")
    assert [m.id - first for m in (await log.state("few")).messages] == [11]
    assert await log.watermarks(["few"]) == {"few": first + 9}
    assert (await log.append([draft("other")], key="idem")).duplicate
    await check_counts(log)
    await put_all(log, "few", "few")
    assert next(m.id - first for m in (await read(log, "few", after=0)).messages) == 11
    sqlite.clock.advance(60)
    await log.settle()
    assert len((await log.state("prices")).messages) == 3
    await check_counts(log)


async def test_an_older_version_goes_through_each_step_once(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    position = await put(log, "a")
    await log.close()
    steps = (
        *schema.STEPS,
        "ALTER TABLE messages ADD COLUMN extra TEXT; CREATE TABLE extra (a)",
        "INSERT INTO extra VALUES (1)",
    )
    monkeypatch.setattr(opening, "migrate", lambda c: schema.migrate(c, steps))
    monkeypatch.setattr(opening, "check_owner", lambda c, p: schema.check_owner(c, p, steps))
    for _ in range(2):
        log = await sqlite.open()
        assert ids(await read(log, "a", after=0)) == [position]
        await log.close()
    connection = connect(sqlite.path)
    assert connection.execute("PRAGMA user_version").get == len(schema.STEPS) + 2
    assert connection.execute("SELECT count(*) FROM extra").get == 1
    connection.close()


async def test_a_migration_that_fails_changes_nothing(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    position = await put(log, "a")
    await log.close()
    with monkeypatch.context() as patch:
        steps = (*schema.STEPS, "DROP TABLE messages; SELECT * FROM nowhere")
        patch.setattr(opening, "migrate", lambda c: schema.migrate(c, steps))
        assert "nowhere" in await refused(sqlite)
    log = await sqlite.open()
    assert ids(await read(log, "a", after=0)) == [position]


async def test_a_read_only_file(sqlite: Bench) -> None:
    log = await sqlite.open()
    await log.close()
    disk = FaultyDisk()
    disk.read_only = True
    try:
        assert "read-only" in await refused(sqlite, sqlite={"vfs": disk.name})
    finally:
        disk.unregister()


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write everywhere")
async def test_a_read_only_directory(sqlite: Bench) -> None:
    sqlite.directory.chmod(0o555)
    try:
        assert "writable" in await refused(sqlite)
    finally:
        sqlite.directory.chmod(0o755)


async def test_a_lower_rule_holds_for_what_is_there(sqlite: Bench) -> None:
    log = await sqlite.open()
    given = await put_all(log, *["old"] * 5, *["other"] * 2)
    await put(log, "old.end", final=True)
    await log.close()
    log = await sqlite.open(rules=Rules([ChannelRule("old", max_messages=2)]))
    log.tick()
    await log.settle()
    assert ids(await read(log, "old", "other", after=0)) == given[3:]
    assert await log.watermarks(["old"]) == {"old": given[2]}


async def test_it_is_in_wal_and_synced_as_asked(sqlite: Bench) -> None:
    for synchronous, level in (("full", 2), ("normal", 1)):
        log = await sqlite.open(sqlite={"synchronous": synchronous})
        assert synchronous in log.where
        await log.append([draft("a")])
        for pragma, value in (("synchronous", level), ("journal_mode", "wal")):
            ask = partial(log._store.row, f"PRAGMA {pragma}")  # type: ignore[attr-defined]
            assert await log._writer.ask(ask) == (value,)  # type: ignore[attr-defined]
        await log.close()


@pytest.mark.parametrize(
    ("version", "trusted"),
    [
        ("3.6.23", False),
        ("3.7.0", False),
        ("3.40.1", False),
        ("3.44.5", False),
        ("3.44.6", True),
        ("3.45.0", False),
        ("3.50.6", False),
        ("3.50.7", True),
        ("3.51.0", False),
        ("3.51.2", False),
        ("3.51.3", True),
        ("3.54.1", True),
        ("4.0.0", True),
    ],
)
def test_a_sqlite_with_the_wal_reset_bug_is_refused(version: str, trusted: bool) -> None:
    if trusted:
        check_version(version)
    else:
        with pytest.raises(LogRefused, match="walresetbug"):
            check_version(version)


async def test_the_version_is_looked_at_when_a_log_is_opened(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    assert "3.40.1" in await refused(sqlite)
    assert not sqlite.path.exists()


async def test_the_file_of_a_busy_program_is_waited_for_then_refused(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "BUSY_MS", 10)
    log = await sqlite.open()
    other = connect(sqlite.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="another program"):
        await log.append([draft("a")])
    other.execute("ROLLBACK")
    other.close()
    assert await put(log, "a")
