"""A proxy on loopback that does to connections what networks do to them.

What happens to a connection is in its `Plan`, made by the caller, who may draw it from a seed; or
the caller takes a running `Link` and does it by hand. A plan's faults come so many seconds after
the connection was accepted.

::

    cut          both sides end at once, with what is under way
    reset        the same with a TCP reset (SO_LINGER 0)
    half_close   one direction ends in an orderly way; the other goes on
    stall        one direction or both are no longer read
    swallow      everything is read and nothing passed on, either way: a black hole
    trickle      a few bytes at a time
    hold         answers wait until they are whole, or so many bytes: a buffering proxy
    strip        without Upgrade: a proxy that knows no WebSocket
    bad_gateway  502, and the server is never asked

Bytes are never stored without bound: while the receiving side is full, or a piece still has to be
trickled, the sending side is not read. Nothing here is for a network: it listens on 127.0.0.1.
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


def _left_alone(number: int) -> Plan:
    return CLEAN


class _End(asyncio.Protocol):
    """One side of a link."""

    def __init__(self, link: Link, way: Way) -> None:
        self.link = link
        self.way: Way = way
        self.transport: asyncio.Transport | None = None
        self.flow: _Flow | _BadGateway  # where its bytes go; set by the link
        self._held_for: set[str] = set()
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self._apply()
        self.link.end_made(self)

    def data_received(self, data: bytes) -> None:
        self.flow.feed(data)

    def eof_received(self) -> bool:
        self._ended = True
        self.flow.finish()
        return True

    def pause_writing(self) -> None:
        self.link.other(self).hold("full")

    def resume_writing(self) -> None:
        self.link.other(self).release("full")

    def connection_lost(self, exc: Exception | None) -> None:
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
        if data and self.transport is not None:
            self.transport.write(data)

    def end_writing(self) -> None:
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
        if self.transport is None:
            return
        if reset:
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class _Flow:
    """The bytes of one direction, on their way from one end to the other."""

    def __init__(self, source: _End, sink: _End, stage: Stage | None, plan: Plan) -> None:
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

    def __init__(self, client: _End) -> None:
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

    Attributes:
        number: From 0, in the order of acceptance.
        plan: What was planned for it.
    """

    def __init__(self, proxy: ChaosProxy, number: int, plan: Plan) -> None:
        self.number = number
        self.plan = plan
        self._proxy = proxy
        self.client = _End(self, "up")
        self._server = _End(self, "down")
        strip = UpgradeStripper() if plan.strip else None
        holder = ResponseHolder(min(plan.hold, HELD)) if plan.hold else None
        self._up = _Flow(self.client, self._server, strip, plan)
        self.client.flow = _BadGateway(self.client) if plan.answer == "bad_gateway" else self._up
        self._down = self._server.flow = _Flow(self._server, self.client, holder, plan)
        self._timers: list[asyncio.TimerHandle] = []
        # Nothing is read before there is somebody to give it to.
        self.client.hold("dial")

    # What can be done to it

    def cut(self) -> None:
        """Both sides end at once."""
        self.client.abort()
        self._server.abort()

    def reset(self) -> None:
        """Both sides end with a reset."""
        self.client.abort(reset=True)
        self._server.abort(reset=True)

    def half_close(self, way: Way) -> None:
        """One direction ends; what comes in it is thrown away from now on."""
        (self._up if way == "up" else self._down).finish()

    def stall(self, way: Way | None = None) -> None:
        """Read no more of one direction, or both."""
        for end in (self.client, self._server):
            if way in (None, end.way):
                end.hold("stall")

    def go_on(self) -> None:
        """Read again."""
        for end in (self.client, self._server):
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

    def other(self, end: _End) -> _End:
        """The end on the other side."""
        return self._server if end is self.client else self.client

    def end_made(self, end: _End) -> None:
        """An end has its transport."""
        if end is self._server:
            self.client.release("dial")
            return
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(after, self.do, deed) for after, deed in self.plan.faults]
        if self.plan.answer is None:
            self._proxy.dial(self, self._server)
        else:
            self.client.release("dial")

    def way_ended(self) -> None:
        """One direction is over."""
        if self._up.ended and self._down.ended:
            self.client.close()
            self._server.close()

    def end_lost(self, end: _End) -> None:
        """An end is gone; what the other was sent, it still gets."""
        other = self.other(end)
        if other.transport is None:
            self._leave()
        elif not self._up.swallows:  # a black hole does not tell
            (self._up if end is self._server else self._down).stop()
            other.close()

    def _leave(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._up.stop()
        self._down.stop()
        self._proxy.links.pop(self.number, None)


class ChaosProxy:
    """See the module.

    Args:
        port: Of the server; may be changed, for the connections to come.
        plan: Says for each connection, by its number, what happens to it.
        host: Of the server.

    Attributes:
        links: The running connections, by number.
        accepted: Connections so far.
    """

    def __init__(
        self, port: int, plan: Callable[[int], Plan] = _left_alone, host: str = "127.0.0.1"
    ) -> None:
        self.host = host
        self.port = port
        self.plan = plan
        self.links: dict[int, Link] = {}
        self.accepted = 0
        self._listener: asyncio.Server | None = None
        self._dialing: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=1024)
        return self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        if self._listener is not None:
            self._listener.close()
        for task in list(self._dialing):
            task.cancel()
        self.each(Link.cut)
        await asyncio.gather(*self._dialing, return_exceptions=True)

    def each(self, deed: Callable[[Link], None]) -> None:
        """Do something to every running connection."""
        for link in list(self.links.values()):
            deed(link)

    def heal(self) -> None:
        """Cut every running connection; those to come are left alone."""
        self.plan = _left_alone
        self.each(Link.cut)

    def _accept(self) -> _End:
        number = self.accepted
        self.accepted += 1
        link = self.links[number] = Link(self, number, self.plan(number))
        return link.client

    def dial(self, link: Link, end: _End) -> None:
        """Connect a link to the server; where nobody is there, its client is cut."""
        task = asyncio.get_running_loop().create_task(self._dial(link, end))
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    async def _dial(self, link: Link, end: _End) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: end, self.host, self.port)
        except OSError:
            link.client.abort()
            return
        if link.client.transport is None:
            end.abort()
