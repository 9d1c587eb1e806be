"""What an answer stands for."""

from __future__ import annotations

import json

import pytest

from everywire.client.errors import (
    BadAnswer,
    Lost,
    Refused,
    checked,
    refusal,
    refusal_by_code,
    turned_away,
)


def test_a_problem_keeps_its_code_and_words() -> None:
    body = json.dumps({"code": "conflict", "detail": "the channel has ended", "status": 409})
    error = refusal(409, {}, body.encode())
    assert (error.code, error.detail, error.status) == ("conflict", "the channel has ended", 409)
    assert str(error) == "the channel has ended (conflict)"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the answer was HTTP 502, without a reason"),
        (b"<html>Bad Gateway</html>", "the answer was HTTP 502, without a reason"),
        (b"no upstream\x1b[31m", "the answer was HTTP 502: no upstream [31m"),
        (b'{"code": 3, "detail": []}', 'the answer was HTTP 502: {"code": 3, "detail": []}'),
        (b"[1]", "the answer was HTTP 502: [1]"),
        (b"\xff" * 1000, "the answer was HTTP 502: " + "\ufffd" * 300),
        (b"[" * 100_000, "the answer was HTTP 502: " + "[" * 300),
    ],
)
def test_an_answer_that_is_no_problem_is_told_by_its_status(body: bytes, words: str) -> None:
    error = refusal(502, {}, body)
    assert (error.code, error.detail) == ("http_502", words)
    assert error.passing


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-1", None),
        ("1.5", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("٣", None),
        ("9" * 400, 86_400.0),
    ],
)
def test_retry_after_is_seconds(value: str, seconds: float | None) -> None:
    assert refusal(503, {"Retry-After": value}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("status", "passing", "fatal"),
    [
        (400, False, True),
        (401, False, True),
        (403, False, True),
        (404, False, False),
        (409, False, False),
        (429, True, False),
        (500, True, False),
        (503, True, False),
    ],
)
def test_what_may_pass_and_what_is_for_good(status: int, passing: bool, fatal: bool) -> None:
    error = Refused("x", "y", status=status)
    assert (error.passing, error.fatal) == (passing, fatal)
    assert isinstance(turned_away(error), Refused if fatal else Lost)


def test_a_code_without_a_status_gets_its_own() -> None:
    assert refusal_by_code("forbidden", "no").status == 403
    assert refusal_by_code("from_the_future", "no").status == 500


def test_what_cannot_be_decoded_is_a_bad_answer() -> None:
    def decode(raw: bytes) -> str:
        return raw.decode()

    with pytest.raises(BadAnswer, match="not the protocol"):
        checked(decode, b"\xff")
