"""The floor: the least that a Python server can do for a delivery.

One `asyncio.Protocol` on uvloop and httptools. A publish is taken as it came, its bytes are framed
once a wire, and what one turn of the loop brought to a channel is joined into one write for each
subscriber. There is no JSON, no check, no log, no resume, no back-pressure and no access: what a
real server costs more than this is what its promises cost.

    python benchmarks/floor.py PORT

``GET /ws?c0001`` and ``GET /events?c0001`` subscribe, ``POST /publish?c0001`` publishes the body.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable

import httptools
import uvloop

Write = Callable[[bytes], None]

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"id":1}'


def websocket_frame(data: bytes) -> bytes:
    """A text frame of a server."""
    size = len(data)
    if size < 126:
        return bytes((0x81, size)) + data
    return b"\x81\x7e" + size.to_bytes(2) + data


def event(data: bytes) -> bytes:
    """An event of an event stream."""
    return b"data: " + data + b"\n\n"


class Fanout:
    """Who hears what, and what this turn of the loop brought."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.sockets: defaultdict[bytes, dict[Write, None]] = defaultdict(dict)
        self.streams: defaultdict[bytes, dict[Write, None]] = defaultdict(dict)
        self._pending: dict[bytes, list[bytes]] = {}

    def publish(self, channel: bytes, data: bytes) -> None:
        """Deliver at the end of this turn, with what else has come."""
        pending = self._pending
        if not pending:
            self._loop.call_soon(self._flush)
        waiting = pending.get(channel)
        if waiting is None:
            pending[channel] = [data]
        else:
            waiting.append(data)

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        for channel, messages in pending.items():
            sockets = self.sockets.get(channel)
            if sockets:
                joined = b"".join(map(websocket_frame, messages))
                for write in sockets:
                    write(joined)
            streams = self.streams.get(channel)
            if streams:
                joined = b"".join(map(event, messages))
                for write in streams:
                    write(joined)


class Floor(asyncio.Protocol):
    """A connection: requests until it becomes a stream."""

    __slots__ = ("_body", "_fanout", "_joined", "_key", "_parser", "_transport", "_url", "_write")

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._parser = httptools.HttpRequestParser(self)
        self._joined: dict[Write, None] | None = None
        self._url = self._body = self._key = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write: Write = transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        if self._joined is not None:
            self._joined.pop(self._write, None)
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return  # what a subscriber says is of no interest here
        with contextlib.suppress(httptools.HttpParserUpgrade):
            self._parser.feed_data(data)
        if self._joined is not None:
            self._parser = None

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"sec-websocket-key":
            self._key = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path, _, channel = self._url.partition(b"?")
        if path == b"/publish":
            self._fanout.publish(channel, self._body)
            self._body = b""
            self._write(_ANSWER)
        elif path == b"/ws":
            accept = base64.b64encode(hashlib.sha1(self._key + _MAGIC).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"
            self._join(self._fanout.sockets[channel], head, accept)
        else:
            self._join(self._fanout.streams[channel], _STREAM, b"")

    def _join(self, subscribers: dict[Write, None], head: bytes, accept: bytes) -> None:
        if accept:
            head += b"\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        self._write(head)
        subscribers[self._write] = None
        self._joined = subscribers
        self._url = self._key = b""


async def main(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    fanout = Fanout(loop)
    server = await loop.create_server(lambda: Floor(fanout), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
