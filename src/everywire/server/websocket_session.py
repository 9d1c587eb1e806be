"""A WebSocket's conversation, apart from the socket that carries it.

Frames come in as events, in order; answers go out through an outlet, which is a socket of ours or
an ASGI server's ``send``. A session takes its frames one by one and stops reading when too much of
what it published is unanswered, while the log is asked for it, or when its own socket is full: so
neither its requests nor its answers are queued without bound.
"""

from __future__ import annotations

import logging
import os
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from everywire.core.access import OPEN, Grant
from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Draft
from everywire.server.messages import Request, internal_error
from everywire.server.publishing import Published, public_name
from everywire.server.socket_subscriptions import SocketSubscriptions
from everywire.server.subscribing import check_access
from everywire.server.websocket_connection import SocketOutlet, WebSocketConnection
from everywire.wires import commands, frames
from everywire.wires.commands import CommandError, Ref
from everywire.wires.handshake import Upgrade
from everywire.wires.queries import SocketRequest
from everywire.wires.websocket import WebSocketFormat, websocket_format

if TYPE_CHECKING:
    from everywire.server.node import Node

logger = logging.getLogger("everywire.server")

MSGPACK: Final = "everywire.v1.msgpack"

_CLOSE_NORMAL: Final = 1000
_CLOSE_UNSUPPORTED: Final = 1003


def open_socket(node: Node, request: Request) -> SocketRequest:
    """Decide on ``GET /ws``, before the upgrade.

    Raises:
        RequestError: The request is refused.
        LogUnavailable: It is refused for load.
    """
    asked = node.queries.socket(request.query)
    check_access(OPEN, asked.channels + asked.patterns)
    node.check_room(request.peer)
    return asked


def format_for(asked: SocketRequest, upgrade: Upgrade) -> WebSocketFormat:
    """The format that a client asked for, by its query and its subprotocol."""
    bits = 0 if upgrade.deflate is None else upgrade.deflate.server_window_bits
    if asked.format == "data":
        return websocket_format("data", bits)
    return websocket_format("msgpack" if upgrade.subprotocol == MSGPACK else "json", bits)


def _any_name() -> str:
    """A public name for a connection that brings no secret, of the same form as others'."""
    return urlsafe_b64encode(os.urandom(12)).decode()


