"""HTTP/1.1 for the hot paths, in front of uvicorn.

uvicorn makes one of these for each connection (``http=HTTPProtocol``). It reads a request's head;
what is a wire's or a publish it serves itself, every other request it gives to uvicorn's own
protocol, with the bytes it came in. An event stream or a WebSocket takes the transport over, and
nothing of HTTP is kept for it. A connection that uvicorn has served comes back with its next
request.

Decided here (docs/decisions/0002): this is no subclass of uvicorn's protocol. It uses of uvicorn
only how a protocol is made and stopped, so that a change inside of uvicorn cannot break it.

One request is served at a time; pipelined ones wait in the reader, which is bounded because the
socket is not read while an answer is due. A head and a body each have their time to arrive whole.
Who is refused in the middle of a request is answered, and then read to its end unheard
(`closing.linger`), so that the answer arrives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from everywire.core.errors import EverywireError, RequestError
from everywire.server.closing import ClosingWatch, close, linger
from everywire.server.event_stream import open_stream
from everywire.server.event_stream_protocol import EventStreamProtocol, stream_head
from everywire.server.http_head import AnswerHeads
from everywire.server.http_reader import RequestReader
from everywire.server.messages import Request, Response, internal_error, problem
from everywire.server.patience import Part, Patience
from everywire.server.polling import Poll
from everywire.server.routes import Route, match, publish
from everywire.server.trust import PREFLIGHT_HEADERS
from everywire.server.uvicorn_handover import NODE, Uvicorn, serve_everything, serve_request
from everywire.server.websocket_protocol import WebSocketProtocol
from everywire.server.websocket_session import open_socket
from everywire.wires import handshake

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from everywire.server.node import Node

logger = logging.getLogger("everywire.server")

_OURS: Final = frozenset({"ws", "events", "updates", "publish", "publish_raw", "preflight"})
_MAX_PIPELINED: Final = 64 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_heads = AnswerHeads()


class HTTPProtocol(asyncio.Protocol):
    """See the module. The arguments are those that uvicorn makes its protocols with."""

    __slots__ = (
        "_bare",
        "_busy",
        "_continue_due",
        "_eof",
        "_keep_alive",
        "_known",
        "_known_route",
        "_loop",
        "_node",
        "_origin",
        "_patience",
        "_paused",
        "_peer",
        "_poll",
        "_reader",
        "_request",
        "_route",
        "_transport",
        "_uvicorn",
        "_watch",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = _loop or asyncio.get_event_loop()
        self._uvicorn = Uvicorn(config, server_state, app_state, self._loop, type(self))
        # Absent where an application without a node is served; see `connection_made`.
        self._node = cast("Node", app_state.get(NODE))
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._request: Request | None = None
        self._origin: str | None = None
        self._bare = False
        self._route: Route | None = None
        # A head that comes again has been decided on already.
        self._known: Request | None = None
        self._known_route: Route | None = None
        self._poll: Poll | None = None
        self._busy = False  # an answer is due, or the connection is closing
        self._paused = False
        self._eof = False
        self._keep_alive = True
        self._continue_due = False
        self._watch: ClosingWatch | None = None

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection has been accepted, or comes back from uvicorn's protocol."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        if NODE not in self._uvicorn.app_state:
            serve_everything(self._uvicorn, self._transport)
            return
        self._peer = _address(transport.get_extra_info("peername"))
        self._reader = RequestReader(self._node.limits, self._peer)
        self._patience = Patience(self._node, self._out_of_time)
        self._connections.add(self)

    @property
    def _connections(self) -> set[Any]:
        return self._uvicorn.server_state.connections

    def data_received(self, data: bytes) -> None:
        """Bytes of one or several requests."""
        if self._watch is not None:
            return
        self._reader.feed(data)
        if not self._busy:
            self._advance()
        elif self._reader.buffered > _MAX_PIPELINED:
            self._pause()

    def eof_received(self) -> bool:
        """The client sends no more; what it has asked before is still answered.

        It may be gone as a whole, which looks alike: so a poll does not wait on for it.
        """
        self._eof = True
        if self._watch is not None:
            return False
        if self._poll is not None:
            self._poll.drain()
        elif not self._busy:
            # What is there may be whole; if not, it never will be.
            self._loop.call_soon(self._go_on)
        return True

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
        if self._watch is not None:
            self._watch.stop()
        self._leave()

    def shutdown(self) -> None:
        """The HTTP server stops: a waiting poll is answered, then the connection closes."""
        self._keep_alive = False
        if self._poll is not None:
            self._poll.drain()
        elif not self._busy:
            self._close()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _leave(self) -> asyncio.Transport:
        """This protocol has no more to do with the transport."""
        transport = self._transport
        assert transport is not None
        self._transport = None
        self._connections.discard(self)
        self._patience.stop()
        return transport

    # Reading a request

    def _advance(self) -> None:
        """Serve what has come, one request after the other."""
        try:
            while not self._busy and not self._paused and self._transport is not None:
                if self._request is None and not self._take_head():
                    return
                body = self._reader.body()
                if body is None:
                    self._wait_for("body")
                    return
                self._serve(body)
        except RequestError as error:
            self._refuse(error)
        except Exception:
            logger.exception("serving a request failed")
            self._refuse(internal_error())

    def _take_head(self) -> bool:
        """Read a head and decide on it; False where there is nothing more to do for it now."""
        self._request, self._origin, self._bare = None, None, False
        request = self._reader.head()
        if request is None:
            if self._reader.buffered or self._eof:
                self._wait_for("head")
            return False
        self._patience.arrived()
        again = request is self._known
        self._request = request
        self._bare = request.method == "HEAD"
        self._keep_alive = request.keep_alive and not self._node.draining
        if again:
            self._route, self._origin = self._known_route, request.origin
            return True
        try:
            self._node.trust.admit(request)
            self._origin = request.origin
            self._route = match(request.method, request.path)
        except RequestError as error:
            self._turn_away(error)
            return False
        if self._route is None or self._route.name not in _OURS:
            self._give_away()
            return False
        expected = request.header(b"expect")
        self._continue_due = expected is not None and expected.lower() == "100-continue"
        self._known, self._known_route = self._reader.repeatable, self._route
        return True

    def _turn_away(self, error: RequestError) -> None:
        """Refuse a request by its head; the connection stays where its end is known."""
        if self._reader.body_due:
            self._refuse(error)
        else:
            self._reader.body()
            self._busy = True
            self._respond(problem(error))

    def _give_away(self) -> None:
        """Uvicorn's own protocol serves this request, from its first byte."""
        self._resume()
        own = self._route is not None
        transport = self._leave()
        serve_request(self._uvicorn, self._node, transport, self._reader, own=own, eof=self._eof)

    def _wait_for(self, part: Part) -> None:
        """More has to come."""
        if self._eof:
            self._close()
            return
        self._patience.arriving(part)
        if self._continue_due and self._transport is not None:
            self._continue_due = False
            self._transport.write(_CONTINUE)

    # Serving it

    def _serve(self, body: bytes) -> None:
        node, request, route = self._node, self._request, self._route
        assert request is not None
        assert route is not None
        # A waiting poll holds a few fields of its request, not all its headers.
        self._request = self._route = None
        self._patience.arrived()
        self._continue_due = False
        self._busy = True
        try:
            if route.name == "updates":
                self._poll = Poll(node, request, self._respond)
                self._poll.start()
            elif route.name == "events":
                self._stream(request)
            elif route.name == "ws":
                self._upgrade(request)
            elif route.name == "preflight":
                self._respond(Response(204, b"", PREFLIGHT_HEADERS))
            else:
                publish(node, request, route, body, self._respond)
        except EverywireError as error:
            self._respond(problem(error))

    def _stream(self, request: Request) -> None:
        node = self._node
        asked = open_stream(node, request)
        if isinstance(asked, Response):
            # A short stream ends like a long one, so that an EventSource takes it for one.
            self._keep_alive = self._keep_alive and asked.status != 200
            self._respond(asked)
            return
        self._resume()
        transport = self._leave()
        protocol = EventStreamProtocol(node, transport, asked, self._peer, self._connections)
        transport.set_protocol(protocol)
        defaults = self._uvicorn.server_state.default_headers
        self._begin(transport, lambda: protocol.start(asked, stream_head(request, defaults)))

    def _upgrade(self, request: Request) -> None:
        node = self._node
        asked = open_socket(node, request)
        upgrade = handshake.accept(
            request.headers,
            method=request.method,
            http_version=request.version,
            deflate=node.settings.deflate,
        )
        self._resume()
        transport = self._leave()
        protocol = WebSocketProtocol(node, transport, asked, upgrade, self._peer, self._connections)
        transport.set_protocol(protocol)
        _, rest, _ = self._reader.release()
        self._begin(transport, lambda: protocol.start(asked, upgrade.response_head, rest))

    def _begin(self, transport: asyncio.Transport, start: Callable[[], None]) -> None:
        """Start what has taken the transport over; where that fails, the connection is cut."""
        try:
            start()
        except Exception:
            logger.exception("a connection could not be served")
            transport.abort()
        if self._eof:
            # Said already, and not again: the client has gone, or will not speak.
            transport.close()

    # Answering

    def _respond(self, response: Response) -> None:
        """Write the answer, then go on with the next request."""
        self._poll = None
        self._uvicorn.server_state.total_requests += 1
        transport = self._transport
        if transport is None:
            return
        self._write(transport, response)
        self._request = None
        if not self._keep_alive:
            self._close()
            return
        self._patience.idle()
        self._busy = False
        if self._reader.buffered or self._paused or self._eof:
            # Not from here: the answer may have come at once, from within `_advance`.
            self._loop.call_soon(self._go_on)

    def _write(self, transport: asyncio.Transport, response: Response) -> None:
        defaults = self._uvicorn.server_state.default_headers
        keep = self._keep_alive
        transport.write(_heads.answer(self._origin, response, keep, defaults, self._bare))

    def _go_on(self) -> None:
        transport = self._transport
        if transport is None or self._busy:
            return
        _, high = transport.get_write_buffer_limits()
        if transport.get_write_buffer_size() <= high:
            self._resume()
            self._advance()

    def _refuse(self, error: RequestError) -> None:
        """Answer what cannot be served, and close: what follows cannot be told apart."""
        if self._poll is not None:
            self._poll.gone()
        if self._transport is None:
            return
        self._keep_alive = False
        self._busy = True
        self._write(self._transport, problem(error))
        self._watch = linger(self._node, self._transport)

    def _close(self) -> None:
        """Close after what was written; the client has nothing more to say."""
        self._busy = True
        if self._transport is not None and self._watch is None:
            self._watch = close(self._node, self._transport)

    def _out_of_time(self, arriving: Part | None) -> None:
        """Nothing came in time."""
        if arriving is None:
            self._close()
        else:
            why = f"the request's {arriving} took too long"
            self._refuse(RequestError("bad_request", why, status=408))


def _address(peer: Any) -> str:
    """The IP address of a peer; a Unix socket's has none."""
    return str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) and peer else ""
