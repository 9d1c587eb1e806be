"""What passes: up the same connection, bytes, through proxies, into caches.

Each is a test with a yes or a no against the running server. What should not come is waited for
`DEADLINE` seconds; a no means that it had not come by then.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import Final, NamedTuple

from everywire.advice.rules import Wire
from everywire.comparison.clients import HOST, PATIENCE, WireClient
from everywire.comparison.socket_client import WebSocketClient
from everywire.comparison.speed import new_channel
from everywire.comparison.wires import CLIENTS, publisher
from everywire.torture.chaos import ChaosProxy
from everywire.torture.links import HELD, Plan

DEADLINE: Final = 0.4

BYTES: Final = bytes(range(256))
"""Every byte there is, to see which come through."""

BUFFERING: Final = Plan(hold=HELD)
STRIPPING: Final = Plan(strip=True)

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_SETTINGS: Final = 4


class Passed(NamedTuple):
    """How a test came out.

    Attributes:
        yes: Whether it passed.
        ms: How long it took, where it did.
    """

    yes: bool
    ms: float = 0.0


class Heads(NamedTuple):
    """What an answer of the wire begins with.

    Attributes:
        status: Of HTTP.
        kind: Its ``Content-Type``, or what it upgrades to.
        caching: Its ``Cache-Control``; empty: there is none.
        unbuffered: Whether it asks proxies not to buffer (``X-Accel-Buffering: no``).
    """

    status: int
    kind: str
    caching: str
    unbuffered: bool = False


class Carried(NamedTuple):
    """How 256 different bytes came through.

    Attributes:
        yes: Whether they came as they are.
        length: Bytes or characters that came for them.
    """

    yes: bool
    length: int


class _Heard:
    """Whether a message came, by when."""

    def __init__(self) -> None:
        self.data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def hear(self, data: bytes) -> None:
        if not self.data.done():
            self.data.set_result(data)

    async def wait(self, began: float) -> Passed:
        try:
            await asyncio.wait_for(asyncio.shield(self.data), DEADLINE)
        except TimeoutError:
            return Passed(False)
        return Passed(True, (time.perf_counter() - began) * 1000)


async def up(port: int, wire: Wire) -> Passed:
    """Whether a client can publish up the connection on which it hears."""
    heard, channel = _Heard(), new_channel()
    client = CLIENTS[wire](port, channel, heard.hear)
    await client.open()
    try:
        began = time.perf_counter()
        if isinstance(client, WebSocketClient):
            client.publish(channel, b"1")
        else:
            client.send(_post(port, channel))
        return await heard.wait(began)
    finally:
        client.abort()


async def up_beside(port: int) -> float:
    """Milliseconds until a publish by POST, on a connection kept for it, is answered."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        times: list[float] = []
        for _ in range(2):
            began = time.perf_counter()
            writer.write(_post(port, new_channel()))
            head = await reader.readuntil(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            await reader.readexactly(int(length.split()[0]))
            times.append((time.perf_counter() - began) * 1000)
        return times[-1]
    finally:
        await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # It may have been cut from the other side.
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _post(port: int, channel: str) -> bytes:
    return (
        f"POST /channels/{channel} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n1"
    ).encode()


async def carries_bytes(port: int, wire: Wire) -> Carried:
    """Whether bytes come as bytes, and not as base64."""
    heard, channel = _Heard(), new_channel()
    client = CLIENTS[wire](port, channel, heard.hear, bare=True)
    sender = await publisher(port)
    try:
        await client.open()
        sender.publish(channel, b'"' + base64.b64encode(BYTES) + b'"', "base64")
        # Polls bring message objects, in which the data is a JSON string.
        came = (await asyncio.wait_for(heard.data, PATIENCE)).strip(b'"')
        return Carried(came == BYTES, len(came))
    finally:
        client.abort()
        sender.abort()


async def through(port: int, wire: Wire, plan: Plan) -> Passed:
    """Whether a message comes through a proxy while the connection is open."""
    proxy = ChaosProxy(port, lambda number: plan)
    heard, channel = _Heard(), new_channel()
    client = CLIENTS[wire](await proxy.start(), channel, heard.hear)
    sender = await publisher(port)
    try:
        if not await _opens(client):
            return Passed(False)
        began = time.perf_counter()
        sender.publish(channel, b"1")
        return await heard.wait(began)
    finally:
        client.abort()
        sender.abort()
        await proxy.close()


async def _opens(client: WireClient) -> bool:
    """Whether it is open by the deadline.

    A stream that is held back never says that it is; it may still bring something, so it is not
    given up before.
    """
    try:
        await asyncio.wait_for(client.open(), DEADLINE)
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


async def speaks_http2(port: int) -> bool:
    """Whether the server answers HTTP/2's preface with its settings (RFC 9113, section 3.4)."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(_PREFACE)
        answer = await asyncio.wait_for(reader.read(9), DEADLINE)
    except (TimeoutError, ConnectionError):
        return False
    finally:
        await _closed(writer)
    return len(answer) > _SETTINGS and answer[3] == _SETTINGS


async def heads(port: int, wire: Wire) -> Heads:
    """What an answer begins with that brings a message."""
    heard, channel = _Heard(), new_channel()
    sender = await publisher(port)
    client = CLIENTS[wire](port, channel, heard.hear)
    try:
        await client.open()
        sender.publish(channel, b"1")
        await asyncio.wait_for(heard.data, PATIENCE)
    finally:
        client.abort()
        sender.abort()
    kind = client.headers.get("upgrade") or client.headers.get("content-type", "")
    return Heads(
        client.status,
        kind.partition(";")[0],
        client.headers.get("cache-control", ""),
        client.headers.get("x-accel-buffering") == "no",
    )


def cacheable(heads: Heads) -> bool:
    """Whether a shared cache may answer others with it (RFC 9111)."""
    directives = {part.strip().partition("=")[0] for part in heads.caching.lower().split(",")}
    forbidden = directives & {"no-store", "private", "no-cache"}
    return heads.status == 200 and "max-age" in directives and not forbidden
