"""Who may connect, before anything was asked.

A connection costs a file descriptor and memory from the moment it is accepted, whether or not a
request ever comes. So each is counted here when it comes and when it ends, by the address it comes
from, and what comes too fast is refused: by address first, so that one that floods spends nothing
of the others' share, then in all. `Node.check_room` asks again once there is a request, and counts
sessions, for servers that are not ours and do not come by here.

Loopback is not counted: behind it stand proxies, tools and tests, and whoever is on this machine
can harm it in other ways. Of an IPv6 address only the first 64 bits count, because whoever has one
address there has them all.

A rate is kept as the time up to which it is used up (the "generic cell rate algorithm"): one number
an address, and none for an address that was quiet for a while.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from everywire.core.errors import EverywireError, LogUnavailable, RequestError
from everywire.server.trust import is_loopback

if TYPE_CHECKING:
    from everywire.server.node import Node

BURST_SECONDS: Final = 10.0
"""So many seconds' worth of connections may come at once: everybody, after a cut."""

MAX_LINGERING: Final = 1000
"""Refused connections that wait, at once, for their peer to read why. Further ones are answered and
closed at once: where the peer has sent something already, that may take the answer with it."""

_SWEEP_FROM: Final = 1024


@lru_cache(4096)
def counted_as(peer: str) -> str:
    """What connections of a peer are counted under; empty: they are not counted.

    Args:
        peer: Its IP address; empty for a Unix socket.
    """
    if not peer or is_loopback(peer):
        return ""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return counted_as(str(address.ipv4_mapped))
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))


class Rates:
    """How much of a rate each address has used up; see the module."""

    __slots__ = ("_sweep_at", "_used")

    def __init__(self) -> None:
        self._used: dict[str, float] = {}
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        return len(self._used)

    def take(self, address: str, rate: float, now: float) -> bool:
        """Take one; False where there is none left.

        Args:
            address: Whose.
            rate: How many a second; 0: any number.
            now: Seconds of any clock that does not go back.
        """
        if not rate:
            return True
        used = max(self._used.get(address, 0.0), now) + 1 / rate
        if used - now > BURST_SECONDS:
            return False
        if address not in self._used and len(self._used) >= self._sweep_at:
            self._sweep(now)
        self._used[address] = used
        return True

    def _sweep(self, now: float) -> None:
        """Forget who has its whole share again. The rate in all bounds how many have not."""
        self._used = {address: used for address, used in self._used.items() if used > now}
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._used))


class Door:
    """Counts connections, and says which are refused.

    Args:
        node: Its limits, its time and its counters.

    Attributes:
        connections: How many there are, the refused and the uncounted ones included.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rates = Rates()
        self._held: dict[str, int] = {}
        self._refused: set[object] = set()
        self.connections = 0

    def enter(self, connection: object, peer: str) -> EverywireError | None:
        """Count a connection that has come; `leave` has to be called when it ends.

        Args:
            connection: What stands for it until then, if it is refused.
            peer: Its IP address.

        Returns:
            Why it is refused; None: it may stay.
        """
        self._node.counters.connections_accepted += 1
        self.connections += 1
        refusal = self._refusal(counted_as(peer))
        if refusal is not None:
            # It does not count for its address: who tries again and again would bar itself.
            self._refused.add(connection)
        return refusal

    def _refusal(self, address: str) -> EverywireError | None:
        counters = self._node.counters
        if not self._node.descriptors.enough_for(self.connections):
            self._node.descriptors.refused()
            return LogUnavailable("the server has no file descriptor left for a connection")
        if not address:
            return None
        most = self._node.limits.max_connections_per_address
        held = self._held.get(address, 0)
        if held >= most:
            counters.connections_refused_address += 1
            return too_many_connections(most)
        refusal = self._too_fast(address)
        if refusal is None:
            self._held[address] = held + 1
        else:
            counters.connections_refused_rate += 1
        return refusal

    def _too_fast(self, address: str) -> EverywireError | None:
        limits, now = self._node.limits, self._node.time()
        own = limits.max_connects_per_second_per_address
        if not self._rates.take(address, own, now):
            return RequestError("rate_limited", f"an address may connect {own} times a second")
        if not self._rates.take("", limits.max_connects_per_second, now):
            return LogUnavailable("too many connect at once; come back in a moment")
        return None

    def may_linger(self) -> bool:
        """Whether a connection that was just refused may wait for its peer to read why."""
        room = self._node.descriptors.enough_for(self.connections)
        return room and len(self._refused) <= MAX_LINGERING

    def leave(self, connection: object, peer: str) -> None:
        """A connection has ended, or is nobody's business here any more."""
        self.connections -= 1
        address = counted_as(peer)
        if connection in self._refused:
            self._refused.discard(connection)
        elif address:
            left = self._held[address] - 1
            if left:
                self._held[address] = left
            else:
                del self._held[address]


def too_many_connections(most: int) -> RequestError:
    """The error of an address that has its connections."""
    return RequestError("too_many_connections", f"an address may have {most} connections open")
