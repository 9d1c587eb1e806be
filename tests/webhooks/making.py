"""Endpoints that play what a test wrote down, and a time that passes only when somebody sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from everywire.webhooks.http_client import Answer, EndpointFailed
from everywire.webhooks.insisting import Clocks
from everywire.webhooks.settings import Endpoint
from everywire.webhooks.signing import verify

SECRET = "whsec_" + "A" * 40
OLD_SECRET = "whsec_" + "B" * 40
EPOCH = 1_763_942_400.0

Play = Answer | EndpointFailed | Callable[[bytes], Awaitable[Answer]]


class FakeTime:
    """Clocks that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def epoch(self) -> float:
        return EPOCH + self.now - 1000.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.0)
        await asyncio.sleep(0)

    @property
    def clocks(self) -> Clocks:
        return Clocks(self.monotonic, self.epoch, self.sleep)


class FakeTransport:
    """Plays its script, then says the same thing for ever.

    Attributes:
        asked: The bodies that came, decoded.
        ids: Their webhook-ids.
    """

    def __init__(self, time: FakeTime | None = None, *script: Play, then: Play | None = None):
        self.script = list(script)
        self.then: Play = Answer(200) if then is None else then
        self.asked: list[Any] = []
        self.ids: list[str] = []
        self.closed = False
        self._time = time or FakeTime()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.ids.append(verify(body, headers, SECRET, tolerance=1, now=self._time.epoch()))
        self.asked.append(msgspec.json.decode(body))
        await asyncio.sleep(0)
        play = self.script.pop(0) if self.script else self.then
        if isinstance(play, Answer):
            return play
        if isinstance(play, EndpointFailed):
            raise play
        return await play(body)

    async def close(self) -> None:
        self.closed = True


def json_answer(**fields: Any) -> Answer:
    return Answer(200, msgspec.json.encode(fields))


def endpoint(**fields: Any) -> Endpoint:
    return Endpoint(**{"url": "https://hooks.example/in", "secret": SECRET, **fields})


async def forever(body: bytes) -> Answer:
    """An endpoint that takes the request and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; the test's own time-out ends it."""
    while not condition():  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
