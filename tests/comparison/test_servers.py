"""The server that is measured."""

from __future__ import annotations

import asyncio
import sys

import psutil
import pytest

from everywire.comparison import servers
from everywire.comparison.servers import ComparisonFailed, LocalServer


def test_it_runs_and_is_gone_afterwards() -> None:
    async def work() -> psutil.Process:
        async with LocalServer() as server:
            assert (await server.get("/channels/a")).status == 200
            assert server.memory_bytes()[0] > 1_000_000
            assert server.processor_seconds() > 0
            return server.watched

    assert not asyncio.run(work()).is_running()


def test_one_that_does_not_start_is_an_error_with_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work() -> None:
        async with LocalServer():
            pass

    monkeypatch.setattr(sys, "executable", "/bin/sh")
    with pytest.raises(ComparisonFailed, match="did not start; it said: "):
        asyncio.run(work())


def test_one_that_says_nothing_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[LocalServer] = []

    async def work() -> None:
        started.append(LocalServer())
        async with started[0]:
            pass

    monkeypatch.setattr(servers, "START_SECONDS", 0.0)
    with pytest.raises(ComparisonFailed, match="it said: nothing"):
        asyncio.run(work())
    process = started[0]._process
    assert process is not None
    assert process.returncode is not None
