"""What will happen in a schedule: drawn whole from its seed, before anything does.

A step is an act and two numbers. What the numbers stand for depends on what is there when its turn
comes (which of those who are connected, which of the reads that wait), so a step makes sense in any
list, and steps can be left out to find those that matter (`shrinking`).

Each seed has a temper: how often each act comes, how small sockets and tails are, how much the log
keeps. So some schedules are full of cuts, some of stalls, some of trims, and few of everything.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

LogKind = Literal["memory", "sqlite"]

CLIENTS: Final = 100
STEPS: Final = 120

CHANNELS: Final = (
    "all.a",
    "all.b",
    "few.a",
    "few.b",
    "new.a",
    "old.a",
    "out.b",
    "end.1",
    "end.2",
)
"""What everybody may hear. The rules of ``machine`` say how much is kept, and who is disconnected;
those of ``end`` may end."""

PATTERNS: Final = ("all.*", "few.*", "*.a", "*.b")

EXTRAS: Final = ("x.1", "x.2", "x.echo")
"""What is subscribed to and given up in the middle of a connection; covered by no pattern."""

_USUAL: Final = {
    "net": 30.0,  # a part of the clients takes what lies there
    "publish": 26.0,
    "list": 3.0,
    "come": 14.0,  # some of those who are away connect
    "turn": 6.0,
    "time": 6.0,
    "commit": 14.0,
    "answer": 14.0,
    "cut": 7.0,
    "storm": 0.7,  # very many are cut at once
    "subscribe": 4.0,
    "unsubscribe": 3.0,
    "talk": 4.0,  # publish by WebSocket, not to oneself
    "ephemeral": 3.0,
    "again": 2.0,  # repeat a publish
    "final": 0.6,
    "tail": 2.0,  # what is in memory becomes less
    "read_fails": 1.0,
    "append_fails": 1.0,
    "deliver_fails": 0.7,
    "sync": 1.0,
    "drain": 0.4,
    "kill": 0.4,
    "power": 0.4,
}
ACTS: Final = tuple(_USUAL)


class Step(NamedTuple):
    """One thing that happens."""

    act: str
    who: int
    value: int

    def __str__(self) -> str:
        return f"{self.act} {self.who} {self.value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule.

    Attributes:
        seed: All that the steps leave open is drawn from it.
        log: Which log.
        clients: Those that there are, by number.
        high_water: Bytes over which a socket is full.
        tail: Messages that a SQLite log holds in memory.
        gathers: Whether appends to the memory log wait for a commit.
        kept_bytes: What the log keeps in all.
        steps: What happens, in order.
    """

    seed: int
    log: LogKind
    clients: Sequence[int]
    high_water: int
    tail: int
    gathers: bool
    kept_bytes: int
    steps: Sequence[Step]

    @property
    def tight(self) -> bool:
        """Whether the log may trim any channel."""
        return self.kept_bytes < _PLENTY

    def only(self, steps: Sequence[Step]) -> Plan:
        """The same with other steps."""
        return replace(self, steps=tuple(steps))


_PLENTY: Final = 1 << 30


def draw_plan(seed: int, log: LogKind, clients: int = CLIENTS, steps: int = STEPS) -> Plan:
    """The schedule of a seed."""
    luck = random.Random(f"everywire/{seed}")
    # One act in three hardly ever comes, one in three much more often than usual.
    weights = [weight * luck.choice((0.1, 1.0, 1.0, 3.0)) for weight in _USUAL.values()]
    acts = luck.choices(ACTS, weights, k=steps)
    crowd = [Step("come", luck.randrange(1 << 16), 0) for _ in range(2)]
    drawn = [Step(act, luck.randrange(1 << 16), luck.randrange(1 << 16)) for act in acts]
    return Plan(
        seed=seed,
        log=log,
        clients=tuple(range(clients)),
        high_water=luck.choice((200, 600, 2000, 65_536)),
        tail=luck.choice((1, 4, 20, 1000)),
        gathers=luck.random() < 0.5,
        kept_bytes=luck.choice((1500, 5000, _PLENTY, _PLENTY, _PLENTY)),
        steps=(*crowd, *drawn),
    )
