"""What every log promises (logs/base.py), held for each of them by the same tests.

A log to come (NATS, Redis) has to pass them all; it joins the parameters of the fixture ``bench``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from everywire.core.errors import LogUnavailable, RequestError
from everywire.core.messages import Gap, Kind, Message
from everywire.core.positions import MAX_POSITION
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import Appended, ChannelStatus
from logs.harness import Bench, draft, ids, positions, put, put_all, read, read_all, submit

pytestmark = pytest.mark.anyio


# Appending


async def test_positions_of_a_list_are_consecutive_and_follow_the_clock(bench: Bench) -> None:
    log = await bench.open()
    bench.clock.advance(1)
    answer = await log.append([draft("a"), draft("b"), draft("a")])
    assert positions(answer) == [bench.clock.us, bench.clock.us + 1, bench.clock.us + 2]
    assert not answer.duplicate


async def test_positions_grow_when_the_clock_goes_back(bench: Bench) -> None:
    log = await bench.open()
    bench.clock.advance(100)
    first = await put(log, "a")
    bench.clock.advance(-86_400)
    assert await put(log, "a") == first + 1
    assert await put(log, "b") == first + 2


async def test_the_first_position_is_above_the_birth(bench: Bench) -> None:
    log = await bench.open()
    birth = log.head()
    assert birth == bench.clock.us == log.openings().birth
    assert await put(log, "a") == birth + 1
    assert log.head() == birth + 1 <= MAX_POSITION


async def test_a_message_is_kept_as_it_was_published(bench: Bench) -> None:
    log = await bench.open()
    bench.clock.advance(0.0125)
    await log.append(
        [
            draft("a", '{"x": 1e999}', event="price", key="k", meta=b'{"m":1}', ttl=2.5),
            draft("b", "grüße\nzwei", kind=Kind.TEXT, echo=False, connection="c1", user="u1"),
            draft("c", bytes(range(256)), kind=Kind.BYTES, final=True),
            draft("c.leer", b"", kind=Kind.TEXT),
        ]
    )
    await log.settle()
    first, ts = log.head() - 3, bench.clock.us // 1000
    expected = [
        Message(
            first, "a", "price", b'{"x": 1e999}', Kind.JSON, ts,
            key="k", meta=b'{"m":1}', expires=ts + 2500,
        ),
        Message(
            first + 1, "b", "message", "grüße\nzwei".encode(), Kind.TEXT, ts,
            connection="c1", user="u1", echo=False,
        ),
        Message(first + 2, "c", "message", bytes(range(256)), Kind.BYTES, ts, final=True),
        Message(first + 3, "c.leer", "message", b"", Kind.TEXT, ts),
    ]  # fmt: skip
    page = await read(log, "a", "b", "c", "c.leer", after=0)
    assert page.items == expected
    assert [type(message.kind) for message in page.messages] == [Kind] * 4
    assert bench.follower.messages == expected


async def test_the_follower_gets_every_message_once_in_order_then_the_head(bench: Bench) -> None:
    log = await bench.open()
    waiting = [submit(log, [draft(f"c.{n % 3}", str(n))]) for n in range(100)]
    waiting.append(submit(log, [draft("list"), draft("list")]))
    answers = await asyncio.gather(*waiting)
    await log.settle()
    answered = [position for answer in answers for position in answer.positions]
    assert answered == sorted(set(answered)) == [m.id for m in bench.follower.messages]
    assert log.head() == bench.follower.advanced == answered[-1]


async def test_what_one_turn_appends_is_handed_over_as_one_batch(bench: Bench) -> None:
    log = await bench.open()
    await asyncio.gather(*[submit(log, [draft("a")]) for _ in range(50)])
    await log.settle()
    assert len(bench.follower.batches) == 1


async def test_answers_come_in_the_order_of_the_appends(bench: Bench) -> None:
    log = await bench.open()
    order: list[int] = []
    waiting = [submit(log, [draft("a")]) for _ in range(20)]
    for number, future in enumerate(waiting):
        future.add_done_callback(lambda _, number=number: order.append(number))
    await asyncio.gather(*waiting)
    await asyncio.sleep(0)
    assert order == list(range(20))


async def test_what_comes_while_others_are_committed_is_next(bench: Bench) -> None:
    log = await bench.open()
    first = submit(log, [draft("a")])
    await asyncio.sleep(0)
    second = submit(log, [draft("a")])
    answers = await asyncio.wait_for(asyncio.gather(first, second), 5)
    assert answers[1].positions[0] == answers[0].positions[0] + 1


async def test_one_refused_append_leaves_the_others_of_its_batch_alone(bench: Bench) -> None:
    log = await bench.open()
    await put(log, "over", final=True)
    good, bad, late = await asyncio.gather(
        submit(log, [draft("a")]),
        submit(log, [draft("b"), draft("over")]),
        submit(log, [draft("a")]),
    )
    assert isinstance(bad, RequestError)
    assert positions(late) == [good.positions[0] + 1]
    await log.settle()
    assert ids(await read(log, "a", "b", after=0)) == positions(good) + positions(late)


async def test_a_closed_log_takes_nothing(bench: Bench) -> None:
    log = await bench.open()
    assert log.failure is None
    await log.close()
    assert log.failure == "the log is closed"
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append([draft("a")])
    await log.close()


async def test_closing_answers_and_hands_over_what_waits(bench: Bench) -> None:
    log = await bench.open()
    waiting = submit(log, [draft("a")])
    await log.close()
    answer = await waiting
    assert [m.id for m in bench.follower.messages] == positions(answer)


async def test_where_the_data_is_can_be_said(bench: Bench) -> None:
    log = await bench.open()
    assert log.where


# Idempotency keys


async def test_a_known_key_answers_the_stored_position(bench: Bench) -> None:
    log = await bench.open()
    first = await log.append([draft("a", "1")], key="k")
    again = await log.append([draft("a", "2")], key="k")
    assert again == Appended(first.positions, duplicate=True)
    await log.settle()
    assert ids(await read(log, "a", after=0)) == positions(first)


async def test_a_key_counts_within_the_turn_that_first_uses_it(bench: Bench) -> None:
    log = await bench.open()
    first, again = await asyncio.gather(
        submit(log, [draft("a")], key="k"), submit(log, [draft("a")], key="k")
    )
    assert again == Appended(first.positions, duplicate=True)


async def test_a_key_counts_per_publisher_and_channel(bench: Bench) -> None:
    log = await bench.open()
    scopes = [("", "a", "k"), ("u", "a", "k"), ("", "b", "k"), ("u", "a", "l"), ("ua", "", "k")]
    seen: set[int] = set()
    for publisher, channel, key in scopes:
        answer = await log.append([draft(channel or "c")], publisher=publisher, key=key)
        assert not answer.duplicate
        seen.update(answer.positions)
    assert len(seen) == len(scopes)


async def test_the_key_of_a_list_is_looked_up_by_its_first_channel(bench: Bench) -> None:
    log = await bench.open()
    first = await log.append([draft("a"), draft("b"), draft("a")], key="k")
    assert len(first.positions) == 3
    again = await log.append([draft("a"), draft("z")], key="k")
    assert again.duplicate
    assert positions(again) == positions(first)
    assert not (await log.append([draft("b"), draft("a")], key="k")).duplicate


async def test_a_key_counts_for_its_window_and_no_longer(bench: Bench) -> None:
    log = await bench.open(key_window_ms=10_000)
    first = await log.append([draft("a")], key="k")
    bench.clock.advance(9.999)
    await log.settle()
    assert (await log.append([draft("a")], key="k")).duplicate
    bench.clock.advance(0.001)
    second = await log.append([draft("a")], key="k")
    assert not second.duplicate
    assert second.positions[0] > first.positions[0]
    # And the new one counts from when it was stored.
    bench.clock.advance(9.999)
    assert positions(await log.append([draft("a")], key="k")) == positions(second)


async def test_a_key_counts_after_its_message_was_trimmed(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    first = await log.append([draft("a")], key="k")
    for _ in range(3):
        await put(log, "a")
    assert positions(await log.append([draft("a")], key="k")) == positions(first)


async def test_a_known_key_is_answered_after_the_channel_ended(bench: Bench) -> None:
    log = await bench.open()
    first = await log.append([draft("a", final=True)], key="k")
    assert await log.append([draft("a")], key="k") == Appended(first.positions, duplicate=True)
    with pytest.raises(RequestError):
        await log.append([draft("a")], key="other")


async def test_the_key_of_a_refused_append_is_not_stored(bench: Bench) -> None:
    log = await bench.open()
    await put(log, "over", final=True)
    with pytest.raises(RequestError):
        await log.append([draft("a"), draft("over")], key="k")
    assert not (await log.append([draft("a")], key="k")).duplicate


async def test_an_end_is_known_once_it_was_handed_over(bench: Bench) -> None:
    log = await bench.open()
    ended: list[int] = []
    batch = bench.follower.batch

    def look(messages: Sequence[Message]) -> None:
        ended.append(log.ended("a"))
        batch(messages)

    bench.follower.batch = look  # type: ignore[method-assign]
    waiting = submit(log, [draft("a", final=True)])
    assert log.ended("a") == 0
    answer = await waiting
    await log.settle()
    assert ended == positions(answer)


# Final


async def test_an_ended_channel_refuses(bench: Bench) -> None:
    log = await bench.open()
    assert log.ended("a") == 0
    end = await put(log, "a", final=True)
    assert log.ended("a") == end
    with pytest.raises(RequestError, match="'a' has ended") as raised:
        await log.append([draft("a")])
    assert (raised.value.code, raised.value.channel) == ("conflict", "a")
    assert await put(log, "b")
    assert log.ended("b") == 0


async def test_what_follows_a_final_message_in_its_turn_is_refused(bench: Bench) -> None:
    log = await bench.open()
    last, late = await asyncio.gather(
        submit(log, [draft("a", final=True)]), submit(log, [draft("a")])
    )
    assert isinstance(last, Appended)
    assert isinstance(late, RequestError)
    assert late.code == "conflict"


async def test_a_list_that_goes_on_after_its_own_end_is_refused_whole(bench: Bench) -> None:
    log = await bench.open()
    with pytest.raises(RequestError):
        await log.append([draft("b"), draft("a", final=True), draft("a")])
    await log.settle()
    assert log.ended("a") == 0
    assert ids(await read(log, "a", "b", after=0)) == []
    assert (await log.append([draft("b"), draft("a", final=True)])).positions


async def test_an_end_is_remembered_after_everything_was_trimmed(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=10))
    end = await put(log, "a", final=True)
    bench.clock.advance(11)
    await log.settle()
    assert log.ended("a") == end
    assert await log.status("a") == ChannelStatus(end, None, 0)
    with pytest.raises(RequestError):
        await log.append([draft("a")])


async def test_of_too_many_ended_channels_the_first_is_forgotten(bench: Bench) -> None:
    log = await bench.open(max_ended=2)
    for channel in ("a", "b", "c"):
        await put(log, channel, final=True)
    assert log.ended("a") == 0
    assert log.ended("b") and log.ended("c")
    assert await put(log, "a")
    with pytest.raises(RequestError):
        await log.append([draft("b")])


# What is lost, and how it is told


async def test_trimmed_by_number_is_told_exactly(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=2)]))
    before = await put(log, "b")
    first, second, third, fourth = [await put(log, "a") for _ in range(4)]
    assert ids(await read(log, "a", after=0)) == [third, fourth]
    for since in (before, first):
        page = await read(log, "a", after=since)
        assert page.items[0] == Gap("a", since, second + 1, "trimmed")
        assert ids(page) == [third, fourth]
    for since in (second, third):
        page = await read(log, "a", after=since)
        assert page.gaps == []
    # Another channel lost nothing.
    assert (await read(log, "b", after=before)).gaps == []


async def test_trimmed_by_number_from_one_list(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=2)]))
    since = log.head()
    given = await put_all(log, *"aabaaba")
    page = await read(log, "a", "b", after=since)
    assert page.items[0] == Message(given[2], "b", "message", b"1", Kind.JSON, since // 1000)
    assert page.gaps == [Gap("a", since, given[3] + 1, "trimmed")]
    assert ids(page) == [given[2], given[4], given[5], given[6]]


async def test_trimmed_by_age_of_a_channel(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a.*", max_age=10)]))
    old, other = await put_all(log, "a.1", "b")
    bench.clock.advance(10)
    await log.settle()
    assert ids(await read(log, "a.1", "b", after=0)) == [old, other]
    young = await put(log, "a.1")
    bench.clock.advance(0.001)
    await log.settle()
    assert ids(await read(log, "a.1", "b", after=0)) == [other, young]
    page = await read(log, "a.1", "b", after=old - 1)
    assert page.gaps == [Gap("a.1", old - 1, old + 1, "trimmed")]


async def test_several_age_rules_each_at_its_own_pace(bench: Bench) -> None:
    rules = Rules([ChannelRule("a", max_age=10), ChannelRule("b", max_age=20)])
    log = await bench.open(rules=rules)
    a, b, c = await put_all(log, "a", "b", "c")
    bench.clock.advance(11)
    await log.settle()
    assert ids(await read(log, "a", "b", "c", after=0)) == [b, c]
    a2 = await put(log, "a")
    bench.clock.advance(9.5)
    await log.settle()
    assert ids(await read(log, "a", "b", "c", after=0)) == [c, a2]
    assert await log.watermarks(["a", "b", "c"]) == {"a": a, "b": b}


async def test_trimmed_by_bytes_of_a_channel(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_bytes=1000)]))
    given = [await put(log, "a", "7" * 300) for _ in range(4)]
    # A message counts with its name and about 100 bytes, so two fit.
    assert ids(await read(log, "a", after=0)) == given[2:]
    assert (await read(log, "a", after=given[0])).gaps == [
        Gap("a", given[0], given[1] + 1, "trimmed")
    ]


async def test_trimmed_by_total_bytes_goes_by_age_over_all_channels(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=None, max_bytes=1300))
    given = [await put(log, channel, "7" * 300) for channel in "abacb"]
    assert ids(await read(log, "**", after=0)) == given[2:]
    assert await log.watermarks(["a", "b", "c", "**"]) == {
        "a": given[0], "b": given[1], "**": given[1],
    }  # fmt: skip
    assert (await read(log, "a", "b", "c", after=given[0] - 1)).gaps == [
        Gap("a", given[0] - 1, given[0] + 1, "trimmed"),
        Gap("b", given[0] - 1, given[1] + 1, "trimmed"),
    ]


async def test_trimmed_by_total_age(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=60, max_bytes=None))
    first = await put(log, "a")
    bench.clock.advance(30)
    second = await put(log, "b")
    bench.clock.advance(31)
    await log.settle()
    assert ids(await read(log, "**", after=0)) == [second]
    assert await log.watermarks(["a", "b"]) == {"a": first}


async def test_the_head_outlives_the_messages(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=1))
    last = await put(log, "a")
    bench.clock.advance(5)
    await log.settle()
    assert log.head() == last
    page = await read(log, "a", after=last)
    assert (page.items, page.last, page.complete) == ([], last, True)


async def test_a_pattern_is_told_its_newest_loss_under_its_own_name(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("x.*", max_messages=1)]))
    since = log.head()
    given = await put_all(log, "x.1", "x.2", "x.1", "x.2", "y.1")
    page = await read(log, "x.*", after=since)
    assert page.items[0] == Gap("x.*", since, given[1] + 1, "trimmed")
    assert ids(page) == given[2:4]
    assert (await read(log, "x.*", after=given[1])).gaps == []
    assert (await read(log, "y.*", after=since)).gaps == []
    assert [g.channel for g in (await read(log, "x.1", "**", after=since)).gaps] == ["x.1", "**"]
    assert await log.watermarks(["x.*", "*.2", "y.*", "x.1"]) == {
        "x.*": given[1], "*.2": given[1], "x.1": given[0],
    }  # fmt: skip


async def test_since_0_asks_for_what_is_kept_and_meets_no_gap_on_any_page(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    given = await put_all(log, "b", "a", "b", "a", "b", "a")
    items = await read_all(log, "a", "b", after=0, limit=1)
    assert items == (await read(log, "a", "b", after=0)).items
    assert ids(items) == [given[0], given[2], given[4], given[5]]


async def test_a_loss_after_the_first_page_from_0_is_told(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=2)]))
    given = await put_all(log, "b", "a", "a", "a")
    page = await read(log, "a", "b", after=0, limit=1)
    assert ids(page) == [given[0]]
    assert dict(page.marks) == {"a": given[1]}
    late = await put(log, "a")
    rest = await read(log, "a", "b", after=page.last, waived=page.marks)
    assert rest.items[0] == Gap("a", given[0], given[2] + 1, "trimmed")
    assert ids(rest) == [given[3], late]


async def test_a_gap_stands_where_it_belongs_among_the_messages(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    since = log.head()
    b1, _, b2, a2, b3, a3 = await put_all(log, "b", "a", "b", "a", "b", "a")
    page = await read(log, "a", "b", after=since)
    assert [item.position if isinstance(item, Gap) else item.id for item in page.items] == [
        b1, b2, a2, b3, a3,
    ]  # fmt: skip
    # A page that ends before it leaves it to the next.
    first = await read(log, "a", "b", after=since, limit=2)
    assert (ids(first), first.gaps, first.last, first.complete) == ([b1, b2], [], b2, False)
    second = await read(log, "a", "b", after=b2, limit=2)
    assert second.items[0] == Gap("a", b2, a2 + 1, "trimmed")
    assert ids(second) == [b3, a3]
    assert await read_all(log, "a", "b", after=since, limit=1) == [
        *first.items, Gap("a", b2, a2 + 1, "trimmed"), *second.messages,
    ]  # fmt: skip


async def test_below_the_birth_above_the_head(bench: Bench) -> None:
    log = await bench.open()
    birth = log.head()
    given = await put_all(log, "a", "b")
    page = await read(log, "a", "x.*", after=birth - 2)
    assert page.gaps == [
        Gap("a", birth - 2, birth, "unknown_position"),
        Gap("x.*", birth - 2, birth, "unknown_position"),
    ]
    assert ids(page) == given[:1]
    # The birth, and the one below it to which that gap leads, count as given out.
    for since in (birth - 1, birth):
        page = await read(log, "a", after=since)
        assert (page.gaps, ids(page)) == ([], given[:1])
    head = log.head()
    page = await read(log, "a", after=head + 7)
    assert page.items == [Gap("a", head + 7, head + 1, "unknown_position")]
    assert (page.last, page.complete) == (head, True)
    assert (await read(log, "a", after=head)).items == []


async def test_a_position_in_the_hole_of_an_opening_is_unknown(bench: Bench) -> None:
    log = await bench.open()
    birth = log.head()
    bench.clock.advance(5)
    assert log.openings().holes == []
    first = await put(log, "a")
    assert first == birth + 5_000_000
    for since in (birth + 1, first - 2):
        page = await read(log, "a", after=since)
        assert page.items[0] == Gap("a", since, first, "unknown_position")
        assert ids(page) == [first]
    for since in (birth, first - 1):
        assert (await read(log, "a", after=since)).gaps == []


async def test_each_reopening_leaves_a_hole(bench: Bench) -> None:
    if not bench.keeps:
        pytest.skip("every opening of it is a birth")
    log = await bench.open()
    birth = log.head()
    old = await put(log, "a")
    await log.close()
    bench.clock.advance(60)
    log = await bench.open()
    assert log.head() == old
    assert log.openings().birth == birth
    page = await read(log, "a", after=old + 5)
    assert page.items == [Gap("a", old + 5, old + 1, "unknown_position")]
    new = await put(log, "a")
    await log.close()
    log = await bench.open()
    for since, gaps in (
        (old, []),
        (old + 1, [Gap("a", old + 1, new, "unknown_position")]),
        (new - 1, []),
    ):
        page = await read(log, "a", after=since)
        assert page.gaps == gaps
        assert ids(page) == [new]


async def test_an_unknown_position_and_a_loss_above_it_are_two_gaps(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    birth = log.head()
    lost, kept = await put_all(log, "a", "a")
    page = await read(log, "a", after=5)
    assert page.items[:2] == [
        Gap("a", 5, birth, "unknown_position"),
        Gap("a", birth - 1, lost + 1, "trimmed"),
    ]
    assert ids(page) == [kept]


async def test_of_too_many_watermarks_the_lowest_raises_the_floor(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("**", max_messages=1)]), max_watermarks=2)
    birth = log.head()
    lost = await put_all(log, "a", "b", "c", "d")
    await put_all(log, "b", "c", "a")  # lose b, c, then a: a's is the lowest
    assert await log.watermarks(["a", "b", "c", "d"]) == {"b": lost[1], "c": lost[2]}
    # Below the floor everyone is told a gap, above it only who lost something.
    page = await read(log, "a", "b", "d", "never", after=birth)
    assert {(g.channel, g.before) for g in page.gaps} == {
        ("a", lost[0] + 1), ("b", lost[1] + 1), ("d", lost[0] + 1), ("never", lost[0] + 1),
    }  # fmt: skip
    assert [g.channel for g in (await read(log, "a", "b", "d", after=lost[0])).gaps] == ["b"]


async def test_since_0_meets_no_gap_below_the_floor_either(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("few.*", max_messages=1)]), max_watermarks=1)
    old = await put(log, "old")
    await put_all(log, "few.1", "few.2", "old", "few.1", "few.2")
    assert len(await log.watermarks(["few.1", "few.2"])) == 1
    first = await read(log, "old", "few.1", "few.2", after=0, limit=1)
    assert (ids(first), first.complete) == ([old], False)
    rest = await read_all(log, "old", "few.1", "few.2", after=0, limit=1)
    assert len(rest) == len(ids(rest)) == 4
    # Who goes on from the same place without having begun at 0 is told.
    assert (await read(log, "old", after=old)).gaps != []


async def test_nothing_is_trimmed_before_it_was_handed_over(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=1)]))
    waiting = [submit(log, [draft("a")]) for _ in range(10)]
    log.tick()
    await asyncio.gather(*waiting)
    await log.settle()
    assert len(bench.follower.messages) == 10
    assert len((await read(log, "a", after=0)).items) == 1


async def test_the_oldest_of_many_go_in_steps(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=10)]))
    given = positions(await log.append([draft("a")] * 3000))
    await log.settle()
    assert ids(await read(log, "a", after=0)) == given[-10:]
    assert await log.watermarks(["a"]) == {"a": given[-11]}


# Pages


async def test_a_page_ends_at_its_limit(bench: Bench) -> None:
    log = await bench.open()
    given = await put_all(log, *"abcabcab")
    page = await read(log, "a", "c", after=given[0], limit=3)
    assert (ids(page), page.last, page.complete) == (
        [given[2], given[3], given[5]],
        given[5],
        False,
    )
    page = await read(log, "a", "c", after=page.last, limit=3)
    assert (ids(page), page.last, page.complete) == ([given[6]], log.head(), True)


async def test_a_full_page_that_is_the_last_says_so(bench: Bench) -> None:
    log = await bench.open()
    await put_all(log, *"aab")
    page = await read(log, "a", after=0, limit=2)
    assert (page.last, page.complete) == (log.head(), True)


async def test_a_page_ends_at_its_bytes_but_holds_one_message(bench: Bench) -> None:
    log = await bench.open()
    given = [await put(log, "a", "7" * 1000) for _ in range(3)]
    assert ids(await read(log, "a", after=0, max_bytes=1)) == given[:1]
    page = await read(log, "a", after=0, max_bytes=2300)
    assert (ids(page), page.complete) == (given[:2], False)


async def test_nothing_above_the_query_is_read(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("b", max_messages=1)]))
    since = log.head()
    given = await put_all(log, *"aaabb")
    page = await read(log, "a", "b", after=since, upto=given[1])
    assert (ids(page), page.last, page.complete) == (given[:2], given[1], True)
    assert page.gaps == []


async def test_a_message_matched_twice_is_read_once(bench: Bench) -> None:
    log = await bench.open()
    given = await put_all(log, "x.1", "x.1.2", "y")
    assert ids(await read(log, "x.1", "x.*", "x.**", "**", after=0)) == given
    assert ids(await read(log, "x.*", after=0)) == given[:1]
    assert ids(await read(log, "x.**", after=0)) == given[:2]
    assert ids(await read(log, "*", after=0)) == given[2:]


async def test_the_servers_own_channels_are_not_covered_by_patterns(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("@user.*", max_messages=5)]))
    own = await put(log, "@user.1")
    assert ids(await read(log, "**", "*.1", after=0)) == []
    assert ids(await read(log, "@user.1", after=0)) == [own]


async def test_names_are_compared_byte_for_byte(bench: Bench) -> None:
    log = await bench.open()
    names = ["a", "A", "ä", "a\u0308", "ａ", "a.b", "a-b", "😀.x", "a'b\"%_"]
    given = await put_all(log, *names)
    for name, position in zip(names, given, strict=True):
        assert ids(await read(log, name, after=0)) == [position]
    assert ids(await read(log, "a.*", after=0)) == [given[5]]
    assert ids(await read(log, "😀.*", after=0)) == [given[7]]


async def test_a_thousand_channels_are_read_merged(bench: Bench) -> None:
    log = await bench.open()
    names = [f"c.{number}" for number in range(1000)]
    given = [*await put_all(log, *names), *await put_all(log, *reversed(names))]
    await put_all(log, "other")
    assert ids(await read_all(log, *names, after=0)) == given
    assert ids(await read_all(log, *names, after=given[998], limit=7)) == given[999:]
    assert ids(await read_all(log, *names[:400], after=0)) == given[:400] + given[1600:]
    assert ids(await read_all(log, "c.*", after=given[0])) == given[1:]
    assert (await read(log, *names, after=log.head())).items == []


async def test_nothing_asked_nothing_read(bench: Bench) -> None:
    log = await bench.open()
    await put_all(log, "a")
    page = await read(log, after=0)
    assert (page.items, page.last, page.complete) == ([], log.head(), True)
    assert (await read(log, "unheard.of", after=0)).items == []


# Time to live


async def test_an_expired_message_is_not_read_and_leaves_no_gap(bench: Bench) -> None:
    log = await bench.open()
    first = await put(log, "a")
    short = await put(log, "a", ttl=2)
    last = await put(log, "a")
    bench.clock.advance(1.999)
    assert ids(await read(log, "a", after=0)) == [first, short, last]
    bench.clock.advance(0.001)
    for _ in range(2):
        page = await read(log, "a", after=first)
        assert page.items == [m for m in bench.follower.messages if m.id == last]
        assert await log.status("a") == ChannelStatus(last, first, 2)
        assert await log.nth_last("a", 2) == first - 1
        await log.settle()  # and then it is gone for good
    assert await log.watermarks(["a"]) == {}


async def test_an_expired_channel_holds_nothing(bench: Bench) -> None:
    log = await bench.open()
    await put(log, "a", ttl=0.5)
    bench.clock.advance(1)
    await log.settle()
    assert await log.status("a") == ChannelStatus(None, None, 0)
    again = await put(log, "a")
    assert await log.status("a") == ChannelStatus(again, again, 1)


async def test_many_expire_at_once(bench: Bench) -> None:
    log = await bench.open()
    given = positions(await log.append([draft("a", ttl=1)] * 2000 + [draft("a")]))
    bench.clock.advance(2)
    await log.settle()
    assert await log.status("a") == ChannelStatus(given[-1], given[-1], 1)


# History and status


async def test_reading_back(bench: Bench) -> None:
    log = await bench.open()
    given = await put_all(log, *"ababa")
    mine = [given[0], given[2], given[4]]

    async def back(before: int, after: int = 0, limit: int = 10) -> list[int]:
        return [m.id for m in await log.read_back("a", before, after, limit)]

    assert await back(log.head() + 1) == mine[::-1]
    assert await back(log.head() + 1_000_000) == mine[::-1]
    assert await back(given[4]) == mine[1::-1]
    assert await back(given[4], after=given[0]) == [given[2]]
    assert await back(log.head() + 1, limit=2) == mine[:0:-1]
    assert await log.read_back("none", log.head() + 1, 0, 10) == []


async def test_the_nth_last(bench: Bench) -> None:
    log = await bench.open()
    given = await put_all(log, *"abab")
    assert await log.nth_last("a", 0) == log.head()
    assert await log.nth_last("a", 1) == given[2] - 1
    assert await log.nth_last("a", 2) == given[0] - 1
    assert await log.nth_last("a", 3) == 0
    assert await log.nth_last("none", 1) == 0
    for count in (0, 1, 2, 3):
        after = await log.nth_last("b", count)
        assert ids(await read(log, "b", after=after)) == (
            [given[1], given[3]][-count:] * (count > 0)
        )


async def test_status(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=2)]))
    assert await log.status("a") == ChannelStatus(None, None, 0)
    given = await put_all(log, *"aaaab")
    assert await log.status("a") == ChannelStatus(given[3], given[2], 2)
    assert await log.status("b") == ChannelStatus(given[4], given[4], 1)


async def test_status_of_a_channel_that_lost_everything(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=1))
    lost = await put(log, "a")
    bench.clock.advance(2)
    await log.settle()
    assert await log.status("a") == ChannelStatus(lost, None, 0)


async def test_positions_around_all_that_is_kept_are_answered_alike(bench: Bench) -> None:
    """Every since near anything that happened, against what must be told by definition."""
    log = await bench.open(rules=Rules([ChannelRule("a", max_messages=2)]))
    birth = log.head()
    bench.clock.advance(0.00001)
    given = [await put(log, channel) for channel in "aabaab"]
    lost = [given[0], given[1]]
    for since in range(birth - 5, log.head() + 5):
        unknown = since < birth - 1 or birth < since < given[0] - 1 or since > log.head()
        page = await read(log, "a", after=since)
        assert any(g.reason == "unknown_position" for g in page.gaps) == unknown
        goes_on = page.gaps[0].before - 1 if unknown else since
        trimmed: list[Any] = [g for g in page.gaps if g.reason == "trimmed"]
        assert trimmed == (
            [Gap("a", goes_on, lost[-1] + 1, "trimmed")] if goes_on < lost[-1] else []
        )
        assert ids(page) == [p for p in (given[3], given[4]) if p > goes_on]
