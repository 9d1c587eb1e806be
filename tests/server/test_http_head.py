"""server.http_head: targets that name the server, and heads that are made once."""

from __future__ import annotations

import pytest

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.server.http_head import AnswerHeads, parse_head
from everywire.server.messages import Request, Response, json_response


def head(target: bytes, host: bytes = b"x:1") -> Request:
    return parse_head(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host), Limits())


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
