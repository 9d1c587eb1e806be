"""A schedule that breaks a promise is made short, and still breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from everywire.logs import answers
from everywire.simulation.outcome import Outcome
from everywire.simulation.plan import Plan, draw_plan
from everywire.simulation.playing import play
from everywire.simulation.shrinking import shrink


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A schedule with a fault planted: no gap is ever told of what was trimmed."""
    monkeypatch.setattr(answers, "trimmed_gaps", lambda *rest, **more: [])
    outcomes = (play(draw_plan(seed, "memory", clients=10, steps=80)) for seed in range(100))
    return next(o for o in outcomes if any(b.promise == "lost" for b in o.broken))


def test_what_does_not_matter_is_left_out(broken: Outcome) -> None:
    shorter = shrink(broken, tries=150)
    assert shorter.broken[0].promise == broken.broken[0].promise
    assert len(shorter.plan.clients) < len(broken.plan.clients)
    assert len(shorter.plan.steps) < len(broken.plan.steps) / 2
    again = play(shorter.plan)
    assert again.broken == shorter.broken
    assert again.events == shorter.events


def test_no_more_tries_than_allowed(broken: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Plan] = []

    def counted(plan: Plan) -> Any:
        played.append(plan)
        return play(plan)

    monkeypatch.setattr("everywire.simulation.shrinking.play", counted)
    shrink(broken, tries=7)
    # And once more for the story.
    assert len(played) == 8
