"""Leases in the file: what outlives the process. When they are due does not (logs/leases.py)."""

from __future__ import annotations

from typing import Final

import msgspec

from everywire.core.messages import Draft
from everywire.logs.leases import Lease, LeaseChange
from everywire.logs.sqlite.store import Store

_PUT: Final = "INSERT OR REPLACE INTO leases (id, ttl, will) VALUES (?,?,?)"
_DROP: Final = "DELETE FROM leases WHERE id = ?"

# By names, so that a later version may add fields to a draft.
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[Draft, ...]).decode


def write_change(store: Store, change: LeaseChange) -> None:
    """Put a change into the file, as part of a transaction."""
    lease = change.lease
    if lease is None:
        store.connection.execute(_DROP, (change.id,))
    else:
        store.connection.execute(_PUT, (lease.id, lease.ttl, _encode(lease.will)))


def take_out(store: Store, lease: Lease) -> None:
    """Drop a lease that runs out, as part of the transaction that appends its will."""
    store.connection.execute(_DROP, (lease.id,))


def read_leases(store: Store) -> list[Lease]:
    """All leases, in the order in which they were taken."""
    rows = store.rows("SELECT id, ttl, will FROM leases ORDER BY number")
    return [Lease(lease_id, ttl, _decode(will)) for lease_id, ttl, will in rows]