class WebSocketSession(WebSocketConnection):
    """See the module.

    Args:
        node: The server.
        asked: What the query of the request said.
        wire: How it wants its frames.
        msgpack: Whether its own frames are msgpack in binary frames.
        outlet: Where frames go.
        peer: IP address of the client.
    """

    __slots__ = (
        "_asking",
        "_bytes_in_flight",
        "_going_on",
        "_in_flight",
        "_inbox",
        "_msgpack",
        "_paused",
        "grant",
    )

    def __init__(
        self,
        node: Node,
        asked: SocketRequest,
        wire: WebSocketFormat,
        msgpack: bool,
        outlet: SocketOutlet,
        peer: str,
    ) -> None:
        name = _any_name() if asked.connection is None else public_name(asked.connection)
        super().__init__(node, wire, outlet, name, peer)
        self.grant: Grant = OPEN
        self._msgpack = msgpack
        self._inbox: deque[frames.Event] | None = None
        self._in_flight = 0
        self._bytes_in_flight = 0
        self._asking = False
        self._paused = False
        self._going_on = False

    def start(self, asked: SocketRequest, head: bytes = b"") -> None:
        """Welcome the client, and subscribe to what its query named.

        Args:
            asked: What the query of the request said.
            head: What goes out before, in the same write.
        """
        self.node.log.flush()
        self._enter(head)
        if asked.channels or asked.patterns:
            SocketSubscriptions(self).begin(asked.channels, asked.patterns, asked.since)
        self._flush()

    # What the client sends

    def receive(self, events: Sequence[frames.Event]) -> None:
        """Take frames, in order."""
        if self._inbox:
            self._inbox.extend(events)
            return
        self._gather()
        for number, event in enumerate(events):
            if self._closed:
                return
            if self._busy():
                self._inbox = deque(events[number:])
                break
            self._take(event)
        self._flush()
        if self._busy() and not self._closed and not self._paused:
            self._paused = True
            self._outlet.pause()

    def _busy(self) -> bool:
        limits = self.node.limits
        return (
            self.subscriber.full
            or self._asking
            or self._in_flight >= limits.max_publishes_in_flight
            or self._bytes_in_flight >= limits.max_bytes_in_flight
        )

    def go_on(self) -> None:
        """Something that held the session up has passed: take what waits, then read again."""
        if not self._paused or self._going_on:
            return
        # What is taken may be answered at once, which comes back here.
        self._going_on = True
        while self._inbox and not self._busy() and not self._closed:
            self._take(self._inbox.popleft())
        self._going_on = False
        if not self._inbox and not self._busy() and not self._closed:
            self._paused = False
            self._inbox = None
            self._outlet.resume()

    def _take(self, event: frames.Event) -> None:
        try:
            self._obey(event)
        except Exception:
            # It may have been called from an answer of the log, whose business it is not.
            logger.exception("a frame could not be obeyed")
            self.fail(internal_error())

    def _obey(self, event: frames.Event) -> None:
        if isinstance(event, frames.Text):
            if self._msgpack:
                self._close(_CLOSE_UNSUPPORTED, "msgpack comes in binary frames")
            else:
                self._command(event.data)
        elif isinstance(event, frames.Binary):
            if self._msgpack:
                self._command(event.data)
            else:
                self._close(_CLOSE_UNSUPPORTED, "JSON comes in text frames")
        elif isinstance(event, frames.Ping):
            self._hold(frames.pong_frame(event.data))
        elif isinstance(event, frames.Pong):
            self._heard()
        elif isinstance(event, frames.Closing):
            given = event.code != frames.NO_CLOSE_CODE
            self._close(event.code if given else _CLOSE_NORMAL, "")
        else:
            self._close(event.code, event.reason)

    def _command(self, data: bytes) -> None:
        parse = commands.parse_msgpack if self._msgpack else commands.parse_json
        try:
            command = parse(data, self.node.limits)
        except CommandError as error:
            self.fail(error, error.ref)
            return
        if isinstance(command, commands.Publish):
            self._publish(command.draft, command.idempotency_key, command.ref)
        elif isinstance(command, commands.Subscribe):
            subscriptions = SocketSubscriptions(self)
            subscriptions.subscribe(command.channels, command.history, command.ref)
        elif isinstance(command, commands.Unsubscribe):
            SocketSubscriptions(self).unsubscribe(command.channels, command.ref)
        else:
            self.send({"type": "pong"}, command.ref)

    def _publish(self, draft: Draft, key: str | None, ref: Ref) -> None:
        draft.connection = self.subscriber.name
        draft.user = self.grant.user
        size = len(draft.data)
        self._in_flight += 1
        self._bytes_in_flight += size

        def done(result: Published | EverywireError) -> None:
            self._in_flight -= 1
            self._bytes_in_flight -= size
            self._published(result, ref)

        self.node.publishing.publish(self.grant, (draft,), key, done)

    def _published(self, result: Published | EverywireError, ref: Ref) -> None:
        if self._closed:
            return
        if isinstance(result, EverywireError):
            self.fail(result, ref)
        else:
            frame: dict[str, Any] = {"type": "published"}
            if result.ids[0] is not None:
                frame["id"] = result.ids[0]
            if result.duplicate:
                frame["duplicate"] = True
            self.send(frame, ref)
        self.go_on()

    def ask(self, answer: Any, done: Callable[[Any], None], ref: Ref) -> None:
        """Ask the log for something; no further frame is taken until it answers."""
        self._asking = True

        def answered(result: Any) -> None:
            self._asking = False
            if not self._closed:
                done(result)
                self.go_on()

        def failed(error: LogUnavailable) -> None:
            self._asking = False
            self.fail(error, ref)
            self.go_on()

        self.node.ask(answer, answered, failed)

    def gone(self) -> None:
        """The connection is no more."""
        super().gone()
        self._inbox = None
