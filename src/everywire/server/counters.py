"""What happened so far, counted: for whoever watches a server, and for tests of its defences.

A counter only rises. Each is a plain number that is counted up where the thing happens, so that
counting costs nothing; `Counters.all` is how they are exported, each with the sentence that says
what it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from everywire.server.configuration.schema import descriptions


class Counter(NamedTuple):
    """A counter as it is exported.

    Attributes:
        name: In small letters and underscores.
        about: What it counts.
        value: How much so far.
    """

    name: str
    about: str
    value: int


@dataclass(slots=True)
class Counters:
    """Everything that a node counts.

    Attributes:
        connections_accepted: Connections that came in, the refused ones included.
        connections_refused_rate: Connections refused because they came too fast.
        connections_refused_address: Connections refused because their address had too many.
        connections_refused_full: Connections refused because the server was full.
        sockets_silent: WebSockets dropped because they answered no ping.
        peers_gone: Connections dropped because the other end acknowledged nothing.
        descriptors_used_up: Seconds in which no file descriptor was left.
        clients_sent_away: Clients that a drain sent away.
    """

    connections_accepted: int = 0
    connections_refused_rate: int = 0
    connections_refused_address: int = 0
    connections_refused_full: int = 0
    sockets_silent: int = 0
    peers_gone: int = 0
    descriptors_used_up: int = 0
    clients_sent_away: int = 0

    def all(self) -> Iterator[Counter]:
        """Every counter, in the order of the fields."""
        for field in fields(self):
            yield Counter(field.name, _ABOUT[field.name], getattr(self, field.name))


_ABOUT: Final = descriptions(Counters)
