"""The page's books: what they find, and that bounded memory finds the same.

They run in the browser, without a page around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from .conftest import Demo

pytestmark = pytest.mark.browser

PLAY = """
async ([names, since, keep, steps]) => {
  const { Ledger } = await import("/console/ledger.js");
  const ledger = new Ledger(names, since, keep);
  for (const [verb, ...values] of steps) ledger[verb](...values);
  return ledger.settle();
}
"""

Books = dict[str, Any]
Play = Callable[..., Books]


@pytest.fixture(scope="module")
def play(chromium: Browser, demo: Demo) -> Iterator[Play]:
    """Play steps to a ledger; its summary."""
    page: Page = chromium.new_page()
    page.goto(f"{demo.url}/console/icon.svg")

    def play(*steps: Any, names: str = "ab", since: int = 0, keep: int = 10_000) -> Books:
        return page.evaluate(PLAY, [list(names), since, keep, steps])

    yield play
    page.close()


def got(name: str, *ids: int) -> list[Any]:
    return [["receive", name, id] for id in ids]


def faults(books: Books, name: str) -> dict[str, int]:
    """The counts that are not zero, but for what was received."""
    return {k: v for k, v in books["readers"][name].items() if v and k != "received"}


def test_equal_readers_have_no_faults(play: Play) -> None:
    books = play(*got("a", 1, 2, 3), *got("b", 1, 2, 3))
    assert (books["messages"], books["position"]) == (3, 3)
    assert faults(books, "a") == faults(books, "b") == {}


def test_what_is_on_its_way_is_not_missing(play: Play) -> None:
    books = play(*got("a", 1, 2, 3), *got("b", 1))
    assert (books["messages"], books["position"]) == (1, 1)
    assert faults(books, "b") == {"behind": 2}


def test_a_message_that_was_passed_over_is_missing(play: Play) -> None:
    assert faults(play(*got("a", 1, 2, 3), *got("b", 1, 3)), "b") == {"missing": 1}


def test_a_position_past_a_message_makes_it_missing(play: Play) -> None:
    assert faults(play(*got("a", 1, 2), ["reach", "b", 2]), "b") == {"missing": 2}


@pytest.mark.parametrize("later", [[], got("b", 1, 2, 3, 4)])
def test_a_message_that_comes_twice_is_doubled(play: Play, later: list[Any]) -> None:
    """Before and after the books were closed over it."""
    steps = [*got("a", 1, 2, 3, 4), *later, ["settle"], *got("a", 2)]
    assert faults(play(*steps), "a") == {"doubled": 1}


def test_a_message_after_its_position_is_late(play: Play) -> None:
    steps = [*got("a", 1, 2, 3), *got("b", 1), ["reach", "b", 2], *got("b", 2, 3)]
    assert faults(play(*steps), "b") == {"late": 1}


def test_a_gap_covers_what_lies_between_its_ends(play: Play) -> None:
    gap = {"after": 1, "before": 4, "reason": "trimmed"}
    steps = [*got("a", 1, 2, 3, 4, 5), *got("b", 1), ["gap", "b", gap], *got("b", 5)]
    assert faults(play(*steps), "b") == {"told": 2, "missing": 1, "gapsTold": 1}


def test_an_unknown_position_may_lead_downwards(play: Play) -> None:
    """An older copy of the log: what came after it is gone, and told."""
    gap = {"after": 9, "before": 6, "reason": "unknown_position"}
    steps = [*got("a", 5, 6, 7), *got("b", 5, 6, 7, 8, 9)]
    steps += [["gap", "b", gap], ["reach", "b", 5], *got("b", 20), ["reach", "a", 9]]
    steps += [*got("a", 20)]
    books = play(*steps)
    assert faults(books, "b") == {"gapsTold": 1}
    assert faults(books, "a") == {"missing": 2}


def test_a_hole_in_the_numbers_shows_where_all_lack_the_same(play: Play) -> None:
    steps = [["receive", name, id, n] for name in "ab" for id, n in ((1, 1), (2, 2), (4, 4))]
    books = play(*steps)
    assert faults(books, "a") == faults(books, "b") == {"holes": 1}


def test_a_publisher_that_starts_again_and_a_gap_are_no_holes(play: Play) -> None:
    gap = {"after": 3, "before": 9, "reason": "trimmed"}
    steps: list[Any] = [["receive", "a", 1, 7], ["receive", "a", 2, 1], ["receive", "a", 3, 2]]
    steps += [["gap", "a", gap], ["receive", "a", 10, 9]]
    assert faults(play(*steps, names="a"), "a") == {"gapsTold": 1}


# Any order, any loss, any memory

History = tuple[list[Any], dict[str, dict[str, int]]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Steps in any order of the readers, and what the books have to say in the end.

    The first reader gets everything, so that every loss of the others can be known.
    """
    lossy = draw(st.sampled_from(["", "c", "bc"]))
    ids = range(1, draw(st.integers(1, 30)) + 1)
    queues: dict[str, list[Any]] = {}
    expected: dict[str, dict[str, int]] = {}
    for name in "abc":
        kept = [id for id in ids if name not in lossy or draw(st.integers(0, 4))]
        again = {id for id in kept if not draw(st.integers(0, 9))}
        queues[name] = [step for id in kept for step in got(name, id) * (1 + (id in again))]
        queues[name].append(["reach", name, ids[-1]])
        counts = {"missing": len(ids) - len(kept), "doubled": len(again)}
        expected[name] = {key: count for key, count in counts.items() if count}
    steps: list[Any] = []
    while any(queues.values()):
        name = draw(st.sampled_from([name for name in "abc" if queues[name]]))
        for _ in range(draw(st.integers(1, 8))):
            if queues[name]:
                steps.append(queues[name].pop(0))
        if draw(st.booleans()):
            steps.append(["settle"])
    return steps, expected


often = settings(max_examples=60, deadline=None)


@often
@given(histories())
def test_every_loss_and_every_double_is_counted(play: Play, history: History) -> None:
    steps, expected = history
    books = play(*steps, names="abc")
    assert {name: faults(books, name) for name in "abc"} == expected


@often
@given(histories(), st.sampled_from([2, 3, 7]))
def test_with_little_memory_a_loss_of_one_reader_still_shows(
    play: Play, history: History, keep: int
) -> None:
    """And nothing shows where there was none."""
    steps, expected = history
    assume("missing" not in expected["b"])
    found = play(*steps, names="abc", keep=keep)["readers"]
    for name in "abc":
        assert found[name]["doubled"] == expected[name].get("doubled", 0)
        assert found[name]["late"] == found[name]["behind"] == 0
    lost = sum(found[name]["missing"] for name in "abc")
    assert bool(lost) == ("missing" in expected["c"])


def test_who_is_far_behind_and_gets_it_all_misses_nothing(play: Play) -> None:
    ids = range(1, 50)
    ahead = play(*got("a", *ids), keep=5)
    assert faults(ahead, "b") == {"behind": 49}
    level = play(*got("a", *ids), ["settle"], *got("b", *ids), keep=5)
    assert (level["messages"], faults(level, "b")) == (49, {})
    short = play(*got("a", *ids), *got("b", *ids[:10], *ids[13:]), keep=5)
    assert faults(short, "b") == {"missing": 3}
