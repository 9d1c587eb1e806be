"""webhooks.delivery: when to send, when to try again, when to give up."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.webhooks.delivery import (
    BASE,
    MAX_RETRY_AFTER,
    MAX_WAIT,
    Delivery,
    Outcome,
    State,
    retry_after,
)
from everywire.webhooks.http_client import Answer

from .making import EPOCH


def waits(count: int, drawn: float, answer: Answer | None = None) -> list[float]:
    delivery = Delivery(None, lambda: drawn)
    delivery.begin(0)
    found: list[float] = []
    for _ in range(count):
        assert delivery.answered(answer, 100, EPOCH) is None
        assert delivery.state is State.WAITING
        found.append(delivery.due - 100)
        delivery.again()
    return found


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_taken(status: int) -> None:
    delivery = Delivery(10)
    delivery.begin(0)
    assert delivery.answered(Answer(status), 1, EPOCH) is Outcome.TAKEN
    assert delivery.state is State.IDLE


def test_gone() -> None:
    delivery = Delivery(10)
    delivery.begin(0)
    assert delivery.answered(Answer(410), 1, EPOCH) is Outcome.GONE
    assert delivery.state is State.GONE


@pytest.mark.parametrize("answer", [None, *map(Answer, (199, 301, 307, 400, 404, 413, 500, 503))])
def test_all_else_is_tried_again(answer: Answer | None) -> None:
    assert waits(1, 1.0, answer) == [BASE]


def test_waits_double_up_to_a_limit_and_are_drawn_from_nothing() -> None:
    assert waits(4, 1.0) == [1, 2, 4, 8]
    assert waits(2000, 1.0)[-1] == MAX_WAIT
    assert waits(4, 0.0) == [0, 0, 0, 0]


def test_what_an_endpoint_asks_for_is_waited_beside_the_draw() -> None:
    assert waits(2, 0.5, Answer(429, b"", "30")) == [30.5, 31.0]


def test_it_is_given_up_after_so_long() -> None:
    delivery = Delivery(10, lambda: 1.0)
    for _ in range(2):  # each delivery has its own time
        delivery.begin(0)
        assert delivery.answered(None, 9, EPOCH) is None
        delivery.again()
        assert delivery.attempts == 2
        assert delivery.answered(None, 9, EPOCH) is Outcome.GIVEN_UP
        assert delivery.state is State.IDLE


def test_one_whose_endpoint_asks_for_too_long_is_given_up_at_once() -> None:
    delivery = Delivery(10, lambda: 0.0)
    delivery.begin(0)
    assert delivery.answered(Answer(503, b"", "60"), 0, EPOCH) is Outcome.GIVEN_UP


@given(st.text(max_size=40))
def test_no_retry_after_is_an_error(value: str) -> None:
    assert 0 <= retry_after(value, EPOCH) <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 0), ("0", 0), ("120", 120), ("9" * 50, MAX_RETRY_AFTER), ("-5", 0), ("soon", 0)],
)
def test_seconds(value: str | None, seconds: float) -> None:
    assert retry_after(value, EPOCH) == seconds


def test_dates() -> None:
    at = format_datetime(datetime.fromtimestamp(EPOCH + 90, UTC), usegmt=True)
    assert retry_after(at, EPOCH) == 90
    assert retry_after(at, EPOCH + 1000) == 0
