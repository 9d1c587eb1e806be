"""How it is said that a credential does not count, and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from everywire.core.errors import RequestError

MAX_TOKEN_BYTES: Final = 16 * 1024
"""Bytes of a credential; one that is longer is not even decoded (a whole head has 32 KiB)."""


def bad_token(message: str) -> RequestError:
    """A `RequestError` with the code ``bad_token``."""
    return RequestError("bad_token", message)


def expired(what: str, expires_ms: int, now_ms: int) -> RequestError:
    """A `RequestError` with the code ``token_expired``."""
    ago = duration(max(0, now_ms - expires_ms))
    return RequestError("token_expired", f"the {what} expired {ago} ago, at {moment(expires_ms)}")


def moment(at_ms: int) -> str:
    """A time for people, such as 2026-11-24T10:00:00Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(ms: int) -> str:
    """A length of time for people: its largest unit, and the next one."""
    seconds = ms // 1000
    for length, unit, smaller, smaller_unit in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= length:
            rest = seconds % length // smaller
            return f"{seconds // length} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{seconds} s" if seconds else "less than 1 s"
