"""What a client costs the server: memory while it is idle, processor time when it is served."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import Final

from everywire.advice.rules import Wire
from everywire.client.address import Address
from everywire.comparison.clients import PATIENCE, WireClient
from everywire.comparison.http_clients import PollClient
from everywire.comparison.servers import LocalServer
from everywire.comparison.speed import Arrivals, data, new_channel
from everywire.comparison.wires import CLIENTS, publisher

FILES: Final = 4096
"""Open files that are asked for: a connection is one here, and one in the server."""

_SPARE: Final = 64
_AT_ONCE: Final = 50
_WARM_UP: Final = 20


def connections_allowed(wanted: int) -> int:
    """How many connections can be open, after asking the system for as many as are wanted."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        more = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, more), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(wanted, soft - _SPARE))


async def memory(wire: Wire, count: int) -> tuple[float, str]:
    """KiB of the server's memory for each of so many idle clients, and how memory was counted.

    A server of its own each time, since one that had clients before has memory to spare. All hear
    one channel; a poll waits. What the kernel keeps for a socket is not in it.
    """
    async with LocalServer() as server:
        await _open(server, wire, _WARM_UP)
        before, _ = server.memory_bytes()
        clients = await _open(server, wire, count)
        after, counted = server.memory_bytes()
        for client in clients:
            client.abort()
    return max(0.0, after - before) / count / 1024, counted


async def _open(server: LocalServer, wire: Wire, count: int) -> list[WireClient]:
    channel = new_channel()
    clients = [CLIENTS[wire](server.port, channel) for _ in range(count)]
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(client.open() for client in clients[start : start + _AT_ONCE]))
    await _heard_by(server, channel, count)
    return clients


async def _heard_by(server: LocalServer, channel: str, count: int) -> None:
    """Wait until the server counts so many; polls wait only with their second request."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await subscribers(server, channel) >= count:
                return
            await asyncio.sleep(0.01)


async def subscribers(server: LocalServer, channel: str) -> int:
    """For how many clients the server holds something, on a channel."""
    target = Address(f"http://127.0.0.1:{server.port}").target(f"/channels/{channel}")
    body = (await server.get(target)).body
    _, _, rest = body.partition(b'"subscribers":')
    return int(rest.rstrip(b"} \n"))


async def processor(server: LocalServer, wire: Wire, count: int, seconds: float) -> float:
    """Microseconds of the server's processor time for a delivery.

    One message at a time goes to so many clients, the next one when all have it: so nothing is
    joined, on any wire. Publishing, once for all of them, is in it.
    """
    channel = new_channel()
    arrivals = Arrivals()
    clients = [CLIENTS[wire](server.port, channel, arrivals.hear) for _ in range(count)]
    sender = await publisher(server.port)
    try:
        for client in clients:
            await client.open()
        await _heard_by(server, channel, count)
        began, used, sent = time.perf_counter(), server.processor_seconds(), 0
        while time.perf_counter() - began < seconds:
            sender.publish(channel, data(sent))
            sent += 1
            await arrivals.reach(sent * count)
        return (server.processor_seconds() - used) / (sent * count) * 1e6
    finally:
        sender.abort()
        for client in clients:
            client.abort()


async def held_between(server: LocalServer, wire: Wire) -> int:
    """For how many of one client the server holds something, after a message and before more."""
    channel = new_channel()
    arrivals = Arrivals()
    client = CLIENTS[wire](server.port, channel, arrivals.hear)
    sender = await publisher(server.port)
    try:
        await client.open()
        await _heard_by(server, channel, 1)
        if isinstance(client, PollClient):
            client.again = False
        sender.publish(channel, data(0))
        await arrivals.reach(1)
        return await subscribers(server, channel)
    finally:
        client.abort()
        sender.abort()
