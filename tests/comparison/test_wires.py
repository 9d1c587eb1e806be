"""The clients that measure, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from everywire.advice.rules import WIRES, Wire
from everywire.comparison.clients import Refused, WireClient
from everywire.comparison.http_clients import EventStreamClient
from everywire.comparison.socket_client import WebSocketClient
from everywire.comparison.speed import new_channel
from everywire.comparison.wires import CLIENTS, publisher


class Heard:
    def __init__(self) -> None:
        self.data: list[object] = []
        self._changed = asyncio.Event()

    def hear(self, data: bytes) -> None:
        self.data.append(json.loads(data))
        self._changed.set()

    async def reach(self, count: int) -> list[object]:
        async with asyncio.timeout(20):
            while len(self.data) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.data


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


@pytest.mark.parametrize("wire", WIRES)
def test_it_hears_what_is_published_and_resumes_by_its_position(port: int, wire: Wire) -> None:
    async def work() -> None:
        channel, heard = new_channel(), Heard()
        sender = await publisher(port)
        client = CLIENTS[wire](port, channel, heard.hear)
        await client.open()
        for n in range(3):
            sender.publish(channel, str(n).encode())
        assert await heard.reach(3) == [0, 1, 2]
        client.abort()
        await client.gone
        again = Heard()
        sender.publish(channel, b'{"missed": true}')
        other = CLIENTS[wire](port, channel, again.hear, client.position)
        await other.open()
        assert await again.reach(1) == [{"missed": True}]
        other.abort()
        sender.abort()

    run(work)


@pytest.mark.parametrize("wire", ["websocket", "sse"])
def test_bare_data_is_heard_too(port: int, wire: Wire) -> None:
    async def work() -> None:
        channel, heard = new_channel(), Heard()
        sender = await publisher(port)
        client = CLIENTS[wire](port, channel, heard.hear, bare=True)
        await client.open()
        sender.publish(channel, b'{"a": 1}')
        assert await heard.reach(1) == [{"a": 1}]
        client.abort()
        sender.abort()

    run(work)


@pytest.mark.parametrize("wire", WIRES)
def test_bytes_are_counted_both_ways(port: int, wire: Wire) -> None:
    """What the client counts is what a socket in the middle sees."""

    async def work() -> None:
        up, down = 0, 0

        async def pump(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int
        ) -> None:
            nonlocal up, down
            while data := await reader.read(65_536):
                up, down = (up + len(data), down) if way else (up, down + len(data))
                writer.write(data)
            writer.close()
            await writer.wait_closed()

        pumps: list[asyncio.Task[None]] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_connection("127.0.0.1", port)
            pumps.append(asyncio.create_task(pump(reader, there[1], 1)))
            pumps.append(asyncio.create_task(pump(there[0], writer, 0)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        channel, heard = new_channel(), Heard()
        client = CLIENTS[wire](server.sockets[0].getsockname()[1], channel, heard.hear)
        await client.open()
        sender = await publisher(port)
        sender.publish(channel, b"1")
        await heard.reach(1)
        assert client.received == down
        sent = client.sent
        client.abort()
        await asyncio.gather(*pumps, return_exceptions=True)
        assert up == sent
        sender.abort()
        server.close()

    run(work)


def test_a_refusal_says_its_status(port: int) -> None:
    async def work() -> None:
        for client in (
            EventStreamClient(port, "not..a.channel"),
            CLIENTS["longpoll"](port, "not..a.channel"),
            WebSocketClient(port, "not..a.channel", bare=True),
        ):
            with pytest.raises(Refused) as caught:
                await client.open()
            assert caught.value.status == 400
            client.abort()

    run(work)


def test_nobody_there(unused_port: int) -> None:
    async def work() -> None:
        client: WireClient = CLIENTS["sse"](unused_port, "a")
        with pytest.raises(OSError, match="Connect call failed"):
            await client.open()

    run(work)


def test_a_stream_says_when_to_come_back(port: int) -> None:
    async def work() -> None:
        client = EventStreamClient(port, new_channel())
        await client.open()
        assert client.retry_ms == 2000
        client.abort()

    run(work)
