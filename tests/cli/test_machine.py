from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
import pytest

from everywire.cli import machine
from everywire.cli.machine import CHANNEL, EVENT, Meter, publish_load
from everywire.core.errors import EverywireError, LogUnavailable
from everywire.core.messages import Draft, Kind
from everywire.server.publishing import Published

FIELDS = {"cpu", "cpus", "memory", "memory_used", "sent", "received", "n"}


class Counted(NamedTuple):
    bytes_sent: int
    bytes_recv: int


class FakePublishing:
    """Answers each publish by a plan; the last answer stays."""

    def __init__(self, *plan: Published | EverywireError) -> None:
        self.plan = list(plan)
        self.drafts: list[Draft] = []
        self.answered: list[Published | EverywireError] = []

    def publish(self, grant: Any, drafts: Any, key: Any, done: Callable[[Any], None]) -> None:
        assert key is None
        self.drafts.extend(drafts)
        answer = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        self.answered.append(answer)
        done(answer)

    @property
    def numbers(self) -> list[int]:
        return [json.loads(draft.data)["n"] for draft in self.drafts]


class FakeNode:
    """A node that drains after so many publishes."""

    def __init__(self, publishing: FakePublishing, readings: int) -> None:
        self.publishing = publishing
        self._readings = readings
        self.asked = 0

    @property
    def draining(self) -> bool:
        self.asked += 1
        return self.asked > self._readings


def run(publishing: FakePublishing, readings: int) -> None:
    asyncio.run(publish_load(FakeNode(publishing, readings), interval=0))  # pyright: ignore


TAKEN = Published((1,))
FULL = LogUnavailable("the disk is full")


def test_a_reading_is_what_the_page_expects() -> None:
    publishing = FakePublishing(TAKEN)
    run(publishing, 2)
    draft = publishing.drafts[-1]
    load = json.loads(draft.data)
    assert (draft.channel, draft.event, draft.kind) == (CHANNEL, EVENT, Kind.JSON)
    assert set(load) == FIELDS
    assert len(load["cpus"]) == psutil.cpu_count()
    assert load["memory_used"] > 1_000_000
    assert 0 < load["memory"] <= 100
    assert load["sent"] >= 0
    assert load["received"] >= 0


def test_readings_are_numbered_from_1() -> None:
    publishing = FakePublishing(TAKEN)
    run(publishing, 4)
    assert publishing.numbers == [1, 2, 3, 4]


def test_a_number_is_used_until_the_log_has_taken_it() -> None:
    publishing = FakePublishing(TAKEN, FULL, FULL, TAKEN)
    run(publishing, 5)
    assert publishing.numbers == [1, 2, 2, 2, 3]


def test_trouble_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "everywire.demo")
    run(FakePublishing(TAKEN, FULL, FULL, FULL, TAKEN), 6)
    assert [record.getMessage() for record in caplog.records] == [
        "the machine's load is not published: the disk is full",
        "the machine's load is published again",
    ]


def test_a_machine_that_does_not_tell_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise PermissionError("/proc is closed")

    monkeypatch.setattr(machine.psutil, "virtual_memory", refuse)
    publishing = FakePublishing(TAKEN)
    run(publishing, 3)
    monkeypatch.setattr(machine.psutil, "net_io_counters", refuse)
    run(publishing, 3)
    assert publishing.drafts == []
    assert len(caplog.records) == 2
    assert all("/proc is closed" in record.getMessage() for record in caplog.records)


def meter_with(monkeypatch: pytest.MonkeyPatch, counts: list[Any], times: list[float]) -> Meter:
    monkeypatch.setattr(machine.psutil, "net_io_counters", lambda: counts.pop(0))
    return Meter(lambda: times.pop(0))


def test_network_is_a_rate_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [Counted(1000, 5000), Counted(1500, 5100), Counted(1500, 5100)]
    meter = meter_with(monkeypatch, counts, [10.0, 10.5, 11.0])
    first, second = meter.read(1), meter.read(2)
    assert (first.sent, first.received) == (1000, 200)
    assert (second.sent, second.received) == (0, 0)


@pytest.mark.parametrize("after", [Counted(10, 10), None])
def test_an_interface_that_goes_is_no_negative_rate(
    monkeypatch: pytest.MonkeyPatch, after: Counted | None
) -> None:
    meter = meter_with(monkeypatch, [Counted(1000, 1000), after], [0.0, 0.25])
    load = meter.read(1)
    assert (load.sent, load.received) == (0, 0)
