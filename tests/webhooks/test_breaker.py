"""webhooks.breaker: not asking whoever does not answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.webhooks.breaker import NEXT, Breaker, Input, State

HOW = (Input.ANSWERED, Input.FAILED, Input.ABANDONED)


def ask(breaker: Breaker, how: Input, now: float) -> None:
    ticket = breaker.admit(now)
    assert ticket is not None
    breaker.settle(ticket, how, now)


def opened(failures: int = 3) -> Breaker:
    breaker = Breaker(failures, rest=2, max_rest=10)
    for _ in range(failures):
        ask(breaker, Input.FAILED, 0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(3)
    for how in (Input.FAILED, Input.FAILED, Input.ANSWERED, Input.FAILED, Input.FAILED):
        ask(breaker, how, 0)
    assert breaker.state is State.CLOSED
    ask(breaker, Input.FAILED, 0)
    assert breaker.state is State.OPEN
    assert breaker.admit(1.9) is None


def test_then_one_is_asked_and_decides() -> None:
    breaker = opened()
    ticket = breaker.admit(2)
    assert ticket is not None
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit(2) is None
    breaker.settle(ticket, Input.ANSWERED, 2)
    assert breaker.state is State.CLOSED
    ask(breaker, Input.FAILED, 3)
    assert breaker.state is State.CLOSED


def test_each_trial_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    breaker, now, rests = opened(), 0.0, []
    for _ in range(5):
        began = now
        while (ticket := breaker.admit(now)) is None:
            now += 0.5
        rests.append(now - began)
        breaker.settle(ticket, Input.FAILED, now)
    assert rests == [2, 4, 8, 10, 10]


def test_after_a_good_trial_the_rest_is_short_again() -> None:
    breaker = opened()
    ask(breaker, Input.FAILED, 2)
    ask(breaker, Input.ANSWERED, 6)
    for _ in range(3):
        ask(breaker, Input.FAILED, 7)
    assert breaker.admit(8.9) is None
    assert breaker.admit(9) is not None


def test_an_answer_to_what_was_asked_before_does_not_count() -> None:
    breaker = Breaker(1, rest=2)
    early, other = breaker.admit(0), breaker.admit(0)
    assert early is not None and other is not None
    breaker.settle(early, Input.FAILED, 0)
    breaker.settle(other, Input.ANSWERED, 1)
    assert breaker.state is State.OPEN
    late = breaker.admit(2)
    assert late is not None
    breaker.settle(other, Input.ANSWERED, 2)
    assert breaker.state is State.HALF_OPEN


def test_clients_that_do_not_wait_cannot_open_it() -> None:
    breaker = Breaker(2)
    for _ in range(10):
        ask(breaker, Input.ABANDONED, 0)
    assert breaker.state is State.CLOSED


def test_a_trial_that_nobody_waited_for_is_tried_again_at_once() -> None:
    breaker = opened()
    ask(breaker, Input.ABANDONED, 2)
    assert breaker.state is State.OPEN
    ask(breaker, Input.ANSWERED, 2)
    assert breaker.state is State.CLOSED


@given(st.lists(st.tuples(st.sampled_from(HOW), st.integers(0, 8), st.integers(0, 3))))
def test_whatever_happens_it_never_stays_open(steps: list[tuple[Input, int, int]]) -> None:
    breaker = Breaker(2, rest=2, max_rest=8)
    now, tickets = 0.0, list[int]()
    for how, seconds, which in steps:
        now += seconds
        ticket = breaker.admit(now)
        if ticket is not None:
            tickets.append(ticket)
        if which < len(tickets):
            breaker.settle(tickets.pop(which), how, now)
    for ticket in tickets:
        breaker.settle(ticket, Input.ABANDONED, now)
    assert breaker.admit(now + 8) is not None


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("how", HOW)
def test_the_table_has_an_entry_for_every_answer_in_every_state(state: State, how: Input) -> None:
    assert (state, how) in NEXT
