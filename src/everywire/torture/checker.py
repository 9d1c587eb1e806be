"""Which promises a history breaks. Pure: events in, broken promises out.

::

    order         on a connection, a channel's messages come in the order of their positions
    repeat        on a connection, none comes twice
    hole          on a connection, nothing is passed over before a gap says so
    position      nothing at or below a position comes after it on its connection
    gap           a gap is only said where something may be missing
    lost          what was acknowledged is in the log, and each client gets it or a gap
    once          a publish that was repeated is one message, with one position
    altered       a message is what was published, where it was published
    invented      every message was published, and each client gets only what it hears
    rising        positions rise from one publish to the next
    handed        a client hands on what it receives, in order, each message once
    unfinished    everybody comes to the end

A history in which somebody never acted at all is not a good one by that: a run also says how much
it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from everywire.torture.facts import Broken, Facts
from everywire.torture.history import (
    Acknowledged,
    AnyEvent,
    Connected,
    Failed,
    Finished,
    Handed,
    Kept,
    Listens,
    Missed,
    Moved,
    Received,
)
from everywire.torture.listening import Listener


def check(events: Sequence[AnyEvent], lossless: Callable[[str], bool]) -> list[Broken]:
    """Return every promise that is broken, the log's first.

    Args:
        events: The history. A `Kept` for a channel says all that its log holds.
        lossless: Whether nothing of a channel may be missing: no rule and no retention trims it.
    """
    facts = Facts(events)
    return [
        *facts.broken,
        *_lost_by_the_log(events, lossless),
        *_falling_positions(events),
        *_failures(events),
        *_broken_to_clients(events, facts, lossless),
    ]


def _lost_by_the_log(
    events: Sequence[AnyEvent], lossless: Callable[[str], bool]
) -> Iterator[Broken]:
    kept = {
        event.channel: {position for position, _, _ in event.messages}
        for event in events
        if isinstance(event, Kept)
    }
    for event in events:
        if not isinstance(event, Acknowledged) or not lossless(event.channel):
            continue
        if event.channel in kept and event.id not in kept[event.channel]:
            words = f"{event.label} in {event.channel} at {event.id} is not in the log"
            yield Broken("lost", event.publisher, words)


def _falling_positions(events: Sequence[AnyEvent]) -> Iterator[Broken]:
    last: dict[str, Acknowledged] = {}
    for event in events:
        if not isinstance(event, Acknowledged) or event.again:
            continue
        before = last.get(event.publisher)
        if before is not None and event.id <= before.id:
            words = f"{event.label} got {event.id}, after {before.label} had got {before.id}"
            yield Broken("rising", event.publisher, words)
        last[event.publisher] = event


def _failures(events: Sequence[AnyEvent]) -> Iterator[Broken]:
    for event in events:
        if isinstance(event, Failed):
            yield Broken("unfinished", event.who, event.why)


def _broken_to_clients(
    events: Sequence[AnyEvent], facts: Facts, lossless: Callable[[str], bool]
) -> Iterator[Broken]:
    clients: dict[str, Listener] = {}
    for event in events:
        if isinstance(event, Listens):
            clients[event.client] = Listener(event, facts, lossless)
        elif isinstance(event, Connected | Received | Missed | Moved | Handed | Finished):
            yield from clients[event.client].take(event)
    for client in clients.values():
        yield from client.end()
