"""A look inside the file of an open log, and whether what is counted is what there is."""

from __future__ import annotations

from functools import partial
from typing import Any

from everywire.logs.base import Log

# What must never be: a key of nothing, a message set aside for nothing, or there twice.
_POINTS_NOWHERE = (
    "NOT EXISTS (SELECT 1 FROM kept WHERE position = state.position"
    " AND channel = state.channel AND key = state.key AND size = state.size)"
)
_NOT_NEWEST = (
    "free = 0 AND NOT EXISTS (SELECT 1 FROM state WHERE channel = aside.channel"
    " AND position = aside.position)"
)
_TWICE = "position IN (SELECT position FROM messages)"


async def asked(log: Log, sql: str) -> Any:
    """What the file answers."""
    row = await log._writer.ask(partial(log._store.row, sql))  # type: ignore[attr-defined]
    return row[0] if len(row) == 1 else row


async def check_counts(log: Log) -> None:
    """What is counted is what there is."""
    numbers = log._store.numbers  # type: ignore[attr-defined]
    assert await asked(log, "SELECT coalesce(sum(size), 0) FROM messages") == numbers.bytes
    assert await asked(log, "SELECT count(*) FROM channels WHERE watermark > 0") == numbers.marks
    assert await asked(log, "SELECT count(*) FROM channels WHERE final > 0") == numbers.ended
    assert await asked(log, "SELECT count(*) FROM keys") == numbers.keys
    assert await asked(log, "SELECT head, floor, bytes, state_bytes FROM meta") == (
        numbers.head,
        numbers.floor,
        numbers.bytes,
        numbers.state_bytes,
    )
    assert await asked(log, "SELECT coalesce(sum(size), 0) FROM state") == numbers.state_bytes
    assert await asked(log, f"SELECT count(*) FROM state WHERE {_POINTS_NOWHERE}") == 0
    assert await asked(log, f"SELECT count(*) FROM aside WHERE {_NOT_NEWEST}") == 0
    assert await asked(log, f"SELECT count(*) FROM aside WHERE {_TWICE}") == 0
    for name, channel in log._store.channels.items():  # type: ignore[attr-defined]
        number = f"WHERE channel = {channel.id}"
        if channel.keys is not None:
            assert await asked(log, f"SELECT count(*) FROM state {number}") == channel.keys
        if channel.rule is not None and channel.rule.max_messages is not None:
            assert await asked(log, f"SELECT count(*) FROM messages {number}") == channel.count
        if channel.rule is not None and channel.rule.max_bytes is not None:
            sizes = await asked(log, f"SELECT coalesce(sum(size), 0) FROM messages {number}")
            assert sizes == channel.size, name
    assert (await asked(log, "PRAGMA integrity_check")) == "ok"
