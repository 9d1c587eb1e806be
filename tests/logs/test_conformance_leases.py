"""What every log promises of leases (logs/base.py, logs/leases.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from everywire.core.errors import EverywireError, LogUnavailable, UsageError
from everywire.core.messages import Message
from everywire.logs import leases
from everywire.logs.base import Log
from everywire.logs.leases import Lease, LeaseChange
from logs.harness import Bench, draft, put, submit

pytestmark = pytest.mark.anyio


def said(bench: Bench) -> list[str]:
    return [message.data.decode() for message in bench.follower.messages]


async def after(bench: Bench, log: Log, seconds: float) -> list[str]:
    bench.clock.advance(seconds)
    await log.settle()
    return said(bench)


async def test_a_will_is_appended_once_when_it_is_not_renewed(bench: Bench) -> None:
    log = await bench.open()
    will = [draft("a", "1", key="k", user="u", connection="c", meta=b'{"m":1}', event="leave")]
    await log.lease("l", 10, [*will, draft("b", "2")])
    assert await after(bench, log, 9.9) == []
    assert await after(bench, log, 0.1) == ["1", "2"]
    first, second = bench.follower.messages
    assert first == Message(
        first.id, "a", "leave", b"1", will[0].kind, bench.clock.us // 1000,
        "c", "u", "k", b'{"m":1}',
    )  # fmt: skip
    assert (second.id, second.channel) == (first.id + 1, "b")
    assert log.head() == second.id
    assert await after(bench, log, 100) == ["1", "2"]


async def test_renewing_gives_it_its_whole_ttl(bench: Bench) -> None:
    log = await bench.open()
    await log.lease("l", 10, [draft("a", "will")])
    for _ in range(5):
        assert await after(bench, log, 6) == []
        assert log.renew("l")
    assert await after(bench, log, 9) == []
    assert await after(bench, log, 1) == ["will"]
    assert not log.renew("l")
    assert not log.renew("none")


async def test_a_lease_that_is_released_has_no_will(bench: Bench) -> None:
    log = await bench.open()
    await log.lease("l", 10, [draft("a", "will")])
    await log.release("l")
    await log.release("none")
    assert not log.renew("l")
    assert await after(bench, log, 20) == []


async def test_a_lease_is_replaced_with_ttl_and_will(bench: Bench) -> None:
    log = await bench.open()
    await log.lease("l", 10, [draft("a", "old")])
    await log.lease("l", 2, [draft("a", "new")])
    assert await after(bench, log, 2) == ["new"]
    await log.lease("l", 2, [draft("a", "old")])
    await log.lease("l", 10, [draft("a", "newer")])
    assert await after(bench, log, 9) == ["new"]
    assert await after(bench, log, 1) == ["new", "newer"]


async def test_they_run_out_in_the_order_in_which_they_are_due(bench: Bench) -> None:
    log = await bench.open()
    for name, ttl in (("late", 9), ("same", 5), ("renewed", 1), ("again", 5), ("first", 3)):
        await log.lease(name, ttl, [draft("a", name)])
    bench.clock.advance(0.5)
    assert log.renew("renewed")
    assert await after(bench, log, 60) == ["renewed", "first", "same", "again", "late"]


async def test_many_run_out_in_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RUN_OUT_STEP", 3)
    monkeypatch.setattr("everywire.logs.memory.RUN_OUT_STEP", 3)
    log = await bench.open()
    names = [f"{number}" for number in range(10)]
    for name in names:
        await log.lease(name, 1, [draft("a", name)])
    every = asyncio.Event()
    batch = bench.follower.batch

    def count(messages: Sequence[Message]) -> None:
        batch(messages)
        if len(said(bench)) == len(names):
            every.set()

    monkeypatch.setattr(bench.follower, "batch", count)
    bench.clock.advance(1)
    log.tick()
    await asyncio.wait_for(every.wait(), 5)
    assert said(bench) == names


async def test_each_draft_of_a_will_is_appended_by_itself(bench: Bench) -> None:
    log = await bench.open()
    await put(log, "over", "0", final=True)
    held = await put(log, "a", "0", key="k")
    will = [
        draft("over", "1"),
        draft("a", "2", key="k", expected_id=held - 1),
        draft("b", "3", final=True),
        draft("b", "4"),
        draft("a", "5", key="k", expected_id=held),
    ]
    await log.lease("l", 1, will)
    assert await after(bench, log, 1) == ["0", "0", "3", "5"]


async def test_what_one_turn_submits_happens_in_its_order(bench: Bench) -> None:
    """Who takes a lease and then appears has a will from the beginning."""
    log = await bench.open()
    answers: list[Any] = []
    log.submit_lease(LeaseChange("l", Lease("l", 1, (draft("a", "leave"),)), answers.append))
    enter = submit(log, [draft("a", "enter")])
    await enter
    await log.settle()
    assert answers == [None]
    assert await after(bench, log, 1) == ["enter", "leave"]
    log.submit_lease(LeaseChange("l", Lease("l", 1, (draft("a", "leave"),)), answers.append))
    log.submit_lease(LeaseChange("l", None, answers.append))
    await log.settle()
    assert answers == [None] * 3
    assert await after(bench, log, 5) == ["enter", "leave"]


async def test_so_many_are_held(bench: Bench) -> None:
    log = await bench.open(max_leases=2)
    results = await asyncio.gather(
        *[log.lease(name, 9, [draft("a", name)]) for name in "xyz"], return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), type(None), LogUnavailable]
    assert "2 leases" in str(results[2])
    await log.lease("x", 9, [draft("a", "again")])
    await log.release("y")
    await log.lease("z", 9, [draft("a", "z")])
    assert await after(bench, log, 9) == ["again", "z"]
    await log.lease("y", 9, [draft("a", "y")])


async def test_what_is_no_lease_is_refused(bench: Bench) -> None:
    log = await bench.open()
    will = [draft("a")]
    for lease_id, ttl, drafts, why in (
        ("", 1.0, will, "id"),
        ("x" * 201, 1.0, will, "id"),
        ("l", 0.0, will, "ttl"),
        ("l", float("nan"), will, "ttl"),
        ("l", float("inf"), will, "ttl"),
        ("l", 1.0, [], "will"),
        ("l", 1.0, [draft("a", ephemeral=True)], "will"),
    ):
        with pytest.raises(UsageError, match=why):
            await log.lease(lease_id, ttl, drafts)
    assert not log.renew("l")


async def test_a_closed_log_takes_no_lease(bench: Bench) -> None:
    log = await bench.open()
    await log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        await log.lease("l", 1, [draft("a")])
    with pytest.raises(LogUnavailable, match="closed"):
        await log.release("l")


async def test_leases_go_by_a_clock_of_their_own(bench: Bench) -> None:
    now = 0.0
    log = await bench.open(monotonic=lambda: now)
    await log.lease("l", 10, [draft("a", "will")])
    assert await after(bench, log, 3600) == [], "the other clock may jump"
    now = 10.0
    await log.settle()
    assert said(bench) == ["will"]


async def test_after_reopening_each_has_its_whole_ttl(bench: Bench) -> None:
    if not bench.keeps:
        pytest.skip("memory keeps nothing")
    log = await bench.open()
    await log.lease("gone", 10, [draft("a", "gone")])
    await log.lease("short", 2, [draft("a", "short")])
    await log.lease("mine", 10, [draft("a", b"\xff\x00", event="e", ttl=60.0)])
    await log.lease("released", 10, [draft("a", "released")])
    await log.release("released")
    bench.clock.advance(1)
    await bench.close()
    bench.clock.advance(3600)
    log = await bench.open()
    assert await after(bench, log, 1.9) == []
    assert log.renew("mine")
    assert await after(bench, log, 8.1) == ["short", "gone"]
    await bench.close()
    log = await bench.open()
    assert not log.renew("gone")
    bench.clock.advance(10)
    await log.settle()
    (message,) = bench.follower.messages
    assert (message.data, message.event) == (b"\xff\x00", "e")
    assert message.expires == bench.clock.us // 1000 + 60_000


async def test_a_lease_does_not_run_out_while_it_changes(bench: Bench) -> None:
    log = await bench.open()
    answers: list[EverywireError | None] = []
    await log.lease("l", 1, [draft("a", "old")])
    bench.clock.advance(1)
    log.submit_lease(LeaseChange("l", Lease("l", 5, (draft("a", "new"),)), answers.append))
    log.tick()
    await log.settle()
    assert answers == [None]
    assert said(bench) == []
    assert await after(bench, log, 5) == ["new"]
