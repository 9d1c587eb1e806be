"""Cuts: what is counted, and what each wire's client makes of one."""

from __future__ import annotations

import asyncio

from everywire.comparison.cuts import MANNERS, Manner, Record, Recovery, Returning, cut
from everywire.comparison.http_clients import EventStreamClient


def record(before: list[int], published: int, after: list[int], returned_at: int) -> Recovery:
    """Two messages before the cut; then some are published; the client returns and hears some."""
    it = Record()
    it.published = 2
    for n in before:
        it.hear(n, 0.0)
    it.cut(10.0)
    it.published = returned_at
    it.returning()
    it.published = published
    for n in after:
        it.hear(n, 10.0 + n)
    return it.outcome()


def test_whole_again_when_all_that_was_published_is_there() -> None:
    assert record([0, 1], 5, [2, 3, 4], 5) == Recovery(4.0, 3, 0, 0)


def test_what_never_came_is_lost_and_it_is_never_whole() -> None:
    assert record([0, 1], 5, [4], 4) == Recovery(None, 2, 2, 0)


def test_what_came_twice_is_repeated() -> None:
    assert record([0, 1], 4, [1, 2, 3], 4) == Recovery(3.0, 2, 0, 1)


def test_more_is_never_lost_than_was_missed() -> None:
    """A message published between the try and its success is missed too."""
    assert record([0, 1], 5, [4], 3) == Recovery(None, 2, 2, 0)


def test_nothing_came_back() -> None:
    assert record([0, 1], 4, [], 2) == Recovery(None, 2, 2, 0)


def test_who_resumes_loses_nothing_and_who_does_not_does(port: int) -> None:
    async def work() -> dict[str, Recovery]:
        outcomes = await asyncio.gather(*(cut(port, manner) for manner in MANNERS))
        return dict(zip(MANNERS, outcomes, strict=True))

    outcomes = asyncio.run(work())
    naive = outcomes.pop("naive")
    assert naive.lost == naive.missed > 0
    assert naive.seconds is None
    for manner, outcome in outcomes.items():
        assert (outcome.lost, outcome.repeated) == (0, 0), manner
        assert outcome.seconds is not None
        assert outcome.missed > 0


def learned(manner: Manner) -> tuple[int | None, float | None]:
    """From where a client goes on, and its wait where it is not a random one."""

    async def work() -> tuple[int | None, float | None]:
        returning = Returning(manner, 1, "a", Record())
        client = EventStreamClient(1, "a", since=7)
        client.retry_ms = 1234
        returning._learn(client)
        waits = {returning._wait() for _ in range(5)}
        return returning._since, waits.pop() if len(waits) == 1 else None

    return asyncio.run(work())


def test_an_event_source_waits_as_long_as_the_server_said_others_at_random() -> None:
    assert learned("sse") == (7, 1.234)
    assert learned("websocket") == (7, None)
    assert learned("longpoll") == (7, None)
    assert learned("naive") == (None, None)
