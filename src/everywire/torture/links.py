"""One connection through the proxy: its two ends, the bytes on their way, and what is done to them.

An end is a socket's protocol; a flow carries what one end reads to the other, through stages,
slowly, or not at all. A link holds two of each, and is what faults are done to.

Bytes are never stored without bound: while the receiving side is full, or a piece still has to be
trickled, the sending side is not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, cast

from everywire.torture.stages import (
    BAD_GATEWAY,
    END_OF_HEAD,
    MAX_HEAD,
    ResponseHolder,
    Stage,
    UpgradeStripper,
)

Way = Literal["up", "down"]
"""``up`` is from the client to the server."""

Deed = Literal["cut", "reset", "half_close_up", "half_close_down", "swallow"]
Deeds = Literal[Deed, "stall_up", "stall_down", "stall", "go_on"]

HELD: Final = 64 * 1024
"""Bytes of one direction that are kept at most, beside what the sockets hold."""

_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one connection.

    Attributes:
        answer: In place of the server: nothing, ever (``swallow``), or 502 (``bad_gateway``).
        strip: Take Upgrade out of the first request.
        hold: Bytes that an answer is held back for; 0: it is not.
        trickle: Bytes that are passed on at a time; 0: all.
        pause: Seconds between those.
        faults: What is done to it, and how many seconds after it was accepted.
    """

    answer: Literal["swallow", "bad_gateway"] | None = None
    strip: bool = False
    hold: int = 0
    trickle: int = 0
    pause: float = 0.002
    faults: tuple[tuple[float, Deeds], ...] = ()


CLEAN: Final = Plan()


class End(asyncio.Protocol):
    """One side of a link."""

    def __init__(self, link: Link, way: Way) -> None:
        self.link = link
        self.way: Way = way
        self.transport: asyncio.Transport | None = None
        self.flow: _Flow | _BadGateway  # where its bytes go; set by the link
        self._held_for: set[str] = set()
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self._apply()
        self.link.end_made(self)

    def data_received(self, data: bytes) -> None:
        """Bytes, for the other end."""
        self.flow.feed(data)

    def eof_received(self) -> bool:
        """Its peer sends no more, but may still read."""
        self._ended = True
        self.flow.finish()
        return True

    def pause_writing(self) -> None:
        """Its socket is full: the other end is not read."""
        self.link.other(self).hold("full")

    def resume_writing(self) -> None:
        """Its socket has room again."""
        self.link.other(self).release("full")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.transport = None
        self.link.end_lost(self)

    def hold(self, why: str) -> None:
        """Do not read, for one more reason."""
        self._held_for.add(why)
        self._apply()

    def release(self, why: str) -> None:
        """One reason fewer."""
        self._held_for.discard(why)
        self._apply()

    def _apply(self) -> None:
        if self.transport is None or self._ended or self.transport.is_closing():
            return
        if self._held_for and self.transport.is_reading():
            self.transport.pause_reading()
        elif not self._held_for and not self.transport.is_reading():
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send bytes; never waits."""
        if data and self.transport is not None:
            self.transport.write(data)

    def end_writing(self) -> None:
        """Send no more; go on reading."""
        if self.transport is None or self.transport.is_closing():
            return
        # The peer may be gone already, which only its socket knows.
        with contextlib.suppress(OSError):
            self.transport.write_eof()

    def close(self) -> None:
        """End, once what was written has gone out."""
        if self.transport is not None:
            self.transport.close()

    def abort(self, reset: bool = False) -> None:
        """End at once, with what was not sent yet."""
        if self.transport is None:
            return
        if reset:
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class _Flow:
    """The bytes of one direction, on their way from one end to the other."""

    def __init__(self, source: End, sink: End, stage: Stage | None, plan: Plan) -> None:
        self.swallows = plan.answer == "swallow"
        self.ended = False
        self._source = source
        self._sink = sink
        self._stage = stage
        self._step = plan.trickle
        self._pause = plan.pause
        self._waiting = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        if not self.swallows and not self.ended:
            self._pass(data if self._stage is None else self._stage.feed(data))

    def finish(self) -> None:
        """The source ends its side."""
        if self.ended or self.swallows:
            return
        if self._stage is not None:
            self._pass(self._stage.finish())
        self.ended = True
        if not self._waiting:
            self._end()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _pass(self, data: bytes) -> None:
        if not self._step:
            self._sink.write(data)
            return
        self._waiting += data
        if len(self._waiting) > HELD:
            self._source.hold("trickle")
        if self._timer is None and self._waiting:
            self._drip()

    def _drip(self) -> None:
        self._timer = None
        self._sink.write(bytes(self._waiting[: self._step]))
        del self._waiting[: self._step]
        if len(self._waiting) <= HELD:
            self._source.release("trickle")
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._drip)
        elif self.ended:
            self._end()

    def _end(self) -> None:
        self._sink.end_writing()
        self._source.link.way_ended()


class _BadGateway:
    """Answers the first request with 502, in the server's place."""

    def __init__(self, client: End) -> None:
        self._client = client
        self._head = b""

    def feed(self, data: bytes) -> None:
        self._head += data
        if END_OF_HEAD in self._head or len(self._head) > MAX_HEAD:
            self._head = b""
            self._client.write(BAD_GATEWAY)
            self._client.close()

    def finish(self) -> None:
        self._client.close()


