"""The three wires, by name, and a way to publish that is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from everywire.advice.rules import Wire
from everywire.comparison.clients import WireClient
from everywire.comparison.http_clients import EventStreamClient, PollClient
from everywire.comparison.socket_client import WebSocketClient

CLIENTS: Final[Mapping[Wire, type[WireClient]]] = {
    "websocket": WebSocketClient,
    "sse": EventStreamClient,
    "longpoll": PollClient,
}


async def publisher(port: int) -> WebSocketClient:
    """A WebSocket to publish by: the cheapest way there is, the same for all wires."""
    client = WebSocketClient(port, "")
    await client.open()
    return client
