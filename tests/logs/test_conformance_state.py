"""What every log promises of keyed state (logs/base.py, logs/state.py)."""

from __future__ import annotations

import asyncio

import pytest

from everywire.core.errors import LogUnavailable, RequestError
from everywire.core.messages import Gap, Kind
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import Appended, ChannelStatus, Log
from everywire.logs.state import StatePage
from logs.harness import Bench, draft, ids, positions, put, put_all, read, submit

pytestmark = pytest.mark.anyio

FEW = Rules([ChannelRule("few", max_messages=2)])


async def state(log: Log, channel: str) -> list[int]:
    page = await log.state(channel)
    assert page.position == log.head()
    assert page.complete
    return [message.id for message in page.messages]


# What is kept


async def test_the_newest_of_each_key_is_the_state_in_position_order(bench: Bench) -> None:
    log = await bench.open()
    await put(log, "a", "1", key="x")
    await put(log, "a", "no key")
    y = await put(log, "a", "2", key="y")
    x = await put(log, "a", "3", key="x")
    await put(log, "b", "4", key="x")
    page = await log.state("a")
    assert [(m.id, m.key, m.data) for m in page.messages] == [(y, "y", b"2"), (x, "x", b"3")]
    assert page.position == log.head()
    assert await log.state("none") == StatePage([], log.head())


@pytest.mark.parametrize(
    "settings",
    [
        {"rules": FEW},
        {"rules": Rules([ChannelRule("few", max_age=5)])},
        {"rules": Rules([ChannelRule("few", max_bytes=250)])},
        {"retention": LogRetention(max_age=5)},
        {"retention": LogRetention(max_bytes=250)},
    ],
)
async def test_no_retention_takes_the_newest_of_a_key(
    bench: Bench, settings: dict[str, object]
) -> None:
    log = await bench.open(**settings)
    before = await put(log, "few", "0", key="k")
    kept = await put(log, "few", "1", key="k")
    for _ in range(4):
        bench.clock.advance(6)
        last = await put(log, "few")
    assert before not in ids(await read(log, "few", after=0))
    assert ids(await read(log, "few", after=0))[0] == kept
    assert await state(log, "few") == [kept]
    # A watermark is the newest lost position, and what is left below it is read in its order.
    (lost,) = (await log.watermarks(["few"])).values()
    assert kept < lost < last
    page = await read(log, "few", after=before - 1)
    assert page.items[:3] == [
        Gap("few", before - 1, kept, "trimmed"),
        page.messages[0],
        Gap("few", kept, lost + 1, "trimmed"),
    ]
    assert (await read(log, "few", after=lost)).gaps == []


async def test_what_is_newest_no_more_is_lost_if_its_turn_was_over(bench: Bench) -> None:
    log = await bench.open(rules=FEW)
    old = await put(log, "few", "1", key="k")
    for _ in range(3):
        lost = await put(log, "few")
    await put(log, "few")
    await put(log, "few")
    assert await log.watermarks(["few"]) == {"few": lost}
    new = await put(log, "few", "2", key="k")
    assert old not in ids(await read(log, "few", after=0))
    assert await state(log, "few") == [new]
    # Within its rule it is an ordinary message.
    assert ids(await read(log, "few", after=0))[-1] == new
    newer = await put(log, "few", "3", key="k")
    assert ids(await read(log, "few", after=0)) == [new, newer]


async def test_a_key_that_alone_is_lost_says_so(bench: Bench) -> None:
    """Its watermark is written when it goes, not before."""
    log = await bench.open(retention=LogRetention(max_age=5))
    start = await put(log, "other")
    old = await put(log, "a", "1", key="k")
    bench.clock.advance(6)
    await log.settle()
    assert await log.watermarks(["a"]) == {}
    assert (await read(log, "a", after=start)).gaps == []
    new = await put(log, "a", "2", key="k")
    page = await read(log, "a", after=start)
    assert page.gaps == [Gap("a", start, old + 1, "trimmed")]
    assert ids(page) == [new]


