"""What goes wrong, and when: all of it drawn from a seed.

Two sources: what is planned for a connection when it is accepted, by its number, and what the run
does to everybody, or to the server, at its time. How the threads of a run interleave is not in a
seed's hand, so a seed repeats the faults and not each byte.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from everywire.torture.links import CLEAN, Plan

Act = Literal["kill", "stop", "freeze", "cut", "reset", "stall", "half_close_up", "half_close_down"]

_TO_THE_SERVER: Final[tuple[Act, ...]] = ("kill", "kill", "stop", "freeze")
_TO_CONNECTIONS: Final[tuple[Act, ...]] = (
    "cut",
    "reset",
    "stall",
    "half_close_up",
    "half_close_down",
)

_SERVER_EVERY: Final = 4.0
"""Seconds between two acts on the server, on the average; it has to serve in between."""

_LINKS_EVERY: Final = 0.7


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done at a time.

    Attributes:
        at: Seconds after the beginning.
        act: What.
        share: The part of the connections that it is done to, where it is done to them.
        seconds: How long it lasts, where it lasts.
    """

    at: float
    act: Act
    share: float = 1.0
    seconds: float = 0.0


def planned(seed: int) -> Callable[[int], Plan]:
    """What happens to each connection, by its number."""
    return lambda number: _plan(random.Random(f"{seed}/connection/{number}"))


def _plan(draw: random.Random) -> Plan:
    """Two in three connections are left alone; the others are unlucky in one way."""
    soon = draw.uniform(0.05, 1.5)
    unlucky = (
        Plan(trickle=draw.choice((1, 3, 64))),
        Plan(trickle=draw.choice((7, 100)), faults=((soon, "reset"),)),
        Plan(hold=draw.choice((512, 4096, 65_536)), faults=((soon + 2, "cut"),)),
        Plan(strip=True),
        Plan(answer="bad_gateway"),
        Plan(answer="swallow", faults=((soon, "reset"),)),
        Plan(faults=((soon, "cut"),)),
        Plan(faults=((soon, "reset"),)),
        Plan(faults=((soon, "swallow"), (soon + 1, "cut"))),
        Plan(faults=((soon, "stall"), (soon + draw.uniform(0.2, 2), "go_on"))),
        Plan(faults=((soon, "stall_down"), (soon + 1.5, "reset"))),
        Plan(faults=((soon, "half_close_up"), (soon + 1, "cut"))),
        Plan(faults=((soon, "half_close_down"), (soon + 1, "cut"))),
    )
    return CLEAN if draw.random() < 2 / 3 else draw.choice(unlucky)


def schedule(seed: int, seconds: float, *, server: bool) -> list[Step]:
    """What is done in a run, in the order of time; a longer run begins like a shorter one.

    Args:
        seed: Draws it.
        seconds: How long the run is.
        server: Whether the server may be killed and stopped.
    """
    draw = random.Random(f"{seed}/connections")
    steps = [_to_connections(draw, at) for at in _times(draw, _LINKS_EVERY, seconds)]
    if server:
        draw = random.Random(f"{seed}/server")
        steps += [_to_the_server(draw, at) for at in _times(draw, _SERVER_EVERY, seconds)]
    return sorted(steps, key=lambda step: step.at)


def _times(draw: random.Random, every: float, until: float) -> Iterator[float]:
    at = draw.uniform(0.5, 1.5) * every
    while at < until:
        yield at
        at += draw.uniform(0.5, 1.5) * every


def _to_connections(draw: random.Random, at: float) -> Step:
    share = draw.choice((0.2, 0.2, 0.5, 1.0))
    return Step(at, draw.choice(_TO_CONNECTIONS), share, draw.uniform(0.2, 2.0))


def _to_the_server(draw: random.Random, at: float) -> Step:
    return Step(at, draw.choice(_TO_THE_SERVER), 1.0, draw.uniform(0.1, 0.8))
