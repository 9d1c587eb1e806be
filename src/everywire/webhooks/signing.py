"""Who sent it: signatures by Standard Webhooks 1.0.0 (standardwebhooks.com).

Signed is ``{id}.{timestamp}.{body}`` with HMAC-SHA256; the signature travels beside the three of
them. The id stays the same when a request is repeated, the timestamp is that of the attempt: so a
receiver can tell a repetition, and an attacker who has an old request cannot use it for long.

To change a secret without a moment in which neither counts, a sender signs with two, the newer
first, and a receiver takes what fits one of its own.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final

from everywire.core.errors import EverywireError, UsageError

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with is none
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
"""Bytes of a secret (Standard Webhooks: 192 to 512 bits)."""

TOLERANCE: Final = 300.0
"""Seconds by which the clocks of sender and receiver may differ (the reference library's value)."""

MAX_SIGNATURES: Final = 16
"""Signatures of one request that are looked at; a sender that changes its secret sends two."""

_NEW_BYTES: Final = 32
_MAX_ID: Final = 255

# No full stop: it separates what is signed.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class BadSignature(EverywireError):
    """A request is not from whom it should be, or is too old; the message says which."""


def new_secret() -> str:
    """Make a secret of 256 random bits, ``whsec_`` before it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        UsageError: It is none. The message does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if secret.startswith(SECRET_PREFIX) and MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        return key
    raise UsageError(
        f"the secret of a webhook is {SECRET_PREFIX} and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} "
        "bytes in base64; everywire.webhooks.new_secret() makes one"
    )


class Signer:
    """Signs requests.

    Args:
        secrets: The one or two that count, the newest first.

    Raises:
        UsageError: One of them is none, or there are none.
    """

    __slots__ = ("_keys",)

    def __init__(self, *secrets: str) -> None:
        if not secrets:
            raise UsageError("a webhook is signed with a secret; give one")
        self._keys = tuple(map(key_of, secrets))

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The three headers of a request.

        Args:
            message_id: Of letters, digits, ``_`` and ``-``; the same for each attempt.
            timestamp: Of this attempt, seconds since the epoch.
            body: As it is sent.
        """
        signed = [_signature(key, message_id, str(timestamp), body) for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signed),
        }


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> str:
    """Check that a request comes from who has the secret, and is no old one.

    Args:
        body: As it came, before anything parsed it.
        headers: Of the request; names are compared without case.
        secret: Or several, where it is being changed; the request has to fit one.
        tolerance: Seconds by which the request's timestamp may differ from now.
        now: Seconds since the epoch; None: this machine's clock.

    Returns:
        The request's id. It is the same where a request is repeated: remember it, for twice the
        tolerance at least, and do nothing the second time.

    Raises:
        BadSignature: It is not to be trusted.
        UsageError: A secret is none.
    """
    keys = tuple(map(key_of, [secret] if isinstance(secret, str) else secret))
    found = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        _header(found, name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if _ID.fullmatch(message_id) is None:
        raise BadSignature(f"webhook-id is not 1 to {_MAX_ID} of A-Z a-z 0-9 _ -")
    if _TIMESTAMP.fullmatch(timestamp) is None:
        raise BadSignature("webhook-timestamp is not a number of seconds since the epoch")
    # The signature first: an answer about the time tells a stranger nothing it could use.
    _check(keys, signatures, message_id, timestamp, body)
    apart = (time.time() if now is None else now) - int(timestamp)
    if not abs(apart) <= tolerance:
        kind = "old" if apart > 0 else "early"
        raise BadSignature(
            f"the request is {abs(apart):.0f} s too {kind}; {tolerance:g} s are allowed"
        )
    return message_id


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise BadSignature(f"the header {name} is missing")
    return value


def _check(
    keys: Sequence[bytes], signatures: str, message_id: str, timestamp: str, body: bytes
) -> None:
    shown = signatures.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]
    # Compared as bytes: what is not ASCII is an error to compare_digest.
    given = [signature.encode(errors="replace") for signature in shown]
    right = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    # All with all, whatever fits: how long it takes says nothing.
    fitting = [hmac.compare_digest(one, other) for one in given for other in right]
    if not any(fitting):
        raise BadSignature(
            "no v1 signature fits: it is another secret, or the body is not as it was sent"
        )


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
