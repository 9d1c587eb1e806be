"""Which request is whose, and the answers of the HTTP API.

The routes are one table of methods by path shape; `match` works on the path as it came, so that a
channel may hold a ``/`` (sent as ``%2F``). The names on the right are what the carriers
(``http_protocol``, ``asgi``) look up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from everywire.core.access import OPEN, decide
from everywire.core.channels import check_channel
from everywire.core.errors import EverywireError, RequestError, bad_request
from everywire.core.messages import Message
from everywire.core.pages import Page, fitting
from everywire.core.pages import Query as LogQuery
from everywire.server.messages import (
    JSON_HEADERS,
    MethodNotAllowed,
    Request,
    Response,
    json_response,
    problem,
)
from everywire.server.publishing import Published, public_name
from everywire.wires import longpoll
from everywire.wires.publishing import PublishRequest, parse_publish, parse_raw
from everywire.wires.queries import Query, history_request, state_request

if TYPE_CHECKING:
    from everywire.server.node import Node

Respond = Callable[[Response], None]

_FIXED: Final[dict[str, dict[str, str]]] = {
    "/ws": {"GET": "ws"},
    "/events": {"GET": "events"},
    "/updates": {"GET": "updates"},
    "/publish": {"POST": "publish"},
    "/health": {"GET": "health", "HEAD": "health"},
    "/ready": {"GET": "ready", "HEAD": "ready"},
}
_CHANNEL: Final = {"GET": "channel", "POST": "publish_raw"}
_OF_CHANNEL: Final[dict[str, dict[str, str]]] = {
    "messages": {"GET": "messages"},
    "state": {"GET": "state"},
}


_AT_ONCE: Final = 100
"""Messages that are read back at once, so that no more than these are held beyond a page."""


class Route(msgspec.Struct, frozen=True):
    """Where a request goes.

    Attributes:
        name: What is asked.
        channel: The channel in the path, percent-encoded; empty where there is none.
    """

    name: str
    channel: str = ""


def match(method: str, path: str) -> Route | None:
    """Find the route of a request; None where the path is not one of ours.

    Raises:
        MethodNotAllowed: The path is ours, but not for this method.
    """
    channel = ""
    methods = _FIXED.get(path)
    if methods is None:
        parts = path.split("/")
        if len(parts) not in (3, 4) or parts[1] != "channels" or not parts[2]:
            return None
        channel = parts[2]
        methods = _CHANNEL if len(parts) == 3 else _OF_CHANNEL.get(parts[3])
        if methods is None:
            return None
    name = methods.get(method)
    if name is not None:
        return Route(name, channel)
    if method == "OPTIONS":
        return Route("preflight", channel)
    raise MethodNotAllowed(method, path, (*methods, "OPTIONS"))


def table() -> Iterator[tuple[str, str, str]]:
    """Every route: its method, its path with the channel's place in braces, and its name."""
    paths = {**_FIXED, "/channels/{channel}": _CHANNEL}
    paths.update({f"/channels/{{channel}}/{name}": of for name, of in _OF_CHANNEL.items()})
    for path, methods in paths.items():
        for method, name in methods.items():
            yield method, path, name


def channel_of(route: Route) -> str:
    """The channel in a route's path.

    Raises:
        RequestError: ``bad_channel``.
    """
    try:
        name = unquote_to_bytes(route.channel).decode()
    except UnicodeDecodeError:
        raise RequestError(
            "bad_channel", "the channel in the path is not percent-encoded UTF-8"
        ) from None
    return check_channel(name)


def publish(node: Node, request: Request, route: Route, body: bytes, respond: Respond) -> None:
    """``POST /publish`` and ``POST /channels/{channel}``."""
    key = request.header(b"idempotency-key")
    try:
        if route.name == "publish":
            asked = parse_publish(body, key, node.limits)
        else:
            content_type = request.header(b"content-type")
            event = request.header(b"event")
            channel = channel_of(route)
            asked = parse_raw(channel, body, content_type, event, key, node.limits)
    except RequestError as error:
        respond(problem(error))
        return
    if asked.connections is not None:
        for draft, secret in zip(asked.drafts, asked.connections, strict=True):
            if secret is not None:
                draft.connection = public_name(secret)
    if not asked.drafts:
        respond(json_response(b'{"ids":[]}'))
        return

    def done(result: Published | EverywireError) -> None:
        if isinstance(result, EverywireError):
            respond(problem(result))
        else:
            respond(Response(200, _published(result, asked), JSON_HEADERS))

    node.publishing.publish(OPEN, asked.drafts, asked.idempotency_key, done)


