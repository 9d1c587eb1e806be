"""Server-Sent Events as they are written by hand: Starlette, an `asyncio.Queue` a client.

No history and no resume; a slow client's queue grows without a limit.

    python starlette_queues.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

QUEUES: defaultdict[str, set[asyncio.Queue[str]]] = defaultdict(set)


async def events(request: Request) -> Response:
    """Stream a channel."""
    channel = request.query_params["channel"]

    async def stream() -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        QUEUES[channel].add(queue)
        try:
            while True:
                yield f"data: {await queue.get()}\n\n"
        finally:
            QUEUES[channel].discard(queue)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    """Put the body into each queue of a channel."""
    data = (await request.body()).decode()
    for queue in QUEUES[request.query_params["channel"]]:
        queue.put_nowait(data)
    return Response(b'{"id":1}', media_type="application/json")


app = Starlette(
    routes=[Route("/events", events), Route("/publish", publish, methods=["POST"])],
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=4096,
        timeout_keep_alive=120,
    )