async def test_what_is_kept_does_not_count_for_rules(bench: Bench) -> None:
    log = await bench.open(rules=FEW)
    keyed = [await put(log, "few", key=f"k{number}") for number in range(5)]
    last = [await put(log, "few") for _ in range(3)][1:]
    assert ids(await read(log, "few", after=0)) == keyed + last


async def test_channels_are_answered_whole_with_what_is_kept(bench: Bench) -> None:
    log = await bench.open(rules=FEW)
    kept = await put(log, "few", key="k")
    other = await put(log, "other")
    lost, *last = [await put(log, "few") for _ in range(3)]
    assert await log.status("few") == ChannelStatus(last[1], kept, 3)
    back = await log.read_back("few", log.head() + 1, 0, 10)
    assert [message.id for message in back] == [last[1], last[0], kept]
    assert await log.nth_last("few", 3) == kept - 1
    expected = [kept, other, *last]
    assert ids(await read(log, "few", "other", after=0)) == expected
    assert ids(await read(log, "**", after=0)) == expected
    page = await read(log, "**", "few", after=log.openings().birth)
    assert page.gaps == [
        Gap("few", kept, lost + 1, "trimmed"),
        Gap("**", kept, lost + 1, "trimmed"),
    ]
    assert ids(page) == expected


async def test_the_last_position_counts_though_only_an_older_message_is_left(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=5))
    kept = await put(log, "a", key="k")
    last = await put(log, "a")
    bench.clock.advance(6)
    await log.settle()
    assert await log.status("a") == ChannelStatus(last, kept, 1)


async def test_a_pattern_is_told_of_holes_of_its_channels_only(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("few.*", max_messages=1)]))
    start = await put(log, "other")
    first = await put(log, "few.1")
    kept = await put(log, "few.1", key="k")
    await put(log, "few.1")
    whole = await put(log, "few.2", key="k")
    lost = await put(log, "few.1")
    last = await put(log, "few.1")
    page = await read(log, "few.*", after=start)
    # Nothing of few.2 is missing before its message.
    assert page.items == [
        Gap("few.*", start, kept, "trimmed"),
        page.messages[0],
        page.messages[1],
        Gap("few.*", kept, lost + 1, "trimmed"),
        page.messages[2],
    ]
    assert ids(page) == [kept, whole, last]
    assert first < kept


# Freeing a key


async def test_null_frees_a_key_and_is_an_ordinary_message(bench: Bench) -> None:
    log = await bench.open(rules=FEW)
    old = await put(log, "few", "1", key="k")
    lost, _ = [await put(log, "few") for _ in range(2)]
    assert await state(log, "few") == [old]
    freed = await put(log, "few", "null", key="k")
    assert bench.follower.messages[-1].id == freed
    assert await state(log, "few") == []
    assert freed in ids(await read(log, "few", after=0))
    assert old not in ids(await read(log, "few", after=0))
    last = await put_all(log, "few", "few")
    assert ids(await read(log, "few", after=0)) == last
    assert lost < freed < last[0]


async def test_only_json_null_frees_a_key(bench: Bench) -> None:
    log = await bench.open()
    given = [
        await put(log, "a", "null", key="text", kind=Kind.TEXT),
        await put(log, "a", b"null", key="bytes", kind=Kind.BYTES),
        await put(log, "a", '"null"', key="string"),
    ]
    assert await state(log, "a") == given


async def test_a_message_that_expires_frees_its_key(bench: Bench) -> None:
    log = await bench.open(max_channel_keys=1, retention=LogRetention(max_age=5))
    for _ in range(2):
        old = await put(log, "a", "1", key="k")
        new = await put(log, "a", "2", key="k", ttl=10)
        bench.clock.advance(6)
        await log.settle()
        assert await state(log, "a") == [new], "it is set aside, and not expired"
        bench.clock.advance(4)
        # The one before does not come back, and nothing has to be dropped first.
        assert await state(log, "a") == []
        with pytest.raises(RequestError, match="the id 0"):
            await log.append([draft("a", "3", key="k", expected_id=new)])
        await log.settle()
        assert ids(await read(log, "a", after=0)) == []
        assert await log.watermarks(["a"]) == {"a": old}
        # Its place is free for another key.
        await put(log, "a", "1", key="other", ttl=1)
        bench.clock.advance(1)
        await log.settle()


