"""The one object that a server holds: asking and telling by HTTP, as it is set.

::

    webhooks = Webhooks(settings, limits)
    await webhooks.open()
    ...
    if webhooks.asks("publish", draft.channel):
        draft = await webhooks.calls.publish(draft)
    webhooks.emit(Occupied(channel))
    ...
    await webhooks.close()
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from everywire.core.limits import Limits
from everywire.webhooks.calls import Callee, Calls, Observe
from everywire.webhooks.events import Event
from everywire.webhooks.http_client import HttpTransport, Transport
from everywire.webhooks.insisting import Clocks
from everywire.webhooks.outbox import Standing
from everywire.webhooks.sending import Sender
from everywire.webhooks.settings import Endpoint, EventName, Hook, WebhookSettings, check

REAL_CLOCKS = Clocks(time.monotonic, time.time, asyncio.sleep)

MakeTransport = Callable[[Endpoint, float], Transport]
"""Makes what takes requests to an endpoint, within so many seconds each."""


def _nobody(endpoint: str, hook: Hook, seconds: float, result: str) -> None:
    """Watches nothing."""


class Webhooks:
    """See the module.

    Args:
        settings: Who is asked and told what.
        limits: Of a message that an answer puts in place of another.
        observe: Told of each call.
        clocks: What time it is.
        make_transport: In place of HTTP, for tests.

    Attributes:
        calls: Asks.

    Raises:
        UsageError: It cannot be as it is set.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        limits: Limits,
        *,
        observe: Observe = _nobody,
        clocks: Clocks = REAL_CLOCKS,
        make_transport: MakeTransport | None = None,
    ) -> None:
        check(settings)
        self._settings = settings
        self._clocks = clocks
        self._make = make_transport or self._http
        self._transports: list[Transport] = []
        self._sender: Sender | None = None
        callees = [
            Callee(
                name,
                endpoint,
                self._transport(endpoint, endpoint.timeout),
                max_calls=settings.max_calls,
                clock=clocks.monotonic,
                now=clocks.epoch,
                observe=observe,
            )
            for name, endpoint in settings.endpoints.items()
            if endpoint.hooks
        ]
        self.calls = Calls(callees, limits.max_data_bytes)

    async def open(self) -> None:
        """Begin to tell, with what waits from before. Without anybody to tell there is no file.

        Raises:
            OutboxRefused: The outbox cannot be opened.
        """
        told = {
            name: self._transport(endpoint, endpoint.delivery_timeout)
            for name, endpoint in self._settings.endpoints.items()
            if endpoint.events
        }
        if told:
            sender = Sender(self._settings, told, clocks=self._clocks)
            await sender.open()
            self._sender = sender

    async def close(self) -> None:
        """Keep what was not told yet, and end."""
        async with AsyncExitStack() as stack:
            for transport in self._transports:
                stack.push_async_callback(transport.close)
            if self._sender is not None:
                sender, self._sender = self._sender, None
                await sender.close()

    def asks(self, hook: Hook, channel: str | None = None) -> bool:
        """Whether anybody has to be asked; cheap. See `Calls.asks`."""
        return self.calls.asks(hook, channel)

    def tells(self, name: EventName) -> bool:
        """Whether anybody is told of a type of event; cheap."""
        return self._sender is not None and self._sender.tells(name)

    def emit(self, event: Event) -> None:
        """Tell all who want to know. Never waits, never raises; before `open` nobody does."""
        if self._sender is not None:
            self._sender.emit(event)

    async def standings(self) -> dict[str, Standing]:
        """How each endpoint that is told stands.

        Raises:
            OutboxUnavailable: The disk failed.
        """
        return {} if self._sender is None else await self._sender.standings()

    def _transport(self, endpoint: Endpoint, seconds: float) -> Transport:
        transport = self._make(endpoint, seconds)
        self._transports.append(transport)
        return transport

    def _http(self, endpoint: Endpoint, seconds: float) -> Transport:
        return HttpTransport(
            endpoint.target,
            endpoint.reach,
            timeout=seconds,
            max_bytes=self._settings.max_answer_bytes,
        )
