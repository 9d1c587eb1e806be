"""What a connection tells, whichever wire it is.

Each wire has a *session*: a generator over one connection that turns what comes in into these
events, and nothing else. It decides nothing: where to go on, what was had before, when to come
back and when it is over is decided once for all wires, in ``tails``. ::

    Connected    the server answered; Message and Gap may follow
    Started      a name begins after a position
    Moved        everything up to a position has been sent, in all names
    Comeback     how long to wait before coming back, from now on
    Ended        a name is heard no more

A session ends by raising: `Lost` where one comes back, `Refused` where one does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from everywire.client.messages import Gap, Message


@dataclass(frozen=True, slots=True)
class Connected:
    """The server has taken the request."""


@dataclass(frozen=True, slots=True)
class Started:
    """A name's messages start after ``position``."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Everything up to ``position`` has been sent, in all names."""

    position: int


@dataclass(frozen=True, slots=True)
class Comeback:
    """The server asks to wait so many seconds before each return."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A name is heard no more: ``final``, or access has ended."""

    name: str
    reason: str


Event = Connected | Started | Moved | Comeback | Ended | Message | Gap


@dataclass(frozen=True, slots=True)
class Ask:
    """What a session asks for.

    Attributes:
        names: Channels and patterns, at least one.
        since: Where to go on: one position for all, or one for each name; None: from now.
        returning: Whether this subscriber was connected before.
        history: Begin before the so-manieth last message of each channel; only without ``since``.
    """

    names: tuple[str, ...]
    since: int | Mapping[str, int] | None = None
    returning: bool = False
    history: int | None = None

    @property
    def lowest(self) -> int | None:
        """The one position for wires that take only one."""
        if isinstance(self.since, Mapping):
            return min(self.since.values())
        return self.since
