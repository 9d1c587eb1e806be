"""What a publish costs in our own code, without the kernel and without a second core.

It drives the HTTP protocol class with the bytes of 16 requests a turn of the loop, through fake
transports whose `write` only counts, with 1,000 subscribers on 1,000 channels as in S3. The figure
is Python alone, steady to a few percent even on a busy machine (it is CPU time), so it tells within
seconds whether a change to the hot path helps.

    python benchmarks/user_code.py [--profile]
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from everywire.server.http_protocol import HTTPProtocol
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.uvicorn_handover import NODE

CHANNELS = 1000
TOGETHER = 16
TURNS = 400
ROUNDS = 7
DATA = '{"at":"0000000000000000","n":"00000000","pc":"00000000","pad":"' + "x" * 55 + '"}'
SOCKET_HEAD = (
    "GET /ws?channel={channel} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class FakeTransport:
    """As much of a transport as the protocol classes ask for."""

    written = 0
    socket = socket.socket()  # one for all: only its options are set

    def __init__(self) -> None:
        self._protocol: Any = None

    def write(self, data: bytes) -> None:
        """Count."""
        FakeTransport.written += 1

    def get_extra_info(self, name: str) -> object:
        """The peer's address and a socket; nothing else is known."""
        return {"peername": ("127.0.0.1", 1), "socket": FakeTransport.socket}.get(name)

    def set_protocol(self, protocol: Any) -> None:
        """Another protocol takes over."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Who has it."""
        return self._protocol

    def get_write_buffer_size(self) -> int:
        """Nothing is ever pending."""
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """uvloop's."""
        return 16 * 1024, 64 * 1024

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """Nothing is read anyway."""

    def resume_reading(self) -> None:
        """Nothing is read anyway."""


def publish_bytes(channel: str) -> bytes:
    """A publish as the load client sends it."""
    body = f'{{"channel":"{channel}","data":{DATA}}}'
    head = "POST /publish HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def measure(profile: bool) -> None:
    """Set the scene, then run it."""
    node = Node(Settings(log="memory:"))
    await node.start()
    config = uvicorn.Config(lambda: None, log_config=None, http=HTTPProtocol)
    state = ServerState()

    def connect() -> Callable[[bytes], None]:
        transport = FakeTransport()
        protocol = HTTPProtocol(config, state, {NODE: node}, asyncio.get_running_loop())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)  # type: ignore[arg-type]  # as much as is asked for
        return protocol.data_received

    names = [f"c{index:04d}" for index in range(CHANNELS)]
    for name in names:
        connect()(SOCKET_HEAD.format(channel=name).encode())
    publishers = [connect() for _ in range(TOGETHER)]
    requests = [publish_bytes(name) for name in names]
    await asyncio.sleep(0)
    gc.collect()

    async def turns() -> None:
        at = 0
        for _ in range(TURNS):
            for publisher in publishers:
                publisher(requests[at])
                at = (at + 1) % CHANNELS
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    if profile:
        profiler = cProfile.Profile()
        profiler.enable()
        await turns()
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    await turns()
    times = []
    for _ in range(ROUNDS):
        FakeTransport.written = 0
        began = time.process_time()
        await turns()
        times.append((time.process_time() - began) / (TURNS * TOGETHER) * 1e6)
    writes = FakeTransport.written / (TURNS * TOGETHER)
    print(
        f"{statistics.median(times):.2f} µs a publish and its delivery "
        f"({min(times):.2f}–{max(times):.2f}), {writes:.2f} writes each"
    )
    await node.stop()


if __name__ == "__main__":
    uvloop.run(measure("--profile" in sys.argv))
