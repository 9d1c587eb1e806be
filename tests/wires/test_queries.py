"""wires.queries: what a URL may ask, and what is answered where it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.core.positions import MAX_POSITION
from everywire.wires.queries import (
    NO_POSITION,
    Query,
    as_position,
    history_request,
    poll_request,
    socket_request,
    stream_request,
)

LIMITS = Limits()


def refused(call: object, *arguments: object) -> str:
    with pytest.raises(RequestError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


class TestPositions:
    @pytest.mark.parametrize("text", ["0", "1", "456", str(MAX_POSITION)])
    def test_good(self, text: str) -> None:
        assert as_position(text) == int(text)

    @pytest.mark.parametrize(
        "text",
        ["", "-1", "+1", "1.0", "1e3", "01", " 1", "1 ", "abc", "٣", "²", str(2**53), "9" * 400],
    )
    def test_bad(self, text: str) -> None:
        """PROTOCOL.md: negative, huge or non-numeric since is bad_request."""
        assert as_position(text) is None

    @pytest.mark.parametrize("route", [stream_request, poll_request])
    def test_a_since_that_is_none_is_bad_request(self, route: object) -> None:
        assert refused(route, Query("channel=a&since=-1"), None, LIMITS) == "bad_request"

    def test_before_the_upgrade_too(self) -> None:
        assert refused(socket_request, Query("since=x"), LIMITS) == "bad_request"

    @given(st.text(max_size=40))
    def test_any_text_is_a_position_or_none(self, text: str) -> None:
        position = as_position(text)
        assert position is None or str(position) == text


class TestChannels:
    def test_channels_and_patterns_each_once(self) -> None:
        asked = stream_request(Query("channel=a&channel=b.*&channel=a"), None, LIMITS)
        assert (asked.channels, asked.patterns) == (("a",), ("b.*",))

    @pytest.mark.parametrize("route", [stream_request, poll_request])
    def test_at_least_one_is_needed(self, route: object) -> None:
        assert refused(route, Query(""), None, LIMITS) == "bad_request"

    def test_a_websocket_needs_none(self) -> None:
        assert socket_request(Query(""), LIMITS).channels == ()

    @pytest.mark.parametrize("name", ["", "a..b", "a%20b", "a*", "%00", "a.**.b", "x" * 201])
    def test_a_malformed_one_is_bad_channel(self, name: str) -> None:
        query = Query(f"channel={name}")
        assert refused(stream_request, query, None, LIMITS) == "bad_channel"

    def test_too_many(self) -> None:
        query = Query("&".join(f"channel=c{n}" for n in range(1001)))
        assert refused(stream_request, query, None, LIMITS) == "too_many_channels"
        assert refused(Query, "&".join(["x=1"] * 2001)) == "bad_request"

    def test_what_is_not_utf_8(self) -> None:
        assert refused(Query, "channel=%ff") == "bad_request"


class TestStream:
    def ask(self, query: str, last_event_id: str | None = None) -> int | None:
        return stream_request(Query(f"channel=a&{query}"), last_event_id, LIMITS).since

    def test_the_header_wins_over_the_query_and_that_over_since(self) -> None:
        """PROTOCOL.md: Last-Event-ID, then lastEventId, then since."""
        assert self.ask("since=1&lastEventId=2", "3") == 3
        assert self.ask("since=1&lastEventId=2") == 2
        assert self.ask("since=1") == 1
        assert self.ask("") is None

    def test_one_that_is_no_position_counts_as_unknown(self) -> None:
        """PROTOCOL.md: a 400 would end an EventSource for good."""
        assert self.ask("", "abc") == NO_POSITION
        assert self.ask("lastEventId=-5") == NO_POSITION

    def test_an_empty_one_is_none(self) -> None:
        assert self.ask("since=4", "") == 4

    def test_formats(self) -> None:
        assert stream_request(Query("channel=a"), None, LIMITS).format == "data"
        query = Query("channel=a&format=xml")
        assert refused(stream_request, query, None, LIMITS) == "bad_request"


class TestPoll:
    @pytest.mark.parametrize(
        ("query", "prefer", "wait"),
        [
            ("", None, 30.0),
            ("wait=0", None, 0.0),
            ("wait=2.5", None, 2.5),
            ("wait=900", None, 30.0),
            ("", "wait=7", 7.0),
            ("", "respond-async, wait=7; x=1", 7.0),
            ("", "handling=lenient", 30.0),
            ("wait=3", "wait=7", 3.0),
        ],
    )
    def test_wait(self, query: str, prefer: str | None, wait: float) -> None:
        assert poll_request(Query(f"channel=a&{query}"), prefer, LIMITS).wait == wait

    @pytest.mark.parametrize("wait", ["-1", "x", "", "1e3", "inf", "nan"])
    def test_bad_wait(self, wait: str) -> None:
        query = Query(f"channel=a&wait={wait}")
        assert refused(poll_request, query, None, LIMITS) == "bad_request"

    @pytest.mark.parametrize(("limit", "count"), [("1", 1), ("1000", 1000), ("99999", 1000)])
    def test_limit_is_cut(self, limit: str, count: int) -> None:
        assert poll_request(Query(f"channel=a&limit={limit}"), None, LIMITS).limit == count
        assert poll_request(Query("channel=a"), None, LIMITS).limit == 100

    @pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
    def test_limit_counts_from_1(self, limit: str) -> None:
        query = Query(f"channel=a&limit={limit}")
        assert refused(poll_request, query, None, LIMITS) == "bad_request"


class TestOthers:
    @pytest.mark.parametrize("value", ["2", "true", ""])
    def test_flags_are_0_or_1(self, value: str) -> None:
        query = Query(f"channel=a&ephemeral={value}")
        assert refused(stream_request, query, None, LIMITS) == "bad_request"

    @pytest.mark.parametrize("secret", ["short", "x" * 65, "x" * 21 + "!"])
    def test_connections(self, secret: str) -> None:
        query = Query(f"connection={secret}")
        assert refused(socket_request, query, LIMITS) == "bad_request"
        assert socket_request(Query("connection=" + "x" * 22), LIMITS).connection == "x" * 22

    def test_a_parameter_that_stands_once(self) -> None:
        query = Query("channel=a&since=1&since=2")
        assert refused(stream_request, query, None, LIMITS) == "bad_request"

    def test_unknown_parameters_are_ignored(self) -> None:
        assert stream_request(Query("channel=a&colour=red"), None, LIMITS).channels == ("a",)

    def test_history(self) -> None:
        asked = history_request(Query("since=1&before=9&limit=5&order=desc"), LIMITS)
        assert (asked.since, asked.before, asked.limit, asked.newest_first) == (1, 9, 5, True)
        assert refused(history_request, Query("order=up"), LIMITS) == "bad_request"

    def test_presence_is_not_offered_yet(self) -> None:
        query = Query("channel=a&presence=1")
        assert refused(stream_request, query, None, LIMITS) == "bad_request"
        assert stream_request(Query("channel=a&presence=0"), None, LIMITS).channels == ("a",)

    @given(st.text(alphabet="chanelsiwtmf=&%0123456789.*-", max_size=60))
    def test_any_query_is_read_or_refused(self, raw: str) -> None:
        for route in (stream_request, poll_request):
            try:
                route(Query(raw), None, LIMITS)
            except RequestError as error:
                assert error.message
