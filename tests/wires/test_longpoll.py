"""wires.longpoll: the body of an answer, and where to go on from."""

from __future__ import annotations

import json

from everywire.core.messages import Gap, Kind, Message
from everywire.core.pages import Page
from everywire.wires import longpoll


def message(position: int, **fields: object) -> Message:
    return Message(position, "a", "message", b"1", Kind.JSON, 0, **fields)  # type: ignore[arg-type]


def test_the_shape_of_the_article() -> None:
    """PROTOCOL.md, Long polling: data and last_id, and nothing that does not apply."""
    assert longpoll.body((b'{"id":455}', b'{"id":456}'), 456) == (
        b'{"data":[{"id":455},{"id":456}],"last_id":456}'
    )
    assert longpoll.body((), 9) == b'{"data":[],"last_id":9}'


def test_gaps_and_ends_where_there_are_some() -> None:
    body = json.loads(longpoll.body((), 9, [Gap("a", 1, 9, "trimmed")], ["b"]))
    assert body["gaps"] == [{"channel": "a", "after": 1, "before": 9, "reason": "trimmed"}]
    assert body["final"] == ["b"]


def test_a_page_that_a_limit_cut_goes_on_from_its_last_message() -> None:
    page = Page([message(5), message(6)], 6, complete=False)
    assert longpoll.goes_on_from(page) == 6


def test_a_whole_page_goes_on_from_its_last_item() -> None:
    assert longpoll.goes_on_from(Page([message(5)], 90, complete=True)) == 5
    gap = Gap("a", 5, 71, "trimmed")
    assert longpoll.goes_on_from(Page([message(5), gap], 90, complete=True)) == 70


def test_an_empty_page_goes_on_from_the_head() -> None:
    assert longpoll.goes_on_from(Page([], 90, complete=True)) == 90


def test_its_own_echo_is_left_out() -> None:
    page = Page([message(5, connection="me", echo=False), message(6)], 6, complete=True)
    assert [m["id"] for m in json.loads(longpoll.page_body(page, (), "me"))["data"]] == [6]
    assert [m["id"] for m in json.loads(longpoll.page_body(page, (), "you"))["data"]] == [5, 6]
    assert [m["id"] for m in json.loads(longpoll.page_body(page, ()))["data"]] == [5, 6]
