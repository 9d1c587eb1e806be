"""The same server as an ASGI 3 application, for every ASGI server and inside other applications.

Under uvicorn with our HTTP protocol the hot paths do not come here; under hypercorn, granian or
daphne everything does. The decisions are the same functions; only the carrying differs: each
connection is a coroutine, and bytes go through the server's ``send``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from everywire.core.errors import EverywireError, LogRefused, RequestError, UsageError
from everywire.server.asgi_outlets import StreamOutlet
from everywire.server.asgi_websocket import serve_websocket
from everywire.server.description.serving import described, is_described
from everywire.server.event_stream import EventStream, open_stream, stream_headers
from everywire.server.messages import Request, Response, internal_error, problem
from everywire.server.node import Node
from everywire.server.polling import Poll
from everywire.server.routes import (
    Route,
    health,
    match,
    publish,
    read_channel,
    read_messages,
    read_state,
    ready,
)
from everywire.server.trust import PREFLIGHT_HEADERS, cross_origin_headers
from everywire.server.uvicorn_handover import NODE
from everywire.wires.queries import StreamRequest

logger = logging.getLogger("everywire.server")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class ServerApplication:
    """The ASGI application of a node.

    Args:
        node: What it serves.
        pages: An application for every path that is not the server's own; None: 404.

    Attributes:
        failure: Why it did not start.
    """

    def __init__(self, node: Node, pages: Application | None = None) -> None:
        self.node = node
        self.failure: LogRefused | UsageError | None = None
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            request = request_from(scope, "GET")
            await serve_websocket(self.node, scope, request, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.node.start()
        except (LogRefused, UsageError) as error:
            self.failure = error
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        state = scope.get("state")
        if state is not None:
            state[NODE] = self.node
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.node.drain()
        await self.node.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_from(scope, scope["method"])
        try:
            self.node.trust.admit(request)
            route = match(request.method, request.path)
        except RequestError as error:
            await send_response(send, problem(error), request.origin)
            return
        if route is None and self._pages is not None and not self._describes(request):
            await self._pages(scope, receive, _cross_origin(send, request))
            return
        try:
            answer = await self._answer(request, route, receive)
        except EverywireError as error:
            answer = problem(error)
        except Exception:
            logger.exception("serving a request failed")
            answer = problem(internal_error())
        if isinstance(answer, StreamRequest):
            await self._stream(request, answer, receive, send)
        elif answer is not None:
            await send_response(send, answer, request.origin)

    def _describes(self, request: Request) -> bool:
        """Whether it is a request for the API's own description."""
        return self.node.settings.docs and is_described(request.path)

    async def _answer(
        self, request: Request, route: Route | None, receive: Receive
    ) -> Response | StreamRequest | None:
        """The answer, or what to stream; None where the client has gone meanwhile."""
        node = self.node
        if route is None and self._describes(request):
            return described(request, node.limits)
        if route is None:
            raise RequestError("not_found", f"there is nothing at {request.path[:200]}")
        if route.name == "events":
            return open_stream(node, request)
        if route.name == "updates":
            return await self._poll(request, receive)
        if route.name in ("publish", "publish_raw"):
            return await self._publish(request, route, receive)
        if route.name == "messages":
            return await read_messages(node, request, route)
        if route.name == "state":
            return await read_state(node, request, route)
        if route.name == "channel":
            return await read_channel(node, route)
        if route.name == "health":
            return health(node)
        if route.name == "ready":
            return ready(node)
        if route.name == "preflight":
            return Response(204, b"", PREFLIGHT_HEADERS)
        raise RequestError("bad_request", "a WebSocket needs an Upgrade", status=426)

    async def _publish(self, request: Request, route: Route, receive: Receive) -> Response:
        body = await read_body(receive, self.node.limits.max_body_bytes)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        publish(self.node, request, route, body, answer.set_result)
        # Once it is with the log it is not taken back, whether or not the client still waits.
        return await asyncio.shield(answer)

    async def _poll(self, request: Request, receive: Receive) -> Response | None:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        poll = Poll(self.node, request, answer.set_result)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            poll.start()
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            poll.gone()
        return answer.result() if answer.done() else None

    async def _stream(
        self, request: Request, asked: StreamRequest, receive: Receive, send: Send
    ) -> None:
        headers = list(stream_headers(request))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        outlet = StreamOutlet(self.node, send)
        stream = EventStream(self.node, asked, outlet, request.peer)
        outlet.subscriber = stream.subscriber
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: outlet.close())
        try:
            stream.start(asked)
            await outlet.run()
        finally:
            gone.cancel()
            stream.gone()


def request_from(scope: Scope, method: str) -> Request:
    """The request of a scope. The path is taken as it came, never from the Host header."""
    raw: bytes | None = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")
    root: str = scope.get("root_path", "")
    client = scope.get("client")
    return Request(
        method,
        path.removeprefix(root) if root else path,
        scope["query_string"].decode("latin-1"),
        scope["headers"],
        client[0] if client else "",
        scope.get("http_version", "1.1"),
    )


async def send_response(send: Send, response: Response, origin: str | None) -> None:
    """Send a whole answer."""
    headers = [*response.headers, *cross_origin_headers(origin)]
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def read_body(receive: Receive, most: int) -> bytes:
    """Read a request's body.

    Raises:
        RequestError: ``too_large``; no more than the limit is held.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise RequestError("bad_request", "the request's body ended too early")
        part: bytes = event.get("body", b"")
        size += len(part)
        if size > most:
            raise RequestError("too_large", f"a request's body may be {most} bytes")
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)


def _cross_origin(send: Send, request: Request) -> Send:
    """Let pages say who may read them, as every other answer does."""

    async def send_too(event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            headers = [*event.get("headers", ()), *cross_origin_headers(request.origin)]
            event = {**event, "headers": headers}
        await send(event)

    return send_too


async def _disconnected(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
