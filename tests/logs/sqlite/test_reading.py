"""Reading from the file: by index, from one snapshot, whichever way is taken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from everywire.core.errors import LogUnavailable
from everywire.core.messages import Gap
from everywire.core.pages import Query
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import ChannelStatus, Log
from everywire.logs.sqlite import connecting, reading, schema
from logs.harness import Bench, draft, ids, positions, put_all, read, read_all

pytestmark = pytest.mark.anyio


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Every statement that any connection runs."""
    seen: set[str] = set()
    real = connecting._open

    def spied(*arguments: Any) -> Any:
        connection: Any = real(*arguments)

        def note(_: object, sql: str, __: object) -> bool:
            seen.add(sql)
            return True

        connection.set_exec_trace(note)
        return connection

    monkeypatch.setattr(connecting, "_open", spied)
    yield seen


async def test_no_statement_goes_through_a_table_for_nothing(
    sqlite: Bench, statements: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that a log does, then the plan of each statement that it ran."""
    rules = Rules(
        [ChannelRule("few.*", max_messages=1, max_bytes=500), ChannelRule("aged", max_age=1)]
    )
    settings: dict[str, Any] = {
        "rules": rules,
        "max_watermarks": 2,
        "max_ended": 1,
        "key_window_ms": 1000,
        "retention": LogRetention(max_age=5, max_bytes=3000),
    }
    for _ in range(2):
        log = await sqlite.open(**settings)
        for number in range(4):
            drafts = [
                draft("few.1", key=f"k{number % 3}"),
                draft("few.2", key="k"),
                draft("few.2"),
                draft("a", key="k", ttl=0.5),
                draft("aged", key=f"k{number}", ttl=2.5),
                draft("b"),
            ]
            await log.append(drafts, key=f"k{number}")
            await log.append([draft(f"end.{number}", final=True)], key=f"k{number % 2}")
            await log.lease("l", 0.5, [draft("b", "null", key="k")])
            await log.release("m")
            sqlite.clock.advance(0.6)
            await log.settle()
        monkeypatch.setattr(reading, "MERGED", 500)
        await read_all(log, "a", after=0)
        await read_all(log, "a", "b", after=log.head() - 5)
        await read_all(log, "few.*", "*.x", after=log.openings().birth)
        monkeypatch.setattr(reading, "MERGED", 1)
        await read_all(log, "b", "few.*", after=log.openings().birth)
        await log.read_back("b", log.head(), 0, 3)
        await log.nth_last("b", 2)
        await log.status("b")
        for name in ("few.1", "few.2"):
            await log.state(name)
            await log.read_back(name, log.head(), 0, 3)
            await log.nth_last(name, 2)
            await log.status(name)
        await log.watermarks(["few.1", "few.*", "**"])
        log._failure = "pretended"  # type: ignore[attr-defined]
        log.tick()
        await log.settle()
        await log.close()

    connection = connecting.connect(sqlite.path)
    plans = {
        sql: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", _nulls(sql))]
        for sql in tuple(statements)
        if not any(sql.strip() in step for step in schema.STEPS)
        and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", sql)
    }
    assert len(plans) > 60, "not all was run"
    for sql, plan in plans.items():
        for step in plan:
            if "SCAN" in step and not _may_scan(sql, step):
                pytest.fail(f"{step} in {sql}")
            sorts_little = "watermark" in sql  # those of the channels that one pattern covers
            assert "TEMP B-TREE" not in step or sorts_little, f"{step} in {sql}"


def _nulls(sql: str) -> tuple[None, ...]:
    return (None,) * sql.count("?")


def _may_scan(sql: str, step: str) -> bool:
    """A scan that ends by itself: of one row, of what was asked for, or in order up to a limit."""
    return (
        "meta" in step
        or "json_each" in step
        or "CONSTANT ROW" in step
        or "sqlite_master" in step
        or ("LIMIT" in sql and "ORDER BY" in sql and "TEMP B-TREE" not in sql)
        # Counted once, at opening, by an index that holds nothing else.
        or (sql.startswith("SELECT count(*)") and "COVERING INDEX" in step)
        # Wills, read once, at opening.
        or "leases" in step
    )


@pytest.mark.parametrize("merged", [1, 3, 500])
async def test_each_way_of_reading_reads_the_same(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch, merged: int
) -> None:
    for name, size in (("MERGED", merged), ("_PIECE", 5), ("_FIRST_PIECE", 2), ("_SCAN_PIECE", 7)):
        monkeypatch.setattr(reading, name, size)
    log = await sqlite.open()
    names = [f"c.{number % 7}" for number in range(100)]
    given = await put_all(log, *names, "d")
    wanted = ("c.1", "c.3", "c.5", "c.0")
    expected = [p for name, p in zip(names, given, strict=False) if name in wanted]
    for since in (0, given[0], given[41], given[-2]):
        after = [position for position in expected if position > since]
        assert ids(await read_all(log, *wanted, after=since)) == after
        assert ids(await read_all(log, *wanted, after=since, limit=9)) == after
        assert ids(await read_all(log, "c.*", "c.1", after=since)) == [
            p for p in given[:-1] if p > since
        ]


async def test_too_many_channels_to_look_at_for_a_pattern(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOKED_AT", 10)
    log = await sqlite.open()
    given = await put_all(log, *[f"c.{number}" for number in range(50)], "x.y")
    assert ids(await read(log, "*.7", "*.49", after=0)) == [given[7], given[49]]
    assert ids(await read(log, "x.*", after=0)) == [given[50]]


async def test_a_page_is_of_one_moment(sqlite: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a page is read, its messages are trimmed: it has them all, and no gap."""
    log = await sqlite.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    birth = log.head()
    loop = asyncio.get_running_loop()
    given = positions(await log.append([draft("a"), draft("b")]))
    real = reading.build_page

    def slow(*arguments: Any) -> Any:
        later = asyncio.run_coroutine_threadsafe(_trim(log), loop)
        later.result(5)
        return real(*arguments)

    monkeypatch.setattr(reading, "build_page", slow)
    page = await log.read(Query(("a", "b"), (), birth, given[-1]))
    monkeypatch.undo()
    assert (ids(page), page.gaps) == (given, [])
    page = await log.read(Query(("a", "b"), (), birth, given[-1]))
    assert page.items[0] == Gap("a", birth, given[0] + 1, "trimmed")
    assert ids(page) == given[1:]


async def _trim(log: Log) -> None:
    await log.append([draft("a")])
    await log.settle()


async def test_what_was_not_handed_over_is_not_told(sqlite: Bench) -> None:
    log = await sqlite.open()
    given = await put_all(log, "a", "a", "a")
    log._head = given[1]  # type: ignore[attr-defined]  # as between a commit and its hand-over
    assert [m.id for m in await log.read_back("a", given[2] + 9, 0, 9)] == [given[1], given[0]]
    assert await log.nth_last("a", 1) == given[1] - 1
    assert await log.status("a") == ChannelStatus(given[1], given[0], 2)


async def test_many_readers_at_once(sqlite: Bench) -> None:
    log = await sqlite.open()
    given = await put_all(log, *[f"c.{number % 10}" for number in range(200)])
    pages = await asyncio.gather(
        *[log.read(Query((f"c.{number % 10}",), (), 0, log.head())) for number in range(100)]
    )
    for number, page in enumerate(pages):
        assert ids(page) == given[number % 10 :: 10]


async def test_a_reader_that_went_away_harms_nobody(sqlite: Bench) -> None:
    log = await sqlite.open()
    given = await put_all(log, "a")
    gone = asyncio.ensure_future(log.read(Query(("a",), (), 0, log.head())))
    await asyncio.sleep(0)
    gone.cancel()
    assert ids(await read(log, "a", after=0)) == given
    assert gone.cancelled()


async def test_a_closed_log_is_not_read(sqlite: Bench) -> None:
    log = await sqlite.open()
    await log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        await log.read(Query(("a",), (), 0, 1))
