"""A WebSocket session from the outlet's side: what is written together, the heartbeat, the end.

What a client sends, and what comes of it, is the subclass's (`websocket_session`). Its answers are
held back for a moment: many frames that came at once are answered by one write, not by as many.
They leave in the order in which they were given,

- behind the last of the frames that came at once, or
- before what is replayed to who has just subscribed, in the same write, or
- where it was the log that answered, at the end of the loop's turn.

Messages are not held: what the hub delivers meanwhile goes out before. No frame's meaning hangs on
that; those that say where a channel's messages begin are released before the first of these.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from everywire.core.errors import EverywireError
from everywire.core.subscriptions import Subscriber
from everywire.core.wheel import Timed
from everywire.server.messages import as_told
from everywire.wires import frames
from everywire.wires.commands import Ref
from everywire.wires.websocket import WebSocketFormat

if TYPE_CHECKING:
    from everywire.server.node import Node

_CLOSE_TOO_SLOW: Final = 4413
_CLOSE_INTERNAL: Final = 1011
_CLOSE_SILENT: Final = 4408
_CLOSE_GOING_AWAY: Final = 1001
_MISSED_AT_MOST: Final = 2

MAX_HELD: Final = 64
"""Frames held back at most; so a client that does not read its answers is noticed in time."""


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

    def cut_if_gone(self, heartbeat: float) -> bool:
        """End at once if the peer, written to every so many seconds, has vanished (`liveness`)."""
        ...

    def pause(self) -> None:
        """Do not read until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class WebSocketConnection(Timed):
    """See the module.

    Args:
        node: The server.
        wire: How the client wants its frames.
        outlet: Where they go.
        name: Public name of the connection.
        peer: IP address of the client.
    """

    __slots__ = (
        "_between",
        "_closed",
        "_held",
        "_missed",
        "_outlet",
        "_peer",
        "_wire",
        "node",
        "subscriber",
    )

    def __init__(
        self, node: Node, wire: WebSocketFormat, outlet: SocketOutlet, name: str, peer: str
    ) -> None:
        super().__init__()
        self.node = node
        self.subscriber = Subscriber(wire, outlet.write, self, name)
        self._wire = wire
        self._outlet = outlet
        self._peer = peer
        self._held: list[bytes] | None = None
        self._closed = False
        self._missed = 0
        self._between = False

    def _busy(self) -> bool:
        """Whether nothing more is read for now."""
        raise NotImplementedError

    def _enter(self, head: bytes) -> None:
        """Begin, with something that goes out before the first frame."""
        node = self.node
        node.enter(self, self._peer)
        node.hub.enter(self.subscriber)
        self._held = [head] if head else []
        self.send(
            {
                "type": "welcome",
                "connection": self.subscriber.name,
                "last_id": node.hub.position,
                "heartbeat_ms": int(node.settings.socket_heartbeat * 1000),
                "key_window_ms": node.settings.key_window_ms,
            }
        )
        node.after(node.settings.socket_heartbeat * random.uniform(0.5, 1), self)

    # Frames

    def send(self, frame: Mapping[str, Any], ref: Ref = None) -> None:
        """Send a control frame soon, with the ``ref`` of what it answers."""
        if self._closed:
            return
        data = self._wire.control(frame if ref is None else {**frame, "ref": ref})
        if data:
            self._hold(data)

    def _hold(self, data: bytes) -> None:
        """Keep a frame for the next write."""
        held = self._held
        if held is None:
            self._held = [data]
            self.node.soon(self._flush)
            return
        held.append(data)
        if len(held) >= MAX_HELD:
            self._held = []
            self._outlet.write(b"".join(held))

    def release(self) -> bytes:
        """Take the frames that were held, to be written before something else."""
        held, self._held = self._held, None
        return b"".join(held) if held else b""

    def _gather(self) -> None:
        """Hold frames until `_flush`, which has to follow."""
        if self._held is None:
            self._held = []

    def _flush(self) -> None:
        held = self.release()
        if held and not self._closed:
            self._outlet.write(held)

    def fail(self, error: EverywireError, ref: Ref = None) -> None:
        """Send an error frame; the connection stays."""
        told = as_told(error)
        frame = {"type": "error", "code": told.code, "message": told.message}
        if told.channel is not None:
            frame["channel"] = told.channel
        self.send(frame, ref)

    # What the hub and the catching up tell (core.subscriptions.Owner)

    def level(self, position: int) -> bytes:
        """Replays have ended."""
        return self._wire.control({"type": "position", "last_id": position})

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

    def due(self) -> None:
        """Every heartbeat a ping, and the position while everything is level.

        Half a heartbeat later, if the ping was not answered, another one; if neither was by the
        next heartbeat, the peer is gone. So that is noticed within two.
        """
        node, heartbeat = self.node, self.node.settings.socket_heartbeat
        if not self._outlet.pings or self._busy():
            # A peer that is not read cannot be heard, and its ping may stand behind what it does
            # not read.
            self._missed = 0
        between, self._between = self._between, not self._between
        if between:
            if self._missed:
                self._ping(b"")
        elif self._missed >= _MISSED_AT_MOST:
            node.counters.sockets_silent += 1
            self._close(_CLOSE_SILENT, "no pong to two pings")
            return
        elif self._outlet.cut_if_gone(heartbeat):
            self.gone()
            return
        else:
            level = not self.subscriber.full and self.subscriber.behind() is None
            self._ping(self.level(node.hub.position) if level else b"")
        node.after(heartbeat / 2, self)

    def _heard(self) -> None:
        """The peer is there."""
        self._missed = 0

    def _ping(self, before: bytes) -> None:
        if self._outlet.pings and not self._busy():
            self._missed += 1
        self._outlet.write(before + frames.ping_frame())

    def drain(self) -> None:
        """Send the client away: it comes back after a while of its own."""
        wait = self.node.come_back_ms()
        self.send({"type": "bye", "reason": "shutdown", "retry_ms": wait})
        self._close(_CLOSE_GOING_AWAY, "the server is stopping")

    def _close(self, code: int, reason: str) -> None:
        if not self._closed:
            held = self.release()
            self.gone()
            if held:
                self._outlet.write(held)
            self._outlet.close(code, reason)

    def gone(self) -> None:
        """The connection is no more."""
        self._closed = True
        self._held = None
        self.node.wheel.cancel(self)
        self.node.hub.exit(self.subscriber)
        self.node.exit(self, self._peer)