class Link:
    """One connection through the proxy. Its methods are for the proxy's loop.

    Args:
        number: From 0, in the order of acceptance.
        plan: What happens to it.
        dial: Connects its server's end.
        gone: Called when both ends are.
    """

    def __init__(
        self,
        number: int,
        plan: Plan,
        dial: Callable[[Link], None],
        gone: Callable[[Link], None],
    ) -> None:
        self.number = number
        self.plan = plan
        self._dial = dial
        self._gone = gone
        self.client = End(self, "up")
        self.server = End(self, "down")
        strip = UpgradeStripper() if plan.strip else None
        holder = ResponseHolder(min(plan.hold, HELD)) if plan.hold else None
        self._up = _Flow(self.client, self.server, strip, plan)
        self.client.flow = _BadGateway(self.client) if plan.answer == "bad_gateway" else self._up
        self._down = self.server.flow = _Flow(self.server, self.client, holder, plan)
        self._timers: list[asyncio.TimerHandle] = []
        # Nothing is read before there is somebody to give it to.
        self.client.hold("dial")

    # What can be done to it

    def cut(self) -> None:
        """Both sides end at once."""
        self.client.abort()
        self.server.abort()

    def reset(self) -> None:
        """Both sides end with a reset."""
        self.client.abort(reset=True)
        self.server.abort(reset=True)

    def half_close(self, way: Way) -> None:
        """One direction ends; what comes in it is thrown away from now on."""
        (self._up if way == "up" else self._down).finish()

    def stall(self, way: Way | None = None) -> None:
        """Read no more of one direction, or both."""
        for end in (self.client, self.server):
            if way in (None, end.way):
                end.hold("stall")

    def go_on(self) -> None:
        """Read again."""
        for end in (self.client, self.server):
            end.release("stall")

    def swallow(self) -> None:
        """Pass nothing on any more, either way, not even an end."""
        self._up.swallows = self._down.swallows = True

    def do(self, deed: Deeds) -> None:
        """Do one of the above by its name."""
        name, _, way = deed.rpartition("_")
        if way in ("up", "down"):
            getattr(self, name)(way)
        else:
            getattr(self, deed)()

    # What its ends tell

    def other(self, end: End) -> End:
        """The end on the other side."""
        return self.server if end is self.client else self.client

    def end_made(self, end: End) -> None:
        """An end has its transport."""
        if end is self.server:
            self.client.release("dial")
            return
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(after, self.do, deed) for after, deed in self.plan.faults]
        if self.plan.answer is None:
            self._dial(self)
        else:
            self.client.release("dial")

    def way_ended(self) -> None:
        """One direction is over."""
        if self._up.ended and self._down.ended:
            self.client.close()
            self.server.close()

    def end_lost(self, end: End) -> None:
        """An end is gone; what the other was sent, it still gets."""
        other = self.other(end)
        if other.transport is None:
            self._leave()
        elif not self._up.swallows:  # a black hole does not tell
            (self._up if end is self.server else self._down).stop()
            other.close()

    def _leave(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._up.stop()
        self._down.stop()
        self._gone(self)
