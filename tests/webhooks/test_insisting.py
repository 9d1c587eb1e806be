"""webhooks.insisting: sending one thing until it is taken, given up, or wanted no more."""

from __future__ import annotations

import asyncio

from everywire.webhooks.delivery import Delivery, Outcome
from everywire.webhooks.http_client import Answer, EndpointFailed
from everywire.webhooks.insisting import insist
from everywire.webhooks.signing import Signer

from .making import SECRET, FakeTime, FakeTransport, Play


class World:
    def __init__(self, *script: Play, then: Play | None = None) -> None:
        self.time = FakeTime()
        self.transport = FakeTransport(self.time, *script, then=then)
        self.words: list[str] = []

    def insist(self, give_up_after: float | None = None) -> Outcome:
        return asyncio.run(
            insist(
                *("msg_1", b"[1]"),
                transport=self.transport,
                signer=Signer(SECRET),
                delivery=Delivery(give_up_after, lambda: 1.0),
                clocks=self.time.clocks,
                notify=self.words.append,
            )
        )


def test_each_attempt_is_the_same_but_for_its_time() -> None:
    """That each is signed at its own time is checked by the transport."""
    world = World(EndpointFailed("down"), Answer(503, b"", "60"), Answer(500))
    assert world.insist() is Outcome.TAKEN
    assert world.transport.ids == ["msg_1"] * 4
    assert world.transport.asked == [[1]] * 4
    assert world.time.slept == [1, 62, 4]
    assert world.words == ["down", "it answered 503", "it answered 500"]


def test_it_ends() -> None:
    gone = World(Answer(500), Answer(410))
    assert gone.insist() is Outcome.GONE
    assert gone.words[-1] == "it answered 410"
    hopeless = World(then=EndpointFailed("down"))
    assert hopeless.insist(give_up_after=100) is Outcome.GIVEN_UP
    assert sum(hopeless.time.slept) <= 100