async def test_an_end_frees_no_key(bench: Bench) -> None:
    log = await bench.open(retention=LogRetention(max_age=5))
    end = await put(log, "a", '"done"', key="result", final=True)
    bench.clock.advance(6)
    await log.settle()
    assert await state(log, "a") == [end]
    assert ids(await read(log, "a", after=0)) == [end]
    with pytest.raises(RequestError, match="has ended"):
        await log.append([draft("a", "null", key="result")])


# expected_id


async def test_expected_id_is_that_of_the_newest_message(bench: Bench) -> None:
    log = await bench.open()
    first = (await log.append([draft("a", key="k", expected_id=0)])).positions[0]
    for wrong in (0, first - 1, first + 1):
        with pytest.raises(RequestError, match=f"has the id {first} ") as raised:
            await log.append([draft("a", key="k", expected_id=wrong)])
        assert (raised.value.code, raised.value.channel) == ("conflict", "a")
    second = (await log.append([draft("a", key="k", expected_id=first)])).positions[0]
    with pytest.raises(RequestError, match=f"has the id {second} "):
        await log.append([draft("a", key="k", expected_id=first)])
    # Another key, and the same of another channel, hold nothing.
    await log.append([draft("a", key="l", expected_id=0), draft("b", key="k", expected_id=0)])
    await log.append([draft("a", "null", key="k", expected_id=second)])
    with pytest.raises(RequestError, match="has the id 0 "):
        await log.append([draft("a", key="k", expected_id=second + 3)])
    await log.append([draft("a", key="k", expected_id=0)])


async def test_a_list_is_refused_whole_and_sees_itself(bench: Bench) -> None:
    log = await bench.open()
    head = log.head()
    with pytest.raises(RequestError, match="expected_id"):
        await log.append([draft("b"), draft("a", key="x"), draft("a", key="k", expected_id=7)])
    with pytest.raises(RequestError, match=f"has the id {max(head + 1, bench.clock.us)} "):
        await log.append([draft("a", key="k"), draft("a", key="k", expected_id=0)])
    assert log.head() == head
    assert await state(log, "a") == []
    answer = await log.append(
        [
            draft("a", key="k", expected_id=0),
            draft("a", "null", key="k"),
            draft("a", "2", key="k", expected_id=0),
        ]
    )
    await log.settle()
    assert await state(log, "a") == positions(answer)[2:]


async def test_who_expects_the_same_in_one_turn_is_taken_once(bench: Bench) -> None:
    log = await bench.open()
    answers = await asyncio.gather(
        *[submit(log, [draft("a", str(n), key="k", expected_id=0)]) for n in range(5)]
    )
    assert isinstance(answers[0], Appended)
    assert [getattr(answer, "code", None) for answer in answers[1:]] == ["conflict"] * 4
    assert str(answers[0].positions[0]) in answers[1].message


async def test_an_idempotency_key_comes_before_expected_id(bench: Bench) -> None:
    log = await bench.open()
    first = await log.append([draft("a", key="k", expected_id=0)], key="i")
    again = await log.append([draft("a", key="k", expected_id=0)], key="i")
    assert again == Appended(first.positions, duplicate=True)
    # And of one that was refused nothing is known.
    with pytest.raises(RequestError):
        await log.append([draft("a", key="k", expected_id=0)], key="j")
    await log.append([draft("a", "null", key="k")])
    assert not (await log.append([draft("a", key="k", expected_id=0)], key="j")).duplicate


# Bounds


async def test_a_channel_holds_so_many_keys(bench: Bench) -> None:
    log = await bench.open(max_channel_keys=2)
    await put(log, "a", key="x")
    await put(log, "a", key="y")
    with pytest.raises(RequestError, match="'a' holds 2 keys") as raised:
        await log.append([draft("a", key="z")])
    assert raised.value.code == "too_large"
    await put(log, "a", "2", key="x")
    await put(log, "b", key="z")
    await log.append([draft("a", "null", key="x"), draft("a", key="z")])
    with pytest.raises(RequestError):
        await log.append([draft("a", key="x")])


