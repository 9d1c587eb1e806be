"""Fixtures of the tests of the logs: the event loop, and a bench for each kind of log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logs.harness import Bench


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each log that has to pass the conformance suite."""
    made = Bench(request.param, tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Bench]:
    """The log in a file only."""
    made = Bench("sqlite", tmp_path)
    yield made
    await made.close()
