"""Who is refused before it asked for anything.

Limits: connections an address, connects a second; codes `too_many_connections`, `rate_limited`,
`unavailable`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import EverywireError, LogUnavailable, RequestError
from everywire.core.limits import Limits
from everywire.server.counters import Counters
from everywire.server.door import BURST_SECONDS, MAX_LINGERING, Door, Rates, counted_as

PEER = "192.0.2.1"


class FakeNode:
    """As much of a node as a door needs, on a clock of the test's."""

    def __init__(self, **limits: Any) -> None:
        self.limits = replace(Limits(), **limits)
        self.counters = Counters()
        self.descriptors = self
        self.now = 0.0
        self.most = 1_000_000

    def time(self) -> float:
        return self.now

    def refused(self) -> None:
        self.counters.connections_refused_full += 1

    def enough_for(self, connections: int) -> bool:
        return connections <= self.most


def door(**limits: Any) -> tuple[Door, FakeNode]:
    node: Any = FakeNode(**limits)
    return Door(node), node


def code(error: EverywireError | None) -> str | None:
    if isinstance(error, RequestError):
        return error.code
    return None if error is None else "unavailable" * isinstance(error, LogUnavailable)


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("", ""),
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
    ],
)
def test_what_counts_as_one_address(peer: str, counted: str) -> None:
    """Loopback and Unix sockets are not counted; of IPv6 the first half counts."""
    assert counted_as(peer) == counted


def test_an_address_has_so_many_connections_and_others_have_theirs() -> None:
    one, node = door(max_connections_per_address=2)
    held = [object(), object()]
    for connection in held:
        assert one.enter(connection, PEER) is None
    refused = object()
    assert code(one.enter(refused, PEER)) == "too_many_connections"
    assert one.connections == 3
    assert one.enter(object(), "192.0.2.2") is None
    # The refused one is still there, and does not count.
    one.leave(held[0], PEER)
    assert one.enter(object(), PEER) is None
    one.leave(refused, PEER)
    assert code(one.enter(object(), PEER)) == "too_many_connections"
    assert node.counters.connections_refused_address == 2


def test_nothing_is_left_of_who_has_gone() -> None:
    one, _ = door(max_connections_per_address=1)
    connections = [(object(), peer) for peer in (PEER, PEER, "127.0.0.1", "2001:db8::1")]
    for connection, peer in connections:
        one.enter(connection, peer)
    for connection, peer in connections:
        one.leave(connection, peer)
    assert one.connections == 0
    assert one._held == {}
    assert one._refused == set()


def test_an_address_connects_so_often() -> None:
    """Ten seconds' worth at once, then as many as the rate gives."""
    one, node = door(max_connects_per_second_per_address=2, max_connections_per_address=1000)
    burst = int(2 * BURST_SECONDS)
    answers = [code(one.enter(object(), PEER)) for _ in range(burst + 5)]
    assert answers == [None] * burst + ["rate_limited"] * 5
    assert one.enter(object(), "192.0.2.2") is None
    node.now = 1.0
    answers = [code(one.enter(object(), PEER)) for _ in range(3)]
    assert answers == [None, None, "rate_limited"]
    assert node.counters.connections_refused_rate == 6


def test_all_addresses_together_connect_so_often() -> None:
    one, node = door(max_connects_per_second=1)
    burst = int(BURST_SECONDS)
    answers = [code(one.enter(object(), f"198.51.100.{n}")) for n in range(burst + 2)]
    assert answers == [None] * burst + ["unavailable"] * 2
    node.now = 1.0
    assert one.enter(object(), PEER) is None


def test_who_floods_spends_nothing_of_the_others_share() -> None:
    """The defence: an address is asked about first."""
    one, _ = door(max_connects_per_second=2, max_connects_per_second_per_address=1)
    answers = [code(one.enter(object(), PEER)) for _ in range(1000)]
    assert answers.count(None) == int(BURST_SECONDS)
    assert one.enter(object(), "192.0.2.2") is None


def test_loopback_is_not_counted() -> None:
    one, _ = door(
        max_connections_per_address=1,
        max_connects_per_second=1,
        max_connects_per_second_per_address=1,
    )
    assert {code(one.enter(object(), "127.0.0.1")) for _ in range(100)} == {None}


def test_no_rate_is_any_rate() -> None:
    one, _ = door(max_connects_per_second=0, max_connects_per_second_per_address=0)
    assert {code(one.enter(object(), PEER)) for _ in range(1000)} == {None}


def test_without_descriptors_everybody_is_refused_loopback_too() -> None:
    one, node = door()
    node.most = 1
    assert one.enter(object(), "127.0.0.1") is None
    assert code(one.enter(object(), "127.0.0.1")) == "unavailable"
    assert node.counters.connections_refused_full == 1


def test_of_very_many_refused_the_last_do_not_linger() -> None:
    """The defence: who lingers has a descriptor, and a flood reads nothing."""
    one, _ = door(max_connections_per_address=0)
    lingering: list[bool] = []
    for _ in range(MAX_LINGERING + 10):
        one.enter(object(), PEER)
        lingering.append(one.may_linger())
    assert lingering == [True] * MAX_LINGERING + [False] * 10


def test_without_descriptors_nobody_lingers() -> None:
    one, node = door()
    node.most = 1
    one.enter(object(), PEER)
    one.enter(object(), PEER)
    assert not one.may_linger()


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 4, allow_subnormal=False)), max_size=200
    ),
    st.integers(1, 5),
)
def test_no_window_of_time_lets_more_through_than_the_rate(
    connects: list[tuple[str, float]], rate: int
) -> None:
    """Of each address, in every window: a burst, and the rate times the window, and no more."""
    rates = Rates()
    now = 0.0
    taken: defaultdict[str, deque[float]] = defaultdict(deque)
    for address, later in connects:
        now += later
        allowed = rates.take(address, rate, now)
        before = taken[address]
        # The strictest window is one that begins with one of those let through.
        room = all(
            number + 1 <= rate * (BURST_SECONDS + now - begin) + 1e-6
            for number, begin in enumerate(reversed(before), 1)
        )
        assert allowed == room or _on_the_edge(before, now, rate)
        if allowed:
            before.append(now)


def _on_the_edge(before: deque[float], now: float, rate: int) -> bool:
    """Whether rounding decides."""
    return any(
        abs(number + 1 - rate * (BURST_SECONDS + now - begin)) < 1e-3
        for number, begin in enumerate(reversed(before), 1)
    )


def test_addresses_that_are_quiet_are_forgotten() -> None:
    """The defence: a million addresses, each of which connects once, cost no memory."""
    rates = Rates()
    most = 0
    for number in range(20_000):
        rates.take(str(number), 100, number / 1000)
        most = max(most, len(rates))
    assert most < 2000
