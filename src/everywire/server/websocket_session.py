"""A WebSocket's conversation, apart from the socket that carries it.

Frames come in as events, in order; answers go out through an outlet, which is a socket of ours or
an ASGI server's ``send``. A session takes its frames one by one and stops reading when too much of
what it published is unanswered, while the log is asked for it, or when its own socket is full: so
neither its requests nor its answers are queued without bound.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final, Protocol

from everywire.core.access import OPEN, Grant
from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Draft
from everywire.core.subscriptions import Subscriber
from everywire.core.wheel import Timer
from everywire.server.messages import Request, as_told, internal_error
from everywire.server.publishing import Published, public_name
from everywire.server.socket_subscriptions import SocketSubscriptions
from everywire.server.subscribing import check_access
from everywire.wires import commands, frames
from everywire.wires.commands import CommandError, Ref
from everywire.wires.handshake import Upgrade
from everywire.wires.queries import Query, SocketRequest, socket_request
from everywire.wires.websocket import WebSocketFormat, websocket_format

if TYPE_CHECKING:
    from everywire.server.node import Node

logger = logging.getLogger("everywire.server")

MSGPACK: Final = "everywire.v1.msgpack"

_CLOSE_TOO_SLOW: Final = 4413
_CLOSE_INTERNAL: Final = 1011
_CLOSE_SILENT: Final = 4408
_CLOSE_GOING_AWAY: Final = 1001
_CLOSE_UNSUPPORTED: Final = 1003


class SocketOutlet(Protocol):
    """Where a session's frames go.

    Attributes:
        pings: Whether pings, and what they tell of the peer, are ours.
    """

    pings: bool

    def write(self, data: bytes) -> None:
        """Send whole frames; never waits."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end, waiting a while for the peer's."""
        ...

    def pause(self) -> None:
        """Do not read until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


def open_socket(node: Node, request: Request) -> SocketRequest:
    """Decide on ``GET /ws``, before the upgrade.

    Raises:
        RequestError: The request is refused.
        LogUnavailable: It is refused for load.
    """
    asked = socket_request(Query(request.query), node.limits)
    check_access(OPEN, asked.channels + asked.patterns)
    node.check_room(request.peer)
    return asked


def format_for(asked: SocketRequest, upgrade: Upgrade) -> WebSocketFormat:
    """The format that a client asked for, by its query and its subprotocol."""
    bits = 0 if upgrade.deflate is None else upgrade.deflate.server_window_bits
    if asked.format == "data":
        return websocket_format("data", bits)
    return websocket_format("msgpack" if upgrade.subprotocol == MSGPACK else "json", bits)


class WebSocketSession:
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
        "_closed",
        "_going_on",
        "_heartbeat",
        "_in_flight",
        "_inbox",
        "_missed",
        "_msgpack",
        "_outlet",
        "_paused",
        "_peer",
        "_wire",
        "grant",
        "node",
        "subscriber",
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
        self.node = node
        self.grant: Grant = OPEN
        self._wire = wire
        self._msgpack = msgpack
        self._outlet = outlet
        self._peer = peer
        name = token_urlsafe(12) if asked.connection is None else public_name(asked.connection)
        self.subscriber = Subscriber(wire, outlet.write, self, name)
        self._inbox: deque[frames.Event] | None = None
        self._in_flight = 0
        self._bytes_in_flight = 0
        self._asking = False
        self._paused = False
        self._going_on = False
        self._closed = False
        self._missed = 0
        self._heartbeat = Timer(self._beat)

    def start(self, asked: SocketRequest) -> None:
        """Welcome the client, and subscribe to what its query named."""
        node = self.node
        node.log.flush()
        node.enter(self, self._peer)
        node.hub.enter(self.subscriber)
        self.send(
            {
                "type": "welcome",
                "connection": self.subscriber.name,
                "last_id": node.hub.position,
                "heartbeat_ms": int(node.settings.socket_heartbeat * 1000),
                "key_window_ms": node.settings.key_window_ms,
            }
        )
        names = asked.channels + asked.patterns
        if names:
            SocketSubscriptions(self).subscribe([(name, asked.since) for name in names], None, None)
        node.after(node.settings.socket_heartbeat * random.uniform(0.5, 1), self._heartbeat)

    # What the client sends

    def receive(self, events: Sequence[frames.Event]) -> None:
        """Take frames, in order."""
        if self._inbox:
            self._inbox.extend(events)
            return
        for number, event in enumerate(events):
            if self._closed:
                return
            if self._busy():
                self._inbox = deque(events[number:])
                break
            self._take(event)
        if self._busy() and not self._closed and not self._paused:
            self._paused = True
            self._outlet.pause()

    def _busy(self) -> bool:
        return self.subscriber.full or self._log_busy()

    def _log_busy(self) -> bool:
        """Whether the log owes this session so much that it has to wait."""
        limits = self.node.limits
        return (
            self._asking
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
            self._outlet.write(frames.pong_frame(event.data))
        elif isinstance(event, frames.Pong):
            self._missed = 0
        elif isinstance(event, frames.Closing):
            self._close(1000 if event.code == _NO_CODE else event.code, "")
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

    # What it is told

    def send(self, frame: Mapping[str, Any], ref: Ref = None) -> None:
        """Send a control frame, with the ``ref`` of what it answers."""
        if self._closed:
            return
        data = self._wire.control(frame if ref is None else {**frame, "ref": ref})
        if data:
            self._outlet.write(data)

    def fail(self, error: EverywireError, ref: Ref = None) -> None:
        """Send an error frame; the connection stays."""
        told = as_told(error)
        frame = {"type": "error", "code": told.code, "message": told.message}
        if told.channel is not None:
            frame["channel"] = told.channel
        self.send(frame, ref)

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

    # What the hub and the catching up tell (core.subscriptions.Owner)

    def level(self, position: int) -> None:
        """Replays have ended."""
        self.send({"type": "position", "last_id": position})

    def channel_ended(self, channel: str) -> None:
        """A channel has ended."""
        if self.node.hub.unsubscribe(self.subscriber, channel):
            self.send({"type": "unsubscribed", "channel": channel, "reason": "final"})

    def too_slow(self) -> None:
        """A rule says to disconnect who is behind."""
        self._close(_CLOSE_TOO_SLOW, "too much is pending, and a rule of a channel says disconnect")

    def set_back(self) -> None:
        """What came last is read from the log."""
        self.node.catch_up.pump(self.subscriber)

    def broken(self) -> None:
        """It cannot be written to."""
        self._close(_CLOSE_INTERNAL, "the server failed; come back")

    # Time and the end

    def _beat(self) -> None:
        """Every heartbeat: a ping, and the position while everything is level."""
        if self._outlet.pings and not self._log_busy():
            # A peer that is not read cannot be heard answering.
            self._missed += 1
        if self._missed > _MISSED_AT_MOST:
            self._close(_CLOSE_SILENT, "no pong to two pings")
            return
        if not self.subscriber.full and self.subscriber.behind() is None:
            self.level(self.node.hub.position)
        self._outlet.write(frames.ping_frame())
        self.node.after(self.node.settings.socket_heartbeat, self._heartbeat)

    def drain(self) -> None:
        """Send the client away: it comes back after a while of its own."""
        wait = random.randint(0, self.node.settings.drain_retry_ms)
        self.send({"type": "bye", "reason": "shutdown", "retry_ms": wait})
        self._close(_CLOSE_GOING_AWAY, "the server is stopping")

    def _close(self, code: int, reason: str) -> None:
        if not self._closed:
            self.gone()
            self._outlet.close(code, reason)

    def gone(self) -> None:
        """The connection is no more."""
        self._closed = True
        self._inbox = None
        self.node.wheel.cancel(self._heartbeat)
        self.node.hub.exit(self.subscriber)
        self.node.exit(self, self._peer)


_NO_CODE: Final = 1005
_MISSED_AT_MOST: Final = 2
