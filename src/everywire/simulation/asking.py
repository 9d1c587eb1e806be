"""The request that begins a connection, on each wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import quote

Wire = Literal["ws", "sse", "poll"]

LUCKY_WIRES: Final[Sequence[Wire]] = ("ws", "sse", "poll", "ws", "sse")
"""To draw from. A poll is a request for each answer, and so costs the most."""

_HOST: Final = "Host: localhost\r\n"
_UPGRADE: Final = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
_WAIT: Final = 4
"""Seconds that a poll waits."""


def request(
    wire: Wire, names: Sequence[str], since: int | None, connection: str | None, limit: int
) -> bytes:
    """The bytes of a request.

    Args:
        wire: Which.
        names: Channels and patterns; a WebSocket asks for them once it is welcomed.
        since: Where to go on; None: from now.
        connection: The client's own name for its connections.
        limit: Messages in an answer to a poll.
    """
    channels = "&".join(f"channel={quote(name, safe='')}" for name in sorted(names))
    own = "" if connection is None else f"&connection={connection}"
    if wire == "ws":
        return f"GET /ws?{own} HTTP/1.1\r\n{_HOST}{_UPGRADE}\r\n".encode()
    if wire == "sse":
        head = "" if since is None else f"Last-Event-ID: {since}\r\n"
        query = f"{channels}{own}&format=envelope&ephemeral=1"
        return f"GET /events?{query} HTTP/1.1\r\n{_HOST}{head}\r\n".encode()
    after = "" if since is None else f"&since={since}"
    query = f"{channels}{own}{after}&limit={limit}&wait={_WAIT}&ephemeral=1"
    return f"GET /updates?{query} HTTP/1.1\r\n{_HOST}\r\n".encode()
