"""Fixtures of the client's tests."""

from .fakes import http_server, time, unused_port, ws_server

__all__ = ["http_server", "time", "unused_port", "ws_server"]
