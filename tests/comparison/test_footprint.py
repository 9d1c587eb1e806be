"""What a client costs the server."""

from __future__ import annotations

import asyncio
import sys

import pytest

from everywire.advice.rules import WIRES, Wire
from everywire.comparison import footprint
from everywire.comparison.servers import LocalServer


@pytest.mark.parametrize("wire", WIRES)
def test_memory_and_processor_time_and_what_is_held(wire: Wire) -> None:
    async def work() -> tuple[float, str, float, int]:
        each, counted = await footprint.memory(wire, 20)
        async with LocalServer() as server:
            used = await footprint.processor(server, wire, 3, 0.1)
            return each, counted, used, await footprint.held_between(server, wire)

    each, counted, used, held = asyncio.run(work())
    assert each >= 0
    assert counted == ("Pss" if sys.platform == "linux" else "RSS")
    assert used >= 0
    assert held == (0 if wire == "longpoll" else 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit there")
def test_no_more_connections_than_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = [(256, 512)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, wanted: limits.append(wanted))
    assert footprint.connections_allowed(100) == 100
    assert limits[-1] == (512, 512)
    assert footprint.connections_allowed(1000) == 512 - 64


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit there")
def test_where_the_system_gives_no_more_it_makes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    def refuse(kind: int, wanted: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert footprint.connections_allowed(1000) == 256 - 64
