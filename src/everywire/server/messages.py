"""A request and its answer, the same for our own HTTP protocol and for ASGI."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from everywire.core.errors import EverywireError, LogUnavailable, RequestError
from everywire.server.description.codes import PAGES

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, values as they came."""

JSON: Final = (b"content-type", b"application/json")
_PROBLEM: Final = (b"content-type", b"application/problem+json")
NO_STORE: Final = (b"cache-control", b"no-store")
JSON_HEADERS: Final = (JSON, NO_STORE)
"""Of an answer in JSON that no cache keeps."""


class Request:
    """The head of a request.

    Attributes:
        method: Upper case.
        path: As it came, percent-encoded, without the query.
        query: What stands behind the ``?``; empty where there is none.
        headers: Names in lower case.
        peer: IP address of the other end of the connection; empty where it has none.
        version: ``1.0`` or ``1.1`` (or what an ASGI server says).
        keep_alive: Whether the client lets the connection stay open after the answer.
        origin: An Origin that may read the answer, once ``trust`` has let it in.
    """

    __slots__ = (
        "headers",
        "keep_alive",
        "method",
        "origin",
        "path",
        "peer",
        "query",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        peer: str = "",
        version: str = "1.1",
        keep_alive: bool = True,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.peer = peer
        self.version = version
        self.keep_alive = keep_alive
        self.origin: str | None = None

    def header(self, name: bytes) -> str | None:
        """The value of a header that may stand once, decoded as latin-1; None: it is absent."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def header_values(self, name: bytes) -> list[str]:
        """Every value of a header."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]


class MethodNotAllowed(RequestError):
    """The path is there, but not for this method.

    Args:
        method: As it came.
        path: As it came.
        allowed: The methods that are, for the ``Allow`` header (RFC 9110, 15.5.6).
    """

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(
            "method_not_allowed", f"{method} is not for {path[:200]}; allowed are {self.allowed}"
        )


class Response(msgspec.Struct, eq=False, gc=False):
    """An answer with a whole body.

    Attributes:
        status: HTTP status.
        body: Bytes.
        headers: Without ``content-length`` and those that ``trust`` adds.
    """

    status: int
    body: bytes = b""
    headers: Headers = ()


def json_response(body: bytes, status: int = 200) -> Response:
    """An answer in JSON that no cache keeps."""
    return Response(status, body, JSON_HEADERS)


def problem(error: EverywireError) -> Response:
    """The answer for an error: RFC 9457 problem details with a ``code``."""
    headers: list[tuple[bytes, bytes]] = [_PROBLEM, NO_STORE]
    told = as_told(error)
    status = told.status
    if isinstance(error, LogUnavailable):
        headers.append((b"retry-after", str(max(1, error.retry_ms // 1000)).encode()))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    if status == HTTPStatus.UPGRADE_REQUIRED:
        headers += [(b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")]
    fields: dict[str, Any] = {
        "type": PAGES + told.code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": told.code,
        "detail": told.message,
    }
    if told.channel is not None:
        fields["channel"] = told.channel
    return Response(status, msgspec.json.encode(fields), tuple(headers))


def as_told(error: EverywireError) -> RequestError:
    """What a client is told of an error, on every wire: a code, and words without our secrets."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, LogUnavailable):
        return RequestError("unavailable", error.message)
    return internal_error()


def internal_error() -> RequestError:
    """The error for a fault of ours; what it was goes to the server's log only."""
    return RequestError("internal", "the server failed; its log says more")
