"""Fixtures for tests against running servers.

After each test its clients are closed, and the server must hold nothing of them: no session, no
subscription, no timer. And it must not have logged an error, unless the test says which.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from everywire.core.limits import Limits
from everywire.server.pages import web_pages
from everywire.server.settings import Settings

from .running import Running

_numbers = itertools.count(1)

QUICK = Limits(close_timeout=1.0)
"""A peer that does not close is cut soon."""


def settings_with(**changes: Any) -> Settings:
    """Settings for a test."""
    return Settings(**{"log": "memory:", "limits": QUICK, "stop_seconds": 3.0, **changes})


@pytest.fixture(autouse=True)
def errors() -> Iterator[list[str]]:
    """The errors that servers log. A test that expects some has to empty the list."""
    found: list[str] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Catch(logging.ERROR)
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)
    assert found == []


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Servers that tests share, by carrier and what is special about them."""
    servers: dict[str, Running] = {}

    def make(carrier: str, special: str) -> Running:
        if special == "sqlite":
            where = f"sqlite:{tmp_path_factory.mktemp('log')}/everywire.db"
            return Running(carrier, settings_with(log=where))
        if special == "paged":
            settings = settings_with(
                allowed_hosts=("push.example", "Other.Example"),
                allowed_origins=("https://app.example", "http://tool.example:8080/"),
            )
            return Running(carrier, settings, web_pages())
        return Running(carrier, settings_with())

    def take(kind: str) -> Running:
        if kind not in servers:
            servers[kind] = make(*kind.split("-"))
        return servers[kind]

    yield take
    for server in servers.values():
        server.stop()


@pytest.fixture(params=["native-memory", "native-sqlite", "asgi-memory"])
def server(request: pytest.FixtureRequest, pool: Callable[[str], Running]) -> Iterator[Running]:
    """A server with the default settings, on each carrier; shared with other tests."""
    running = pool(request.param)
    yield running
    running.check_nothing_left()


@pytest.fixture
def native(pool: Callable[[str], Running]) -> Iterator[Running]:
    """The native server with the default settings; shared with other tests."""
    running = pool("native-memory")
    yield running
    running.check_nothing_left()


@pytest.fixture(params=["native-paged", "asgi-paged"])
def paged(request: pytest.FixtureRequest, pool: Callable[[str], Running]) -> Iterator[Running]:
    """A server with pages, one more host and one more origin, on each carrier; shared."""
    running = pool(request.param)
    yield running
    running.check_nothing_left()


def starting(carrier: str) -> Iterator[Callable[..., Running]]:
    """What starts servers on a carrier, and stops them."""
    servers: list[Running] = []

    def start(pages: Any = None, **changes: Any) -> Running:
        servers.append(Running(carrier, settings_with(**changes), pages))
        return servers[-1]

    yield start
    for server in servers:
        try:
            server.check_nothing_left()
        finally:
            server.stop()


@pytest.fixture(params=["native", "asgi"])
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Running]]:
    """Starts servers with other settings, on each carrier."""
    yield from starting(request.param)


@pytest.fixture
def start_native() -> Iterator[Callable[..., Running]]:
    """Starts native servers with other settings."""
    yield from starting("native")


@pytest.fixture
def channel() -> str:
    """The name of a channel that no other test uses."""
    return f"test.c{next(_numbers)}"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of a log in a file."""
    return f"sqlite:{tmp_path}/everywire.db"
