"""core.wheel: what is due is done, once, in time and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everywire.core.wheel import Timed, Timer, Wheel


def nothing() -> None:
    """An action that is never called here."""


def test_nothing_is_due_before_its_time() -> None:
    wheel, timer = Wheel(100.0, 0.1), Timer(nothing)
    wheel.start(timer, 105.0)
    assert wheel.turn(104.9) == []
    assert wheel.turn(105.2) == [timer]
    assert not timer.waiting
    assert len(wheel) == 0


def test_what_is_due_does_what_it_was_given_or_what_it_is_made_for() -> None:
    done: list[str] = []

    class Own(Timed):
        def due(self) -> None:
            done.append("own")

    wheel = Wheel(0.0, 0.1)
    wheel.start(Own(), 1.0)
    wheel.start(Timer(lambda: done.append("given")), 2.0)
    for timer in wheel.turn(5.0):
        timer.due()
    assert done == ["own", "given"]


def test_cancelled_is_not_due() -> None:
    wheel, timer = Wheel(0.0, 0.1), Timer(nothing)
    wheel.start(timer, 1.0)
    wheel.cancel(timer)
    wheel.cancel(timer)
    assert wheel.turn(5.0) == []


def test_started_again_is_moved() -> None:
    wheel, timer = Wheel(0.0, 0.1), Timer(nothing)
    wheel.start(timer, 1.0)
    wheel.start(timer, 3.0)
    assert wheel.turn(2.0) == []
    assert wheel.turn(3.2) == [timer]


def test_what_is_due_already_comes_with_the_next_turn() -> None:
    wheel, timer = Wheel(50.0, 0.1), Timer(nothing)
    wheel.start(timer, 10.0)
    assert wheel.turn(50.2) == [timer]


@given(
    st.lists(st.floats(0, 100), max_size=40),
    st.lists(st.floats(0, 30), min_size=1, max_size=20),
)
def test_each_timer_is_due_once_and_at_most_two_ticks_late(
    dues: list[float], steps: list[float]
) -> None:
    wheel = Wheel(0.0, 0.5)
    timers = {Timer(nothing): due for due in dues}
    for timer, due in timers.items():
        wheel.start(timer, due)
    now, seen = 0.0, []
    for step in [*steps, 200.0]:
        before, now = now, now + step
        for timer in wheel.turn(now):
            due = timers[timer]
            assert due <= now
            assert due >= before - 2 * wheel.resolution
            seen.append(timer)
    assert len(seen) == len(set(seen)) == len(timers)
