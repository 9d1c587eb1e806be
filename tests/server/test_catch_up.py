"""server.catch_up: what goes out together, and when somebody is told to be level.

That nothing is lost or repeated is proved in test_promises.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from everywire.core.hub import Hub
from everywire.core.messages import Draft
from everywire.core.pages import Page, Query
from everywire.core.subscriptions import State, Subscriber, Subscription
from everywire.logs.base import Append, LogSettings
from everywire.logs.memory import MemoryLog
from everywire.server.catch_up import CatchUp
from everywire.server.shared_pages import SharedPages
from everywire.wires import sse

LEAD = b"lead;"
LEVEL = b"level;"


class Sink:
    """Passes the log's position on to a hub, which nobody hears."""

    hub: Hub

    def batch(self, messages: object) -> None: ...

    def advance(self, position: int) -> None:
        self.hub.position = position


class ForgetfulLog(MemoryLog):
    """Its messages are not in memory any more, as far as its readers know."""

    def recent(self, query: Query) -> Page | None:  # type: ignore[override]
        return None


class House:
    """A log, and a subscriber that is behind; its writes are kept."""

    def __init__(self, log: type[MemoryLog] = MemoryLog) -> None:
        self.soon: list[Callable[[], None]] = []
        self.log = log(LogSettings(now_us=lambda: 1_000_000, soon=self.soon.append))
        sink = Sink()
        with contextlib.suppress(StopIteration):
            self.log.open(sink).send(None)
        self.hub = sink.hub = Hub(self.log.head())
        self.catch_up = CatchUp(self.log, self.hub, SharedPages(self.log), self.soon.append)
        self.writes: list[bytes] = []
        self.fills = False
        self.ended: list[str] = []
        self.subscriber = Subscriber(sse.DATA, self.write, self)

    def publish(self, size: int, *, final: bool = False) -> None:
        data = b"x" * size
        self.log.submit(Append([Draft("a", data, final=final)], lambda result: None))
        self.log.flush()

    def subscribe(self, since: int) -> None:
        self.hub.subscribe(self.subscriber, Subscription(("a",), (), since))

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self.fills:
            self.hub.lag(self.subscriber)

    def drain(self) -> None:
        self.fills = self.subscriber.full = False
        self.catch_up.pump(self.subscriber)

    @property
    def live(self) -> bool:
        return all(s.state is State.LIVE for s in self.subscriber.subscriptions)

    # The owner's part

    def level(self, position: int) -> bytes:
        assert position == self.hub.position
        return LEVEL

    def channel_ended(self, channel: str) -> None:
        self.ended.append(channel)

    def too_slow(self) -> None: ...
    def set_back(self) -> None: ...
    def broken(self) -> None: ...


@pytest.fixture
def house() -> Iterator[House]:
    yield House()


def test_all_that_most_are_told_is_one_write(house: House) -> None:
    house.publish(10)
    house.publish(10)
    house.subscribe(0)
    house.catch_up.pump(house.subscriber, LEAD)
    (written,) = house.writes
    assert written.startswith(LEAD)
    assert written.endswith(LEVEL)
    assert written.count(b"x" * 10) == 2
    assert house.live


def test_who_is_not_behind_gets_what_leads_alone(house: House) -> None:
    house.catch_up.pump(house.subscriber, LEAD)
    assert house.writes == [LEAD]


def test_what_leads_does_not_wait_for_the_log() -> None:
    house = House(ForgetfulLog)
    house.publish(10)
    house.subscribe(0)
    house.catch_up.pump(house.subscriber, LEAD)
    assert house.writes == [LEAD]
    assert house.subscriber.reading


def test_after_a_long_page_level_is_said_apart(house: House) -> None:
    house.publish(20_000)
    house.subscribe(0)
    house.catch_up.pump(house.subscriber, LEAD)
    assert len(house.writes) == 2
    assert house.writes[1] == LEVEL
    assert house.live


def test_a_socket_that_the_last_page_filled_is_level_once_it_drains(house: House) -> None:
    house.publish(20_000)
    house.subscribe(0)
    house.fills = True
    house.catch_up.pump(house.subscriber)
    assert not house.live
    assert LEVEL not in b"".join(house.writes)
    house.drain()
    assert house.live
    assert b"".join(house.writes).count(LEVEL) == 1


def test_an_end_is_told_after_what_it_ends(house: House) -> None:
    house.publish(10, final=True)
    house.subscribe(0)
    house.catch_up.pump(house.subscriber)
    assert house.ended == ["a"]
    assert house.writes[0].endswith(LEVEL)
