"""Publishers that repeat what was not answered, and now and then what was.

Each publish carries an idempotency key, and is repeated with it by the client that everybody uses
(`everywire.client.Publisher`) until the server has said that it has the message.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from everywire.client import GaveUp, Publisher, Refused, draft
from everywire.client.publisher import new_key
from everywire.client.retry import Backoff
from everywire.torture.history import Acknowledged, Attempted, Failed, History, digest
from everywire.torture.hoppers import Stopped, pause

_AGAIN: Final = 0.05
"""The part of publishes that are sent once more although they were acknowledged."""

_LISTS: Final = 0.1
"""The part of publishes that are lists."""

_LONGEST: Final = 8
_PADDING: Final = (0, 10, 100, 100, 2000)
_PATIENCE: Final = 60.0


class TortureLoad:
    """One publisher; `run` is a thread's.

    Args:
        name: Unlike all others.
        url: Where to publish.
        channels: It publishes to them at random.
        history: Takes down what happens.
        draw: Its luck.
        enough: Set when it shall publish no more.
        stop: Set when the run is over.
        rest: Seconds between two publishes at most.
    """

    def __init__(
        self,
        name: str,
        url: str,
        channels: Sequence[str],
        history: History,
        draw: random.Random,
        enough: threading.Event,
        stop: threading.Event,
        rest: float = 0.02,
    ) -> None:
        self.name = name
        self._url = url
        self._channels = channels
        self._history = history
        self._draw = draw
        self._enough = enough
        self._stop = stop
        self._rest = rest
        self._count = 0

    def run(self) -> None:
        """Publish until it is enough."""
        backoff = Backoff(base=0.05, cap=0.5, random=self._draw.random)
        sleep = pause(self._stop)
        try:
            with Publisher(
                self._url, patience=_PATIENCE, backoff=backoff, sleep=sleep
            ) as publisher:
                while not self._enough.wait(self._draw.uniform(0, self._rest)):
                    if self._draw.random() < _LISTS:
                        self._publish_list(publisher)
                    else:
                        self._publish_one(publisher)
        except Stopped:
            return
        except (GaveUp, Refused) as error:
            self._history.add(Failed(self.name, f"could not publish: {error}"))

    def _publish_one(self, publisher: Publisher) -> None:
        channel, data = self._next()
        key = new_key()
        times = 2 if self._draw.random() < _AGAIN else 1
        for again in range(times):
            published = publisher.publish(channel, data, idempotency_key=key)
            self._acknowledge(channel, data, published.id, again=again > 0)

    def _publish_list(self, publisher: Publisher) -> None:
        messages = [self._next() for _ in range(self._draw.randint(2, _LONGEST))]
        ids = publisher.publish_many([draft(channel, data) for channel, data in messages])
        for (channel, data), position in zip(messages, ids, strict=True):
            self._acknowledge(channel, data, position, again=False)

    def _next(self) -> tuple[str, Mapping[str, Any]]:
        """The next message, noted as one that will be tried."""
        self._count += 1
        channel = self._draw.choice(self._channels)
        data = {"label": f"{self.name}/{self._count}", "pad": "x" * self._draw.choice(_PADDING)}
        attempt(self._history, self.name, channel, data)
        return channel, data

    def _acknowledge(
        self, channel: str, data: Mapping[str, Any], position: int | None, *, again: bool
    ) -> None:
        acknowledged = Acknowledged(self.name, channel, data["label"], position or 0, again)
        self._history.add(acknowledged)


def attempt(history: History, publisher: str, channel: str, data: Mapping[str, Any]) -> None:
    """Note that a message will be published."""
    encoded = msgspec.json.encode(data)
    history.add(Attempted(publisher, channel, data["label"], digest(encoded)))
