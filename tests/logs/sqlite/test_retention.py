"""Trimming in the file: what is counted stays right, and what holds nothing goes."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import Append
from everywire.logs.sqlite import appending, retention, store
from everywire.logs.sqlite.connecting import connect
from logs.harness import Bench, draft, ids, positions, put, put_all, read, submit
from logs.sqlite.inside import asked, check_counts

pytestmark = pytest.mark.anyio


async def test_counts_stay_right_whatever_goes(sqlite: Bench) -> None:
    rules = Rules(
        [
            ChannelRule("few", max_messages=2),
            ChannelRule("small", max_bytes=400),
            ChannelRule("aged", max_age=2),
        ]
    )
    log = await sqlite.open(
        rules=rules,
        retention=LogRetention(max_age=20, max_bytes=4000),
        max_watermarks=3,
        max_ended=2,
        key_window_ms=5000,
    )
    for number in range(30):
        drafts = [
            draft("few", key=f"k{number % 3}"),
            draft("small", "7" * 50),
            draft("small", "null" if number % 7 == 0 else "1", key=f"k{number % 4}", ttl=9),
            draft("aged", ttl=1, key="k"),
            draft("aged", key=f"{number % 5}", ttl=15),
        ]
        await log.append([*drafts, draft(f"c.{number}", final=number % 3 == 0)], key=f"k{number}")
        if number % 4 == 0:
            await log.append([draft("few")] * 3, key=f"k{number % 8}")
        sqlite.clock.advance(0.7)
        await log.settle()
        await check_counts(log)
    sqlite.clock.advance(100)
    await log.settle()
    await check_counts(log)
    assert await asked(log, "SELECT count(*) FROM messages") == 0
    assert await asked(log, "SELECT count(*) FROM keys") == 0
    # What is newest of its key stays, set aside, unless it has expired.
    assert await asked(log, "SELECT count(*), sum(free) FROM aside") == (3, 0)
    assert await asked(log, "SELECT count(*) FROM state") == 3
    assert await asked(log, "SELECT count(*) FROM channels") <= 3 + 2 + 1
    await log.append([draft("few", "null", key=f"k{number}") for number in range(3)])
    sqlite.clock.advance(100)
    await log.settle()
    await check_counts(log)
    assert await asked(log, "SELECT count(*) FROM kept") == 0
    assert await asked(log, "SELECT count(*) FROM channels") <= 3 + 2


async def test_a_channel_that_holds_nothing_leaves_nothing(sqlite: Bench) -> None:
    log = await sqlite.open(max_watermarks=1, max_ended=1, retention=LogRetention(max_age=10))
    await put(log, "expires", ttl=1)
    await put_all(log, "lost.1", "lost.2")
    await put(log, "over.1", final=True)
    await put(log, "over.2", final=True)
    assert await asked(log, "SELECT count(*) FROM channels") == 5
    sqlite.clock.advance(11)
    await log.settle()
    names = await log._writer.ask(  # type: ignore[attr-defined]
        partial(log._store.rows, "SELECT name FROM channels")  # type: ignore[attr-defined]
    )
    # One watermark is kept, and one end; that of the same channel here.
    assert names == [("over.2",)]
    await check_counts(log)
    # Their names are free again, and under new numbers.
    again = await put_all(log, "expires", "lost.1", "over.1")
    assert ids(await read(log, "expires", "lost.1", "over.1", after=0)) == again


async def test_the_end_that_is_forgotten_frees_an_empty_channel(sqlite: Bench) -> None:
    log = await sqlite.open(max_ended=1)
    await put(log, "over.1", final=True, ttl=1)
    sqlite.clock.advance(2)
    await log.settle()
    assert await asked(log, "SELECT count(*) FROM channels") == 1
    await put(log, "over.2", final=True)
    assert await asked(log, "SELECT name FROM channels") == "over.2"


async def test_a_step_is_small_and_the_next_follows_by_itself(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everywire.logs.sqlite.log.STEP_ROWS", 10)
    steps: list[int] = []
    real = retention.Retention._drop

    def spied(self: Any, connection: Any, lost: Any, now_ms: int) -> None:
        steps.append(len(lost))
        real(self, connection, lost, now_ms)

    monkeypatch.setattr(retention.Retention, "_drop", spied)
    log = await sqlite.open(rules=Rules([ChannelRule("a", max_messages=3)]))
    await log.append([draft("a")] * 100)
    while (await log.status("a")).messages > 3:
        await log._writer.idle()  # type: ignore[attr-defined]
    assert max(steps) <= 110
    sqlite.clock.advance(1)
    steps.clear()
    await log.append([draft("b", ttl=1)] * 95)
    sqlite.clock.advance(2)
    log.tick()
    while await asked(log, "SELECT count(*) FROM messages WHERE expires > 0"):
        pass
    assert max(steps) == 10
    await log.settle()


async def test_appends_go_on_between_steps(sqlite: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywire.logs.sqlite.log.STEP_ROWS", 5)
    log = await sqlite.open()
    await log.append([draft("b", ttl=1)] * 400)
    sqlite.clock.advance(2)
    log.tick()
    await log.append([draft("a")])
    left = await asked(log, "SELECT count(*) FROM messages WHERE expires > 0")
    assert left > 300, "the append waited for all of the trimming"
    await log.settle()


async def test_keys_that_count_no_more_go(sqlite: Bench) -> None:
    log = await sqlite.open(key_window_ms=1000)
    for number in range(1200):
        log.submit(_keyed(number))
    await log.settle()
    assert await asked(log, "SELECT count(*) FROM keys") == 1200
    sqlite.clock.advance(1)
    await log.settle()
    assert await asked(log, "SELECT count(*) FROM keys") == 0


def _keyed(number: int) -> Append:
    return Append([draft("a")], lambda _: None, key=f"key-{number}")


async def test_too_many_keys_are_refused_until_some_have_gone(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "MAX_KEYS_ON_DISK", 3)
    log = await sqlite.open(key_window_ms=1000)
    waiting = [submit(log, [draft("a")], key=f"k{number}") for number in range(5)]
    answers = await asyncio.gather(*waiting)
    assert [hasattr(answer, "positions") for answer in answers] == [True] * 3 + [False] * 2
    assert "keys" in answers[3].message
    assert (await log.append([draft("a")])).positions
    assert (await log.append([draft("a")], key="k0")).duplicate
    sqlite.clock.advance(1)
    await log.settle()
    assert (await log.append([draft("a")], key="k9")).positions


async def test_channels_that_are_not_at_hand_are_counted_anew(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_CACHED", 3)
    log = await sqlite.open(rules=Rules([ChannelRule("c.*", max_messages=2)]))
    given: dict[str, list[int]] = {}
    for number in range(60):
        name = f"c.{number * 7 % 10}"
        given.setdefault(name, []).append(await put(log, name))
        await check_counts(log)
    for name, mine in given.items():
        assert ids(await read(log, name, after=0)) == mine[-2:]


async def test_what_is_not_handed_over_is_not_trimmed(
    sqlite: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    seen: list[int] = []

    def look(messages: Any) -> None:
        # While the follower has the batch, the writer is free; it trims, and is waited for.
        trimmed = threading.Event()
        log.tick()
        log._writer.put(trimmed.set, lambda _: None)  # type: ignore[attr-defined]
        assert trimmed.wait(5)
        seen.append(connect(sqlite.path).execute("SELECT count(*) FROM messages").get)

    monkeypatch.setattr(sqlite.follower, "batch", look)
    given = positions(await log.append([draft("a")] * 5))
    assert seen == [5]
    await log.settle()
    assert ids(await read(log, "a", after=0)) == given[-1:]


async def test_an_age_rule_goes_past_many_that_it_does_not_concern(sqlite: Bench) -> None:
    log = await sqlite.open(rules=Rules([ChannelRule("aged", max_age=5)]))
    others = positions(await log.append([draft("other")] * 1300))
    await put_all(log, "aged", "other", "aged")
    sqlite.clock.advance(6)
    await log.settle()
    young = await put(log, "aged")
    assert (await log.status("aged")).messages == 1
    assert (await log.status("other")).messages == len(others) + 1
    sqlite.clock.advance(6)
    await log.settle()
    assert await log.watermarks(["aged"]) == {"aged": young}
