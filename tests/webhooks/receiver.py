"""A real endpoint on loopback that does what a test says, byte for byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """A request, and the way back.

    Attributes:
        head: The request's lines.
        body: As it came.
    """

    def __init__(self, head: list[str], body: bytes, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.body = body
        self._writer = writer

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.partition(": ") for line in self.head[1:])
        return {name.lower(): value for name, _, value in pairs}

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def hang_up(self) -> None:
        self._writer.close()


class Receiver:
    """Attributes:
    exchanges: What came.
    connections: How many.
    port: Where it listens.
    """

    def __init__(self, serve: Serve) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.port = 0
        self._serve = serve
        self._writers: list[asyncio.StreamWriter] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                length = next(
                    int(line.partition(":")[2])
                    for line in head
                    if line.lower().startswith("content-length")
                )
                exchange = Exchange(head, await reader.readexactly(length), writer)
                self.exchanges.append(exchange)
                await self._serve(exchange)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def receiving(
    serve: Serve, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    receiver = Receiver(serve)
    server = await asyncio.start_server(receiver.handle, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        receiver.cut()
        await server.wait_closed()
        # Handlers see the end of their connection.
        await asyncio.sleep(0)


async def take(exchange: Exchange) -> None:
    """Answer 200 with an empty object."""
    await exchange.answer(200, b"{}")
