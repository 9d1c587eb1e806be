"""What can go wrong between a client and its server.

::

    EverywireError
      Unreachable    nobody answered, or not in HTTP: try again later
      Refused        the server said no: its code, status and words; `passing` ones may be retried
      GaveUp         it was tried for as long as was allowed; the last failure is inside
    Lost             a subscriber's connection is over; it comes back by itself, nobody else sees it
      BadAnswer      because the server sent what is not the protocol

A refusal keeps the code of the protocol. An answer that has none (a proxy's page) is treated by
its status, as the protocol asks clients to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from everywire.core.errors import STATUS, EverywireError

T = TypeVar("T")

PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed (RFC 9110, section 15)."""

FATAL_STATUSES: Final = frozenset({400, 401, 403})
"""HTTP statuses after which a subscriber does not come back."""

_MAX_SHOWN: Final = 300

_fields = msgspec.json.Decoder(dict[str, Any]).decode


class Headers(Protocol):
    """Header fields, looked up without case."""

    def get(self, name: str, /) -> str | None:
        """A field's value, or None."""
        ...


class Unreachable(EverywireError):
    """The server could not be reached, or stopped answering.

    Args:
        where: The address that was tried.
        reason: What happened, in a few words.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"cannot reach {where}: {reason}")
        self.where = where
        self.reason = reason


class Refused(EverywireError):
    """The server refused a request.

    Args:
        code: The protocol's code, or ``http_<status>`` where the answer had none.
        detail: The server's own words.
        status: HTTP status, or the one that belongs to the code.
        retry_after: Seconds after which the server asks to try again.
    """

    def __init__(
        self, code: str, detail: str, *, status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.status = status
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in PASSING_STATUSES

    @property
    def fatal(self) -> bool:
        """Whether a subscriber that gets this stays away."""
        return self.status in FATAL_STATUSES


class GaveUp(EverywireError):
    """A request was repeated until its time was over.

    Args:
        last: What the last try met.
        seconds: How long it was tried.
    """

    def __init__(self, last: Unreachable | Refused, seconds: float) -> None:
        super().__init__(f"gave up after {seconds:.0f} s: {last}")
        self.last = last
        self.seconds = seconds


class Lost(Exception):
    """A subscriber's connection is over; it comes back.

    Args:
        reason: Why, in a few words.
        retry_after: Seconds that the server asked to wait.
        refused: The refusal behind it, if there is one.
    """

    def __init__(
        self, reason: str, retry_after: float | None = None, refused: Refused | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.refused = refused


class BadAnswer(Lost):
    """The server sent what is not the protocol; this connection is of no more use."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the server sent what is not the protocol: {what}")


def checked(decode: Callable[[bytes], T], raw: bytes) -> T:
    """Decode what the server sent.

    Raises:
        BadAnswer: It cannot be decoded.
    """
    try:
        return decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadAnswer(str(error)) from None


def turned_away(refused: Refused) -> Refused | Lost:
    """What a refusal is to a subscriber: the end if it is fatal, else a reason to come back."""
    return refused if refused.fatal else Lost(str(refused), refused.retry_after, refused)


def refusal(status: int, headers: Headers, body: bytes) -> Refused:
    """Make the error that an HTTP answer stands for.

    Args:
        status: 400 or above, or any other that was not asked for.
        headers: ``Retry-After`` is looked at.
        body: Problem JSON (RFC 9457) with a ``code``, or anything.
    """
    problem = _object(body)
    code = problem.get("code")
    detail = problem.get("detail") or problem.get("title")
    return Refused(
        code if isinstance(code, str) else f"http_{status}",
        detail if isinstance(detail, str) else _words(status, body),
        status=status,
        retry_after=_seconds(headers.get("Retry-After")),
    )


def refusal_by_code(code: str, message: str) -> Refused:
    """Make the error that an ``error`` frame or event stands for."""
    return Refused(code, message, status=STATUS.get(code, 500))


def _object(body: bytes) -> dict[str, Any]:
    try:
        return checked(_fields, body)
    except BadAnswer:
        return {}


def _words(status: int, body: bytes) -> str:
    """What to say of an answer that is not one of ours."""
    text = body[:_MAX_SHOWN].decode(errors="replace").strip()
    if not text or text.startswith("<"):
        return f"the answer was HTTP {status}, without a reason"
    shown = "".join(char if char.isprintable() else " " for char in text)
    return f"the answer was HTTP {status}: {shown}"


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After; its date form is not used by the protocol."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return float(min(int(retry_after[:9]), 86_400))
