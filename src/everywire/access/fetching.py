"""Fetching a key set, and nothing else.

The address is one of the operator's settings, never anything a token says. It is asked over TLS, or
on this machine; it may not send us elsewhere; it has so long and so many bytes. The request runs in
a thread of its own: an issuer that does not answer holds up nobody but who waits for its keys.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from http.client import HTTPException, HTTPMessage
from ipaddress import ip_address
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

from everywire.core.errors import EverywireError, UsageError

MAX_KEY_SET_BYTES: Final = 256 * 1024
"""Bytes of a key set; a large provider's has about 10 KiB."""

FETCH_SECONDS: Final = 10.0
"""How long fetching it may take in all."""

_CHUNK: Final = 16 * 1024


class FetchFailed(EverywireError):
    """A key set could not be fetched; the message says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow none: the keys count because of the address they are at."""
        fp.close()
        raise FetchFailed(f"it answered {code}, which leads elsewhere; redirects are not followed")


def check_url(url: str) -> str:
    """Return the address of a key set if it is one.

    Raises:
        UsageError: Others could answer in its place.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise UsageError("the address of a key set holds no user or password")
    if parts.hostname and (
        parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname))
    ):
        return url
    raise UsageError(
        f"{url[:200]!a} is no address for a key set: https:// is needed (http:// on this machine)"
    )


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch(url: str) -> bytes:
    """Fetch a key set, off the loop.

    Raises:
        FetchFailed: It could not be had.
    """
    return await asyncio.to_thread(_download, url)


def _download(url: str) -> bytes:
    until = time.monotonic() + FETCH_SECONDS
    request = urllib.request.Request(url, headers={"Accept": "application/jwk-set+json, */*;q=0.5"})  # noqa: S310 - `check_url` has seen it
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=FETCH_SECONDS / 2) as answer:
            return _read(answer, until)
    except FetchFailed:
        raise
    except HTTPError as error:
        error.close()
        raise FetchFailed(f"it answered {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(str(error) or type(error).__name__) from None


def _read(answer: Any, until: float) -> bytes:
    if answer.status != 200:
        raise FetchFailed(f"it answered {answer.status}")
    body = bytearray()
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_KEY_SET_BYTES:
            raise FetchFailed(f"it has more than {MAX_KEY_SET_BYTES} bytes")
        if time.monotonic() > until:
            raise FetchFailed(f"it took more than {FETCH_SECONDS:g} s")
    return bytes(body)