def _published(result: Published, asked: PublishRequest) -> bytes:
    ids = result.ids
    if asked.shape == "one" and not result.duplicate and ids[0] is not None:
        return b'{"id":%d}' % ids[0]
    ids = list(ids)
    answer: dict[str, Any] = {"id": ids[0]} if asked.shape == "one" else {"ids": ids}
    if result.duplicate:
        answer["duplicate"] = True
    return msgspec.json.encode(answer)


async def read_messages(node: Node, request: Request, route: Route) -> Response:
    """``GET /channels/{channel}/messages``."""
    channel = channel_of(route)
    refused = decide(OPEN, "history", channel)
    if refused is not None:
        raise refused
    asked = history_request(Query(request.query), node.limits)
    node.log.flush()
    head = node.hub.position
    # "before" is exclusive, and nothing above the head is there to be read.
    upto = head if asked.before is None else min(head, asked.before - 1)
    if upto < 0:
        raise bad_request("before is a position above 0")
    if asked.newest_first:
        messages, whole = await _read_back(node, channel, upto + 1, asked.since, asked.limit)
        # Back at where the reader wanted to go: what is missing there is said as well.
        back = whole and asked.since > 0
        gaps = (await _read(node, channel, asked.since, 1)).gaps if back else []
        last = messages[-1].id if messages else asked.before or asked.since
    else:
        page = await _read(node, channel, asked.since, asked.limit)
        messages = [message for message in page.messages if message.id <= upto]
        gaps = page.gaps
        last = messages[-1].id if messages else max([gap.position for gap in gaps] or [asked.since])
    return json_response(longpoll.listing(messages, last, gaps))


async def _read(node: Node, channel: str, since: int, limit: int) -> Page:
    # Up to the head, whatever "before" says: whether a position is known is asked of the log.
    query = LogQuery((channel,), (), since, node.hub.position, limit)
    page = node.log.recent(query)
    return await node.log.read(query) if page is None else page


async def _read_back(
    node: Node, channel: str, before: int, since: int, limit: int
) -> tuple[list[Message], bool]:
    """A page of the newest messages between two positions, and whether that is all there is."""
    found: list[Message] = []
    while True:
        wanted = min(limit + 1 - len(found), _AT_ONCE)
        more = await node.log.read_back(channel, before, since, wanted)
        found += more
        count = fitting(found, limit)
        if count < len(found):
            return found[:count], False
        if len(more) < wanted:
            return found, True
        before = more[-1].id


async def read_state(node: Node, request: Request, route: Route) -> Response:
    """``GET /channels/{channel}/state``."""
    channel = channel_of(route)
    refused = decide(OPEN, "history", channel)
    if refused is not None:
        raise refused
    asked = state_request(Query(request.query), node.limits)
    node.log.flush()
    page = await node.log.state(channel, asked.after, asked.upto, asked.limit)
    body = longpoll.state(page.messages, page.position, complete=page.complete)
    return json_response(body)


async def read_channel(node: Node, route: Route) -> Response:
    """``GET /channels/{channel}``."""
    channel = channel_of(route)
    refused = decide(OPEN, "history", channel)
    if refused is not None:
        raise refused
    node.log.flush()
    status = await node.log.status(channel)
    return json_response(
        msgspec.json.encode(
            {
                "channel": channel,
                "last_id": status.last_id,
                "oldest_id": status.oldest_id,
                "messages": status.messages,
                "subscribers": node.hub.subscribers(channel),
            }
        )
    )


def health(node: Node) -> Response:
    """``GET /health``: the loop is alive."""
    return json_response(msgspec.json.encode({"status": "ok", "connections": node.connections}))


def ready(node: Node) -> Response:
    """``GET /ready``: the log writes, and clients are not being sent away."""
    reason = node.ready
    if reason is None:
        return json_response(b'{"status":"ok"}')
    answer = {"status": "unavailable", "reason": reason}
    return Response(503, msgspec.json.encode(answer), JSON_HEADERS)
