"""core.watermarks: what a channel has lost, and who is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everywire.core.messages import Gap
from everywire.core.watermarks import Watermarks, trimmed_gaps


def test_a_mark_only_rises() -> None:
    marks = Watermarks(0)
    marks.raise_to("a", 10)
    marks.raise_to("a", 7)
    assert marks.of("a") == 10
    marks.raise_to("a", 12)
    assert marks.of("a") == 12
    assert marks.of("b") == 0
    assert len(marks) == 1


def test_a_loss_at_or_below_the_floor_says_nothing() -> None:
    marks = Watermarks(10)
    marks.raise_to("a", 10)
    assert len(marks) == 0
    marks.raise_to("a", 11)
    assert marks.of("a") == 11


def test_a_pattern_has_the_newest_it_covers() -> None:
    marks = Watermarks(0)
    for channel, position in (("x.1", 5), ("x.2", 9), ("y", 20), ("@x", 30)):
        marks.raise_to(channel, position)
    assert marks.of("x.*") == 9
    assert marks.of("**") == 20
    assert marks.of("z.*") == 0
    assert marks.of_all(["x.*", "x.1", "z"]) == {"x.*": 9, "x.1": 5}


@given(
    st.lists(st.tuples(st.sampled_from(["x.1", "x.2", "x.1.y", "@x.1", "z"]), st.integers(1, 40))),
    st.sets(
        st.sampled_from(["*", "**", "x.*", "x.**", "*.1", "*.*.y", "@x.*", "z.*", "x.1", "z"]),
    ),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_many_are_answered_as_each_alone(
    raised: list[tuple[str, int]], names: set[str], floor: int, above: int
) -> None:
    """Many patterns are looked up in another way than few."""
    marks = Watermarks(floor)
    for channel, position in raised:
        marks.raise_to(channel, position)
    alone = {name: marks.of(name, above) for name in names}
    assert marks.of_all(names, above) == {name: mark for name, mark in alone.items() if mark}


def test_marks_of_no_interest_are_left_out() -> None:
    marks = Watermarks(0)
    marks.raise_to("x.1", 5)
    marks.raise_to("x.2", 9)
    assert marks.of_all(["x.1", "x.2", "x.*"], above=5) == {"x.2": 9, "x.*": 9}
    assert marks.of_all(["x.1", "x.2", "x.*"], above=9) == {}


def test_beyond_its_capacity_the_lowest_raises_the_floor() -> None:
    marks = Watermarks(0, capacity=2)
    marks.raise_to("a", 10)
    marks.raise_to("b", 20)
    marks.raise_to("a", 30)  # now b's is the lowest
    marks.raise_to("c", 40)
    assert marks.floor == 20
    assert marks.of_all("abc") == {"a": 30, "c": 40}


def test_a_new_mark_may_itself_be_the_lowest() -> None:
    marks = Watermarks(0, capacity=2)
    for channel, position in (("a", 10), ("b", 20), ("c", 5)):
        marks.raise_to(channel, position)
    assert marks.floor == 5
    assert marks.of_all("abc") == {"a": 10, "b": 20}


def test_raising_the_floor_forgets_what_is_below() -> None:
    marks = Watermarks(0, capacity=3)
    for channel, position in (("a", 10), ("b", 20), ("c", 30)):
        marks.raise_to(channel, position)
    marks.forget_below(20)
    assert (marks.floor, len(marks)) == (20, 1)
    marks.forget_below(5)
    assert marks.floor == 20
    for channel, position in (("d", 40), ("b", 25), ("e", 50)):
        marks.raise_to(channel, position)
    assert (marks.floor, len(marks)) == (25, 3)


def test_the_middle() -> None:
    marks = Watermarks(3)
    assert marks.middle() == 3
    for channel, position in (("a", 10), ("b", 40), ("c", 20), ("d", 30)):
        marks.raise_to(channel, position)
    assert marks.middle() == 30


def test_a_floor_that_is_only_raised_hides_what_is_below() -> None:
    marks = Watermarks(3)
    marks.raise_to("a.1", 10)
    marks.raise_to("a.2", 20)
    marks.floor = 15
    assert marks.of_all(["a.1", "a.2", "a.*"]) == {"a.2": 20, "a.*": 20}
    marks.floor = 20
    assert marks.of_all(["a.1", "a.2", "a.*"]) == {}


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 60)), max_size=40),
    st.integers(1, 4),
)
def test_against_a_plain_dictionary(raised: list[tuple[str, int]], capacity: int) -> None:
    marks = Watermarks(3, capacity)
    model: dict[str, int] = {}
    floor = 3
    seen: set[int] = set()
    for channel, position in raised:
        if position in seen:
            continue  # positions are of one message each
        seen.add(position)
        marks.raise_to(channel, position)
        if position > floor:
            model[channel] = max(model.get(channel, 0), position)
        if len(model) > capacity:
            lowest = min(model, key=lambda name: model[name])
            floor = model.pop(lowest)
        assert marks.of_all("abcdef") == model
        assert marks.floor == floor
        assert len(marks._low) == len(model), "one entry a channel, or memory grows"


# Who is told


def test_who_is_before_a_loss_is_told_who_is_not_is_not() -> None:
    assert trimmed_gaps(["a"], {"a": 10}, 0, 9) == [Gap("a", 9, 11, "trimmed")]
    assert trimmed_gaps(["a"], {"a": 10}, 0, 10) == []
    assert trimmed_gaps(["b"], {}, 0, 5) == []


def test_below_the_floor_everyone_is_told() -> None:
    assert trimmed_gaps(["a", "b"], {"a": 30}, 20, 10) == [
        Gap("b", 10, 21, "trimmed"),
        Gap("a", 10, 31, "trimmed"),
    ]
    assert trimmed_gaps(["a", "b"], {}, 20, 20) == []


def test_gaps_come_in_the_order_in_which_they_stand() -> None:
    gaps = trimmed_gaps(["a", "b", "c"], {"a": 30, "b": 10, "c": 20}, 0, 5)
    assert [gap.before for gap in gaps] == [11, 21, 31]


def test_who_asks_for_what_is_kept_meets_no_gap() -> None:
    assert trimmed_gaps(["a"], {"a": 10}, 100, 0) == []


def test_what_is_waived_is_not_told_again_but_what_is_lost_since_is() -> None:
    assert trimmed_gaps(["a"], {"a": 10}, 0, 5, {"a": 10}) == []
    assert trimmed_gaps(["a"], {"a": 12}, 0, 5, {"a": 10}) == [Gap("a", 5, 13, "trimmed")]
