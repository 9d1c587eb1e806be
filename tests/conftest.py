"""Fixtures that several rooms of tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.processes import ServerProcess


@pytest.fixture
def serve() -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers; they are gone after the test."""
    started: list[ServerProcess] = []

    def start(*arguments: str, port: int = 0) -> ServerProcess:
        server = ServerProcess(*arguments, port=port)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parent.parent
