"""What is gathered while it is measured, before sentences are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from everywire.advice.rules import WIRES, Wire
from everywire.comparison.cuts import Recovery
from everywire.comparison.passing import Carried, Heads, Passed
from everywire.comparison.speed import Speed


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        runs: How often each thing is.
        low: Messages a second at the low rate.
        low_seconds: For how long.
        high: Messages a second at the high rate.
        high_seconds: For how long.
        connects: For the set-up time, and messages for the bytes of the bare form.
        idle: Connections at once, for the memory of one.
        audience: Clients that a message goes to, for the processor time of a delivery.
        processor_seconds: For how long.
        quick: Whether it is less than usual.
    """

    runs: int
    low: float
    low_seconds: float
    high: float
    high_seconds: float
    connects: int
    idle: int
    audience: int
    processor_seconds: float
    quick: bool = False


FULL: Final = Plan(3, 20, 1.5, 500, 1.5, 30, 1000, 100, 0.8)
"""About a minute."""

QUICK: Final = Plan(2, 20, 0.5, 500, 0.4, 10, 300, 50, 0.25, quick=True)
"""Some 15 seconds."""


@dataclass
class WireSamples:
    """Of one wire, a value for each run."""

    low: list[Speed] = field(default_factory=list[Speed])
    high: list[Speed] = field(default_factory=list[Speed])
    set_up: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])
    memory: list[float] = field(default_factory=list[float])
    held: list[int] = field(default_factory=list[int])
    up: list[Passed] = field(default_factory=list[Passed])
    carried: list[Carried] = field(default_factory=list[Carried])
    buffering: list[Passed] = field(default_factory=list[Passed])
    stripping: list[Passed] = field(default_factory=list[Passed])
    heads: list[Heads] = field(default_factory=list[Heads])
    cuts: list[Recovery] = field(default_factory=list[Recovery])


@dataclass
class Samples:
    """Of all of it.

    Attributes:
        plan: By which it was measured.
        wires: By wire.
        naive: Cuts, with the WebSocket loop that does not resume.
        beside: Milliseconds of a POST beside a connection that cannot bring anything up.
        http2: Whether the server spoke it.
        counted: How memory was.
        idle: Connections that could be opened for it.
    """

    plan: Plan
    wires: dict[Wire, WireSamples] = field(
        default_factory=lambda: {wire: WireSamples() for wire in WIRES}
    )
    naive: list[Recovery] = field(default_factory=list[Recovery])
    beside: list[float] = field(default_factory=list[float])
    http2: list[bool] = field(default_factory=list[bool])
    counted: str = ""
    idle: int = 0
