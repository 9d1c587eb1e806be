"""Everything that can go wrong, by whose fault it is.

::

    EverywireError
      RequestError      the peer's fault: a code of the protocol, its HTTP status, what is allowed
      UsageError        the caller's fault: what to call instead
      LogUnavailable    nobody's: the log cannot answer now; ``retry_ms`` says when to try again
      LogRefused        the log cannot be opened at all: what to do about it

The codes and their statuses are one table, `STATUS`; docs/protocol.md repeats it and a test
holds the two together.
"""

from __future__ import annotations

from typing import Final

STATUS: Final[dict[str, int]] = {
    "bad_request": 400,
    "unknown_type": 400,
    "bad_channel": 400,
    "too_many_channels": 400,
    "no_token": 401,
    "bad_token": 401,
    "token_expired": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "too_many_connections": 429,
    "internal": 500,
    "unavailable": 503,
}
"""HTTP status of each error code (docs/protocol.md, Codes)."""

CLOSE_CODE: Final[dict[int, int]] = {401: 4401, 403: 4403, 413: 4413, 429: 4429, 503: 1001}
"""WebSocket close code for an HTTP status, where it is not 4400 (docs/protocol.md, Close codes)."""


class EverywireError(Exception):
    """The root of every error that Everywire raises on purpose."""


class RequestError(EverywireError):
    """A peer asked for something that cannot be done.

    Args:
        code: One of `STATUS`.
        message: What was wrong, and what is allowed.
        channel: The channel it is about, if it is about one.
        status: HTTP status, where it is not the one the code has (426, 431).
    """

    def __init__(
        self, code: str, message: str, *, channel: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.channel = channel
        self.status = STATUS[code] if status is None else status


class UsageError(EverywireError):
    """Everywire was called in a way that cannot work; the message says what to call instead."""


class LogUnavailable(EverywireError):
    """The log cannot take or answer anything now: disk full, I/O error, shut down.

    Nothing was appended. Try again after ``retry_ms`` milliseconds.
    """

    def __init__(self, message: str, retry_ms: int = 1000) -> None:
        super().__init__(message)
        self.message = message
        self.retry_ms = retry_ms


class LogRefused(EverywireError):
    """The log cannot be opened: in use, damaged, too new. The message says what to do."""


def bad_request(message: str) -> RequestError:
    """A `RequestError` with the code ``bad_request``."""
    return RequestError("bad_request", message)
