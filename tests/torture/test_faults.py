"""What goes wrong is in the seed's hand."""

from __future__ import annotations

from dataclasses import astuple

from everywire.torture.faults import planned, schedule
from everywire.torture.links import CLEAN

SEEDS = range(50)


def test_a_seed_repeats_its_faults_and_another_has_others() -> None:
    assert schedule(7, 30, server=True) == schedule(7, 30, server=True)
    assert schedule(7, 30, server=True) != schedule(8, 30, server=True)
    assert [planned(7)(n) for n in range(50)] == [planned(7)(n) for n in range(50)]
    assert [planned(7)(n) for n in range(50)] != [planned(8)(n) for n in range(50)]


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    for seed in SEEDS:
        short, long = schedule(seed, 10, server=True), schedule(seed, 40, server=True)
        assert long[: len(short)] == short


def test_steps_come_in_order_and_in_time() -> None:
    for seed in SEEDS:
        steps = schedule(seed, 20, server=True)
        times = [step.at for step in steps]
        assert times == sorted(times)
        assert times[0] > 0
        assert times[-1] < 20


def test_every_act_is_drawn_and_none_on_a_server_that_is_not_ours() -> None:
    def acts(server: bool) -> set[str]:
        return {step.act for seed in SEEDS for step in schedule(seed, 30, server=server)}

    links = {"cut", "reset", "stall", "half_close_up", "half_close_down"}
    assert acts(True) == links | {"kill", "stop", "freeze"}
    assert acts(False) == links


def test_most_connections_are_left_alone_and_each_kind_of_bad_luck_is_drawn() -> None:
    plans = [planned(1)(number) for number in range(1000)]
    assert 500 < plans.count(CLEAN) < 800
    assert len({astuple(plan)[:4] for plan in plans}) > 10
    deeds = {deed for plan in plans for _, deed in plan.faults}
    assert deeds == {
        "cut",
        "reset",
        "swallow",
        "stall",
        "stall_down",
        "go_on",
        "half_close_up",
        "half_close_down",
    }


def test_whoever_is_held_up_for_good_is_cut_in_the_end() -> None:
    """Else a client would wait out its own timeouts, longer than a run takes."""
    for number in range(1000):
        plan = planned(2)(number)
        held = plan.answer == "swallow" or any(
            deed in ("stall", "stall_down", "swallow", "half_close_up", "half_close_down")
            for _, deed in plan.faults
        )
        if held:
            assert plan.faults[-1][1] in ("cut", "reset", "go_on")
            assert plan.faults[-1][0] < 5
