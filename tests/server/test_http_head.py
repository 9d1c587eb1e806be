"""server.http_head: targets that name the server, and heads that are made once."""

from __future__ import annotations

import base64

import pytest

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.server import http_head
from everywire.server.http_head import AnswerHeads, parse_head
from everywire.server.messages import Request, Response, json_response


def head(target: bytes, host: bytes = b"x:1") -> Request:
    return parse_head(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host), Limits())


class TestHeadsThatComeAgain:
    HEAD = b"GET /updates?channel=a HTTP/1.1\r\nHost: x:1\r\n%b\r\n"

    @pytest.fixture(autouse=True)
    def parsed(self, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
        """What the parser of heads has read."""
        read: list[bytes] = []
        parser = http_head.httptools.HttpRequestParser

        class Counting:
            def __init__(self, head: object) -> None:
                self._parser = parser(head)

            def feed_data(self, data: bytes) -> None:
                read.append(data)
                self._parser.feed_data(data)

            def __getattr__(self, name: str) -> object:
                return getattr(self._parser, name)

        http_head._known_fields.cache_clear()
        monkeypatch.setattr(http_head.httptools, "HttpRequestParser", Counting)
        return read

    def test_are_parsed_once_and_each_request_is_its_own(self, parsed: list[bytes]) -> None:
        data = self.HEAD % b"Accept: */*\r\n"
        first, second = (parse_head(data, Limits(), peer) for peer in ("1.1.1.1", "2.2.2.2"))
        assert len(parsed) == 1
        first.origin = "http://allowed"
        assert second.origin is None
        assert (first.peer, second.peer) == ("1.1.1.1", "2.2.2.2")
        assert first.headers == second.headers == ((b"host", b"x:1"), (b"accept", b"*/*"))
        assert (second.path, second.query) == ("/updates", "channel=a")

    @pytest.mark.parametrize(
        "line",
        [
            b"Authorization: Bearer t\r\n",
            b"COOKIE: everywire_token=t\r\n",
            b"Sec-WebSocket-Key: no key\r\n",
            b"Referer: /?token=t\r\n",
            b"Referer: /?connection=c\r\n",
            b"User-Agent: %b\r\n" % (b"x" * 1024),
        ],
    )
    def test_are_not_kept_where_nobody_else_sends_them(
        self, parsed: list[bytes], line: bytes
    ) -> None:
        for _ in range(2):
            parse_head(self.HEAD % line, Limits())
        assert len(parsed) == 2

    def test_may_differ_in_a_websockets_key(self, parsed: list[bytes]) -> None:
        keys = [base64.b64encode(bytes([number]) * 16) for number in range(3)]
        line = b"Sec-WebSocket-KEY: %b\r\nA: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        requests = [parse_head(self.HEAD % (line % key), Limits()) for key in keys]
        assert len(parsed) == 1
        assert not any(key in parsed[0] for key in keys[1:])
        for request, key in zip(requests, keys, strict=True):
            assert request.headers == (
                (b"host", b"x:1"),
                (b"sec-websocket-key", key),
                (b"a", b"dGhlIHNhbXBsZSBub25jZQ=="),
            )

    def test_with_two_keys_have_two_keys(self) -> None:
        lines = b"Sec-WebSocket-Key: %b==\r\n" * 2 % (b"B" * 22, b"A" * 22)
        request = parse_head(self.HEAD % lines, Limits())
        assert len(request.header_values(b"sec-websocket-key")) == 2

    def test_are_held_to_the_limit_each_time(self) -> None:
        data = self.HEAD % (b"A: b\r\n" * 5)
        parse_head(data, Limits(max_headers=6))
        with pytest.raises(RequestError) as refused:
            parse_head(data, Limits(max_headers=5))
        assert refused.value.status == 431


class TestTargets:
    def test_a_path(self) -> None:
        request = head(b"/a%2Fb?c=d")
        assert (request.path, request.query) == ("/a%2Fb", "c=d")

    @pytest.mark.parametrize(
        ("target", "path"),
        [(b"http://x:1/a?c=d", "/a"), (b"HTTP://X:1/", "/"), (b"https://x:1", "/")],
    )
    def test_one_that_names_the_server_is_taken(self, target: bytes, path: str) -> None:
        """RFC 9112, 3.2.2: a server MUST accept the absolute form."""
        assert head(target).path == path

    @pytest.mark.parametrize("target", [b"http://evil/a", b"http://x:2/a", b"http:///a"])
    def test_one_that_names_another_than_its_host_is_refused(self, target: bytes) -> None:
        with pytest.raises(RequestError) as refused:
            head(target)
        assert refused.value.code == "bad_request"

    @pytest.mark.parametrize("target", [b"*", b"ftp://x:1/a", b"x:1"])
    def test_others_are_refused(self, target: bytes) -> None:
        with pytest.raises(RequestError) as refused:
            head(target)
        assert refused.value.code == "bad_request"


class TestAnswers:
    DATE = ((b"date", b"now"),)

    def test_alike_answers_differ_in_length_and_body_alone(self) -> None:
        heads = AnswerHeads()
        first = heads.answer(None, json_response(b"12345"), True, self.DATE)
        again = heads.answer(None, json_response(b"1"), True, self.DATE)
        assert first == (
            b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: application/json\r\n"
            b"cache-control: no-store\r\nvary: Origin\r\nconnection: keep-alive\r\n"
            b"content-length: 5\r\n\r\n12345"
        )
        assert again == first.replace(b"length: 5", b"length: 1").replace(b"12345", b"1")

    def test_one_origin_s_answer_is_not_another_s(self) -> None:
        heads = AnswerHeads()
        answer, ours = json_response(b"1"), "http://localhost:3000"
        assert b"http://localhost:3000" in heads.answer(ours, answer, True, self.DATE)
        assert b"allow-origin" not in heads.answer(None, answer, True, self.DATE)

    def test_bare_is_the_same_without_its_body(self) -> None:
        heads = AnswerHeads()
        whole = heads.answer(None, json_response(b"12345"), True, self.DATE)
        assert heads.answer(None, json_response(b"12345"), True, self.DATE, True) == whole[:-5]

    def test_the_date_goes_on(self) -> None:
        heads = AnswerHeads()
        heads.answer(None, json_response(b"1"), True, self.DATE)
        later = heads.answer(None, json_response(b"1"), True, ((b"date", b"later"),))
        assert b"date: later\r\n" in later
        assert b"now" not in later

    def test_what_is_kept_is_bounded(self) -> None:
        heads = AnswerHeads()
        for number in range(2000):
            response = Response(200, b"", ((b"x", b"%d" % number),))
            assert b"x: %d\r\n" % number in heads.answer(None, response, True, self.DATE)
        assert len(heads._beginnings) <= 256

    def test_no_content_has_no_length(self) -> None:
        answer = AnswerHeads().answer(None, Response(204), True, self.DATE)
        assert b"content-length" not in answer
        assert answer.endswith(b"\r\n\r\n")

    def test_each_is_as_if_there_had_been_none_before(self) -> None:
        every = [
            (origin, response, keep_alive, date, bare)
            for origin in (None, "http://localhost:3000")
            for response in (json_response(b"1"), json_response(b"1", 409), Response(204))
            for keep_alive in (True, False)
            for date in (self.DATE, ((b"date", b"later"),))
            for bare in (True, False)
        ]
        for before in every:
            for then in every:
                heads = AnswerHeads()
                heads.answer(*before)
                assert heads.answer(*then) == AnswerHeads().answer(*then)
