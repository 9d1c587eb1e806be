"""wires.known_queries: what came before is not read again, and nothing else changes by it."""

from __future__ import annotations

import pytest

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.wires.known_queries import MAX_LENGTH, KnownQueries
from everywire.wires.queries import Query, poll_request, socket_request, stream_request

LIMITS = Limits()
SECRET = "s" * 22


@pytest.fixture
def known() -> KnownQueries:
    return KnownQueries(LIMITS)


def test_a_stream_s(known: KnownQueries) -> None:
    raw = "channel=a&since=5"
    asked = known.stream(raw, None)
    assert asked == stream_request(Query(raw), None, LIMITS)
    assert known.stream(raw, None) is asked
    assert known.stream(raw, "7") == stream_request(Query(raw), "7", LIMITS)


def test_a_poll_s(known: KnownQueries) -> None:
    raw = "channel=a&since=5"
    asked = known.poll(raw, None)
    assert asked == poll_request(Query(raw), None, LIMITS)
    assert known.poll(raw, None) is asked
    assert known.poll(raw, "wait=3") == poll_request(Query(raw), "wait=3", LIMITS)


def test_a_socket_s(known: KnownQueries) -> None:
    raw = "channel=a&since=5"
    asked = known.socket(raw)
    assert asked == socket_request(Query(raw), LIMITS)
    assert known.socket(raw) is asked


def test_a_socket_s_is_kept_only_if_others_may_send_it(known: KnownQueries) -> None:
    for raw in ("channel=a&token=t", f"connection={SECRET}", f"x={'x' * MAX_LENGTH}"):
        assert known.socket(raw) is not known.socket(raw)


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        ("channel=a&token=t", None),
        (f"channel=a&connection={SECRET}", None),
        (f"channel=a&x={'x' * MAX_LENGTH}", None),
        ("channel=a", "x" * (MAX_LENGTH + 1)),
    ],
)
def test_what_nobody_else_sends_is_not_kept(
    known: KnownQueries, raw: str, header: str | None
) -> None:
    for read in (known.stream, known.poll):
        assert read(raw, header) is not read(raw, header)
        assert read(raw, header) == read(raw, header)


def test_a_refusal_is_one_each_time(known: KnownQueries) -> None:
    for _ in range(2):
        for read in (known.stream, known.poll):
            with pytest.raises(RequestError) as caught:
                read("channel=a..b", None)
            assert caught.value.code == "bad_channel"
