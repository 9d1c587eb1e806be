"""``everywire simulate``: what it prints, and how it exits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from click.testing import Result

from everywire.simulation.run import Failure, Ordered, Verdict
from everywire.torture.facts import Broken

FAILURE = Failure(
    7,
    "sqlite",
    [Broken("lost", "client 3", "5 of a never came")],
    ["0.000 s  client 3 connects"],
    ["Received(5)"],
)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Ordered]:
    """Runs that break a promise from seed 7 on, and what was ordered."""
    ordered: list[Ordered] = []

    def simulate(order: Ordered, say: Callable[[str], object]) -> Verdict:
        ordered.append(order)
        say("5 s: 3 schedules")
        failure = FAILURE if order.seed >= 7 else None
        return Verdict(order, 3, 1.5, Counter(published=10, received=1000), failure)

    monkeypatch.setattr("everywire.simulation.run.simulate", simulate)
    return ordered


def test_a_good_run(run: Callable[..., Result], ran: list[Ordered]) -> None:
    result = run("simulate", "--seed", "4", "--schedules", "3", "--jobs", "2")
    assert result.exit_code == 0, result.output
    assert ran == [Ordered(4, 3, None, None, 2)]
    assert "every promise was kept, seeds 4 to 6" in result.stdout
    assert "(120 a minute): 10 messages published, 1,000 received" in result.stdout
    assert "seed 4" in result.stderr
    assert "3 schedules" in result.stderr


def test_a_broken_promise(run: Callable[..., Result], ran: list[Ordered]) -> None:
    result = run("simulate", "--seed", "7")
    assert result.exit_code == 1
    assert "BROKEN  lost: client 3: 5 of a never came" in result.stdout
    assert "client 3 connects" in result.stdout
    assert "everywire simulate --seed 7 --schedules 1 --log sqlite" in result.stdout
    assert ran[0].seconds == 30


def test_as_json(run: Callable[..., Result], ran: list[Ordered]) -> None:
    verdict = json.loads(run("simulate", "--seed", "7", "--json", "--log", "sqlite").stdout)
    assert verdict["good"] is False
    assert verdict["failure"]["seed"] == 7
    assert verdict["failure"]["broken"] == ["lost: client 3: 5 of a never came"]
    assert ran[0].log == "sqlite"


def test_another_seed_each_time(run: Callable[..., Result], ran: list[Ordered]) -> None:
    run("simulate")
    run("simulate")
    assert ran[0].seed != ran[1].seed


def test_it_really_runs(run: Callable[..., Result]) -> None:
    result = run("simulate", "--seed", "16", "--schedules", "2", "--jobs", "1", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["schedules"] == 2
