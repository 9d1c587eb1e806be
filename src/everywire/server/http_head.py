"""From the bytes of a request's head to a `Request`, and from an answer's head to bytes.

llhttp (by httptools) judges the head; nothing it refuses comes in: bare line feeds, folded lines,
control characters, two lengths, a length beside a transfer coding. What it calls the end of the
head has to be where we cut it.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

import httptools

from everywire.core.errors import RequestError, bad_request
from everywire.core.limits import Limits
from everywire.server.messages import Headers, Request, Response
from everywire.server.trust import cross_origin_headers

END_OF_HEAD: Final = b"\r\n\r\n"
_MAX_BEGINNINGS: Final = 256


@lru_cache(64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()


def head_of(status: int, *headers: Headers) -> bytes:
    """The head of an answer, to the blank line.

    Args:
        status: HTTP status.
        headers: Names and values; they come from this server alone.
    """
    lines = [_status_line(status)]
    for some in headers:
        lines += [b"%b: %b" % header for header in some]
    return b"\r\n".join(lines) + END_OF_HEAD


class AnswerHeads:
    """The heads of answers, made once for all that are alike.

    All but the length is the same in most answers of a second (the date changes then), so it is
    kept up to there.
    """

    __slots__ = ("_beginnings", "_defaults")

    def __init__(self) -> None:
        self._beginnings: dict[tuple[object, ...], bytes] = {}
        self._defaults: Headers = ()

    def answer(
        self,
        origin: str | None,
        response: Response,
        keep_alive: bool,
        defaults: Headers,
        bare: bool = False,
    ) -> bytes:
        """A whole answer.

        Args:
            origin: An origin that may read it.
            response: The answer.
            keep_alive: Whether the connection stays open after it.
            defaults: Headers that every answer has; another object once they change.
            bare: Without its body, for a HEAD.
        """
        if defaults is not self._defaults or len(self._beginnings) >= _MAX_BEGINNINGS:
            self._beginnings.clear()
            self._defaults = defaults
        status = response.status
        alike = (status, response.headers, origin, keep_alive)
        beginning = self._beginnings.get(alike)
        if beginning is None:
            beginning = self._beginning(response, origin, keep_alive)
            self._beginnings[alike] = beginning
        if status == HTTPStatus.NO_CONTENT:
            return beginning + b"\r\n"
        body = response.body
        return b"%bcontent-length: %d\r\n\r\n%b" % (beginning, len(body), b"" if bare else body)

    def _beginning(self, response: Response, origin: str | None, keep_alive: bool) -> bytes:
        """A head up to its length."""
        options = b"keep-alive" if keep_alive else b"close"
        if response.status == HTTPStatus.UPGRADE_REQUIRED:
            # Whoever sends Upgrade names it here, so that it goes no further (RFC 9110, 7.8).
            options += b", upgrade"
        headers = (
            *self._defaults,
            *response.headers,
            *cross_origin_headers(origin),
            (b"connection", options),
        )
        return head_of(response.status, headers)[: -len(b"\r\n")]


class _Head:
    """What llhttp reports of a head."""

    __slots__ = ("begun", "complete", "headers", "target")

    def __init__(self) -> None:
        self.begun = 0
        self.complete = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.target = b""

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def parse_head(data: bytes, limits: Limits, peer: str = "") -> Request:
    """Parse a request's head.

    Args:
        data: Up to and with the blank line that ends it.
        limits: For the number of headers; its size is held while it is read.
        peer: IP address of the other end.

    Raises:
        RequestError: ``bad_request``, or ``too_large`` with 431.
    """
    if data.count(b"\r\n") - 2 > limits.max_headers:
        raise too_many_headers(limits)
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise bad_request(f"this is not HTTP: {str(error)[:100]}") from None
    if not head.complete or head.begun != 1:
        raise bad_request("the request's head does not end where it says")
    if parser.get_http_version() not in ("1.0", "1.1"):
        raise bad_request("this server speaks HTTP/1.1 and HTTP/1.0")
    target = _origin_form(head.target, head.headers)
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/") or not target.isascii():
        raise bad_request("a request's target is a path that begins with '/'")
    version = parser.get_http_version()
    return Request(
        parser.get_method().decode("ascii"),
        path.decode("ascii"),
        query.partition(b"#")[0].decode("ascii"),
        head.headers,
        peer,
        version,
        _keep_alive(version, head.headers),
    )


def _origin_form(target: bytes, headers: Headers) -> bytes:
    """The path and query of a target that names the server as well (RFC 9112, 3.2.2).

    Two names for one server would let each reader believe another, so they have to be the same.
    """
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    authority, slash, path = rest.partition(b"/")
    hosts = [value for name, value in headers if name == b"host"]
    if [host.lower() for host in hosts] != [authority.lower()]:
        raise bad_request("the request's target names another server than its Host")
    return slash + path or b"/"


def _keep_alive(version: str, headers: Headers) -> bool:
    """Whether the connection may stay open (RFC 9112, 9.3).

    The parser knows it too, but forgets it with the end of a request that has no body.
    """
    keep = version != "1.0"
    for name, value in headers:
        if name == b"connection":
            options = [option.strip() for option in value.lower().split(b",")]
            if b"close" in options:
                return False
            keep = keep or b"keep-alive" in options
    return keep


def too_many_headers(limits: Limits) -> RequestError:
    """The error for more headers than are allowed."""
    return RequestError("too_large", f"a request may have {limits.max_headers} headers", status=431)


def head_too_large(limits: Limits) -> RequestError:
    """The error for a request line and headers that are too long."""
    return RequestError(
        "too_large",
        f"request line and headers may be {limits.max_head_bytes} bytes together",
        status=431,
    )