async def test_all_keys_hold_so_many_bytes(bench: Bench) -> None:
    log = await bench.open(max_state_bytes=1000)
    await put(log, "a", "1" * 500, key="x")
    with pytest.raises(LogUnavailable, match="1000"):
        await log.append([draft("b", "1" * 500, key="x")])
    await put(log, "b", "1" * 500)
    await put(log, "a", "1" * 700, key="x")
    await put(log, "a", "null", key="x")
    await put(log, "b", "1" * 500, key="x", ttl=1)
    bench.clock.advance(1)
    await log.settle()
    await put(log, "a", "1" * 500, key="x")


async def test_state_comes_in_pages(bench: Bench) -> None:
    log = await bench.open()
    given = [await put(log, "a", key=f"k{number}") for number in range(7)]
    page = await log.state("a", limit=3)
    assert [m.id for m in page.messages] == given[:3]
    assert not page.complete
    # What changes between two pages comes with the subscription that follows.
    changed = await put(log, "a", "2", key="k4")
    await put(log, "a", "null", key="k5")
    page = await log.state("a", given[2], page.position, limit=3)
    assert [m.id for m in page.messages] == [given[3], given[6]]
    assert page.complete
    assert ids(await read(log, "a", after=page.position))[0] == changed
    large = [await put(log, "b", "1" * 400_000, key=f"k{number}") for number in range(4)]
    page = await log.state("b")
    assert [m.id for m in page.messages] == large[:2]
    assert not page.complete


async def test_state_and_then_what_follows_has_no_hole_and_no_repeat(bench: Bench) -> None:
    log = await bench.open(rules=Rules([ChannelRule("few", max_messages=1)]))
    for number in range(20):
        await put(log, "few", str(number), key=f"k{number % 3}")
        page = await log.state("few")
        late = [submit(log, [draft("few", "late", key=f"k{number % 2}")]) for _ in range(2)]
        during = await log.state("few")
        await asyncio.gather(*late)
        await log.settle()
        for taken in (page, during):
            held = {m.key: m.id for m in taken.messages}
            following = await read(log, "few", after=taken.position)
            assert not {m.id for m in following.messages} & set(held.values())
            held.update({m.key: m.id for m in following.messages})
            assert sorted(held.values()) == await state(log, "few")


async def test_many_keys_are_trimmed_past(bench: Bench) -> None:
    log = await bench.open(rules=FEW)
    await log.append([draft("few", key=f"k{number}") for number in range(1500)])
    last = await put_all(log, "few", "few")
    await put_all(log, "few", "few")
    assert len((await log.state("few")).messages) == 1000
    assert (await log.status("few")).messages == 1502
    assert await log.watermarks(["few"]) == {"few": last[1]}


async def test_it_is_there_after_reopening(bench: Bench) -> None:
    if not bench.keeps:
        pytest.skip("memory keeps nothing")
    log = await bench.open(rules=FEW)
    kept = [await put(log, "few", key="aside"), await put(log, "few", key="freed")]
    await put(log, "few", "null", key="freed")
    fresh = await put(log, "few", key="fresh")
    lost, *_ = [await put(log, "few") for _ in range(3)]
    before = await read(log, "few", after=kept[0] - 1)
    await log.close()
    log = await bench.open(rules=FEW, max_channel_keys=2)
    assert await state(log, "few") == [kept[0], fresh]
    assert await read(log, "few", after=kept[0] - 1) == before
    assert await log.watermarks(["few"]) == {"few": lost}
    with pytest.raises(RequestError, match="holds 2 keys"):
        await log.append([draft("few", key="freed")])
    new = (await log.append([draft("few", key="aside", expected_id=kept[0])])).positions[0]
    await log.settle()
    assert await state(log, "few") == [fresh, new]
    assert ids(await read(log, "few", after=0))[0] == fresh
