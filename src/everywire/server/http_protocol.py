"""HTTP/1.1 for the hot paths, in front of uvicorn.

uvicorn makes one of these for each connection (``http=HTTPProtocol``). It reads a request's head;
what is a wire's or a publish it serves itself, everything else it gives to uvicorn's own protocol,
by replaying the bytes to it. An event stream or a WebSocket takes the transport over, and nothing
of HTTP is kept for it. A connection that uvicorn has served comes back here with its next request.

Decided here (docs/decisions/0002): this is no subclass of uvicorn's protocol. It uses of uvicorn
only how a protocol is made and stopped, so that a change inside of uvicorn cannot break it.

One request is served at a time; pipelined ones wait in the buffer, which is bounded because the
socket is not read while an answer is due.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, cast

from everywire.core.errors import EverywireError, RequestError, bad_request
from everywire.core.wheel import Timer
from everywire.server.event_stream import open_stream, stream_headers
from everywire.server.event_stream_protocol import EventStreamProtocol
from everywire.server.http_head import END_OF_HEAD, head_of, head_too_large, parse_head
from everywire.server.messages import Request, Response, internal_error, problem
from everywire.server.polling import Poll
from everywire.server.routes import Route, match, publish
from everywire.server.trust import PREFLIGHT_HEADERS, cross_origin_headers
from everywire.server.uvicorn_handover import UvicornProtocol
from everywire.server.websocket_protocol import WebSocketProtocol
from everywire.server.websocket_session import open_socket
from everywire.wires import handshake

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from everywire.server.node import Node

logger = logging.getLogger("everywire.server")

NODE: Final = "everywire.node"
"""The key under which the application's lifespan state holds its node."""

_OURS: Final = frozenset({"ws", "events", "updates", "publish", "publish_raw", "preflight"})
_MAX_PIPELINED: Final = 64 * 1024


