"""An event stream: one request, then events until somebody ends it.

`open_stream` decides whether there is a stream; an `EventStream` then writes to an outlet, which
is a socket of ours or an ASGI server's ``send``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from everywire.core.access import OPEN
from everywire.core.errors import LogUnavailable
from everywire.core.subscriptions import Subscriber
from everywire.core.wheel import Timed
from everywire.server.messages import NO_STORE, Headers, Request, Response
from everywire.server.publishing import public_name
from everywire.server.subscribing import all_ended, check_access, subscribe
from everywire.server.trust import cross_origin_headers
from everywire.wires import sse
from everywire.wires.queries import StreamRequest

if TYPE_CHECKING:
    from everywire.server.node import Node

HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class Outlet(Protocol):
    """Where a stream's bytes go."""

    def write(self, data: bytes) -> None:
        """Send bytes; never waits."""
        ...

    def close(self) -> None:
        """Send what is left, then end."""
        ...

    def cut_if_gone(self, heartbeat: float) -> bool:
        """End at once if the peer, written to every so many seconds, has vanished (`liveness`)."""
        ...


def open_stream(node: Node, request: Request) -> StreamRequest | Response:
    """Decide on ``GET /events``.

    Returns:
        What to stream, or the answer where there is nothing to stream.

    Raises:
        RequestError: The request is refused.
        LogUnavailable: It is refused for load, and the client understands a 503.
    """
    last_event_id = request.header(b"last-event-id")
    asked = node.queries.stream(request.query, last_event_id)
    check_access(OPEN, asked.channels + asked.patterns)
    try:
        node.check_room(request.peer)
    except LogUnavailable as error:
        if not _is_event_source(request):
            raise
        # A browser's EventSource never tries again after a 503; this it understands.
        return Response(200, sse.retry(error.retry_ms), HEADERS)
    if asked.since and _past_the_end(node, asked, asked.since):
        return Response(204, b"", (NO_STORE,))
    return asked


def _past_the_end(node: Node, asked: StreamRequest, since: int) -> bool:
    """Whether nothing can come any more. Of an unknown position that has still to be said."""
    if not all_ended(node, asked.channels, asked.patterns, since):
        return False
    return node.log.openings().unknown(since, node.hub.position) is None


def _is_event_source(request: Request) -> bool:
    accepts = "text/event-stream" in (request.header(b"accept") or "")
    return accepts and (
        request.header(b"origin") is not None or request.header(b"last-event-id") is not None
    )


def stream_headers(request: Request) -> Headers:
    """The headers that a stream begins with."""
    return (*HEADERS, *cross_origin_headers(request.origin))


class EventStream(Timed):
    """A running stream.

    Args:
        node: The server.
        asked: What to stream.
        outlet: Where to.
        peer: IP address of the client.
    """

    __slots__ = ("_node", "_outlet", "_peer", "_said", "subscriber")

    def __init__(self, node: Node, asked: StreamRequest, outlet: Outlet, peer: str) -> None:
        super().__init__()
        self._node = node
        self._outlet = outlet
        self._peer = peer
        name = None if asked.connection is None else public_name(asked.connection)
        wire = sse.FORMATS[asked.format]
        write: Callable[[bytes], None] = outlet.write
        self.subscriber = Subscriber(wire, write, self, name, asked.ephemeral)
        self._said = 0

    def start(self, asked: StreamRequest, head: bytes = b"") -> None:
        """Send the first events and begin to listen.

        Args:
            asked: What to stream.
            head: What goes out before, in the same write.
        """
        node = self._node
        node.log.flush()
        node.enter(self, self._peer)
        node.hub.enter(self.subscriber)
        self._said = self._first_position(asked)
        first = head + sse.retry(node.settings.retry_ms) + sse.position_event(self._said)
        subscribe(node, self.subscriber, asked.channels, asked.patterns, asked.since)
        node.catch_up.pump(self.subscriber, first)
        node.after(node.settings.stream_heartbeat * random.uniform(0.5, 1), self)

    def _first_position(self, asked: StreamRequest) -> int:
        """Where the stream starts; nothing up to there is still to come."""
        head = self._node.hub.position
        if asked.since is None:
            ended = any(self._node.log.ended(channel) for channel in asked.channels)
            return 0 if ended else head
        before = self._node.log.openings().unknown(asked.since, head)
        if before is not None:
            return before - 1
        return max(asked.since, 0)

    def due(self) -> None:
        """Every heartbeat: the position where it moved, else a comment."""
        node, subscriber = self._node, self.subscriber
        if self._outlet.cut_if_gone(node.settings.stream_heartbeat):
            self.gone()
            return
        if not subscriber.full:
            moved = subscriber.behind() is None and node.hub.position != self._said
            if moved:
                self._said = node.hub.position
            self._outlet.write(sse.position_event(self._said) if moved else sse.COMMENT)
        node.after(node.settings.stream_heartbeat, self)

    # What the hub and the catching up tell (core.subscriptions.Owner)

    def level(self, position: int) -> bytes:
        """A replay has ended."""
        self._said = position
        return sse.position_event(position)

    def channel_ended(self, channel: str) -> None:
        """One channel has ended; the stream ends with the last."""
        if not self._node.hub.unsubscribe(self.subscriber, channel):
            return
        fields = {"channel": channel, "reason": "final"}
        self._outlet.write(sse.own_event("unsubscribed", fields))
        if not self.subscriber.held():
            self._end()

    def too_slow(self) -> None:
        """A rule says to disconnect who is behind."""
        self._outlet.write(sse.own_event("error", _TOO_SLOW))
        self._end()

    def set_back(self) -> None:
        """What came last is read from the log."""
        self._node.catch_up.pump(self.subscriber)

    def broken(self) -> None:
        """It cannot be written to."""
        self._end()

    # The end

    def drain(self) -> None:
        """Send the client away: it comes back after a while of its own."""
        self._outlet.write(sse.retry(self._node.come_back_ms()))
        self._end()

    def _end(self) -> None:
        self.gone()
        self._outlet.close()

    def gone(self) -> None:
        """The connection is no more."""
        self._node.wheel.cancel(self)
        self._node.hub.exit(self.subscriber)
        self._node.exit(self, self._peer)


_TOO_SLOW: Final = {
    "code": "too_large",
    "message": "too much is pending, and a rule of a channel says to disconnect",
}
