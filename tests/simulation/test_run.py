"""Many schedules in processes of their own, the same in each run."""

from __future__ import annotations

import pytest

from everywire.simulation.run import Ordered, log_of, simulate


@pytest.mark.timeout(120)
def test_seeds_give_the_same_in_every_run() -> None:
    """Also across processes, whose sets of names would come in different orders."""
    one = simulate(Ordered(seed=8, schedules=16, seconds=None, log="memory", jobs=1))
    other = simulate(Ordered(seed=8, schedules=16, seconds=None, log="memory", jobs=2))
    assert one.failure is None
    assert one.schedules == other.schedules == 16
    assert one.counts == other.counts
    assert one.counts["received"] > 500
    assert one.a_minute > 0


def test_time_is_kept() -> None:
    verdict = simulate(Ordered(8, 10_000, 0.01, "memory", 1))
    assert 0 < verdict.schedules < 10_000


def test_every_fourth_schedule_has_the_other_log() -> None:
    assert [log_of(seed, None) for seed in range(4)] == ["sqlite", "memory", "memory", "memory"]
    assert log_of(0, "memory") == "memory"
