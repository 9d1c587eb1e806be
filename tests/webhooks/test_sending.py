"""webhooks.sending: every event is delivered at least once or counted as dropped, in order."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everywire.webhooks import sending
from everywire.webhooks.events import Connected, Occupied, Vacated
from everywire.webhooks.http_client import Answer, EndpointFailed
from everywire.webhooks.outbox_file import OutboxRefused, OutboxUnavailable
from everywire.webhooks.sending import Sender
from everywire.webhooks.settings import Endpoint, WebhookSettings

from .making import FakeTime, FakeTransport, Play, endpoint, forever, until

DOWN = EndpointFailed("it is down")


class Told(FakeTransport):
    """An endpoint that is told.

    Attributes:
        taken: The batches that it answered well.
    """

    def __init__(self, time: FakeTime, *script: Play, then: Play | None = None) -> None:
        super().__init__(time, *script, then=then)
        self.taken: list[dict[str, Any]] = []

    async def post(self, body: bytes, headers: Any) -> Answer:
        answer = await super().post(body, headers)
        if 200 <= answer.status < 300:
            self.taken.append(self.asked[-1]["data"])
        return answer

    @property
    def numbers(self) -> list[int]:
        return [event["seq"] for batch in self.taken for event in batch["events"]]


class World:
    """Endpoints, a time, and an outbox that survives senders."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.time = FakeTime()
        self.path = folder / "outbox.db"
        self.options = options
        self.endpoints: dict[str, Endpoint] = {}
        self.told: dict[str, Told] = {}

    def add(self, name: str, *script: Play, then: Play | None = None, **fields: Any) -> Told:
        self.endpoints[name] = endpoint(**{"events": ("occupied", "vacated"), **fields})
        self.told[name] = Told(self.time, *script, then=then)
        return self.told[name]

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[Sender]:
        settings = WebhookSettings(outbox=str(self.path), endpoints=self.endpoints, **self.options)
        sender = Sender(settings, self.told, clocks=self.time.clocks, draw=lambda: 0.5)
        await sender.open()
        try:
            yield sender
        finally:
            await sender.close()

    def run(self, use: Callable[[Sender], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with self.sender() as sender:
                return await use(sender)

        return asyncio.run(run())


async def drained(sender: Sender) -> None:
    """Wait until nothing waits any more."""
    await sender.flush()
    while any(one.waiting for one in (await sender.standings()).values()):  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_events_are_told_to_who_wants_them(world: World) -> None:
    all_of_it = world.add("a", events=("connected", "occupied"))
    chat = world.add("b", events=("occupied",), channels=("chat.*",))

    async def use(sender: Sender) -> None:
        assert sender.tells("connected")
        assert not sender.tells("gap")
        sender.emit(Connected("c1", "ws"))
        sender.emit(Occupied("chat.1"))
        sender.emit(Occupied("news"))
        sender.emit(Vacated("chat.1"))
        await drained(sender)

    world.run(use)
    types = [event["type"] for batch in all_of_it.taken for event in batch["events"]]
    assert types == ["connected", "occupied", "occupied"]
    assert [event["data"] for batch in chat.taken for event in batch["events"]] == [
        {"channel": "chat.1"}
    ]
    assert chat.numbers == [1]


def test_what_gathers_while_a_batch_is_out_goes_together(world: World) -> None:
    going = asyncio.Event()

    async def slow(body: bytes) -> Answer:
        await going.wait()
        return Answer(200)

    told = world.add("a", slow)

    async def use(sender: Sender) -> None:
        sender.emit(Occupied("one"))
        await until(lambda: len(told.asked) == 1)
        for number in range(5):
            sender.emit(Occupied(f"x{number}"))
            await sender.flush()
        going.set()
        await drained(sender)

    world.run(use)
    assert [len(batch["events"]) for batch in told.taken] == [1, 5]
    assert told.numbers == [1, 2, 3, 4, 5, 6]


def test_a_batch_is_the_same_at_each_attempt(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told = world.add("a", DOWN, Answer(500), Answer(302))

    async def use(sender: Sender) -> None:
        sender.emit(Occupied("one"))
        await until(lambda: len(told.asked) == 2)
        sender.emit(Occupied("two"))
        await drained(sender)

    world.run(use)
    assert len(set(told.ids[:4])) == 1
    assert told.asked[0]["data"] == told.asked[3]["data"]
    assert told.numbers == [1, 2]
    assert caplog.text.count("does not take events: it is down; trying again") == 1
    assert "webhook a takes events again" in caplog.text


def test_what_was_not_taken_is_told_by_the_next_process(world: World) -> None:
    told = world.add("a", then=forever)

    async def first(sender: Sender) -> None:
        for name in ("one", "two"):
            sender.emit(Occupied(name))
        await until(lambda: bool(told.asked))

    world.run(first)
    assert told.taken == []
    told.then = Answer(200)
    world.run(drained)
    assert told.numbers == [1, 2]


def test_closing_writes_what_was_just_emitted(world: World) -> None:
    told = world.add("a", then=forever)

    async def emit(sender: Sender) -> None:
        sender.emit(Occupied("one"))

    world.run(emit)
    told.then = Answer(200)
    world.run(drained)
    assert told.numbers == [1]


def test_closing_writes_what_was_emitted_while_the_last_was_being_written(world: World) -> None:
    told = world.add("a", then=forever)
    writing, going = threading.Event(), threading.Event()

    async def run() -> None:
        async with world.sender() as sender:
            write = sender._outbox.write

            def slow(*arguments: Any) -> dict[str, int]:
                writing.set()
                assert going.wait(30)
                return write(*arguments)

            sender._outbox.write = slow
            sender.emit(Occupied("one"))
            await until(writing.is_set)
            sender.emit(Occupied("two"))
            going.set()

    asyncio.run(run())
    told.then = Answer(200)
    world.run(drained)
    assert told.numbers == [1, 2]


def test_what_is_dropped_is_said_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, max_events=3)
    told = world.add("a", then=forever)

    async def emit(sender: Sender) -> None:
        for number in range(10):
            sender.emit(Occupied(f"x{number}"))
        await sender.flush()
        for number in range(10):
            sender.emit(Occupied(f"y{number}"))
            await sender.flush()

    world.run(emit)
    assert caplog.text.count("webhook a: 7 events were dropped, for too many wait") == 1
    told.then = Answer(200)

    async def count(sender: Sender) -> int:
        await drained(sender)
        sender.emit(Occupied("last"))
        await drained(sender)
        return (await sender.standings())["a"].dropped

    dropped = world.run(count)
    assert dropped + len(told.numbers) == 21
    assert sum(batch["dropped"] for batch in told.taken) == dropped


def test_no_more_is_held_than_is_allowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MAX_UNWRITTEN", 200)
    told = world.add("a")

    async def use(sender: Sender) -> int:
        for number in range(50):
            sender.emit(Occupied(f"x{number}"))
        assert len(sender._rows) < 5
        await drained(sender)
        sender.emit(Occupied("last"))
        await drained(sender)
        return (await sender.standings())["a"].dropped

    dropped = world.run(use)
    assert dropped + len(told.numbers) == 51
    assert told.numbers[-1] == 51
    assert told.taken[-1]["dropped"] == dropped


def test_one_that_is_gone_is_told_nothing_more(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    told = world.add("a", Answer(410))

    async def use(sender: Sender) -> int:
        sender.emit(Occupied("one"))
        await sender.flush()
        while not (await sender.standings())["a"].gone:  # noqa: ASYNC110
            await asyncio.sleep(0)
        sender.emit(Occupied("two"))
        await sender.flush()
        return (await sender.standings())["a"].dropped

    assert world.run(use) == 2
    assert "webhook a answered 410" in caplog.text

    async def again(sender: Sender) -> None:
        sender.emit(Occupied("three"))
        await sender.flush()

    world.run(again)
    assert len(told.asked) == 1
    assert "webhook a has said it is gone" in caplog.text


def test_one_that_never_takes_it_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, give_up_after=30.0, batch_events=2)
    told = world.add("a", then=DOWN)

    async def use(sender: Sender) -> None:
        for name in ("one", "two", "three"):
            sender.emit(Occupied(name))
        await sender.flush()
        await until(lambda: len(set(told.ids)) == 2)
        told.then = Answer(200)
        await drained(sender)

    world.run(use)
    assert told.numbers == [3]
    assert told.taken[0]["dropped"] == 2
    assert "2 events were dropped, after" in caplog.text


def test_a_disk_that_fails_is_said_and_counted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    told = world.add("a")

    async def use(sender: Sender) -> None:
        write = sender._outbox.write

        def full(*_: object) -> dict[str, int]:
            raise OutboxUnavailable("the disk is full")

        sender._outbox.write = full
        sender.emit(Occupied("one"))
        await sender.flush()
        sender._outbox.write = write
        await sender.flush()
        assert (await sender.standings())["a"].dropped == 1
        sender.emit(Occupied("two"))
        await drained(sender)

    world.run(use)
    assert "the disk is full; 1 events are dropped" in caplog.text
    assert told.numbers == [2]
    assert told.taken[0]["dropped"] == 1


def test_a_disk_that_fails_after_a_batch_was_taken_has_it_told_again(world: World) -> None:
    told = world.add("a")

    async def use(sender: Sender) -> None:
        delivered = sender._outbox.delivered

        def full(*_: object) -> None:
            sender._outbox.delivered = delivered
            raise OutboxUnavailable("the disk is full")

        sender._outbox.delivered = full
        sender.emit(Occupied("one"))
        await drained(sender)

    world.run(use)
    assert told.numbers == [1, 1]
    assert len(set(told.ids)) == 1


def test_an_outbox_that_cannot_be_opened_is_refused(world: World) -> None:
    world.add("a")
    world.path.write_bytes(b"no database" * 100)
    with pytest.raises(OutboxRefused):
        world.run(drained)


PLAYS = st.sampled_from([Answer(200), Answer(204), Answer(500), Answer(429, b"", "7"), DOWN])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(1, 6)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("turn"), st.integers(1, 30)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.lists(PLAYS, max_size=12), st.integers(2, 8), st.integers(1, 4))
def test_every_event_is_delivered_or_counted_and_in_order(
    steps: list[tuple[str, int]], plays: list[Play], most: int, batch: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), max_events=most, batch_events=batch, give_up_after=20.0)
        told = world.add("a", *plays)
        emitted, dropped = asyncio.run(_play(world, steps))
    numbers = told.numbers
    first_times = list(dict.fromkeys(numbers))
    assert first_times == sorted(first_times)
    assert set(numbers) <= set(range(1, emitted + 1))
    assert len(first_times) + dropped >= emitted
    if ("restart", 0) in steps:
        # One may come between an answer and its note: then what was taken is told again, or is
        # dropped and counted.
        return
    assert numbers == first_times
    assert len(numbers) + dropped == emitted
    after = 0
    for taken in told.taken:
        seqs = [event["seq"] for event in taken["events"]]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert taken["dropped"] == seqs[0] - after - 1
        after = seqs[-1]


async def _play(world: World, steps: list[tuple[str, int]]) -> tuple[int, int]:
    """Returns how many events were emitted, and how many dropped."""
    emitted = 0
    todo = list(steps)
    while True:
        async with world.sender() as sender:
            while todo:
                what, count = todo.pop(0)
                if what == "restart":
                    break
                if what == "flush":
                    await sender.flush()
                for _ in range(count):
                    if what == "emit":
                        emitted += 1
                        sender.emit(Occupied(f"x{emitted}"))
                    else:
                        await asyncio.sleep(0)
            else:
                await drained(sender)
                return emitted, (await sender.standings())["a"].dropped
