"""Taking a request to one endpoint, and nowhere else.

HTTP/1.1 by h11, on a socket that was opened to an address which had been looked up and checked just
before (``addresses``): there is no second look-up between the check and the connection, so none
that could answer differently. TLS checks the certificate against the name. No redirect is followed,
no proxy read from the environment, no cookie kept, no encoding undone.

An answer has so long in all, from the look-up to its last byte, and so many bytes. One that comes a
byte a second is over its time like one that does not come.

A client with a pool of many origins would know more than is needed, and in httpcore 1.0.9 a pool
loses a slot whenever a request is cancelled at the wrong moment (encode/httpcore #1093), which is
what a time-out does. Here a connection belongs to one request or lies idle; what goes wrong closes
it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

import h11

import everywire
from everywire.core.errors import EverywireError
from everywire.webhooks.addresses import Reach, Target, allowed

USER_AGENT: Final = f"everywire/{everywire.__version__}"

MAX_HEAD_BYTES: Final = 16 * 1024
"""Status line and headers of an answer."""

MAX_IDLE: Final = 16
"""Connections to an endpoint that are kept for the next request."""

IDLE_SECONDS: Final = 30.0
"""How long; after that the name is looked up anew."""

_ADDRESSES_TRIED: Final = 3
_READ: Final = 64 * 1024

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class EndpointFailed(EverywireError):
    """An endpoint could not be reached, or did not answer as it has to; the message says how."""


class Answer(NamedTuple):
    """What an endpoint said.

    Attributes:
        status: HTTP status.
        body: Bounded; whole.
        retry_after: The header of that name, as it came.
    """

    status: int
    body: bytes = b""
    retry_after: str | None = None


class Transport(Protocol):
    """Takes requests to an endpoint."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            EndpointFailed: There was none, or none in time, or it was too large.
        """
        ...

    async def close(self) -> None:
        """Let go of what is kept."""


class _Connection:
    """A socket, and what is being said on it."""

    __slots__ = ("_http", "_reader", "_writer", "idle_since")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.idle_since = 0.0

    @property
    def lost(self) -> bool:
        """Whether the other side is known to have closed it."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def exchange(self, head: h11.Request, body: bytes, max_bytes: int) -> Answer:
        """Send a request, read the answer. Afterwards either `reusable` or of no more use."""
        parts = (self._http.send(event) for event in (head, h11.Data(body), h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        # It may have answered (too large, say) and closed before it had read everything.
        with suppress(ConnectionError):
            await self._writer.drain()
        response = await self._response()
        answered = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            answered += event.data
            if len(answered) > max_bytes:
                raise EndpointFailed(f"the answer has more than {max_bytes} bytes")
        named = dict(response.headers)
        retry_after = named.get(b"retry-after")
        return Answer(
            response.status_code,
            bytes(answered),
            None if retry_after is None else retry_after.decode("latin-1"),
        )

    def reusable(self) -> bool:
        """Whether another request may be sent; then it is ready for one."""
        http = self._http
        if not http.our_state is http.their_state is h11.DONE or http.trailing_data[0]:
            return False
        http.start_next_cycle()
        return not self.lost

    def close(self) -> None:
        self._writer.transport.abort()

    async def _response(self) -> h11.Response:
        while not isinstance(event := await self._event(), h11.Response):
            pass  # 100 Continue and the like
        return event

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(_READ)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("it closed the connection without an answer")
            self._http.receive_data(data)
        return event


class HttpTransport:
    """Takes requests to one endpoint over HTTP.

    Args:
        target: The endpoint.
        reach: Which addresses it may have.
        timeout: Seconds for a request and its answer in all.
        max_bytes: Of an answer's body.
        tls: How to check its certificate; None: by the system's authorities.
        resolve: Looks up the addresses of a name; None: the system does.
    """

    def __init__(
        self,
        target: Target,
        reach: Reach,
        *,
        timeout: float,
        max_bytes: int,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._target = target
        self._reach = reach
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls = (tls or ssl.create_default_context()) if target.secure else None
        self._resolve = _look_up if resolve is None else resolve
        self._idle: list[_Connection] = []

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and wait for its answer; see `Transport`."""
        head = h11.Request(
            method="POST",
            target=self._target.path,
            headers=[
                ("Host", self._target.authority),
                ("User-Agent", USER_AGENT),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Accept", "application/json"),
                *headers.items(),
            ],
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(head, body)
        except TimeoutError:
            raise EndpointFailed(f"no whole answer within {self._timeout:g} s") from None
        except h11.RemoteProtocolError as error:
            raise EndpointFailed(f"the answer is not HTTP: {error}") from None
        except ssl.SSLCertVerificationError as error:
            words = f"its certificate is not trusted ({error.verify_message})"
            raise EndpointFailed(words) from None
        except OSError as error:
            raise EndpointFailed(error.strerror or str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop().close()
        # A transport that was told to close does so in the loop's next turn.
        await asyncio.sleep(0)

    async def _post(self, head: h11.Request, body: bytes) -> Answer:
        while kept := self._take():
            try:
                return await self._on(kept, head, body)
            except ConnectionError:
                continue  # closed while it lay idle, which is seen only now
        return await self._on(await self._connect(), head, body)

    def _take(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            kept = self._idle.pop()
            if not kept.lost and now - kept.idle_since < IDLE_SECONDS:
                return kept
            kept.close()
        return None

    async def _on(self, connection: _Connection, head: h11.Request, body: bytes) -> Answer:
        kept = False
        try:
            answer = await connection.exchange(head, body, self._max_bytes)
            kept = connection.reusable() and len(self._idle) < MAX_IDLE
        finally:
            if not kept:
                connection.close()
        if kept:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        return answer

    async def _connect(self) -> _Connection:
        """Look the name up, check what it has, connect to that."""
        target = self._target
        found = await self._resolve(target.host, target.port)
        good, bad = allowed(found, self._reach)
        if not good:
            why = "; ".join(bad[:_ADDRESSES_TRIED]) or "it has no address"
            raise EndpointFailed(f"{target.host} may not be spoken to: {why}")
        good = good[:_ADDRESSES_TRIED]
        for number, address in enumerate(good, 1):
            try:
                # An address that swallows what is sent to it leaves the others their time.
                async with asyncio.timeout(self._timeout / len(good)):
                    return await self._connect_to(address)
            except ssl.SSLError:
                raise
            except OSError:  # a time-out is one
                if number == len(good):
                    raise
        raise AssertionError("unreachable: there is at least one address")

    async def _connect_to(self, address: str) -> _Connection:
        name = self._target.host if self._tls is not None else None
        reader, writer = await asyncio.open_connection(
            address, self._target.port, ssl=self._tls, server_hostname=name
        )
        return _Connection(reader, writer)


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
