"""An HTTP connection from the transport's side: reading on and off, answers, time and the end.

What is read and how it is served is the subclass's (`http_protocol`): it takes what has come in
`_advance`, says `_wait_for` where more has to come, and answers by `_respond`, or by `_refuse`
where nothing behind a request can be told apart from it.

A head and a body each have their time to arrive whole. The socket is not read while an answer is
due and much has come already, nor while the client does not read its answers. Who is refused in the
middle of a request is answered, and then read to its end unheard (`closing.linger`), so that the
answer arrives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from everywire.core.errors import EverywireError, RequestError
from everywire.server.closing import ClosingWatch, close, linger
from everywire.server.http_head import AnswerHeads
from everywire.server.http_reader import RequestReader
from everywire.server.liveness import keep_alive
from everywire.server.messages import Response, problem
from everywire.server.patience import Part, Patience
from everywire.server.polling import Poll
from everywire.server.uvicorn_handover import NODE, Uvicorn, serve_everything

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from everywire.server.node import Node

_MAX_PIPELINED: Final = 64 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_heads = AnswerHeads()


class HTTPConnection(asyncio.Protocol):
    """See the module. The arguments are those that uvicorn makes its protocols with."""

    __slots__ = (
        "_bare",
        "_busy",
        "_continue_due",
        "_eof",
        "_keep_alive",
        "_loop",
        "_node",
        "_origin",
        "_patience",
        "_paused",
        "_peer",
        "_poll",
        "_reader",
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
        self._busy = False  # an answer is due, or the connection is closing
        self._paused = False
        self._eof = False
        self._watch: ClosingWatch | None = None
        # What the answer that is due has to keep to.
        self._origin: str | None = None
        self._bare = False
        self._keep_alive = True
        self._continue_due = False
        self._poll: Poll | None = None

    def _advance(self) -> None:
        """Serve what has come, one request after the other, as long as no answer is due."""
        raise NotImplementedError

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection has been accepted."""
        if NODE not in self._uvicorn.app_state:
            serve_everything(self._uvicorn, cast("asyncio.Transport", transport))
            return
        self.take_back(transport)
        refusal = self._node.door.enter(self, self._peer)
        if refusal is not None:
            self._shut_out(refusal)
        elif not self._node.keeps_alive:
            heartbeat = self._node.settings.stream_heartbeat
            keep_alive(transport.get_extra_info("socket"), heartbeat)

    def take_back(self, transport: asyncio.BaseTransport) -> None:
        """A connection comes, perhaps back from uvicorn's protocol."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
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
        self._node.door.leave(self, self._peer)
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

    def _wait_for(self, part: Part) -> None:
        """More has to come."""
        if self._eof:
            self._close()
            return
        self._patience.arriving(part)
        if self._continue_due and self._transport is not None:
            self._continue_due = False
            self._transport.write(_CONTINUE)

    # Answering

    def _respond(self, response: Response) -> None:
        """Write the answer, then go on with the next request."""
        self._poll = None
        self._uvicorn.server_state.total_requests += 1
        transport = self._transport
        if transport is None:
            return
        self._keep_alive = self._keep_alive and not self._node.draining
        self._write(transport, response)
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

    def _shut_out(self, error: EverywireError) -> None:
        """Answer a connection that may not stay, and close it."""
        self._patience.stop()
        if self._node.door.may_linger():
            self._refuse(error)
        elif self._transport is not None:
            self._keep_alive = False
            self._write(self._transport, problem(error))
            self._close()

    def _refuse(self, error: EverywireError) -> None:
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
