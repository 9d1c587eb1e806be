"""core.positions: what was given out, and what never was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.positions import MAX_HOLES, Hole, Openings, next_position

BIRTH = 1000


@pytest.mark.parametrize(
    ("head", "now", "expected"), [(5, 10, 10), (10, 5, 11), (10, 10, 11), (10, 11, 11), (0, 1, 1)]
)
def test_next_position(head: int, now: int, expected: int) -> None:
    assert next_position(head, now) == expected


def test_0_and_what_was_given_out_is_known() -> None:
    openings = Openings(BIRTH)
    for since in (0, BIRTH - 1, BIRTH, BIRTH + 1, 1500, 2000):
        assert openings.unknown(since, 2000) is None


def test_below_the_birth() -> None:
    openings = Openings(BIRTH)
    for since in (-1, 1, BIRTH - 2):
        assert openings.unknown(since, 2000) == BIRTH


def test_above_the_head_leads_down_to_it() -> None:
    openings = Openings(BIRTH)
    assert openings.unknown(2001, 2000) == 2001
    assert openings.unknown(2**53 - 1, 2000) == 2001


def test_in_a_hole() -> None:
    openings = Openings(BIRTH)
    assert openings.note(2000, 3000) == Hole(2000, 3000)
    assert openings.note(4000, 5000) == Hole(4000, 5000)
    for since, before in (
        (2000, None), (2001, 3000), (2998, 3000), (2999, None), (3000, None), (3500, None),
        (4000, None), (4001, 5000), (4998, 5000), (4999, None), (5000, None), (5500, None),
    ):  # fmt: skip
        assert openings.unknown(since, 6000) == before, since


def test_an_opening_that_went_on_at_once_leaves_no_hole() -> None:
    openings = Openings(BIRTH)
    assert openings.note(2000, 2001) is None
    assert openings.holes == []
    # One position that was never given out, and counts as such: it is where a gap would lead.
    assert openings.note(2001, 2003) == Hole(2001, 2003)
    assert openings.unknown(2002, 3000) is None


def test_holes_are_given_back_and_taken_in_again() -> None:
    openings = Openings(BIRTH, [Hole(2000, 3000)])
    openings.holes.clear()
    assert openings.holes == [Hole(2000, 3000)]
    assert Openings(BIRTH, openings.holes).unknown(2500, 9999) == 3000


def test_the_number_of_holes_is_bounded() -> None:
    openings = Openings(BIRTH, [Hole(n * 10, n * 10 + 5) for n in range(200, 200 + MAX_HOLES + 7)])
    assert len(openings.holes) == MAX_HOLES
    openings.note(10**9, 10**9 + 5)
    assert len(openings.holes) == MAX_HOLES
    assert openings.holes[-1] == Hole(10**9, 10**9 + 5)
    assert openings.unknown(10**9 + 1, 10**10) == 10**9 + 5


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 6)), max_size=8), st.integers(-1, 120))
def test_every_position_against_the_set_of_those_given_out(
    openings_and_steps: list[tuple[int, int]], since: int
) -> None:
    """Each opening: how many positions are given out, and how far the clock has gone on before."""
    openings = Openings(10)
    given_out = {9, 10}  # the birth, and where the gap to it leads
    head = 10
    for count, far in openings_and_steps:
        first = next_position(head, head + far)
        openings.note(head, first)
        given_out |= {first - 1, *range(first, first + count)}
        head = first + count - 1
    before = openings.unknown(since, head)
    assert (before is None) == (since == 0 or since in given_out)
    if before is not None:
        assert before - 1 in given_out, "the position that the client goes on from is known"
        assert openings.unknown(before - 1, head) is None
        above = [position for position in given_out if position > since]
        assert before == (min(above) + 1 if above else head + 1)
