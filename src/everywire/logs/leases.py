"""Leases: drafts that are appended when nobody says any more that they should not be.

Whoever holds a lease renews it; one that is not renewed for its ``ttl`` runs out, and its *will* is
appended. So what was said of somebody who has died is taken back by the log itself.

``Leases`` knows when. Renewing moves a number and nothing else: a lease has one entry in a heap,
and when that comes up it is seen whether it is due. The clock is one that does not go back or jump,
since a wrong one would let all run out at once; it is looked at when the log ticks.

A log that outlives its process keeps the leases, but not when they are due: at the next opening
each has its whole ``ttl``. So renewing is never written, and who comes back in time renews his own.

A change (a lease, its release) is on its way until the log has it. Until then the lease it is about
does not run out; and one that is running out can be neither renewed nor kept, only made anew.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from everywire.core.errors import EverywireError, LogUnavailable, UsageError
from everywire.core.messages import Draft

MAX_LEASES: Final = 100_000
MAX_LEASE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the wills of all leases."""

MAX_ID_BYTES: Final = 200
RUN_OUT_STEP: Final = 500
"""Leases that run out in one go; the next follow once their wills are in the log."""

_OVERHEAD: Final = 400
"""What a lease costs beside the data of its will, roughly."""


class Lease(msgspec.Struct, frozen=True):
    """A promise to say something unless it is renewed.

    Attributes:
        id: 1 to `MAX_ID_BYTES` bytes.
        ttl: Seconds, above 0.
        will: Drafts, at least one. Each is appended by itself, in order: one that is refused then
            (its channel has ended, ``expected_id`` is another) keeps no other back.
    """

    id: str
    ttl: float
    will: Sequence[Draft]

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return _OVERHEAD + sum(len(draft.data) + _OVERHEAD for draft in self.will)


class LeaseChange(msgspec.Struct, gc=False):
    """A lease that begins, or replaces the one of its id; or that is given up, without its will.

    Attributes:
        id: The lease's.
        lease: What begins; None: it is given up, if there is one.
        done: Called once, on the loop's thread: None when the log has it, else why not.
    """

    id: str
    lease: Lease | None
    done: Callable[[EverywireError | None], None]


def check_lease(lease: Lease) -> Lease:
    """Return a lease if it is one.

    Raises:
        UsageError: It is not; the message says what it has to be.
    """
    if not 1 <= len(lease.id.encode()) <= MAX_ID_BYTES:
        raise UsageError(f"the id of a lease is 1 to {MAX_ID_BYTES} bytes, not {lease.id[:60]!a}")
    if not 0 < lease.ttl < math.inf:
        raise UsageError(f"the ttl of a lease is a number of seconds above 0, not {lease.ttl}")
    if not lease.will or any(draft.ephemeral for draft in lease.will):
        raise UsageError("the will of a lease is at least one draft, and none is ephemeral")
    return lease


class _Held:
    """A lease: when it is due, changes of it on their way, and whether it is running out."""

    __slots__ = ("changes", "due", "lease", "running_out")

    def __init__(self, lease: Lease, due: float, changes: int) -> None:
        self.lease = lease
        self.due = due
        self.changes = changes
        self.running_out = False


class Leases:
    """See the module.

    Args:
        clock: Seconds; does not go back.
        most: Leases held at once.
        most_bytes: What their wills count for.
    """

    __slots__ = ("_bytes", "_clock", "_coming", "_heap", "_held", "_most", "_most_bytes", "_number")

    def __init__(
        self,
        clock: Callable[[], float],
        most: int = MAX_LEASES,
        most_bytes: int = MAX_LEASE_BYTES,
    ) -> None:
        self._clock = clock
        self._most = most
        self._most_bytes = most_bytes
        self._held: dict[str, _Held] = {}
        # (due, number, held); the number keeps the order of those that are due at once.
        self._heap: list[tuple[float, int, _Held]] = []
        self._number = 0
        self._bytes = 0
        self._coming = 0

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, change: LeaseChange) -> LogUnavailable | None:
        """A change is on its way to the log, which has to `end` it; or why it cannot be.

        Raises:
            UsageError: It is about something that is no lease.
        """
        lease, held = change.lease, self._held.get(change.id)
        if lease is not None:
            check_lease(lease)
            if held is None and len(self._held) + self._coming >= self._most:
                return LogUnavailable(f"{self._most} leases are held, as many as may; try later")
            grown = lease.size - (0 if held is None else held.lease.size)
            if grown > 0 and self._bytes + grown > self._most_bytes:
                return LogUnavailable(
                    f"the wills of the leases held take {self._bytes} bytes, and at most "
                    f"{self._most_bytes} may be held; try later"
                )
            self._bytes += lease.size
            self._coming += 1
        if held is not None:
            held.changes += 1
        return None

    def end(self, change: LeaseChange, done: bool) -> None:
        """The log has a change that was begun; or it could not take it, and all is as before."""
        lease, held = change.lease, self._held.get(change.id)
        if lease is not None:
            self._bytes -= lease.size
            self._coming -= 1
        if held is not None and held.changes:
            held.changes -= 1
        if done:
            self._remove(change.id)
            if lease is not None:
                self.put(lease, 0 if held is None else held.changes)

    def put(self, lease: Lease, changes: int = 0) -> None:
        """Hold a lease from now on, which the log has; so many changes of it are on their way."""
        held = self._held[lease.id] = _Held(lease, self._clock() + lease.ttl, changes)
        self._bytes += lease.size
        self._push(held)
        # Those given up stay in the heap until they would have been due.
        if len(self._heap) > 2 * len(self._held) + 1000:
            self._heap = [entry for entry in self._heap if self._is_held(entry[2])]
            heapq.heapify(self._heap)

    def renew(self, lease_id: str) -> bool:
        """Give a lease its whole ``ttl`` again; False: there is none, or it is running out."""
        held = self._held.get(lease_id)
        if held is None or held.running_out:
            return False
        held.due = self._clock() + held.lease.ttl
        return True

    def run_out(self) -> list[Lease]:
        """Those that are due, the first due first, at most `RUN_OUT_STEP`; each until `ran_out`."""
        now, heap = self._clock(), self._heap
        found: list[Lease] = []
        while heap and heap[0][0] <= now and len(found) < RUN_OUT_STEP:
            due, number, held = heapq.heappop(heap)
            if not self._is_held(held):
                continue
            if held.changes:
                held.due = now + held.lease.ttl
            if held.due != due:
                heapq.heappush(heap, (held.due, number, held))
                continue
            held.running_out = True
            found.append(held.lease)
        return found

    def ran_out(self, lease: Lease, done: bool) -> None:
        """The log has appended a will, or could not; then the lease is due at once again."""
        held = self._held.get(lease.id)
        if held is None or held.lease is not lease:
            return
        if done:
            self._remove(lease.id)
        else:
            held.running_out = False
            held.due = self._clock()
            self._push(held)

    def _push(self, held: _Held) -> None:
        self._number += 1
        heapq.heappush(self._heap, (held.due, self._number, held))

    def _is_held(self, held: _Held) -> bool:
        return self._held.get(held.lease.id) is held

    def _remove(self, lease_id: str) -> None:
        held = self._held.pop(lease_id, None)
        if held is not None:
            self._bytes -= held.lease.size
