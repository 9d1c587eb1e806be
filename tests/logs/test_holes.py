"""Gaps below a watermark, where a page ends in between, and for who began with 0."""

from __future__ import annotations

from everywire.core.messages import Gap, Kind, Message
from everywire.core.pages import Page, Query
from everywire.logs.holes import tell_holes


def message(position: int, channel: str = "a", key: str | None = "k") -> Message:
    return Message(position, channel, "message", b"1", Kind.JSON, 0, key=key)


def lost(_: str) -> int:
    return 20


def test_a_page_without_gaps_or_keys_stays_as_it_is() -> None:
    query = Query(("a",), (), 3, 30)
    for page in (
        Page([message(5)], 30, True),
        Page([message(5, key=None), Gap("a", 3, 21, "trimmed")], 30, True),
        Page([Gap("a", 3, 5, "unknown_position"), message(6)], 30, True),
    ):
        items = list(page.items)
        assert tell_holes(page, query, lost).items == items


def test_each_message_that_was_left_has_its_gap_before_it() -> None:
    page = Page([message(5), message(6), message(9), Gap("a", 3, 21, "trimmed")], 30, True)
    assert tell_holes(page, Query(("a",), (), 3, 30), lost).items == [
        Gap("a", 3, 5, "trimmed"),
        message(5),
        message(6),
        Gap("a", 6, 9, "trimmed"),
        message(9),
        Gap("a", 9, 21, "trimmed"),
    ]


def test_a_gap_left_to_the_next_page_begins_where_this_one_told_it_to() -> None:
    page = Page([message(5)], 5, False, left=[Gap("a", 3, 21, "trimmed")])
    told = tell_holes(page, Query(("a",), (), 3, 30), lost)
    assert told.items == [Gap("a", 3, 5, "trimmed"), message(5)]
    assert told.left == [Gap("a", 5, 21, "trimmed")]


def test_what_was_lost_before_someone_asked_for_all_is_no_news() -> None:
    query = Query(("a",), (), 3, 30, waived={"a": 8})
    page = Page([message(5), message(12), Gap("a", 3, 21, "trimmed")], 30, True)
    assert tell_holes(page, query, lost).items == [
        message(5),
        Gap("a", 5, 12, "trimmed"),
        message(12),
        Gap("a", 12, 21, "trimmed"),
    ]


def test_a_channel_and_its_pattern_are_both_told() -> None:
    page = Page(
        [message(5, "a.1"), Gap("a.1", 3, 21, "trimmed"), Gap("a.*", 3, 21, "trimmed")], 30, True
    )
    assert tell_holes(page, Query(("a.1",), ("a.*",), 3, 30), lost).items == [
        Gap("a.1", 3, 5, "trimmed"),
        Gap("a.*", 3, 5, "trimmed"),
        message(5, "a.1"),
        Gap("a.1", 5, 21, "trimmed"),
        Gap("a.*", 5, 21, "trimmed"),
    ]
