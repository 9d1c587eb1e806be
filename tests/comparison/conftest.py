"""One real server for the tests that measure."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.processes import ServerProcess


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """Where it listens; each test takes channels of its own."""
    server = ServerProcess("--log", "memory:").start()
    yield server.port
    server.kill()


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
