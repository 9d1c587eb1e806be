"""`everywire tail`, against servers that play a script."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable

import pytest
from click.testing import Result

from client.fakes import answer, answer_json, message, problem, stream

from .conftest import FakeHttp, Start

Run = Callable[..., Result]


@pytest.fixture
def tail(run: Run, http_server: FakeHttp) -> Run:
    def tail(*arguments: str) -> Result:
        return run("tail", *arguments, "--url", http_server.url)

    return tail


def test_off_a_terminal_it_is_ndjson(tail: Run, http_server: FakeHttp) -> None:
    gap = {"channel": "a", "after": 5, "before": 7, "reason": "trimmed"}
    page = {"data": [message("a", 7, 1), message("a", 8, 2, final=True)], "last_id": 8}
    http_server.play(answer_json(200, {**page, "gaps": [gap], "final": ["a"]}))
    result = tail("a", "--wire", "poll", "--since", "5")
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"type": "gap", **gap},
        message("a", 7, 1),
        message("a", 8, 2, final=True),
    ]
    assert "a: messages after 5 and before 7 may be missing" in result.stderr
    assert "everywire: a has ended" in result.stderr


def test_only_data(tail: Run, http_server: FakeHttp) -> None:
    data = [message("a", 7, {"x": 1}), message("a", 8, "two", encoding="text")]
    gap = {"channel": "a", "after": 5, "before": 7, "reason": "trimmed"}
    http_server.play(answer_json(200, {"data": data, "last_id": 8, "gaps": [gap], "final": ["a"]}))
    result = tail("a", "--wire", "poll", "--since", "5", "--data")
    assert result.stdout == '{"x": 1}\ntwo\n'
    assert "may be missing" in result.stderr


def test_it_ends_after_a_count(tail: Run, http_server: FakeHttp) -> None:
    page = {"data": [message("a", number) for number in (7, 8, 9)], "last_id": 9}
    gap = {"channel": "a", "after": 5, "before": 7, "reason": "trimmed"}
    http_server.play(answer_json(200, {**page, "gaps": [gap]}))
    result = tail("a", "--wire", "poll", "--since", "5", "--count", "2", "--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert len(http_server.heard) == 1


def test_it_comes_back_and_says_so_once(tail: Run, http_server: FakeHttp) -> None:
    first = b'retry: 1\n\nevent: everywire.position\ndata: {"last_id":5}\n\n'
    event = f"data: {json.dumps(message('a', 7))}\n\n".encode()
    http_server.play(stream(first + event), answer(502), stream(first + event), answer(204))
    result = tail("a", "--wire", "sse")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert [heard.headers["Last-Event-ID"] for heard in http_server.heard] == [None, "7", "7", "7"]
    assert result.stderr.count("the stream ended; trying again") == 2
    assert "502" not in result.stderr


def test_a_refusal_is_told(tail: Run, http_server: FakeHttp) -> None:
    http_server.play(problem(403, "forbidden", "subscribe on '@x' is not allowed"))
    result = tail("@x", "--wire", "sse")
    assert result.exit_code == 1
    assert "refused: subscribe on '@x' is not allowed (forbidden)" in result.stderr


def test_ctrl_c_says_where_to_go_on(start: Start, http_server: FakeHttp) -> None:
    over = threading.Event()
    event = f"data: {json.dumps(message('a', 7))}\n\n".encode()
    http_server.play(stream(event, then=over.wait))
    process = start("tail", "a", "--wire", "sse", "--url", http_server.url)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == message("a", 7)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    over.set()
    assert process.returncode == 130
    assert err == b"everywire: stopped; go on with --since 7\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["a b"], "is not a channel or pattern"),
        (["a", "--wire", "pigeon"], "'ws', 'sse', 'poll'"),
        (["a", "--since", "-1"], "is not a position"),
        (["a", "--count", "0"], "x>=1"),
        (["a", "--last", "0"], "x>=1"),
        (["a", "--last", "3", "--wire", "sse"], "on sse give since"),
        (["a", "--last", "3", "--since", "0"], "give one"),
        (["a.*", "--last", "3"], "no history on patterns"),
        (["a", "--json", "--data"], "give one"),
        (["a", "--url", "x"], "not the URL of a server"),
    ],
)
def test_usage(run: Run, arguments: list[str], words: str) -> None:
    result = run("tail", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
