"""Polls that ask for the same share a page and a body; very many linger by themselves.

PROTOCOL.md, Long polling: linger rises by itself where very many wait.
"""

from __future__ import annotations

from collections.abc import Callable

from everywire.core.access import OPEN
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind, Message
from everywire.core.pages import Page, Query
from everywire.server.poll_pages import MAX_BYTES, MAX_PAGES, PollPages

from .running import Running


class Log:
    """Counts what it is asked."""

    def __init__(self, size: int = 1) -> None:
        self.asked: list[Query] = []
        self.data = b'"' + b"x" * size + b'"'

    def recent(self, query: Query) -> Page | None:
        self.asked.append(query)
        message = Message(query.after + 1, "a", "e", self.data, Kind.JSON, 0)
        return Page([message], query.after + 1, complete=True)


def query(after: int, limit: int = 10, **fields: object) -> Query:
    return Query(("a",), (), after, 10**6, limit, **fields)  # type: ignore[arg-type]


def test_one_read_and_one_body_for_all_that_ask_for_the_same() -> None:
    log = Log()
    pages = PollPages(log)
    first = pages.recent(query(5))
    assert first is not None
    assert pages.recent(query(5)) is first
    assert pages.body(query(5), first, ()) is pages.body(query(5), first, ())
    assert len(log.asked) == 1
    assert pages.recent(query(6)) is not first
    assert pages.recent(query(5, limit=9)) is not first


def test_nothing_is_shared_once_the_log_has_moved() -> None:
    log = Log()
    pages = PollPages(log)
    first = pages.recent(query(5))
    pages.forget()
    again = pages.recent(query(5))
    assert again is not first
    assert first is not None
    assert again is not None
    # An answer that was read before the log moved is not taken for today's.
    assert pages.body(query(5), first, ("a",)) != pages.body(query(5), again, ())


def test_a_page_with_waived_losses_is_one_s_own() -> None:
    log = Log()
    pages = PollPages(log)
    pages.recent(query(5, waived={"a": 3}))
    pages.recent(query(5, waived={"a": 3}))
    assert len(log.asked) == 2


def test_what_is_shared_is_bounded() -> None:
    pages = PollPages(Log(size=100_000))
    for after in range(1000):
        page = pages.recent(query(after))
        assert page is not None
        pages.body(query(after), page, ())
    assert len(pages._pages) == MAX_PAGES
    assert sum(map(len, pages._bodies.values())) <= MAX_BYTES


def test_where_very_many_wait_answers_linger(
    start_native: Callable[..., Running], channel: str
) -> None:
    server = start_native(limits=Limits(crowd_polls=2, crowd_linger=100.0))

    def publish_twice() -> None:
        for data in (b"1", b"2"):
            draft = Draft(channel, data)
            server.node.publishing.publish(OPEN, (draft,), None, lambda result: None)
            server.node.log.flush()

    since = server.head()
    with server.waiting({"channel": channel, "since": since}) as (alone,):
        server.call(publish_twice)
        assert [message["data"] for message in alone.result(10).json["data"]] == [1]
    since = server.head()
    both = [{"channel": channel, "since": since}] * 2
    with server.waiting(*both) as polls:
        server.call(publish_twice)
        for poll in polls:
            assert [message["data"] for message in poll.result(10).json["data"]] == [1, 2]
    assert server.call(lambda: server.node.polls_waiting) == 0
