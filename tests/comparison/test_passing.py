"""What passes, against a real server: the yes and the no of each wire."""

from __future__ import annotations

import asyncio

import pytest

from everywire.advice.rules import Wire
from everywire.comparison import passing
from everywire.comparison.passing import BUFFERING, STRIPPING, Carried, Heads, cacheable


@pytest.mark.parametrize(
    ("wire", "yes"), [("websocket", True), ("sse", False), ("longpoll", False)]
)
def test_only_a_websocket_goes_both_ways(port: int, wire: Wire, yes: bool) -> None:
    assert asyncio.run(passing.up(port, wire)).yes is yes


@pytest.mark.parametrize(
    ("wire", "carried"),
    [
        ("websocket", Carried(True, 256)),
        ("sse", Carried(False, 344)),
        ("longpoll", Carried(False, 344)),
    ],
)
def test_only_a_websocket_carries_bytes_as_they_are(
    port: int, wire: Wire, carried: Carried
) -> None:
    assert asyncio.run(passing.carries_bytes(port, wire)) == carried


@pytest.mark.parametrize(
    ("wire", "buffering", "stripping"),
    [("websocket", True, False), ("sse", False, True), ("longpoll", True, True)],
)
def test_what_comes_through_proxies(
    port: int, wire: Wire, buffering: bool, stripping: bool
) -> None:
    assert asyncio.run(passing.through(port, wire, BUFFERING)).yes is buffering
    assert asyncio.run(passing.through(port, wire, STRIPPING)).yes is stripping


@pytest.mark.parametrize(
    ("wire", "status", "kind", "cached"),
    [
        ("websocket", 101, "websocket", False),
        ("sse", 200, "text/event-stream", False),
        ("longpoll", 200, "application/json", True),
    ],
)
def test_heads(port: int, wire: Wire, status: int, kind: str, cached: bool) -> None:
    heads = asyncio.run(passing.heads(port, wire))
    assert (heads.status, heads.kind, cacheable(heads)) == (status, kind, cached)
    assert heads.unbuffered is (wire == "sse")


@pytest.mark.parametrize(
    ("caching", "yes"),
    [
        ("public, max-age=60", True),
        ("max-age=60", True),
        ("", False),
        ("no-store", False),
        ("no-cache, max-age=60", False),
        ("Private, max-age=60", False),
    ],
)
def test_what_a_shared_cache_may_keep(caching: str, yes: bool) -> None:
    assert cacheable(Heads(200, "application/json", caching)) is yes
    assert not cacheable(Heads(101, "websocket", caching))


def test_http2_is_not_spoken_by_this_server(port: int) -> None:
    assert asyncio.run(passing.speaks_http2(port)) is False


def test_http2_is_found_where_it_is() -> None:
    async def work() -> bool:
        ended = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(24)
            writer.write(b"\0\0\0\4\0\0\0\0\0")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            ended.set()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        found = await passing.speaks_http2(server.sockets[0].getsockname()[1])
        await ended.wait()
        server.close()
        await server.wait_closed()
        return found

    assert asyncio.run(work()) is True


def test_a_publish_beside_is_answered(port: int) -> None:
    assert asyncio.run(passing.up_beside(port)) > 0
