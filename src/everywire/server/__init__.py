"""Sockets and processes: what carries the wires.

The way of a request: ``http_protocol`` (or ``asgi``) reads it, ``trust`` decides whether it may
come in at all, ``routes`` finds who answers. Publishing goes through ``publishing`` to the log;
the log hands batches to ``node``, whose hub says who hears them. What listens is a session:
``websocket_session``, ``event_stream``, ``polling``; what is behind is served by ``catch_up``.
"""

from everywire.server.http_protocol import HTTPProtocol

__all__ = ["HTTPProtocol"]
