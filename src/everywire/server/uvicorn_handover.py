"""uvicorn's own HTTP protocol, for one request at a time.

What is not for us, uvicorn serves: the pages, the API, a mounted application. It is given exactly
the bytes of one request; what follows is kept back and goes to our protocol, with the connection,
once the request is answered. So a browser that loaded a page gets its event stream on the same
connection at full speed, and every head passes our limits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everywire.core.errors import RequestError, bad_request
from everywire.core.wheel import Timer
from everywire.server.closing import ClosingWatch, linger
from everywire.server.http_body import Body
from everywire.server.http_head import AnswerHeads
from everywire.server.http_reader import RequestReader
from everywire.server.messages import problem

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from everywire.server.node import Node

NODE: Final = "everywire.node"
"""The key under which the application's lifespan state holds its node."""

_MAX_KEPT_BACK: Final = 64 * 1024
_MOST_KEPT_BACK: Final = 1024 * 1024


class Uvicorn(NamedTuple):
    """What uvicorn makes its protocols with.

    Attributes:
        front: The class of the protocol that a connection goes back to.
    """

    config: Config
    server_state: ServerState
    app_state: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    front: Any


def serve_everything(uvicorn: Uvicorn, transport: asyncio.Transport) -> None:
    """Give uvicorn a connection for good, for an application that has no node."""
    inner = HttpToolsProtocol(*uvicorn[:4])
    transport.set_protocol(inner)
    inner.connection_made(transport)


def serve_request(
    uvicorn: Uvicorn,
    node: Node,
    transport: asyncio.Transport,
    reader: RequestReader,
    *,
    peer: str,
    own: bool,
    eof: bool,
) -> None:
    """Give uvicorn the request whose head was read.

    Args:
        uvicorn: As uvicorn has it.
        node: The server.
        transport: The connection.
        reader: Has read the head; nothing is left in it.
        peer: IP address of the client.
        own: Whether the request is for our own API, and so is answered soon.
        eof: Whether the client sends no more.
    """
    inner = _OneRequest(uvicorn, node, peer, own)
    transport.set_protocol(inner)
    inner.connection_made(transport)
    inner.take(*reader.release())
    if eof:
        _pass_on_eof(transport)


def _pass_on_eof(transport: asyncio.Transport) -> None:
    """Tell whoever has the connection now that its client sends no more."""
    protocol: Any = transport.get_protocol()
    if not protocol.eof_received():
        transport.close()


class _OneRequest(HttpToolsProtocol):
    """Serves what it is given by `take`, then gives the connection back."""

    def __init__(self, uvicorn: Uvicorn, node: Node, peer: str, own: bool) -> None:
        super().__init__(*uvicorn[:4])
        self._peer = peer
        self._uvicorn = uvicorn
        self._node = node
        self._own = own
        self._kept_back = b""
        self._eof = False
        self._watch: ClosingWatch | None = None
        self._timer = Timer(self._look_at_the_clock)

    def take(self, head: bytes, rest: bytes, body: Body) -> None:
        """Serve the request with this head; what has come of its body, and after, is ``rest``."""
        self._body = body
        super().data_received(head)
        protocol = self.transport.get_protocol()
        if protocol is self:
            self.data_received(rest)
            return
        # It has become a WebSocket, of a mounted application.
        self._node.door.leave(self, self._peer)
        if rest and isinstance(protocol, asyncio.Protocol):
            protocol.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """More of the request, or the next one."""
        if self._watch is not None:
            return
        if not self._body.done:
            try:
                end = self._body.take(data)
            except RequestError as error:
                self._break_off(error)
                return
            if end:
                super().data_received(data[:end])
            data = data[end:]
            self._wait_for_body()
        if data:
            self._keep_back(data)

    def _wait_for_body(self) -> None:
        """Something has to come of it now and then; once it is answered, it has to end."""
        if self._body.done:
            self._node.wheel.cancel(self._timer)
        elif not (self._answered and self._timer.waiting):
            self._node.after(self._node.limits.body_timeout, self._timer)

    def _keep_back(self, data: bytes) -> None:
        self._kept_back += data
        if self._served:
            self._give_back()
        elif len(self._kept_back) > _MOST_KEPT_BACK:
            self.transport.abort()
        elif len(self._kept_back) > _MAX_KEPT_BACK:
            self.flow.pause_reading()

    @property
    def _answered(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and cycle.response_complete

    @property
    def _served(self) -> bool:
        return self._body.done and self._answered

    def on_response_complete(self) -> None:
        """The answer is written."""
        super().on_response_complete()
        if self._kept_back:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._served and self._kept_back and not self.transport.is_closing():
            self._give_back()

    def _give_back(self) -> None:
        data, self._kept_back = self._kept_back, b""
        transport = self.transport
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.connections.discard(self)
        config, server_state, app_state, loop, front = self._uvicorn
        protocol = front(config, server_state, app_state, loop)
        transport.set_protocol(protocol)
        protocol.take_back(transport)
        protocol.data_received(data)
        if self._eof:
            _pass_on_eof(transport)

    def eof_received(self) -> bool | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The client sends no more; an answer of ours comes soon, and is still sent.

        A mounted application may take long, and has to learn that its client may have gone.
        """
        if self._kept_back:
            self._eof = True
            return True
        cycle: Any = self.cycle
        if not self._own or not self._body.done or cycle is None or cycle.response_complete:
            return super().eof_received()
        # uvicorn closes the connection once it has answered.
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._node.wheel.cancel(self._timer)
        self._node.door.leave(self, self._peer)
        if self._watch is not None:
            self._watch.stop()
        super().connection_lost(exc)

    def _look_at_the_clock(self) -> None:
        """Nothing came of the body for a while."""
        if self.flow.read_paused:
            # The application takes its time, and the client must wait.
            self._node.after(self._node.limits.body_timeout, self._timer)
        else:
            why = "the request's body took too long"
            self._break_off(RequestError("bad_request", why, status=408))

    def send_400_response(self, msg: str) -> None:
        """What uvicorn says of a request that it cannot read, in the shape of every error."""
        self._break_off(bad_request(msg))

    def _break_off(self, error: RequestError) -> None:
        """End the connection: what follows cannot be told apart."""
        cycle: Any = self.cycle
        if cycle is None or not cycle.response_started:
            defaults = self.server_state.default_headers
            self.transport.write(AnswerHeads().answer(None, problem(error), False, defaults))
        elif not cycle.response_complete:
            self.transport.abort()
            return
        if cycle is not None:
            # The application may still be at work on an answer.
            cycle.disconnected = True
            cycle.message_event.set()
        self._watch = linger(self._node, self.transport)
