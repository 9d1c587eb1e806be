"""What the clients of the three wires have in common.

They are alike on purpose: each reads JSON message objects with the same decoder, and resumes by a
position. They are as thin as a client can be, since what they take is part of each latency.

What is counted are the bytes of TCP's payload, both ways, heads and requests included; what TCP, IP
and Ethernet put around them is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

import msgspec

HOST: Final = "127.0.0.1"

PATIENCE: Final = 10.0
"""Seconds after which something that has to come on loopback does not come any more."""

Hear = Callable[[bytes], object]
"""Takes the data of a message, as JSON."""


class Refused(ConnectionError):
    """It could not be opened.

    Args:
        words: Why.
        status: The HTTP status that was answered; 0: none was.
    """

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Item(msgspec.Struct):
    """A frame, or a message object."""

    type: str = "message"
    id: int = 0
    last_id: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


item_of = msgspec.json.Decoder(Item).decode


def unheard(data: bytes) -> None:
    """Hear nothing."""


class WireClient(asyncio.Protocol):
    """What the three have in common.

    Args:
        port: Of the server, or of a proxy before it.
        channel: What to hear.
        hear: Called with each message's data.
        since: Start after this position; None: with what is new.
        bare: Ask for the bare data where the wire has that form, not for message objects.

    Attributes:
        received: Bytes.
        sent: Bytes.
        position: Everything up to it was heard; None: not known.
        status: Of the HTTP answer; 0: none yet.
        headers: Of the HTTP answer, names in lower case.
        gone: Done once the connection is over.
        retry_ms: When the server wants one to come back; None: it said nothing.
    """

    def __init__(
        self,
        port: int,
        channel: str,
        hear: Hear = unheard,
        since: int | None = None,
        *,
        bare: bool = False,
    ) -> None:
        self.port = port
        self.channel = channel
        self.hear = hear
        self.position: int | None = since
        self.bare = bare
        self.received = self.sent = 0
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.retry_ms: int | None = None
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connect; returns once the server has said where it stands.

        Raises:
            OSError: It was not reached, or ended (`Refused`).
            TimeoutError: Nothing came.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            await loop.create_connection(lambda: self, HOST, self.port)
            await self._ready

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._transport is not None

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    def send(self, data: bytes) -> None:
        """Write bytes."""
        assert self._transport is not None
        self.sent += len(data)
        self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Read."""
        self.received += len(data)
        self._read(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._transport = None
        self.refuse("the connection ended")
        if not self.gone.done():
            self.gone.set_result(None)

    def _begin(self) -> None:
        raise NotImplementedError

    def _read(self, data: bytes) -> None:
        raise NotImplementedError

    # For the wires

    def is_ready(self) -> None:
        """It is open."""
        if not self._ready.done():
            self._ready.set_result(None)

    def refuse(self, words: str) -> None:
        """It could not be opened."""
        if not self._ready.done():
            self._ready.set_exception(Refused(words, self.status))
            self._ready.exception()  # whoever does not wait for it need not be warned

    def take(self, item: Item) -> None:
        """A message has come."""
        self.position = item.id or self.position
        self.hear(bytes(item.data))
