"""`everywire listen`, between a real server and a real receiver."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from everywire.cli.listen import SECRET_VARIABLE
from everywire.webhooks import verify
from support.processes import ServerProcess

from .conftest import Process, Start

SECRET = "whsec_" + "A" * 40
DEADLINE = 30
Serve = Callable[..., ServerProcess]


class Receiver:
    """An HTTP server that verifies what comes, and answers as it is told.

    Attributes:
        statuses: What it answers; then 200 for ever.
        got: Id and body of each request that it answered 200.
    """

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.came = 0
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key = verify(body, dict(self.headers.items()), SECRET)
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                # Answered before it is noted: who waits for it here has been answered there.
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver._note(key, json.loads(body), status)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # A client that is killed is no reason to write to stderr.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _note(self, key: str, body: dict[str, Any], status: int) -> None:
        with self._changed:
            self.came += 1
            if status == 200:
                self.got.append((key, body))
            self._changed.notify_all()

    def wait(self, count: int) -> list[Any]:
        """The data of what was taken, once there is so much."""
        return self.until(lambda data: len(data) >= count)

    def until(self, condition: Callable[[list[Any]], bool]) -> list[Any]:
        """The data of what was taken, once it is as wanted."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self._data()), DEADLINE), self.got
            return self._data()

    def _data(self) -> list[Any]:
        return [body.get("data", body.get("type")) for _, body in self.got]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def server(serve: Serve, tmp_path: Path) -> ServerProcess:
    return serve("--log", f"sqlite:{tmp_path / 'log.db'}")


