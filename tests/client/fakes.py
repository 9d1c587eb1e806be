"""Servers that play what a test wrote down, and a time that passes only when somebody sleeps.

The fakes follow PROTOCOL.md as far as a client sees it; they listen on loopback, on a port of the
system's choice.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


class FakeTime:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


class Heard:
    """A request as it came."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.method = handler.command
        self.target = handler.path
        self.headers = handler.headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Play = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Play:
    """Answer whole."""

    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return play


def answer_json(status: int, value: Any, **headers: str) -> Play:
    """Answer with JSON."""
    return answer(status, json.dumps(value).encode(), Content_Type="application/json", **headers)


def problem(status: int, code: str, detail: str, **headers: str) -> Play:
    """Answer with problem JSON (RFC 9457)."""
    fields = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return answer(
        status, json.dumps(fields).encode(), Content_Type="application/problem+json", **headers
    )


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close without an answer."""
    handler.close_connection = True


def stream(*parts: bytes, then: Callable[[], object] = lambda: None) -> Play:
    """Send an event stream in parts, then end it."""

    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()
        then()
        handler.close_connection = True

    return play


class FakeHttp:
    """An HTTP server that plays one entry of its script for each request."""

    def __init__(self) -> None:
        self.script: queue.SimpleQueue[Play] = queue.SimpleQueue()
        self.heard: list[Heard] = []
        self.connections = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                fake.connections += 1

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                fake.heard.append(Heard(self, self.rfile.read(length)))
                try:
                    play = fake.script.get_nowait()
                except queue.Empty:
                    play = problem(400, "bad_request", "the script is over")
                play(self)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def play(self, *entries: Play) -> None:
        for entry in entries:
            self.script.put(entry)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def http_server() -> Iterator[FakeHttp]:
    server = FakeHttp()
    yield server
    server.stop()


class FakeWs:
    """A WebSocket server that plays one entry of its script for each connection."""

    def __init__(self) -> None:
        self.script: queue.SimpleQueue[Callable[[ServerConnection], None]] = queue.SimpleQueue()
        self.connections: list[ServerConnection] = []
        self.frames: list[Any] = []
        self._server = serve(self._handle, "127.0.0.1", 0, compression=None)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            self.script.get_nowait()(connection)

    def play(self, *entries: Callable[[ServerConnection], None]) -> None:
        for entry in entries:
            self.script.put(entry)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def ws_server() -> Iterator[FakeWs]:
    server = FakeWs()
    yield server
    server.stop()


def welcome(connection: ServerConnection, heartbeat_ms: float = 25_000, last_id: int = 100) -> None:
    """Send the first frame."""
    fields = {"type": "welcome", "connection": "0123456789abcdef", "last_id": last_id}
    fields |= {"heartbeat_ms": heartbeat_ms, "key_window_ms": 600_000}
    connection.send(json.dumps(fields))


def frame(type_: str, **fields: Any) -> str:
    """A frame of the server."""
    return json.dumps({"type": type_, **fields}, separators=(",", ":"))


def message(channel: str, id_: int, data: Any = None, **fields: Any) -> dict[str, Any]:
    """A message object."""
    return {"channel": channel, "id": id_, "event": "message", "data": data, "ts": 0, **fields}


@pytest.fixture
def unused_port() -> int:
    """A port where nothing listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_address[1]
