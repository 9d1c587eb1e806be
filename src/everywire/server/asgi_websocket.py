"""A WebSocket under another ASGI server, which does the handshake and the framing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from everywire.core.errors import CLOSE_CODE, EverywireError, RequestError
from everywire.server.asgi_outlets import SocketOutlet
from everywire.server.messages import Request, problem
from everywire.server.routes import match
from everywire.server.websocket_session import MSGPACK, WebSocketSession, open_socket
from everywire.wires import frames
from everywire.wires.handshake import choose_subprotocol
from everywire.wires.websocket import websocket_format

if TYPE_CHECKING:
    from everywire.server.node import Node

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger("everywire.server")

_BAD_REQUEST: Final = 4400
_INTERNAL: Final = 1011


async def serve_websocket(
    node: Node, scope: Scope, request: Request, receive: Receive, send: Send
) -> None:
    """Serve one WebSocket, from its handshake to its end."""
    await receive()  # websocket.connect
    try:
        node.trust.admit(request)
        route = match("GET", request.path)
        if route is None or route.name != "ws":
            raise RequestError("not_found", "WebSockets are at /ws")
        asked = open_socket(node, request)
        offered = request.header_values(b"sec-websocket-protocol")
        items = [item.strip() for value in offered for item in value.split(",") if item.strip()]
        subprotocol, _ = choose_subprotocol(items)
    except EverywireError as error:
        await _deny(scope, send, error)
        return
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    msgpack = subprotocol == MSGPACK
    name = "data" if asked.format == "data" else "msgpack" if msgpack else "json"
    outlet = SocketOutlet(node, send)
    wire = websocket_format(name)
    session = WebSocketSession(node, asked, wire, msgpack, outlet, request.peer)
    outlet.subscriber = session.subscriber
    outlet.room = session.go_on
    reader = asyncio.ensure_future(_read(node, session, outlet, receive))
    reader.add_done_callback(lambda done: _read_to_the_end(done, outlet))
    try:
        session.start(asked)
        await outlet.run()
    finally:
        reader.cancel()
        session.gone()


async def _read(
    node: Node, session: WebSocketSession, outlet: SocketOutlet, receive: Receive
) -> None:
    most = node.limits.frame_bytes
    while True:
        await outlet.reading.wait()
        event = await receive()
        if event["type"] == "websocket.disconnect":
            session.gone()
            outlet.close(1000, "")
            return
        # The other server answers pings by itself; whatever comes shows that the peer lives.
        text: str | None = event.get("text")
        data = event.get("bytes") or b"" if text is None else text.encode()
        if len(data) > most:
            session.receive([frames.Broken(1009, f"a message may be {most} bytes")])
        elif text is None:
            session.receive([frames.Pong(b""), frames.Binary(data)])
        else:
            session.receive([frames.Pong(b""), frames.Text(data)])


def _read_to_the_end(reader: asyncio.Future[None], outlet: SocketOutlet) -> None:
    """Nothing is read any more; where that is a fault, nothing should be sent either."""
    fault = None if reader.cancelled() else reader.exception()
    if fault is not None:
        logger.error("a WebSocket could not be read", exc_info=fault)
        outlet.close(_INTERNAL, "the server failed; its log says more")


async def _deny(scope: Scope, send: Send, error: EverywireError) -> None:
    """Refuse the handshake: with the error as its answer where the server can send one."""
    response = problem(error)
    if "websocket.http.response" in scope.get("extensions", {}):
        head = {"status": response.status, "headers": list(response.headers)}
        await send({"type": "websocket.http.response.start", **head})
        await send({"type": "websocket.http.response.body", "body": response.body})
        return
    code = CLOSE_CODE.get(response.status, _BAD_REQUEST)
    await send({"type": "websocket.close", "code": code, "reason": str(error)[:100]})
