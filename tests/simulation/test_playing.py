"""Schedules pass, are the same twice, and hold what a schedule is said to hold."""

from __future__ import annotations

import random

import pytest

from everywire.simulation.plan import ACTS, CLIENTS, draw_plan
from everywire.simulation.playing import play
from everywire.simulation.world import World
from everywire.torture.history import AnyEvent, Connected, Finished, Missed, Received


@pytest.mark.parametrize("log", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", range(4))
def test_a_schedule_keeps_every_promise(seed: int, log: str) -> None:
    outcome = play(draw_plan(seed, log))
    assert outcome.broken == []
    finished = {event.client for event in outcome.events if isinstance(event, Finished)}
    assert len(finished) >= CLIENTS
    wires = {event.wire for event in outcome.events if isinstance(event, Connected)}
    assert wires == {"ws", "sse", "poll"}


def test_schedules_see_what_they_are_for() -> None:
    """A simulation in which nothing happens keeps every promise."""
    events: list[AnyEvent] = []
    acts: set[str] = set()
    for seed in range(12):
        outcome = play(draw_plan(seed, "memory"))
        events += outcome.events
        acts |= set(outcome.counts)
    assert sum(isinstance(event, Received) for event in events) > 500
    assert "trimmed" in {event.reason for event in events if isinstance(event, Missed)}
    rare = {"drain", "kill", "power", "final"}
    assert acts >= set(ACTS) - {"deliver_fails"} - rare
    assert acts & rare


@pytest.mark.parametrize("log", ["memory", "sqlite"])
def test_one_seed_is_one_history(log: str) -> None:
    one, other = (play(draw_plan(7, log)) for _ in range(2))
    assert one.events == other.events
    assert one.done == other.done
    assert one.counts == other.counts
    assert play(draw_plan(8, log)).events != one.events


def test_nothing_is_left_of_a_schedule() -> None:
    """Python's own random numbers go on where they were."""
    random.seed(5)
    expected = random.random()
    random.seed(5)
    play(draw_plan(3, "memory", clients=3, steps=5))
    assert random.random() == expected


def test_what_goes_wrong_unexpectedly_is_told_with_its_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(world: World) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(World, "run", fails)
    plan = draw_plan(3, "memory", clients=3, steps=5)
    outcome = play(plan)
    assert outcome.plan is plan
    assert [str(broken) for broken in outcome.broken] == [
        "fault: the simulation: ZeroDivisionError: planted"
    ]
