"""webhooks.calls: asking whoever has a say, who may be down, slow or lying."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from msgspec import UNSET

from everywire.core.errors import RequestError
from everywire.core.messages import Draft
from everywire.webhooks.breaker import FAILURES, REST, State
from everywire.webhooks.calls import Callee, Calls
from everywire.webhooks.http_client import Answer, EndpointFailed
from everywire.webhooks.questions import ConnectQuestion, SubscribeQuestion
from everywire.webhooks.settings import Hook

from .making import FakeTime, FakeTransport, endpoint, forever, json_answer, until

YES = json_answer(allow=True)
NO = json_answer(allow=False, reason="too loud")
DOWN = EndpointFailed("it is down")


class World:
    """Endpoints, each with its transport."""

    def __init__(self, max_calls: int = 10) -> None:
        self.time = FakeTime()
        self.max_calls = max_calls
        self.callees: list[Callee] = []
        self.transports: dict[str, FakeTransport] = {}
        self.observed: list[tuple[str, Hook, float, str]] = []

    def add(self, name: str, *script: Any, then: Any = YES, **fields: Any) -> FakeTransport:
        transport = FakeTransport(self.time, *script, then=then)
        self.transports[name] = transport
        self.callees.append(
            Callee(
                name,
                endpoint(**{"hooks": ("connect", "subscribe", "publish"), **fields}),
                transport,
                max_calls=self.max_calls,
                clock=self.time.monotonic,
                now=self.time.epoch,
                observe=lambda *call: self.observed.append(call),
            )
        )
        return transport

    @property
    def calls(self) -> Calls:
        return Calls(self.callees, max_data_bytes=100)

    def subscribe(self, channel: str = "chat.1") -> str:
        """``yes``, or the code of the refusal."""
        try:
            asyncio.run(self.calls.subscribe(SubscribeQuestion(channel, "c1")))
        except RequestError as error:
            return error.code
        return "yes"


@pytest.fixture
def world() -> World:
    return World()


def test_yes_no_and_what_was_asked(world: World) -> None:
    transport = world.add("a", YES, NO)
    assert world.subscribe() == "yes"
    with pytest.raises(RequestError, match="too loud") as caught:
        asyncio.run(world.calls.subscribe(SubscribeQuestion("chat.1", "c1", "u1")))
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)
    assert [body["type"] for body in transport.asked] == ["subscribe", "subscribe"]
    assert transport.asked[1]["data"] == {"channel": "chat.1", "connection": "c1", "user": "u1"}
    assert len(set(transport.ids)) == 2
    assert [result for *_, result in world.observed] == ["allowed", "refused"]


LIES = [
    DOWN,
    Answer(200, b"<html>"),
    Answer(200, b'{"allow":true,"extra":1}'),
    Answer(202, b'{"allow":true}'),
    Answer(204),
    Answer(302),
    Answer(403, b'{"allow":false}'),
    Answer(500, b'{"allow":true}'),
]


@pytest.mark.parametrize("lie", LIES)
def test_no_answer_means_no_or_yes_as_is_set(world: World, lie: Any) -> None:
    world.add("closed", then=lie)
    assert world.subscribe() == "unavailable"
    other = World()
    other.add("open", then=lie, fail_open=("subscribe",))
    assert other.subscribe() == "yes"
    assert world.observed[0][3] == other.observed[0][3] == "failed"


def test_what_a_client_is_told_says_nothing_of_the_endpoint(world: World) -> None:
    world.add("a", then=EndpointFailed("10.0.0.7 refused the connection"))
    with pytest.raises(RequestError) as caught:
        asyncio.run(world.calls.subscribe(SubscribeQuestion("chat.1", "c1")))
    assert "10.0.0.7" not in caught.value.message
    assert "try again after 2000 ms" in caught.value.message


def test_a_no_is_a_no_where_no_answer_would_be_a_yes(world: World) -> None:
    world.add("a", NO, fail_open=("subscribe",))
    assert world.subscribe() == "forbidden"


def test_the_first_no_ends_it(world: World) -> None:
    world.add("a", then=NO)
    second = world.add("b")
    assert world.subscribe() == "forbidden"
    assert second.asked == []


def test_only_those_are_asked_who_want_to_be(world: World) -> None:
    chat = world.add("a", hooks=("subscribe",), channels=("chat.*", "news"))
    calls = world.calls
    assert calls.asks("subscribe")
    assert calls.asks("subscribe", "chat.1")
    assert not calls.asks("subscribe", "prices")
    assert not calls.asks("publish", "chat.1")
    assert not calls.asks("connect")
    assert world.subscribe("prices") == "yes"
    assert chat.asked == []


@pytest.mark.parametrize("pattern", ["**", "chat.**", "*.1", "chat.1"])
def test_a_pattern_is_no_way_around_the_question(world: World, pattern: str) -> None:
    world.add("a", channels=("chat.*",), then=NO)
    assert world.calls.asks("subscribe", pattern)
    assert world.subscribe(pattern) == "forbidden"


def test_connect_is_changed_by_one_after_the_other(world: World) -> None:
    first = world.add("a", json_answer(allow=True, user="u1"), headers=("Cookie",))
    second = world.add("b", json_answer(allow=True, grants={"x": ["subscribe"]}))
    question = ConnectQuestion("c1", "ws", headers={"cookie": "secret", "x-other": "1"})
    changes = asyncio.run(world.calls.connect(question))
    assert changes.user == "u1"
    assert changes.allowed is not None
    assert changes.allowed.allows("subscribe", "x")
    assert first.asked[0]["data"]["headers"] == {"cookie": "secret"}
    assert second.asked[0]["data"] == {"connection": "c1", "wire": "ws", "user": "u1"}
    assert world.calls.wanted_headers == {"cookie"}


def test_connect_without_an_answer_changes_nothing(world: World) -> None:
    world.add("a", then=DOWN, fail_open=("connect",))
    changes = asyncio.run(world.calls.connect(ConnectQuestion("c1", "ws")))
    assert (changes.user, changes.grants) == (UNSET, UNSET)


def test_publish_is_changed_by_one_after_the_other(world: World) -> None:
    world.add("a", json_answer(allow=True, data=2))
    second = world.add("b")
    changed = asyncio.run(world.calls.publish(Draft("chat.1", b"1")))
    assert changed.data == b"2"
    assert second.asked[0]["data"]["data"] == 2


def test_what_cannot_be_published_counts_as_no_answer(world: World) -> None:
    world.add("a", then=json_answer(allow=True, data="x" * 200), fail_open=("publish",))
    draft = Draft("chat.1", b"1")
    assert asyncio.run(world.calls.publish(draft)) is draft
    other = World()
    other.add("a", then=json_answer(allow=True, data="x" * 200))
    with pytest.raises(RequestError) as caught:
        asyncio.run(other.calls.publish(draft))
    assert caught.value.code == "unavailable"


def test_whoever_does_not_answer_is_left_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    transport = world.add("a", then=DOWN)
    for _ in range(FAILURES + 5):
        assert world.subscribe() == "unavailable"
    assert len(transport.asked) == FAILURES
    assert [result for *_, result in world.observed].count("skipped") == 5
    assert "webhook a: subscribe is not asked for a while (no)" in caplog.text
    world.time.now += REST
    transport.then = YES
    assert world.subscribe() == "yes"
    assert world.subscribe() == "yes"
    assert "webhook a answers subscribe again" in caplog.text


def test_each_hook_is_left_alone_by_itself(world: World) -> None:
    world.add("a", *[DOWN] * FAILURES)
    for _ in range(FAILURES):
        world.subscribe()
    callee = world.callees[0]
    assert callee.breakers["subscribe"].state is State.OPEN
    asyncio.run(world.calls.publish(Draft("chat.1", b"1")))
    assert callee.breakers["publish"].state is State.CLOSED


def test_clients_that_go_away_are_no_failures_of_the_endpoint(world: World) -> None:
    world.add("a", then=forever)

    async def run() -> None:
        calls = world.calls
        for _ in range(FAILURES + 1):
            task = asyncio.create_task(calls.subscribe(SubscribeQuestion("chat.1", "c1")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert world.callees[0].breakers["subscribe"].state is State.CLOSED
    world.transports["a"].then = YES
    assert world.subscribe() == "yes"


def test_more_than_so_many_at_once_are_not_queued() -> None:
    world = World(max_calls=2)
    transport = world.add("a", then=forever)

    async def run() -> None:
        calls = world.calls
        waiting = [
            asyncio.create_task(calls.subscribe(SubscribeQuestion("chat.1", f"c{number}")))
            for number in range(2)
        ]
        await until(lambda: len(transport.asked) == 2)
        with pytest.raises(RequestError) as caught:
            await calls.subscribe(SubscribeQuestion("chat.1", "c3"))
        assert caught.value.code == "unavailable"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        transport.then = YES
        await calls.subscribe(SubscribeQuestion("chat.1", "c3"))

    asyncio.run(run())
    assert world.observed[0][3] == "skipped"
    assert world.callees[0].breakers["subscribe"].state is State.CLOSED
