"""python-socketio on uvicorn: a room a channel, WebSocket only.

A client names its channel in the handshake's query; ``POST /pub`` takes ``{"channel","data"}`` and
emits the data to the room. No history: at most once.

    python socketio_uvicorn.py PORT
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qs

import socketio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

io = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


@io.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    """Join the room that the query names."""
    query = parse_qs(environ["QUERY_STRING"])
    await io.enter_room(sid, query["channel"][0])


async def publish(request: Request) -> Response:
    """Emit to a room."""
    asked = json.loads(await request.body())
    await io.emit("message", asked["data"], room=asked["channel"])
    return Response(b'{"id":1}', media_type="application/json")


app = socketio.ASGIApp(io, Starlette(routes=[Route("/pub", publish, methods=["POST"])]))

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=False,
        backlog=4096,
        timeout_keep_alive=120,
    )
