"""The application under another ASGI server: what is different there, and what must not be.

That the wires, publishing, reading and refusals are the same is proved by the tests with the
fixture ``server``, which run under hypercorn too. Here is what those cannot see: what a scope says,
servers that can do less than hypercorn, starting and stopping.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from typing import Any

import pytest

from everywire.core.errors import UsageError
from everywire.server.asgi import ServerApplication, request_from
from everywire.server.node import Node

from .conftest import settings_with, starting
from .running import Running

Scope = MutableMapping[str, Any]

HTTP: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/health",
    "raw_path": b"/health",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 5),
    "http_version": "1.1",
}


class Server:
    """An ASGI server that is a test: it plays events, and keeps what is sent.

    Attributes:
        sent: Events that the application sent.
    """

    def __init__(self, node: Node, **options: Any) -> None:
        self.node = node
        self.application = ServerApplication(node, **options)
        self.sent: list[MutableMapping[str, Any]] = []

    async def ask(self, *events: dict[str, Any], stay: bool = False, **scope: Any) -> None:
        """Call the application; the client goes after its events, unless it stays."""
        playing = list(events)
        forever = asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            if playing:
                return playing.pop(0)
            if stay:
                await forever.wait()
            return {
                "type": "http.disconnect" if whole["type"] == "http" else "websocket.disconnect"
            }

        async def send(event: MutableMapping[str, Any]) -> None:
            self.sent.append(event)

        whole = {**HTTP, **scope}
        await self.application(whole, receive, send)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def json(self) -> Any:
        return json.loads(b"".join(event.get("body", b"") for event in self.sent[1:]))


def with_server(test: Callable[[Server], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test with an application whose node is started."""

    async def run() -> None:
        node = Node(settings_with())
        await node.start()
        try:
            await test(Server(node, **options))
        finally:
            assert node.connections == 0
            await node.stop()

    asyncio.run(run())


# Scopes


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"raw_path": b"/channels/a%2Fb", "path": "/channels/a/b"}, "/channels/a%2Fb"),
        ({"raw_path": b"/channels/a%2Fb?x=y", "path": "/channels/a/b"}, "/channels/a%2Fb"),
        ({"raw_path": None, "path": "/channels/é b"}, "/channels/%C3%A9%20b"),
        ({"raw_path": b"/rt/health", "path": "/rt/health", "root_path": "/rt"}, "/health"),
        ({"raw_path": None, "path": "/rt/health", "root_path": "/rt"}, "/health"),
    ],
)
def test_path_of_a_scope(scope: Scope, path: str) -> None:
    """Publishing: the path is taken as it came, percent-encoded, below where it is mounted."""
    assert request_from({**HTTP, **scope}, "GET").path == path


def test_scope_without_a_raw_path() -> None:
    """Some servers say no raw path."""
    scope = {key: value for key, value in HTTP.items() if key != "raw_path"}
    assert request_from(scope, "GET").path == "/health"


def test_scope_without_a_client() -> None:
    """A Unix socket's client has no address."""
    assert request_from({**HTTP, "client": None}, "GET").peer == ""


def test_mounted() -> None:
    """The same routes below a prefix."""

    async def check(server: Server) -> None:
        await server.ask(raw_path=b"/rt/health", path="/rt/health", root_path="/rt")
        assert server.status == 200

    with_server(check)


# Refusals


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"path": "/elsewhere", "raw_path": b"/elsewhere"}, 4400),
        ({"query_string": b"channel=a..b"}, 4400),
        ({"query_string": b"since=x"}, 4400),
        ({"query_string": b"channel=@a"}, 4403),
        ({"headers": [(b"host", b"evil.example")]}, 4403),
        ({"headers": [(b"host", b"localhost"), (b"origin", b"null")]}, 4403),
    ],
)
def test_socket_refused_by_a_server_without_answers(changes: Scope, code: int) -> None:
    """Close codes: where the handshake cannot be answered with an error, it is closed with one."""

    async def check(server: Server) -> None:
        connect = {"type": "websocket.connect"}
        socket = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", **changes}
        await server.ask(connect, **socket)
        (close,) = server.sent
        assert close["type"] == "websocket.close"
        assert close["code"] == code
        assert close["reason"]

    with_server(check)


def test_socket_refused_while_it_drains() -> None:
    """Close codes: 1001 drain or shutdown; a client then comes back."""

    async def check(server: Server) -> None:
        server.node.draining = True
        connect = {"type": "websocket.connect"}
        await server.ask(connect, type="websocket", path="/ws", raw_path=b"/ws")
        assert server.sent[0]["code"] == 1001

    with_server(check)


def test_client_that_goes_in_the_middle_of_its_body() -> None:
    """A body that does not come whole is not published."""

    async def check(server: Server) -> None:
        part = {"type": "http.request", "body": b'{"channel":"a"', "more_body": True}
        await server.ask(part, method="POST", path="/publish", raw_path=b"/publish")
        assert server.json["code"] == "bad_request"

    with_server(check)


def test_publish_of_a_client_that_has_gone() -> None:
    """What is with the log is not taken back, though its client does not wait for the answer."""

    async def check(server: Server) -> None:
        whole = {"type": "http.request", "body": b'{"channel":"a","data":1}', "more_body": False}
        await server.ask(whole, method="POST", path="/publish", raw_path=b"/publish")
        assert server.json["id"] > 0

    with_server(check)


# Ends


