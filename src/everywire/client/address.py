"""Where the server is, taken apart once.

One URL names a server for every wire: ``http://`` and ``ws://`` mean the same, and so do their
secure forms. A path in it is where the server is mounted (``https://example.org/live``); the
wires' own paths are put behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from everywire.core.errors import UsageError

DEFAULT_URL: Final = "http://127.0.0.1:8000"

MAX_TARGET: Final = 24 * 1024
"""Characters of a request target. Servers allow 32 KiB for the whole head; headers need some."""

_SECURE: Final = {"http": False, "ws": False, "https": True, "wss": True}


class Address:
    """A server's URL.

    Args:
        url: ``http``, ``https``, ``ws`` or ``wss``, a host, and maybe a port and a path.

    Raises:
        UsageError: It is not such a URL, or carries a user name, a query or a fragment.
    """

    __slots__ = ("_netloc", "base", "host", "port", "secure", "url")

    def __init__(self, url: str) -> None:
        allowed = "it should look like http://127.0.0.1:8000 or https://example.org/live"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{url!r} is not a URL: {error}; {allowed}") from None
        if parts.scheme not in _SECURE or not parts.hostname:
            raise UsageError(f"{url!r} is not the URL of a server; {allowed}")
        if parts.username is not None or parts.query or parts.fragment:
            raise UsageError(
                "the URL of a server has no user name, query or fragment; "
                "a token comes from EVERYWIRE_TOKEN or a file"
            )
        if not url.isascii() or not url.isprintable() or " " in url:
            raise UsageError(f"{url!r} is not a URL: only printable ASCII is allowed; {allowed}")
        self.secure = _SECURE[parts.scheme]
        self.host = parts.hostname
        self.port = port or (443 if self.secure else 80)
        self.base = parts.path.rstrip("/")
        self._netloc = parts.netloc
        self.url = f"{'https' if self.secure else 'http'}://{self._netloc}{self.base}"

    def target(self, path: str, query: Iterable[tuple[str, str]] = ()) -> str:
        """The request target for a path of the protocol.

        Raises:
            UsageError: It would be longer than servers take.
        """
        encoded = urlencode(list(query), quote_via=quote)
        target = f"{self.base}{path}?{encoded}" if encoded else self.base + path
        if len(target) > MAX_TARGET:
            raise UsageError(
                f"the channels make a URL of {len(target)} characters; at most {MAX_TARGET} are "
                "sent. Use a pattern, fewer channels, or the wire ws"
            )
        return target

    def websocket(self, path: str) -> str:
        """The URL of a path for a WebSocket."""
        return f"{'wss' if self.secure else 'ws'}://{self._netloc}{self.base}{path}"
