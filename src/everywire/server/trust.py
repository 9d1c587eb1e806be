"""The trust line of a request: which Host, which Origin, and what a browser is told.

An open server on loopback must not be readable by any web page: a page on a name that an attacker
rebinds to 127.0.0.1 sends its own name as Host, and every page sends its Origin. So every route,
from either side of the server, asks `admit` first.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from everywire.core.errors import RequestError, bad_request
from everywire.server.messages import Request
from everywire.server.settings import Settings

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

_MAX_KNOWN: Final = 256

PREFLIGHT_HEADERS: Final = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, event, idempotency-key, last-event-id, prefer",
    ),
    (b"access-control-max-age", b"7200"),
)


class Trust:
    """Decides who may come in.

    Args:
        settings: Bound address, allowed hosts and origins.
    """

    def __init__(self, settings: Settings) -> None:
        self._hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._bound = settings.host.lower().strip("[]")
        self._on_loopback = is_loopback(self._bound)
        # Host headers that were let in, as they came: the same few come with every request.
        self._known: set[str] = set()

    def admit(self, request: Request) -> None:
        """Check Host and Origin; note an Origin that may read the answer on the request.

        Raises:
            RequestError: ``bad_request`` (no Host, or several), ``forbidden`` (a foreign one).
        """
        host = self._check_host(request.header_values(b"host"))
        origins = request.header_values(b"origin")
        if origins:
            request.origin = self._check_origin(origins, host)

    def _check_host(self, values: list[str]) -> str:
        if len(values) != 1:
            raise bad_request("a request needs one Host header")
        host = values[0].strip()
        if host in self._known:
            return host.lower()
        found = _HOST.fullmatch(host)
        if found is None or not self._knows_host(found[1].lower().strip("[]")):
            raise RequestError(
                "forbidden",
                f"Host {host[:100]!a} is not this server's: loopback names, the bound address "
                "and those in allowed_hosts are",
            )
        if len(self._known) < _MAX_KNOWN:
            self._known.add(host)
        return host.lower()

    def _knows_host(self, name: str) -> bool:
        return is_loopback(name) or name == self._bound or name in self._hosts or "*" in self._hosts

    def _check_origin(self, values: list[str], host: str) -> str:
        origin = values[0]
        if len(values) == 1 and self._knows_origin(origin.lower(), host):
            return origin
        raise RequestError(
            "forbidden",
            f"Origin {origin[:100]!a} may not use this server; its own and those in "
            "allowed_origins may",
        )

    def _knows_origin(self, origin: str, host: str) -> bool:
        if origin in self._origins or "*" in self._origins:
            return True
        try:
            parts = urlsplit(origin)
            name = parts.hostname or ""
        except ValueError:
            return False
        port = _DEFAULT_PORTS.get(parts.scheme)
        if port is None or parts.path or not origin.isascii():
            return False
        # The scheme is not compared: behind a proxy that ends TLS it is not known here.
        own = parts.netloc.removesuffix(port) == host.removesuffix(port)
        return own or (self._on_loopback and is_loopback(name))


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def cross_origin_headers(origin: str | None) -> tuple[tuple[bytes, bytes], ...]:
    """What lets a page of an allowed origin read the answer, with credentials.

    ``Vary`` is said without an Origin too, so that a cache never gives one page's answer to
    another.
    """
    if origin is None:
        return ((b"vary", b"Origin"),)
    return (
        (b"vary", b"Origin"),
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"retry-after"),
    )
