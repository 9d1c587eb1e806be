"""The shell against the real server: publish, tail and pipe, through kills and restarts.

Nothing here waits for a time. What has to have happened is waited for by what shows it: a line on
stdout, a process that ends; pytest's timeout is the deadline.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.processes import ServerProcess

from .conftest import Process, Start

Serve = Callable[..., ServerProcess]
Object = dict[str, Any]

WIRES = ("ws", "sse", "poll")


class Output:
    """The lines of a process's stdout, as they come."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait_for(self, count: int) -> list[Object]:
        """The objects so far, when there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, 50), self.lines
            return self.objects()

    def objects(self) -> list[Object]:
        return [json.loads(line) for line in self.lines]

    def end(self) -> list[Object]:
        """Wait until the process ends by itself; its objects."""
        assert self.process.wait(50) == 0
        self._reader.join(50)
        return self.objects()


@pytest.fixture
def server(serve: Serve, tmp_path: Path) -> ServerProcess:
    return serve("--log", f"sqlite:{tmp_path / 'log.db'}")


@pytest.fixture
def tail(start: Start, server: ServerProcess) -> Callable[..., Output]:
    def tail(*arguments: str, wire: str = "ws") -> Output:
        # To a file, so that nobody has to read it while it runs.
        return Output(start("tail", *arguments, "--wire", wire, "--url", server.url))

    return tail


def said(process: Process) -> bytes:
    """The next line of words."""
    assert process.stderr is not None
    return process.stderr.readline()


def publish(start: Start, server: ServerProcess, *arguments: str) -> int:
    out, err = start("publish", *arguments, "--url", server.url).communicate(timeout=50)
    assert err == b""
    return int(out)


def post(server: ServerProcess, channel: str, *data: Any) -> list[int]:
    """Publish without the cost of a process each."""
    drafts = [{"channel": channel, "data": one} for one in data]
    answer: Object = json.loads(server.post("/publish", json.dumps(drafts).encode()))
    return answer["ids"]


def test_one_message_is_the_same_on_every_wire(
    start: Start, server: ServerProcess, tail: Callable[..., Output]
) -> None:
    first = publish(start, server, "chat.lobby", '{"price": 185.50}', "--event", "price")
    publish(start, server, "chat.lobby", "hé\nllo", "--meta", "a=1", "--final")
    heard = [tail("chat.lobby", "--since", "0", wire=wire).end() for wire in WIRES]
    assert heard[0] == heard[1] == heard[2]
    assert next(message["id"] for message in heard[0]) == first
    assert [message["data"] for message in heard[0]] == [{"price": 185.5}, "hé\nllo"]
    for wire in WIRES:
        output = tail("chat.lobby", "--since", "0", wire=wire)
        output.end()
        assert b'{"price": 185.50}' in output.lines[0]


def test_only_data_is_what_went_into_the_pipe(start: Start, server: ServerProcess) -> None:
    data = b"one\n\nthr\xc3\xa9e\n\xff\xfe\n" + b"x" * 200_000 + b"\n\x1b[31mred\n"
    process = start("pipe", "build.1", "--url", server.url, stdin=subprocess.PIPE)
    _, err = process.communicate(data, timeout=50)
    assert process.returncode == 0
    assert b"6 lines to build.1, last position " in err
    out, _ = start("tail", "build.1", "--since", "0", "--data", "--url", server.url).communicate(
        timeout=50
    )
    # The line that was too long for a message came in pieces.
    assert out.replace(b"x\nx", b"xx") == data


@pytest.mark.parametrize("wire", WIRES)
def test_a_channel_that_has_ended_is_told(
    start: Start, server: ServerProcess, tail: Callable[..., Output], wire: str
) -> None:
    post(server, "build.1", *range(5))
    publish(start, server, "build.1", "--final")
    output = tail("build.1", wire=wire)
    # Without --since a poll gets the head, and that it is over.
    assert len(output.end()) == (0 if wire == "poll" else 6)
    assert said(output.process) == b"everywire: build.1 has ended\n"
    out, err = start("publish", "build.1", "x", "--url", server.url).communicate(timeout=50)
    assert (out, b"conflict" in err) == (b"", True)


@pytest.mark.parametrize("wire", WIRES)
def test_what_may_not_be_heard(
    server: ServerProcess, tail: Callable[..., Output], wire: str
) -> None:
    output = tail("@server", wire=wire)
    assert output.process.wait(50) == 1
    assert b"(forbidden)" in said(output.process)


def test_the_last_ones(server: ServerProcess, tail: Callable[..., Output]) -> None:
    post(server, "a", *range(10))
    post(server, "b", *range(10, 20))
    output = tail("a", "b", "--last", "2", "--count", "4")
    assert sorted(message["data"] for message in output.end()) == [8, 9, 18, 19]


@pytest.mark.parametrize("wire", WIRES)
def test_what_was_trimmed_is_a_gap(serve: Serve, start: Start, wire: str) -> None:
    server = serve("--log", "memory:", "--rule", "a:count=5")
    first = post(server, "a", *range(20))[0]
    process = start(
        *("tail", "a", "--since", str(first), "--count", "5"),
        *("--wire", wire, "--url", server.url),
    )
    out, err = process.communicate(timeout=50)
    gap, *messages = [json.loads(line) for line in out.splitlines()]
    assert [message["data"] for message in messages] == [15, 16, 17, 18, 19]
    assert (gap["type"], gap["channel"], gap["reason"]) == ("gap", "a", "trimmed")
    assert first <= gap["after"] < gap["before"] <= messages[0]["id"]
    assert b"a: messages after" in err


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_pipe_and_its_tails_go_through_restarts(
    start: Start, server: ServerProcess, tail: Callable[..., Output], ending: signal.Signals
) -> None:
    """Every line once, in order, on every wire, however often the server goes and comes back."""
    tails = [tail("build.42", "--since", "0", wire=wire) for wire in WIRES]
    pattern = tail("build.*", "--since", "0")
    process = start("pipe", "build.42", "--url", server.url, stdin=subprocess.PIPE)
    assert process.stdin is not None
    lines = [f"line {number} {'x' * (number % 300)}" for number in range(6000)]

    def write(part: list[str]) -> None:
        assert process.stdin is not None
        process.stdin.write("".join(f"{line}\n" for line in part).encode())
        process.stdin.flush()

    for number in range(3):
        part = lines[number * 2000 : (number + 1) * 2000]
        write(part[:1000])
        # In the middle of publishing: at least one tail has some of it, none has to have all.
        tails[number].wait_for(number * 2000 + 200)
        if ending == signal.SIGKILL:
            server.kill()
        else:
            server.stop()
        write(part[1000:])
        server.start()
    process.stdin.close()
    assert process.wait(50) == 0
    heard = [output.end() for output in tails]
    heard.append(pattern.wait_for(len(lines)))
    assert [message["data"] for message in heard[0]] == lines
    assert all(other == heard[0] for other in heard[1:])
    ids = [message["id"] for message in heard[0]]
    assert ids == sorted(set(ids))
    assert [message["id"] for message in heard[0] if "final" in message] == ids[-1:]
    assert process.stderr is not None
    words = process.stderr.read()
    assert words.endswith(b"6000 lines to build.42, last position %d\n" % ids[-1])
    assert words.count(b"trying again") == words.count(b"connected again")


@pytest.mark.parametrize("wire", WIRES)
def test_a_tail_of_what_is_new_misses_nothing_while_it_is_away(
    start: Start, server: ServerProcess, tail: Callable[..., Output], wire: str
) -> None:
    post(server, "a", "old")
    output = tail("a", wire=wire)
    # When the first message arrives, it is there. Until then it may not be.
    number = 0
    while not output.lines:
        number += 1
        post(server, "a", number)
    server.kill()
    assert b"trying again" in said(output.process)
    server.start()
    # It is still waiting for its next try, most likely.
    ids = post(server, "a", "while away", "the end")
    while output.objects()[-1]["id"] != ids[-1]:
        output.wait_for(len(output.lines) + 1)
    heard = output.objects()
    assert "old" not in [message["data"] for message in heard]
    numbers = [message["data"] for message in heard]
    assert numbers[-2:] == ["while away", "the end"]
    assert numbers[:-2] == list(range(numbers[0], number + 1))
    assert b"connected again after" in said(output.process)


@pytest.mark.parametrize("wire", ["ws", "sse"])
def test_the_replay_of_an_ended_channel_is_cut_beside_one_that_runs(
    start: Start, server: ServerProcess, tail: Callable[..., Output], wire: str
) -> None:
    """Without --since the two start apart: the ended one at its start, the other at the head."""
    padding = "x" * 60_000
    for number in range(3):
        post(server, "build.1", *[[number * 100 + n, padding] for n in range(100)])
    publish(start, server, "build.1", "--final")
    post(server, "chat.lobby", "old")
    output = tail("build.1", "chat.*", wire=wire)
    # The replay is far more than all buffers between here and there hold.
    output.wait_for(1)
    server.kill()
    server.start()
    post(server, "chat.lobby", "new")
    while not any(b'"new"' in line for line in output.lines) or len(output.lines) < 302:
        output.wait_for(len(output.lines) + 1)
    heard = output.objects()
    build = [message["data"] for message in heard if message["channel"] == "build.1"]
    assert [data[0] for data in build[:-1]] == list(range(300))
    assert len({message["id"] for message in heard}) == len(heard)
    assert said(output.process).endswith(b"trying again\n")


@pytest.mark.parametrize("wire", WIRES)
def test_a_log_that_was_restored_is_told(
    server: ServerProcess, tail: Callable[..., Output], wire: str, tmp_path: Path
) -> None:
    post(server, "a", 1)
    server.stop()
    copies = [tmp_path / f"copy{file.name[6:]}" for file in tmp_path.glob("log.db*")]
    for copy in copies:
        shutil.copy(tmp_path / f"log.db{copy.name[4:]}", copy)
    server.start()
    output = tail("a", "--since", "0", wire=wire)
    output.wait_for(1)
    post(server, "a", 2)
    output.wait_for(2)
    server.kill()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    for copy in copies:
        shutil.copy(copy, tmp_path / f"log.db{copy.name[4:]}")
    server.start()
    gap = output.wait_for(3)[2]
    assert (gap["type"], gap["reason"]) == ("gap", "unknown_position")
    post(server, "a", 3)
    assert output.wait_for(4)[3]["data"] == 3
    assert said(output.process).endswith(b"trying again\n")


def test_a_message_published_while_the_server_is_away_is_there_once(
    start: Start, server: ServerProcess, tail: Callable[..., Output]
) -> None:
    server.kill()
    process = start("publish", "a", "1", "--timeout", "60", "--url", server.url)
    assert b"nothing listens there" in said(process)
    server.start()
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    publish(start, server, "a", "--final")
    heard = tail("a", "--since", "0").end()
    assert heard[0]["id"] == int(out)
    assert [message["data"] for message in heard] == [1, ""]


def test_ctrl_c_ends_the_channel(
    start: Start, server: ServerProcess, tail: Callable[..., Output]
) -> None:
    output = tail("build.1", "--since", "0")
    process = start("pipe", "build.1", "--url", server.url, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    output.wait_for(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(50) == 130
    assert [message["data"] for message in output.end()] == ["one", "two", ""]


def test_a_second_run_into_an_ended_channel(start: Start, server: ServerProcess) -> None:
    for code in (0, 1):
        process = start("pipe", "build.1", "--url", server.url, stdin=subprocess.PIPE)
        _, err = process.communicate(b"one\n", timeout=50)
        assert process.returncode == code
    assert b"build.1 has already ended" in err