class HTTPProtocol(asyncio.Protocol):
    """See the module. The arguments are those that uvicorn makes its protocols with."""

    __slots__ = (
        "_app_state",
        "_buffer",
        "_busy",
        "_config",
        "_deadline",
        "_head_begun",
        "_keep_alive",
        "_length",
        "_loop",
        "_node",
        "_origin",
        "_paused",
        "_peer",
        "_poll",
        "_request",
        "_route",
        "_server_state",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_event_loop()
        self._node: Node | None = app_state.get(NODE)
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._buffer: bytes | bytearray = b""
        self._head_begun = False
        self._request: Request | None = None
        self._route: Route | None = None
        self._length = 0
        self._busy = False
        self._paused = False
        self._keep_alive = True
        self._origin: str | None = None
        self._poll: Poll | None = None
        self._timer: Timer | None = None
        self._deadline = 0.0

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection has been accepted, or comes back from uvicorn's protocol."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._peer = _address(transport.get_extra_info("peername"))
        self._connections.add(self)
        if self._node is not None:
            self._timer = Timer(self._look_at_the_clock)
            self._deadline = self._loop.time() + self._node.limits.head_timeout
            self._node.after(self._node.limits.head_timeout, self._timer)

    @property
    def _connections(self) -> set[Any]:
        return self._server_state.connections

    def data_received(self, data: bytes) -> None:
        """Bytes of one or several requests."""
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            # Grows in place: a body that trickles in must not cost its square.
            self._buffer = bytearray(self._buffer) + data
        if not self._busy:
            self._advance()
        elif len(self._buffer) > _MAX_PIPELINED:
            self._pause()

    def eof_received(self) -> None:
        """The client sends no more; the transport closes itself."""

    def pause_writing(self) -> None:
        """The client does not read its answers: its next request waits."""
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._busy:
            self._resume()
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._poll is not None:
            self._poll.gone()
        self._leave()
        self._transport = None

    def shutdown(self) -> None:
        """The HTTP server stops: a waiting poll is answered, then the connection closes."""
        self._keep_alive = False
        if self._poll is not None:
            self._poll.drain()
        elif not self._busy and self._transport is not None:
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # Reading a request

    def _advance(self) -> None:
        """Serve what is in the buffer, one request after the other."""
        try:
            while not self._busy and self._transport is not None and not self._paused:
                if self._request is None and not self._take_head():
                    return
                if len(self._buffer) < self._length:
                    return
                body = bytes(self._buffer[: self._length])
                self._buffer = bytes(self._buffer[self._length :])
                self._serve(body)
        except RequestError as error:
            self._refuse(error)
        except Exception:
            logger.exception("serving a request failed")
            self._refuse(internal_error())

    def _take_head(self) -> bool:
        """Read a head, and give the connection away if it is not for us."""
        # A client may send empty lines before a request (RFC 9112, 2.2).
        buffer = self._buffer.lstrip(b"\r\n") if self._buffer[:1] in b"\r\n" else self._buffer
        node = self._node
        if node is None:
            self._give_away(bytes(buffer))
            return False
        end = buffer.find(END_OF_HEAD) + len(END_OF_HEAD)
        whole = end >= len(END_OF_HEAD)
        if (end if whole else len(buffer)) > node.limits.max_head_bytes:
            raise head_too_large(node.limits)
        if not whole:
            self._wait_for_head(buffer)
            return False
        request = parse_head(bytes(buffer[:end]), node.limits, self._peer)
        self._keep_alive = request.keep_alive and not node.draining
        route = self._find(request)
        if route is None:
            self._give_away(bytes(buffer))
            return False
        self._length = _content_length(request, node.limits.max_body_bytes)
        self._head_begun = False
        self._request, self._route = request, route
        self._buffer = bytes(buffer[end:])
        self._deadline = self._loop.time() + node.limits.body_timeout
        return True

    def _wait_for_head(self, buffer: bytes | bytearray) -> None:
        """The head has to come whole within its time, counted from its first byte."""
        assert self._node is not None
        self._buffer = buffer
        if buffer and not self._head_begun:
            self._head_begun = True
            self._deadline = self._loop.time() + self._node.limits.head_timeout
            if self._timer is not None:
                self._node.after(self._node.limits.head_timeout, self._timer)

    def _find(self, request: Request) -> Route | None:
        """The route, if it is one that is served here."""
        assert self._node is not None
        self._origin = None
        self._node.trust.admit(request)
        self._origin = request.origin
        route = match(request.method, request.path)
        if route is None or route.name not in _OURS:
            return None
        # Chunks, and a client that waits to be told to go on, are left to uvicorn.
        if request.header(b"transfer-encoding") is not None or request.header(b"expect"):
            return None
        return route

    def _give_away(self, data: bytes) -> None:
        """Uvicorn's own protocol serves this request, from its first byte."""
        transport = self._transport
        assert transport is not None
        self._resume()
        self._leave()
        inner = UvicornProtocol(
            self._config, self._server_state, self._app_state, self._loop, type(self)
        )
        transport.set_protocol(inner)
        inner.connection_made(transport)
        inner.take(data)
        self._transport = None

    def _leave(self) -> None:
        """This protocol has no more to do with the transport."""
        self._connections.discard(self)
        self._buffer = b""
        if self._timer is not None and self._node is not None:
            self._node.wheel.cancel(self._timer)

    # Serving it

    def _serve(self, body: bytes) -> None:
        node, request, route = self._node, self._request, self._route
        assert node is not None
        assert request is not None
        assert route is not None
        self._request = self._route = None
        self._length = 0
        self._busy = True
        try:
            if route.name == "updates":
                poll = Poll(node, request, self._respond)
                self._poll = poll
                poll.start()
            elif route.name == "events":
                self._stream(node, request)
            elif route.name == "ws":
                self._upgrade(node, request)
            elif route.name == "preflight":
                self._respond(Response(204, b"", PREFLIGHT_HEADERS))
            else:
                publish(node, request, route, body, self._respond)
        except EverywireError as error:
            self._respond(problem(error))

    def _stream(self, node: Node, request: Request) -> None:
        asked = open_stream(node, request)
        if isinstance(asked, Response):
            # A short stream ends like a long one, so that an EventSource takes it for one.
            self._keep_alive = self._keep_alive and asked.status != 200
            self._respond(asked)
            return
        transport = self._transport
        assert transport is not None
        head = [(b"connection", b"close"), *stream_headers(request)]
        transport.write(head_of(200, self._server_state.default_headers, head))
        self._resume()
        self._leave()
        stream = EventStreamProtocol(node, transport, asked, self._peer, self._connections)
        transport.set_protocol(stream)
        self._transport = None
        stream.start(asked)

    def _upgrade(self, node: Node, request: Request) -> None:
        asked = open_socket(node, request)
        upgrade = handshake.accept(
            request.headers,
            method=request.method,
            http_version=request.version,
            deflate=node.settings.deflate,
        )
        transport = self._transport
        assert transport is not None
        transport.write(upgrade.response_head)
        rest = bytes(self._buffer)
        self._resume()
        self._leave()
        socket = WebSocketProtocol(node, transport, asked, upgrade, self._peer, self._connections)
        transport.set_protocol(socket)
        self._transport = None
        socket.start(asked)
        if rest:
            socket.data_received(rest)

    # Answering

    def _respond(self, response: Response) -> None:
        """Write the answer, then go on with the next request."""
        transport = self._transport
        self._poll = None
        self._server_state.total_requests += 1
        if transport is None:
            return
        headers = [*response.headers, *cross_origin_headers(self._origin)]
        if response.status != 204:
            headers.append((b"content-length", b"%d" % len(response.body)))
        headers.append((b"connection", b"keep-alive" if self._keep_alive else b"close"))
        head = head_of(response.status, self._server_state.default_headers, headers)
        transport.write(head + response.body)
        if not self._keep_alive:
            transport.close()
            return
        self._deadline = self._loop.time() + self._idle_timeout
        self._busy = False
        if self._buffer or self._paused:
            # Not from here: the answer may have come at once, from within `_advance`.
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        transport = self._transport
        if transport is None or self._busy:
            return
        _, high = transport.get_write_buffer_limits()
        if transport.get_write_buffer_size() <= high:
            self._resume()
            self._advance()

    @property
    def _idle_timeout(self) -> float:
        return 0.0 if self._node is None else self._node.limits.idle_timeout

    def _refuse(self, error: RequestError) -> None:
        """Answer what cannot be served, and close: what follows cannot be told apart."""
        self._keep_alive = False
        self._busy = True
        self._buffer = b""
        self._respond(problem(error))

    # Time

    def _look_at_the_clock(self) -> None:
        """Close a connection on which nothing came in time."""
        node, timer = self._node, self._timer
        assert node is not None
        assert timer is not None
        left = self._deadline - self._loop.time()
        if self._busy:
            node.after(node.limits.idle_timeout, timer)
        elif left > 0:
            node.after(left, timer)
        elif self._request is not None or self._buffer:
            self._refuse(RequestError("bad_request", "the request took too long", status=408))
        elif self._transport is not None:
            self._transport.close()


def _content_length(request: Request, most: int) -> int:
    value = request.header(b"content-length")
    if value is None:
        return 0
    if not value.isdigit():
        raise bad_request("content-length is a number")
    if len(value) > 20 or int(value) > most:
        raise RequestError("too_large", f"a request's body may be {most} bytes")
    return int(value)


def _address(peer: Any) -> str:
    """The IP address of a peer; a Unix socket's has none."""
    return str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) and peer else ""
