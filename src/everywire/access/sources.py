"""From the settings of issuers to their keys.

What a file or variable holds (PEM, JWK, JWKS, a secret) shows by itself: `everywire.access.keys`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from everywire.access.fetching import fetch as fetch_by_http
from everywire.access.issuers import Issuer, Terms
from everywire.access.key_sets import Fetch, KeySet
from everywire.access.keys import Key, read_keys
from everywire.access.settings import IssuerSettings
from everywire.access.tokens import TokenVerifier
from everywire.core.access import permissions
from everywire.core.errors import UsageError

MAX_SOURCE_BYTES: Final = 256 * 1024
"""Bytes of a file with keys."""


def verifier_of(
    issuers: Sequence[IssuerSettings],
    clock_ms: Callable[[], int],
    monotonic: Callable[[], float],
    fetch: Fetch | None = None,
) -> TokenVerifier:
    """Make what checks the tokens of some issuers.

    Args:
        issuers: Whose.
        clock_ms: Milliseconds since the epoch.
        monotonic: Seconds.
        fetch: Gets the bytes at an address; None: over HTTP.

    Raises:
        UsageError: A key cannot be read, or a setting is none.
        RequestError: A pattern or action is none.
    """
    made = [_issuer(settings, monotonic, fetch or fetch_by_http) for settings in issuers]
    return TokenVerifier(made, clock_ms)


def _issuer(settings: IssuerSettings, monotonic: Callable[[], float], fetch: Fetch) -> Issuer:
    addresses = [source for source in settings.keys if is_address(source)]
    if len(addresses) > 1:
        raise UsageError("the keys of an issuer are at one address; name several issuers instead")
    if not settings.keys:
        raise UsageError(
            "an issuer needs a source of keys: a file, env:NAME or an https:// address"
        )
    terms = Terms(
        settings.issuer,
        settings.audiences,
        settings.leeway,
        settings.require_expiry,
        settings.grants_claim,
        settings.user_prefix,
        permissions(settings.grants),
    )
    keys = [key for source in settings.keys if source not in addresses for key in load_keys(source)]
    key_set = KeySet(addresses[0], fetch, monotonic) if addresses else None
    return Issuer(terms, keys, key_set)


def is_address(source: str) -> bool:
    """Whether a source of keys is the address of a JWKS."""
    return source.startswith(("https://", "http://"))


def load_keys(source: str, environ: Mapping[str, str] = os.environ) -> list[Key]:
    """Read the keys of a file or an environment variable.

    Args:
        source: ``env:NAME``, or the path of a file.
        environ: The environment.

    Raises:
        UsageError: They cannot be read.
    """
    if source.startswith("env:"):
        text = environ.get(source.removeprefix("env:"), "")
        if not text:
            raise UsageError(f"the environment variable {source[4:]} is not set; a key is expected")
        # Where a variable has to be one line, the line breaks of PEM are written out.
        return read_keys(text.replace("\\n", "\n") if "-----BEGIN" in text else text, source)
    try:
        with Path(source).open("rb") as file:
            data = file.read(MAX_SOURCE_BYTES + 1)
            text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the key in {source} cannot be read: {error}") from None
    if len(data) > MAX_SOURCE_BYTES:
        raise UsageError(f"{source} has more than {MAX_SOURCE_BYTES} bytes, and is no key")
    return read_keys(text, source)
