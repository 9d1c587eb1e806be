"""The least HTTP that can take publishes, for peers that have none of their own.

``POST /publish?CHANNEL`` with the data as its body; the answer is sent once the peer has been
given it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httptools

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"id":1}'

Publish = Callable[[str, bytes], None]


class PublishProtocol(asyncio.Protocol):
    """A publisher's connection."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._parser = httptools.HttpRequestParser(self)
        self._channel = ""
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._channel = url.partition(b"?")[2].decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._publish(self._channel, self._body)
        self._body = b""
        self._transport.write(_ANSWER)


async def listen(port: int, publish: Publish) -> None:
    """Take publishes on a port of the running loop."""
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: PublishProtocol(publish), "127.0.0.1", port)
