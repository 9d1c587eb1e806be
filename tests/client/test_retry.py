"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.client.errors import GaveUp, Refused, Unreachable
from everywire.client.retry import Backoff, Patience, insist

from .fakes import FakeTime

AWAY = Unreachable("http://host", "nothing listens there")


def test_full_jitter_is_drawn_from_nothing_to_twice_the_last() -> None:
    most = Backoff(base=1, cap=10, random=lambda: 1.0)
    assert [most.delay() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    least = Backoff(base=1, cap=10, random=lambda: 0.0)
    assert [least.delay() for _ in range(6)] == [0] * 6


@given(st.lists(st.floats(0, 1), max_size=2000), st.floats(0, 100))
def test_a_delay_is_never_under_what_was_asked_nor_far_above(
    draws: list[float], asked: float
) -> None:
    backoff = Backoff(base=0.25, cap=10, random=iter([*draws, 0.5]).__next__)
    for _ in draws:
        assert asked <= backoff.delay(asked) <= asked + 10


def test_reset_begins_anew() -> None:
    backoff = Backoff(base=1, cap=10, random=lambda: 1.0)
    assert [backoff.delay(), backoff.delay()] == [1, 2]
    backoff.reset()
    assert backoff.delay() == 1


def attempts(*results: object) -> list[object]:
    return list(results)


def run(results: list[object], time: FakeTime, seconds: float = 10) -> tuple[object, list[str]]:
    told: list[str] = []

    def attempt() -> object:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    result = insist(
        attempt,
        Patience(seconds, time.clock),
        Backoff(base=1, cap=4, random=lambda: 1.0),
        time.sleep,
        lambda fault: told.append(str(fault)),
    )
    return result, told


def test_it_is_tried_until_it_succeeds(time: FakeTime) -> None:
    result, told = run([AWAY, AWAY, "done"], time)
    assert result == "done"
    assert time.slept == [1, 2]
    assert told == [str(AWAY)] * 2


def test_a_refusal_that_passes_is_waited_for_as_asked(time: FakeTime) -> None:
    busy = Refused("unavailable", "disk full", status=503, retry_after=3)
    assert run([busy, "done"], time)[0] == "done"
    assert time.slept == [4]


def test_a_refusal_for_good_is_not_repeated(time: FakeTime) -> None:
    with pytest.raises(Refused, match="ended"):
        run([Refused("conflict", "ended", status=409)], time)
    assert time.slept == []


def test_patience_ends(time: FakeTime) -> None:
    with pytest.raises(GaveUp, match="gave up after 10 s: cannot reach") as caught:
        run([AWAY] * 10, time)
    assert caught.value.last is AWAY
    assert sum(time.slept) == 10


def test_a_wait_beyond_patience_is_not_begun(time: FakeTime) -> None:
    with pytest.raises(GaveUp):
        run([Refused("unavailable", "later", status=503, retry_after=60)], time)
    assert time.slept == []


def test_patience_can_be_cut_short(time: FakeTime) -> None:
    patience = Patience(100, time.clock)
    patience.shorten(5)
    assert patience.left == 5
    patience.shorten(50)
    assert patience.left == 5
