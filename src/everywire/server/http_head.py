"""From the bytes of a request's head to a `Request`, and from an answer's head to bytes.

llhttp (by httptools) judges the head; nothing it refuses comes in: bare line feeds, folded lines,
control characters, two lengths, a length beside a transfer coding. What it calls the end of the
head has to be where we cut it.
"""

from __future__ import annotations

import re
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
_NO_CONTENT: Final = int(HTTPStatus.NO_CONTENT)
_MAX_KNOWN_HEADS: Final = 128
_MAX_KNOWN_BYTES: Final = 1024
_KEY_NAME: Final = b"sec-websocket-key"
_KEY_LINE: Final = b"\r\n%b: " % _KEY_NAME
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==\r\n")
_ANY_KEY: Final = b"AAAAAAAAAAAAAAAAAAAAAA=="
_ANY_KEY_HEADER: Final = (_KEY_NAME, _ANY_KEY)


@lru_cache(64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()


def head_of(status: int, headers: Headers) -> bytes:
    """The head of an answer, to the blank line.

    Args:
        status: HTTP status.
        headers: Names and values; they come from this server alone.
    """
    lines = [_status_line(status)]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + END_OF_HEAD


class AnswerHeads:
    """The heads of answers, made once for all that are alike.

    All but the length is the same in most answers of a second (the date changes then), so it is
    kept up to there. The answers to publishes are of one length as well, so the last head is kept
    whole: to see that it fits again costs less than to look it up.
    """

    __slots__ = ("_beginnings", "_defaults", "_last", "_last_alike")

    def __init__(self) -> None:
        self._beginnings: dict[tuple[object, ...], bytes] = {}
        self._defaults: Headers = ()
        self._last = b""
        self._last_alike: tuple[object, ...] = ()

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
        status, body = response.status, response.body
        alike = (status, response.headers, origin, keep_alive, len(body))
        if alike != self._last_alike or defaults is not self._defaults:
            beginning = self._beginning(status, response.headers, origin, keep_alive, defaults)
            length = b"" if status == _NO_CONTENT else b"content-length: %d\r\n" % len(body)
            self._last = beginning + length + b"\r\n"
            self._last_alike = alike
        return self._last if bare or status == _NO_CONTENT else self._last + body

    def endless(self, origin: str | None, headers: Headers, defaults: Headers) -> bytes:
        """The head of an answer that ends with its connection (RFC 9112, 6.3).

        Args:
            origin: An origin that may read it.
            headers: Its own.
            defaults: As in `answer`.
        """
        return self._beginning(200, headers, origin, False, defaults) + b"\r\n"

    def _beginning(
        self,
        status: int,
        headers: Headers,
        origin: str | None,
        keep_alive: bool,
        defaults: Headers,
    ) -> bytes:
        """A head up to its length."""
        if defaults is not self._defaults or len(self._beginnings) >= _MAX_BEGINNINGS:
            self._beginnings.clear()
            self._defaults = defaults
        alike = (status, headers, origin, keep_alive)
        beginning = self._beginnings.get(alike)
        if beginning is None:
            options = b"keep-alive" if keep_alive else b"close"
            if status == HTTPStatus.UPGRADE_REQUIRED:
                # Whoever sends Upgrade names it here, so that it goes no further (RFC 9110, 7.8).
                options += b", upgrade"
            connection = (b"connection", options)
            every = (*defaults, *headers, *cross_origin_headers(origin), connection)
            beginning = head_of(status, every)[: -len(b"\r\n")]
            self._beginnings[alike] = beginning
        return beginning


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
    common, key = _common(data)
    parse = _fields if common is None else _known_fields
    fields = parse(common or data, limits.max_headers)
    method, path, query, headers, version, keep_alive = fields
    if key:
        own = (_KEY_NAME, key)
        headers = tuple([own if header == _ANY_KEY_HEADER else header for header in headers])
    return Request(method, path, query, headers, peer, version, keep_alive)


def _common(data: bytes) -> tuple[bytes | None, bytes]:
    """What others may send of the same head, as clients of one program do that come side by side.

    Not what holds a credential, which nobody else sends and which is not to be kept.

    Returns:
        All of it, with another WebSocket's key in the place of its own, and that key; None where
            nobody else sends it.
    """
    if len(data) > _MAX_KNOWN_BYTES or not data.startswith(b"GET "):
        return None, b""
    head = data.lower()
    if (
        b"token" in head
        or b"\r\nauthorization:" in head
        or b"\r\ncookie:" in head
        or b"connection=" in head
    ):
        return None, b""
    begin = head.find(_KEY_LINE) + len(_KEY_LINE)
    if begin < len(_KEY_LINE):
        return data, b""
    if _KEY.match(data, begin) is None:
        return None, b""
    end = begin + len(_ANY_KEY)
    return data[:begin] + _ANY_KEY + data[end:], data[begin:end]


def _fields(
    data: bytes, max_headers: int
) -> tuple[str, str, str, tuple[tuple[bytes, bytes], ...], str, bool]:
    """Method, path, query, headers, version, and whether the connection may stay open."""
    if data.count(b"\r\n") - 2 > max_headers:
        raise too_many_headers(max_headers)
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
    version = parser.get_http_version()
    if version not in ("1.0", "1.1"):
        raise bad_request("this server speaks HTTP/1.1 and HTTP/1.0")
    target = _origin_form(head.target, head.headers)
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/") or not target.isascii():
        raise bad_request("a request's target is a path that begins with '/'")
    return (
        parser.get_method().decode("ascii"),
        path.decode("ascii"),
        query.partition(b"#")[0].decode("ascii"),
        tuple(head.headers),
        version,
        _keep_alive(version, head.headers),
    )


_known_fields = lru_cache(_MAX_KNOWN_HEADS)(_fields)


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


def too_many_headers(most: int) -> RequestError:
    """The error for more headers than are allowed."""
    return RequestError("too_large", f"a request may have {most} headers", status=431)


def head_too_large(limits: Limits) -> RequestError:
    """The error for a request line and headers that are too long."""
    return RequestError(
        "too_large",
        f"request line and headers may be {limits.max_head_bytes} bytes together",
        status=431,
    )
