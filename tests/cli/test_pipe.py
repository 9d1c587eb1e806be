"""`everywire pipe`, against servers that play a script."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from client.fakes import FakeHttp, Play, answer_json, hang_up, problem

from .conftest import Process, Start


def take(http_server: FakeHttp, lists: int) -> None:
    counter = iter(range(1, 10**9))

    def play(handler: Any) -> None:
        ids = [next(counter) for _ in http_server.heard[-1].json]
        answer_json(200, {"ids": ids})(handler)

    http_server.play(*[play] * lists)


def sent(http_server: FakeHttp) -> list[str]:
    return [message["data"] for heard in http_server.heard for message in heard.json]


def pipe(start: Start, http_server: FakeHttp, *arguments: str, **streams: Any) -> Process:
    streams = {"stdin": subprocess.PIPE, **streams}
    return start("pipe", "build.42", *arguments, "--url", http_server.url, **streams)


def test_lines_of_stdin(start: Start, http_server: FakeHttp) -> None:
    take(http_server, 3)
    process = pipe(start, http_server)
    out, err = process.communicate(b"one\ntwo\n", timeout=30)
    assert process.returncode == 0
    assert out == b""
    assert err == b"everywire: 2 lines to build.42, last position 2\n"
    assert sent(http_server) == ["one", "two"]
    assert http_server.heard[-1].json[-1]["final"] is True


def test_options(start: Start, http_server: FakeHttp) -> None:
    take(http_server, 3)
    process = pipe(start, http_server, "--event", "log", "--no-final", "--tee")
    out, _ = process.communicate(b"one\nno line feed", timeout=30)
    assert out == b"one\nno line feed"
    assert [message["event"] for message in http_server.heard[0].json] == ["log", "log"]
    assert not any("final" in message for message in http_server.heard[0].json)


def test_tee_goes_on_when_nobody_reads_the_copy(start: Start, http_server: FakeHttp) -> None:
    take(http_server, 10)
    read, write = os.pipe()
    os.close(read)
    process = pipe(start, http_server, "--tee", stdout=write)
    os.close(write)
    process.communicate(b"one\ntwo\n", timeout=30)
    assert process.returncode == 0
    assert sent(http_server) == ["one", "two"]


def test_a_channel_that_has_ended(start: Start, http_server: FakeHttp) -> None:
    http_server.play(problem(409, "conflict", "it ended with a final message"))
    process = pipe(start, http_server)
    _, err = process.communicate(b"one\n", timeout=30)
    assert process.returncode == 1
    assert b"build.42 has already ended (it ended with a final message)" in err
    assert b"0 lines went to build.42" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_channel(
    start: Start, http_server: FakeHttp, number: signal.Signals, code: int
) -> None:
    arrived = threading.Event()

    def first(handler: Any) -> None:
        answer_json(200, {"ids": [1]})(handler)
        arrived.set()

    http_server.play(first)
    take(http_server, 3)
    process = pipe(start, http_server)
    assert process.stdin is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert arrived.wait(30)
    process.send_signal(number)
    # Its input stays open: it has to end by itself.
    assert process.wait(30) == code
    assert http_server.heard[-1].json[-1] == {
        "channel": "build.42",
        "event": "end",
        "data": "",
        "encoding": "text",
        "final": True,
    }


def test_a_signal_that_is_ignored_stays_so(start: Start, http_server: FakeHttp) -> None:
    """As a shell sets it for what it runs in the background."""
    take(http_server, 3)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = pipe(start, http_server, "--tee")
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    # It is running, its handlers are set.
    assert process.stdout.readline() == b"one\n"
    process.send_signal(signal.SIGINT)
    process.communicate(b"two\n", timeout=30)
    assert process.returncode == 0
    assert sent(http_server) == ["one", "two"]


def test_the_second_signal_ends_it_at_once(start: Start, unused_port: int) -> None:
    process = start(
        *("pipe", "a", "--url", f"http://127.0.0.1:{unused_port}"), stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert b"lines are held, trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert b"ending" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    # Nothing is said: in particular not that it gave up, which takes its time.
    assert process.stderr.read() == b""


def test_one_signal_with_the_server_away_says_what_was_not_sent(
    start: Start, unused_port: int
) -> None:
    process = start(
        *("pipe", "a", "--url", f"http://127.0.0.1:{unused_port}"), stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert b"lines are held, trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert b"0 lines went to a, those after them did not" in process.stderr.read()


def test_restarts_are_gone_through(start: Start, http_server: FakeHttp) -> None:
    trouble: list[Play] = [hang_up, problem(503, "unavailable", "starting"), hang_up]
    http_server.play(*trouble)
    take(http_server, 3)
    process = pipe(start, http_server)
    _, err = process.communicate(b"one\n", timeout=30)
    assert process.returncode == 0
    assert err.count(b"trying again") == 1
    assert b"connected again after" in err
    assert len({heard.body for heard in http_server.heard}) == 1
