"""A look inside the file of an open log, and whether what is counted is what there is."""

from __future__ import annotations

from functools import partial
from typing import Any

from everywire.logs.base import Log


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
    assert await asked(log, "SELECT head, floor, bytes FROM meta") == (
        numbers.head,
        numbers.floor,
        numbers.bytes,
    )
    for name, channel in log._store.channels.items():  # type: ignore[attr-defined]
        number = f"WHERE channel = {channel.id}"
        if channel.rule is not None and channel.rule.max_messages is not None:
            assert await asked(log, f"SELECT count(*) FROM messages {number}") == channel.count
        if channel.rule is not None and channel.rule.max_bytes is not None:
            sizes = await asked(log, f"SELECT coalesce(sum(size), 0) FROM messages {number}")
            assert sizes == channel.size, name
    assert (await asked(log, "PRAGMA integrity_check")) == "ok"
