"""Schedules in which the simulation found a fault of the server, as short as they could be made."""

from __future__ import annotations

from typing import Any

import pytest

from everywire.simulation.plan import Plan, Step
from everywire.simulation.playing import play

PLENTY = 1 << 30


def plan(
    clients: tuple[int, ...], seed: int, steps: list[tuple[str, int, int]], **more: Any
) -> Plan:
    fields = {"log": "memory", "high_water": 200, "tail": 20, "gathers": True}
    fields |= {"kept_bytes": PLENTY, **more}
    return Plan(seed=seed, clients=clients, steps=[Step(*step) for step in steps], **fields)


@pytest.mark.parametrize(
    "found",
    [
        plan((61,), 104, [("come", 25987, 0), ("publish", 34122, 59827)], kept_bytes=1500),
        plan(
            (61,),
            131,
            [
                ("come", 33764, 59665),
                ("publish", 16868, 40247),
                ("tail", 20015, 6009),
                ("net", 18351, 57700),
                ("publish", 46177, 12802),
                ("publish", 24058, 62023),
            ],
            gathers=False,
        ),
    ],
    ids=["twice", "out-of-order"],
)
def test_latest_of_a_channel_that_a_pattern_covers_too(found: Plan) -> None:
    """Who hears ``new.a`` and ``*.a``, falls behind and wants only the latest gets it once."""
    assert play(found).broken == []


def test_a_poll_whose_time_is_up_while_it_reads_what_could_not_be_delivered() -> None:
    """It must not be told a position past what it has not been given."""
    steps = [
        ("come", 29831, 0),
        ("publish", 52055, 30586),
        ("commit", 31581, 49452),
        ("deliver_fails", 36568, 53075),
        ("publish", 49615, 29854),
        ("tail", 6668, 6355),
        ("commit", 45342, 63077),
        ("time", 58549, 8195),
    ]
    assert play(plan((79,), 253, steps, tail=1000)).broken == []
