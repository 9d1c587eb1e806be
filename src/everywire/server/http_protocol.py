"""HTTP/1.1 for the hot paths, in front of uvicorn.

uvicorn makes one of these for each connection (``http=HTTPProtocol``). It reads a request's head;
what is a wire's or a publish it serves itself, every other request it gives to uvicorn's own
protocol, with the bytes it came in. An event stream or a WebSocket takes the transport over, and
nothing of HTTP is kept for it. A connection that uvicorn has served comes back with its next
request.

Decided here (docs/decisions/0002): this is no subclass of uvicorn's protocol. It uses of uvicorn
only how a protocol is made and stopped, so that a change inside of uvicorn cannot break it.

One request is served at a time; pipelined ones wait in the reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from everywire.core.errors import EverywireError, RequestError
from everywire.server.event_stream import open_stream
from everywire.server.event_stream_protocol import EventStreamProtocol, stream_head
from everywire.server.http_connection import HTTPConnection
from everywire.server.messages import Request, Response, internal_error, problem
from everywire.server.polling import Poll
from everywire.server.routes import Route, match, publish
from everywire.server.trust import PREFLIGHT_HEADERS
from everywire.server.uvicorn_handover import serve_request
from everywire.server.websocket_protocol import WebSocketProtocol
from everywire.server.websocket_session import open_socket
from everywire.wires import handshake

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

logger = logging.getLogger("everywire.server")

_PUBLISHES: Final = frozenset({"publish", "publish_raw"})
_OURS: Final = _PUBLISHES | {"ws", "events", "updates", "preflight"}


class HTTPProtocol(HTTPConnection):
    """See the module. The arguments are those that uvicorn makes its protocols with."""

    __slots__ = ("_known", "_known_route", "_request", "_route")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # While its body is awaited.
        self._request: Request | None = None
        self._route: Route | None = None
        # A head that comes again has been decided on already.
        self._known: Request | None = None
        self._known_route: Route | None = None

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
        again = request is self._known
        self._request = request
        self._bare = request.method == "HEAD"
        self._keep_alive = request.keep_alive
        if again:
            self._route, self._origin = self._known_route, request.origin
            return True
        self._patience.arrived()
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
            self._request = None
            self._busy = True
            self._respond(problem(error))

    def _give_away(self) -> None:
        """Uvicorn's own protocol serves this request, from its first byte."""
        self._resume()
        own = self._route is not None
        transport = self._leave()
        serve_request(
            self._uvicorn,
            self._node,
            transport,
            self._reader,
            peer=self._peer,
            own=own,
            eof=self._eof,
        )

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
            if route.name in _PUBLISHES:
                node.publishing.answers.gather(self._loop)
                publish(node, request, route, body, self._respond_together)
            elif route.name == "updates":
                self._poll = Poll(node, request, self._respond)
                self._poll.start()
            elif route.name == "events":
                self._stream(request)
            elif route.name == "ws":
                self._upgrade(request)
            else:
                self._respond(Response(204, b"", PREFLIGHT_HEADERS))
        except EverywireError as error:
            self._respond(problem(error))

    def _respond_together(self, response: Response) -> None:
        """Answer a publish, together with the others of this turn."""
        if self._reader.buffered:
            # It is pipelined: the next request is here, and waits for this answer.
            self._respond(response)
        else:
            self._node.publishing.answers.add(self._respond, response, self._cut)

    def _cut(self) -> None:
        """A publish was taken and cannot be answered, which is what a cut means to a publisher."""
        if self._transport is not None:
            self._transport.abort()

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