def test_stream_of_a_client_that_goes() -> None:
    """A stream ends with its client, and leaves nothing behind."""

    async def check(server: Server) -> None:
        whole = {"type": "http.request", "body": b"", "more_body": False}
        await server.ask(whole, path="/events", raw_path=b"/events", query_string=b"channel=a")
        assert server.status == 200
        assert server.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    with_server(check)


def test_socket_of_a_client_that_goes() -> None:
    """A WebSocket as well."""

    async def check(server: Server) -> None:
        await server.ask(
            {"type": "websocket.connect"}, type="websocket", path="/ws", raw_path=b"/ws"
        )
        assert server.sent[0] == {"type": "websocket.accept", "subprotocol": None}

    with_server(check)


def test_receive_that_fails(errors: list[str]) -> None:
    """A server whose ``receive`` fails is not listened to any more, nor spoken to."""

    async def check(server: Server) -> None:
        events = [{"type": "websocket.connect"}]

        async def receive() -> MutableMapping[str, Any]:
            if not events:
                raise OSError
            return events.pop()

        async def send(event: MutableMapping[str, Any]) -> None:
            server.sent.append(event)

        scope = {**HTTP, "type": "websocket", "path": "/ws", "raw_path": b"/ws"}
        await server.application(scope, receive, send)
        assert (server.sent[-1]["type"], server.sent[-1]["code"]) == ("websocket.close", 1011)

    with_server(check)
    assert errors
    errors.clear()


def test_send_that_fails() -> None:
    """A server whose ``send`` fails loses the connection, and nothing is left of it."""

    async def check(server: Server) -> None:
        async def send(event: MutableMapping[str, Any]) -> None:
            raise OSError

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "websocket.connect"}

        for scope in (
            {"type": "websocket", "path": "/ws", "raw_path": b"/ws"},
            {"path": "/events", "raw_path": b"/events", "query_string": b"channel=a"},
        ):
            with pytest.raises(OSError):
                await server.application({**HTTP, **scope}, receive, send)

    with_server(check)


# Lifespan


def test_log_that_cannot_be_opened(database: str) -> None:
    """A log in use: the server is told why it cannot start."""

    async def run() -> None:
        first = Node(settings_with(log=database))
        await first.start()
        try:
            server = Server(Node(settings_with(log=database)))
            startup = {"type": "lifespan.startup"}
            await server.ask(startup, type="lifespan")
            (failed,) = server.sent
            assert failed["type"] == "lifespan.startup.failed"
            assert "everywire.db" in failed["message"]
            assert server.application.failure is not None
        finally:
            await first.stop()

    asyncio.run(run())


def test_start_and_stop() -> None:
    """The node starts and stops with the server, and is found by what it serves."""

    async def run() -> None:
        state: dict[str, Any] = {}
        server = Server(Node(settings_with()))
        events = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        await server.ask(*events, type="lifespan", state=state)
        assert [event["type"] for event in server.sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert list(state.values()) == [server.node]
        assert server.node.log.failure is not None

    asyncio.run(run())


def test_unknown_log() -> None:
    """A log that does not exist is the caller's mistake, and said, too."""

    async def run() -> None:
        server = Server(Node(settings_with(log="punchcards:")))
        await server.ask({"type": "lifespan.startup"}, type="lifespan")
        assert server.sent[0]["type"] == "lifespan.startup.failed"
        assert isinstance(server.application.failure, UsageError)

    asyncio.run(run())


# Under hypercorn


@pytest.fixture
def asgi(pool: Callable[[str], Running]) -> Iterator[Running]:
    """The shared server under hypercorn."""
    running = pool("asgi-memory")
    yield running
    running.check_nothing_left()


@pytest.fixture
def start_asgi() -> Iterator[Callable[..., Running]]:
    """Starts servers with other settings under hypercorn."""
    yield from starting("asgi")


def test_large_messages(asgi: Running, channel: str) -> None:
    """Frames are taken apart again for the server, whatever their lengths."""
    sockets = [asgi.socket(channel=channel, msgpack=packed) for packed in (False, True)]
    for socket in sockets:
        socket.expect("subscribed")
    sizes = [0, 1, 50, 123, 124, 125, 126, 1000, 65_400, 65_480, 65_534]
    asgi.publish_all([{"channel": channel, "data": "x" * size} for size in sizes])
    for socket in sockets:
        frames = [socket.next() for _ in sizes]
        assert [len(frame["data"]) for frame in frames] == sizes


def test_stream_in_chunks(asgi: Running, channel: str) -> None:
    """An event stream works in chunks, too."""
    stream = asgi.stream(channel=channel)
    assert stream.headers["transfer-encoding"] == "chunked"
    stream.opened()
    ids = asgi.publish_all([{"channel": channel, "data": "x" * 30_000} for _ in range(50)])
    assert [int(event.id or 0) for event in map_messages(stream, 50)] == ids


def map_messages(stream: Any, count: int) -> list[Any]:
    """So many messages of a stream, positions passed over."""
    found: list[Any] = []
    while len(found) < count:
        event = stream.next()
        if event.event == "message":
            found.append(event)
    return found


def test_pings_are_the_servers_own(start_asgi: Callable[..., Running]) -> None:
    """WebSocket: under another server its pings are its own; ours are not sent as messages."""
    server = start_asgi(socket_heartbeat=0.05)
    socket = server.socket(channel="a")
    socket.expect("subscribed")
    for _ in range(6):
        socket.expect("position")
    socket.send("ping", ref="alive")
    socket.until("pong")
