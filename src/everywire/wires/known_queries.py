"""Queries that came before: most who listen to the same ask for it in the same words.

A thousand clients that come back at once, or poll side by side, send one query a thousand times.
What it asks is worked out once and shared, for it never changes. A query that nobody else can send
(it holds a token or the name of a connection) or that is long is not remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from everywire.core.limits import Limits
from everywire.wires.queries import (
    PollRequest,
    Query,
    SocketRequest,
    StreamRequest,
    poll_request,
    socket_request,
    stream_request,
)

MAX_KNOWN: Final = 1024
MAX_LENGTH: Final = 256
"""Of a query that is remembered, and of the header that belongs to it, in characters."""


class KnownQueries:
    """See the module; it takes the place of the functions that it calls.

    Args:
        limits: Of channels, waits and messages.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known_stream = lru_cache(MAX_KNOWN)(self._stream)
        self._known_poll = lru_cache(MAX_KNOWN)(self._poll)
        self._known_socket = lru_cache(MAX_KNOWN)(self._socket)

    def stream(self, raw: str, last_event_id: str | None) -> StreamRequest:
        """`stream_request`.

        Args:
            raw: What stands behind the ``?``, as it came.
            last_event_id: The header.
        """
        read = self._known_stream if _is_common(raw, last_event_id) else self._stream
        return read(raw, last_event_id)

    def poll(self, raw: str, prefer: str | None) -> PollRequest:
        """`poll_request`.

        Args:
            raw: What stands behind the ``?``, as it came.
            prefer: The header.
        """
        read = self._known_poll if _is_common(raw, prefer) else self._poll
        return read(raw, prefer)

    def socket(self, raw: str) -> SocketRequest:
        """`socket_request`.

        Args:
            raw: What stands behind the ``?``, as it came.
        """
        read = self._known_socket if _is_common(raw, None) else self._socket
        return read(raw)

    def _stream(self, raw: str, last_event_id: str | None) -> StreamRequest:
        return stream_request(Query(raw), last_event_id, self._limits)

    def _poll(self, raw: str, prefer: str | None) -> PollRequest:
        return poll_request(Query(raw), prefer, self._limits)

    def _socket(self, raw: str) -> SocketRequest:
        return socket_request(Query(raw), self._limits)


def _is_common(raw: str, header: str | None) -> bool:
    """Whether others may send the same."""
    if len(raw) > MAX_LENGTH or (header is not None and len(header) > MAX_LENGTH):
        return False
    return "token=" not in raw and "connection=" not in raw
