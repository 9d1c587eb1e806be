"""Who asks for the same shares a page and what is made of it; very many polls linger.

PROTOCOL.md, Long polling: linger rises by itself where very many wait.
"""

from __future__ import annotations

from collections.abc import Callable

from everywire.core.access import OPEN
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Gap, Kind, Message
from everywire.core.pages import Page, Query
from everywire.server.shared_pages import MAX_BYTES, MAX_PAGES, SharedPage, SharedPages

from .running import Running

A = frozenset(("a",))
NONE: frozenset[str] = frozenset()


class Log:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    def recent(self, query: Query) -> Page | None:
        self.asked.append(query)
        return page_of(Message(query.after + 1, "a", "e", b"1", Kind.JSON, 0))


def page_of(*items: Message | Gap) -> Page:
    return Page(list(items), 10, complete=True)


def page(pages: SharedPages, after: int, limit: int = 10, **fields: object) -> SharedPage:
    shared = pages.recent(A, NONE, after, 10**6, limit, **fields)  # type: ignore[arg-type]
    assert shared is not None
    return shared


def test_one_read_and_one_body_for_all_that_ask_for_the_same() -> None:
    log = Log()
    pages = SharedPages(log)
    first = page(pages, 5)
    assert page(pages, 5) is first
    body = pages.write(first, "how", lambda: bytes(2))
    assert pages.write(first, "how", lambda: b"not asked for") is body
    assert pages.write(first, "otherwise", lambda: b"else") == b"else"
    assert len(log.asked) == 1
    assert page(pages, 6) is not first
    assert page(pages, 5, limit=9) is not first
    assert page(pages, 5, max_bytes=9) is not first


def test_the_log_is_asked_for_sorted_names() -> None:
    log = Log()
    pages = SharedPages(log)
    pages.recent(frozenset("ba"), frozenset(("d.*", "c.*")), 5, 7, 10, 99, {"a": 3})
    assert log.asked == [Query(("a", "b"), ("c.*", "d.*"), 5, 7, 10, 99, {"a": 3})]


def test_nothing_is_shared_once_the_log_has_moved() -> None:
    pages = SharedPages(Log())
    first = page(pages, 5)
    pages.write(first, "how", lambda: b"old")
    pages.forget()
    assert pages.size == 0
    again = page(pages, 5)
    assert again is not first
    # What is made of a page that was read before the log moved is not taken for today's.
    assert pages.write(first, "else", lambda: b"late") == b"late"
    assert pages.write(again, "else", lambda: b"new") == b"new"
    assert pages.size == len(b"new")


def test_a_page_with_waived_losses_is_one_s_own() -> None:
    log = Log()
    pages = SharedPages(log)
    own = page(pages, 5, waived={"a": 3})
    assert page(pages, 5, waived={"a": 3}) is not own
    assert len(log.asked) == 2
    pages.write(own, "how", lambda: b"mine")
    assert (len(pages), pages.size) == (0, 0)


def test_what_is_shared_is_bounded_and_the_oldest_goes_first() -> None:
    log = Log()
    pages = SharedPages(log)
    for after in range(MAX_PAGES + 1):
        page(pages, after)
    assert len(pages) == MAX_PAGES
    asked = len(log.asked)
    page(pages, MAX_PAGES)
    assert len(log.asked) == asked
    page(pages, 0)
    assert len(log.asked) == asked + 1
    for after in range(MAX_PAGES):
        pages.write(page(pages, after), "how", lambda: bytes(MAX_BYTES // 4))
        assert pages.size <= MAX_BYTES
    assert len(pages) == 4
    last = page(pages, MAX_PAGES - 1)
    assert pages.write(last, "how", lambda: b"not asked for") == bytes(MAX_BYTES // 4)


def test_what_is_larger_than_all_that_may_be_kept_is_not() -> None:
    pages = SharedPages(Log())
    large = pages.write(page(pages, 5), "how", lambda: bytes(MAX_BYTES + 1))
    assert len(large) == MAX_BYTES + 1
    assert (len(pages), pages.size) == (0, 0)


def test_what_is_worth_knowing_of_a_page() -> None:
    plain = Message(1, "a", "e", b"1", Kind.JSON, 0)
    quiet = Message(2, "a", "e", b"1", Kind.JSON, 0, echo=False)
    gap = Gap("a", 2, 4, "trimmed")
    found = [SharedPage(page_of(*items)) for items in ((plain,), (plain, gap), (quiet, gap))]
    assert [(shared.gaps, shared.echoes) for shared in found] == [
        (False, True),
        (True, True),
        (True, False),
    ]


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