class Listening:
    """A run of the command that is under way."""

    def __init__(
        self, start: Start, server: ServerProcess, receiver: Receiver, *arguments: str
    ) -> None:
        self.process: Process = start(
            *("listen", *arguments, "--forward-to", receiver.url, "--url", server.url),
            **{SECRET_VARIABLE: SECRET},
        )

    def until(self, words: bytes) -> bytes:
        """The line on stderr that has these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}")

    def end(self, number: int = signal.SIGINT) -> tuple[int, bytes]:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, bytes]:
        _, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, err


Listen = Callable[..., Listening]


@pytest.fixture
def listen(start: Start, server: ServerProcess, receiver: Receiver) -> Listen:
    def listen(*arguments: str) -> Listening:
        return Listening(start, server, receiver, *arguments)

    return listen


def publish(server: ServerProcess, *values: Any, channel: str = "orders.eu", **more: Any) -> None:
    for value in values:
        body = json.dumps({"channel": channel, "data": value, **more}).encode()
        server.post("/publish", body)


@pytest.mark.parametrize("wire", ["ws", "sse", "poll"])
def test_what_is_new_is_forwarded_on_every_wire(
    listen: Listen, server: ServerProcess, receiver: Receiver, wire: str
) -> None:
    publish(server, "old")
    run = listen("orders.**", "--wire", wire)
    run.until(b"forwarding orders.** to http://127.0.0.1:")
    publish(server, 1, 2)
    publish(server, 3, channel="other")
    publish(server, 4, channel="orders.us")
    assert receiver.wait(3) == [1, 2, 4]
    key, body = receiver.got[0]
    assert key == f"msg_{body['id']}"
    assert (body["channel"], body["event"]) == ("orders.eu", "message")
    code, err = run.end()
    assert code == 130
    assert b"stopped; go on with --since" in err


def test_it_goes_on_where_it_was(
    listen: Listen, server: ServerProcess, receiver: Receiver, tmp_path: Path
) -> None:
    state = ("--state", str(tmp_path / "orders.state"))
    run = listen("orders.**", *state)
    run.until(b"forwarding")
    code, err = run.end(signal.SIGTERM)
    assert code == 143
    assert b"go on with the same --state" in err
    # Published while it was away, before it ever forwarded anything.
    publish(server, 1, 2)
    run = listen("orders.**", *state)
    assert receiver.wait(2) == [1, 2]
    run.process.kill()
    run.wait()
    publish(server, 3)
    run = listen("orders.**", *state)
    data = receiver.until(lambda data: 3 in data)
    run.end()
    # The kill may have come between taking and noting: then it came twice, under the same id.
    assert list(dict.fromkeys(data)) == [1, 2, 3]
    assert len(dict(receiver.got)) == 3


def test_since_is_where_it_begins_and_the_state_where_it_goes_on(
    listen: Listen, server: ServerProcess, receiver: Receiver, tmp_path: Path
) -> None:
    publish(server, 1, 2)
    arguments = ("orders.**", "--since", "0", "--state", str(tmp_path / "orders.state"))
    run = listen(*arguments)
    receiver.wait(2)
    # The third tells that the second was noted.
    publish(server, 3)
    receiver.wait(3)
    run.end()
    publish(server, 4, final=True)
    code, _ = listen("orders.eu", "--since", "0").wait()
    assert code == 0
    assert receiver.wait(7)[3:] == [1, 2, 3, 4]
    run = listen(*arguments)
    data = receiver.wait(8)
    run.end()
    assert data[7] in (3, 4)


def test_a_receiver_that_fails_gets_it_again_in_order(
    listen: Listen, server: ServerProcess, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302]
    run = listen("orders.**")
    run.until(b"forwarding")
    publish(server, 1, 2)
    assert receiver.wait(2) == [1, 2]
    assert receiver.came == 4
    run.until(b"does not take messages: it answered 500; trying again")
    run.until(b"takes messages again")
    run.end()


def test_410_ends_it(listen: Listen, server: ServerProcess, receiver: Receiver) -> None:
    receiver.statuses = [200, 410]
    run = listen("orders.**")
    run.until(b"forwarding")
    publish(server, 1, 2)
    code, err = run.wait()
    assert code == 1
    assert b"wants nothing more (410)" in err
    assert b"stopped; go on with --since" in err


def test_a_gap_is_forwarded(listen: Listen, server: ServerProcess, receiver: Receiver) -> None:
    run = listen("orders.**", "--since", "5")
    assert receiver.wait(1) == ["gap"]
    assert receiver.got[0][1]["reason"] == "unknown_position"
    run.until(b"may be missing")
    run.end()


def test_it_outlives_a_restart_of_the_server(
    listen: Listen, server: ServerProcess, receiver: Receiver
) -> None:
    run = listen("orders.**")
    run.until(b"forwarding")
    publish(server, 1)
    receiver.wait(1)
    server.kill()
    run.until(b"trying again")
    server.start()
    publish(server, 2)
    assert receiver.wait(2) == [1, 2]
    run.end()


def test_a_message_that_is_interrupted_is_sent_by_the_next_run(
    listen: Listen, server: ServerProcess, receiver: Receiver, tmp_path: Path
) -> None:
    state = ("--state", str(tmp_path / "orders.state"))
    receiver.statuses = [503] * 1000
    run = listen("orders.**", *state)
    run.until(b"forwarding")
    publish(server, 1)
    run.until(b"does not take messages")
    assert run.end()[0] == 130
    receiver.statuses = []
    run = listen("orders.**", *state)
    assert receiver.wait(1) == [1]
    run.end()


def test_one_state_file_is_one_runs(
    listen: Listen, server: ServerProcess, receiver: Receiver, tmp_path: Path
) -> None:
    state = ("--state", str(tmp_path / "orders.state"))
    run = listen("orders.**", *state)
    run.until(b"forwarding")
    code, err = listen("orders.**", *state).wait()
    assert code == 1
    assert b"is another process's" in err
    run.end()
    code, err = listen("prices", *state).wait()
    assert code == 1
    assert b"is for orders.**" in err


def test_without_a_secret_one_is_made_and_shown(
    run: Callable[..., Result], unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    url = f"http://127.0.0.1:{unused_port}"
    result = run("listen", "a", "--forward-to", url, "--url", url, "--timeout", "0")
    assert result.exit_code == 3
    assert "signing with a new secret: whsec_" in result.stderr
    assert "cannot reach" in result.stderr


def test_a_secret_of_a_file_is_not_shown(
    run: Callable[..., Result], unused_port: int, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    url = f"http://127.0.0.1:{unused_port}"
    arguments = ("listen", "a", "--forward-to", url, "--url", url, "--timeout", "0")
    result = run(*arguments, "--secret-file", str(file))
    assert result.exit_code == 3
    assert "whsec" not in result.output
    file.write_text("whsec_oops")
    result = run(*arguments, "--secret-file", str(file))
    assert result.exit_code == 2
    assert "24 to 64 bytes" in result.stderr
    assert "oops" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "Missing option '--forward-to'"),
        (["a", "--forward-to", "nowhere"], "the address of a webhook is https://"),
        (["a b", "--forward-to", "http://x/"], "is not a channel or pattern"),
        (["a", "--forward-to", "http://x/", "--give-up-after", "0"], "x>0"),
        (["a", "--forward-to", "http://x/", "--since", "-1"], "is not a position"),
    ],
)
def test_usage(run: Callable[..., Result], arguments: list[str], words: str) -> None:
    result = run("listen", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
