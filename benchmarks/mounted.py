"""Our server inside another application, as a user would have it.

The same ASGI application, around a Starlette one, under uvicorn: with our HTTP protocol (``own``),
and through plain ASGI (``plain``), where every connection is a coroutine and every message passes
the server's ``send``.

    python mounted.py own|plain PORT
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from everywire.server.asgi import ServerApplication
from everywire.server.http_protocol import HTTPProtocol
from everywire.server.node import Node
from everywire.server.settings import Settings


async def home(request: Request) -> Response:
    """The application's own page."""
    return PlainTextResponse("hello")


def main(protocol: str, port: int) -> None:
    """Serve until killed."""
    pages = Starlette(routes=[Route("/", home)])
    uvicorn.run(
        ServerApplication(Node(Settings(log="memory:", port=port)), pages),
        port=port,
        loop="uvloop",
        http=HTTPProtocol if protocol == "own" else "httptools",
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=False,
        backlog=4096,
        timeout_keep_alive=120,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
