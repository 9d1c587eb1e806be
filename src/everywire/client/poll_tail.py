"""A session over long polling.

One poll after the other on a connection that is kept open; each goes on from the ``last_id`` of
the one before. Channels are sent sorted, then ``since``, ``limit``, ``wait``, so that a cache
between can give many clients one answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import msgspec

from everywire.client.address import Address
from everywire.client.errors import Lost, checked, refusal, turned_away
from everywire.client.events import Ask, Connected, Ended, Event, Moved
from everywire.client.http import HttpClient
from everywire.client.messages import Gap, Message, gap_of, message_of

WAIT: Final = 30
"""Seconds that the server may hold a poll; the protocol's most."""

_GRACE: Final = 10.0
_LIMIT: Final = 1000
_TOO_SOON: Final = 0.5


class _Hole(msgspec.Struct):
    channel: str
    after: int
    before: int
    reason: str


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    last_id: int
    gaps: list[_Hole] = []
    final: list[str] = []

    def empty_at(self, since: int) -> bool:
        """Whether it says nothing at all to one who asked for what comes after ``since``."""
        return not (self.data or self.gaps or self.final) and self.last_id == since


_decode = msgspec.json.Decoder(_Page).decode


def poll_session(
    address: Address,
    ask: Ask,
    token: str | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Event]:
    """Poll and yield what comes, until it raises or all channels have ended.

    Raises:
        Unreachable: No connection, or it was cut.
        Lost: An answer that is of no use.
        Refused: For good.
        UsageError: The names are too many for a URL.
    """
    names = sorted(ask.names)
    since = ask.lowest
    with HttpClient(address, token=token) as client:
        yield from _answered(page := _poll(client, address, names, since), first=True)
        while names := [name for name in names if name not in page.final]:
            began, since = clock(), page.last_id
            page = _poll(client, address, names, since)
            yield from _answered(page)
            if page.empty_at(since) and clock() - began < _TOO_SOON:
                # It should have waited. To ask again at once would only burn both.
                raise Lost("the server answers polls at once, with nothing")


def _answered(page: _Page, *, first: bool = False) -> Iterator[Event]:
    if first:
        yield Connected()
    yield from _in_order(page)
    yield Moved(page.last_id)
    for name in page.final:
        yield Ended(name, "final")


def _poll(client: HttpClient, address: Address, names: list[str], since: int | None) -> _Page:
    query = [("channel", name) for name in names]
    if since is not None:
        query.append(("since", str(since)))
    query += [("limit", str(_LIMIT)), ("wait", str(WAIT)), ("ephemeral", "1")]
    answer = client.request("GET", address.target("/updates", query), timeout=WAIT + _GRACE)
    if answer.status != 200:
        raise turned_away(refusal(answer.status, answer.headers, answer.body))
    return checked(_decode, answer.body)


def _in_order(page: _Page) -> Iterator[Message | Gap]:
    """Messages and gaps, which the answer lists apart, in position order."""
    messages = [message_of(bytes(raw)) for raw in page.data]
    gaps = sorted(page.gaps, key=lambda gap: gap.before, reverse=True)
    for message in messages:
        while gaps and message.id is not None and gaps[-1].before <= message.id:
            yield _gap(gaps.pop())
        yield message
    while gaps:
        yield _gap(gaps.pop())


def _gap(hole: _Hole) -> Gap:
    return gap_of(hole.channel, hole.after, hole.before, hole.reason)
