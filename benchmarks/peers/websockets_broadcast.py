"""The `websockets` library's `broadcast`, as its documentation shows it.

Publishing comes in on the next port of the same loop. What it does not do: no history and no
resume; a slow client's copies pile up in its transport's buffer without a limit.

    python websockets_broadcast.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict

from small_http import listen
from websockets.asyncio.server import ServerConnection, broadcast, serve

CLIENTS: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def subscribe(connection: ServerConnection) -> None:
    """Keep a client in its channel for as long as it is here."""
    assert connection.request is not None
    clients = CLIENTS[connection.request.path.partition("?")[2]]
    clients.add(connection)
    try:
        await connection.wait_closed()
    finally:
        clients.discard(connection)


def publish(channel: str, data: bytes) -> None:
    """Send to everybody in a channel."""
    broadcast(CLIENTS[channel], data.decode())


async def main(port: int) -> None:
    """Serve until killed."""
    await listen(port + 1, publish)
    async with serve(subscribe, "127.0.0.1", port, compression=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
