"""core.pages: messages and gaps as one sequence in position order, to a page's end."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from everywire.core.messages import Gap, Kind, Message
from everywire.core.pages import Page, Query, build_page, known
from everywire.core.positions import Hole, Openings


def message(position: int, size: int = 1, expires: int = 0) -> Message:
    return Message(position, "a", "message", bytes(size), Kind.BYTES, 0, expires=expires)


def gap(position: int, channel: str = "b", after: int = 0) -> Gap:
    return Gap(channel, after, position + 1, "trimmed")


def query(after: int = 0, upto: int = 100, limit: int = 1000, max_bytes: int = 10**6) -> Query:
    return Query(("a", "b"), (), after, upto, limit, max_bytes)


def places(page: Page) -> list[int]:
    return [item.position if isinstance(item, Gap) else item.id for item in page.items]


def test_everything_fits() -> None:
    page = build_page(query(), [message(1), message(5)])
    assert (places(page), page.last, page.complete) == ([1, 5], 100, True)
    assert page.messages == page.items
    assert page.gaps == []


def test_nothing_is_complete_too() -> None:
    page = build_page(query(after=7), [])
    assert (page.items, page.last, page.complete) == ([], 100, True)


def test_it_ends_at_its_limit_and_says_whether_more_follows() -> None:
    three = [message(1), message(2), message(3)]
    page = build_page(query(limit=2), three)
    assert (places(page), page.last, page.complete) == ([1, 2], 2, False)
    page = build_page(query(limit=3), three)
    assert (page.last, page.complete) == (100, True)


def test_it_ends_at_its_bytes_but_holds_a_message() -> None:
    size = message(1, 500).size
    two = [message(1, 500), message(2, 500)]
    for most, held in ((1, [1]), (2 * size - 1, [1]), (2 * size, [1, 2])):
        assert places(build_page(query(max_bytes=most), two)) == held


def test_what_is_above_the_query_is_left_out() -> None:
    page = build_page(query(upto=5), [message(5), message(6)], trimmed=[gap(5), gap(6)])
    assert (places(page), page.last, page.complete) == ([5, 5], 5, True)


def test_gaps_stand_after_the_messages_up_to_them() -> None:
    messages = [message(1), message(5), message(9)]
    page = build_page(query(), messages, trimmed=[gap(1, "x"), gap(6), gap(20)])
    assert places(page) == [1, 1, 5, 6, 9, 20]
    assert [isinstance(item, Gap) for item in page.items] == [False, True, False, True, False, True]


def test_a_gap_beyond_the_end_is_left_to_the_next_page() -> None:
    messages = [message(1), message(5), message(9)]
    page = build_page(query(limit=1), messages, trimmed=[gap(3), gap(6)])
    assert (places(page), page.last) == ([1], 1)
    page = build_page(query(after=1, limit=1), messages[1:], trimmed=[gap(3), gap(6)])
    assert (places(page), page.last) == ([3, 5], 5)


def test_an_unknown_position_comes_first() -> None:
    unknown = Gap("a", 90, 50, "unknown_position")
    page = build_page(query(after=49), [message(60)], [unknown], [gap(55)])
    assert places(page) == [49, 55, 60]


def test_what_has_expired_is_passed_over_and_not_counted() -> None:
    messages = [message(1, expires=5), message(2, expires=6), message(3, expires=5), message(4)]
    page = build_page(query(limit=2), messages, now_ms=5)
    assert (places(page), page.complete) == ([2, 4], True)


def test_no_more_is_read_than_the_page_needs() -> None:
    read: list[int] = []

    def reading() -> Iterator[Message]:
        for position in range(1, 50):
            read.append(position)
            yield message(position)

    build_page(query(limit=3), reading())
    assert read == [1, 2, 3, 4]


def test_marks_are_handed_on() -> None:
    assert build_page(query(), [], marks={"a": 5}).marks == {"a": 5}
    assert build_page(query(), []).marks == {}


def test_names_are_channels_then_patterns() -> None:
    assert Query(("a", "b"), ("c.*",), 0, 1).names == ("a", "b", "c.*")


# Unknown positions


def test_a_known_position_is_left_as_it_is() -> None:
    asked = query(after=50)
    assert known(asked, Openings(10)) == (asked, [])


def test_an_unknown_position_leads_to_one_that_is_known() -> None:
    openings = Openings(10, [Hole(40, 60)])
    for after, before in ((5, 10), (50, 60), (500, 101)):
        asked, gaps = known(query(after=after), openings)
        assert asked.after == before - 1
        assert gaps == [Gap(name, after, before, "unknown_position") for name in ("a", "b")]
        assert known(asked, openings) == (asked, [])


def test_what_is_no_position_begins_its_gap_at_0() -> None:
    asked, gaps = known(query(after=-1), Openings(10))
    assert asked.after == 9
    assert gaps[0] == Gap("a", 0, 10, "unknown_position")


@given(
    st.lists(st.integers(1, 40), unique=True),
    st.lists(st.integers(1, 40), unique=True),
    st.integers(1, 5),
    st.integers(1, 45),
)
def test_pages_put_together_are_the_whole(
    at: list[int], gaps_at: list[int], limit: int, upto: int
) -> None:
    """However it is cut: each message and gap once, in order; the last page says it is."""
    messages = [message(position) for position in sorted(at)]
    # What is lost is not there: no gap stands where a message does.
    gaps = [gap(position) for position in sorted(set(gaps_at) - set(at))]
    whole = places(build_page(query(upto=upto), messages, trimmed=gaps))
    together: list[int] = []
    after = 0
    while True:
        page = build_page(
            query(after, upto, limit),
            [m for m in messages if m.id > after],
            # As a log answers: those losses that lie above the position.
            trimmed=[g for g in gaps if g.position > after],
        )
        together += places(page)
        assert len(page.messages) <= limit
        if page.complete:
            break
        assert page.last > after
        after = page.last
    assert page.last == upto
    assert sorted(together) == sorted(whole) == sorted(p for p in {*at, *gaps_at} if p <= upto)
