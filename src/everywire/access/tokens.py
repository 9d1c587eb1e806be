"""Whose signature is on a token (JWS compact serialization, RFC 7515 3.1; RFC 8725).

`read_header` looks at no more than it has to: the size, before anything is decoded; then ``alg``
and ``kid``. Headers that name or carry a key (``jku``, ``x5u``, ``jwk``, ``x5c``) are not looked at
at all. A token with ``crit`` asks us to understand what we do not, and is refused (RFC 7515
4.1.11).

Then the keys that may have signed it are tried, each with the one algorithm that it is for. Which
issuer's key it was says who issued it, not the token. The signature itself is PyJWT's work.
"""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import jwt

from everywire.access.claims import grant_of, read_object
from everywire.access.issuers import Issuer, check_issuers
from everywire.access.keys import ALGORITHMS, MAX_KEY_ID, Key
from everywire.access.refusals import MAX_TOKEN_BYTES, bad_token
from everywire.core.access import Grant
from everywire.core.errors import EverywireError, RequestError

MAX_TRIES: Final = 16
"""Keys that are tried for one token."""

_JWS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")

_jws = jwt.PyJWS(algorithms=ALGORITHMS, options={"enforce_minimum_key_length": True})


class Header(NamedTuple):
    """What is used of a token's header.

    Attributes:
        algorithm: One of `ALGORITHMS`.
        key_id: Its ``kid``.
    """

    algorithm: str
    key_id: str | None


class Signed(NamedTuple):
    """A token whose signature is good.

    Attributes:
        issuer: Whose key it is.
        key: The key.
        claims: What the token says.
    """

    issuer: Issuer
    key: Key
    claims: dict[str, Any]


class KeysNeeded(EverywireError):
    """Whether a token is good cannot be said before key sets have been fetched.

    Args:
        issuers: Whose.
    """

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        super().__init__("key sets have to be fetched first")
        self.issuers = issuers


def read_header(token: str) -> Header:
    """Read the header of a token whose signature has not been checked.

    Raises:
        RequestError: ``bad_token``.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise bad_token(f"the token has more than {MAX_TOKEN_BYTES} characters")
    parts = _JWS.fullmatch(token)
    if parts is None:
        if token.count(".") == 4:
            raise bad_token("the token is encrypted (JWE); a signed one (JWS) is expected")
        raise bad_token(
            "the token is no JWT: three parts of A-Z a-z 0-9 _ - with '.' between them are expected"
        )
    try:
        data = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        raise bad_token("the header of the token is not base64url") from None
    return _header(read_object(data, "header"))


def _header(fields: dict[str, Any]) -> Header:
    for name in ("crit", "b64"):
        if name in fields:
            raise bad_token(f"the token's header has {name!r}, which is not understood here")
    algorithm, key_id = fields.get("alg"), fields.get("kid")
    if algorithm not in ALGORITHMS:
        if isinstance(algorithm, str) and algorithm.lower() == "none":
            raise bad_token("the token is not signed (alg none)")
        shown = ascii(algorithm)[:40] if isinstance(algorithm, str) else "missing"
        raise bad_token(f"the token's alg is {shown}; there are {', '.join(ALGORITHMS)}")
    if key_id is not None and not (isinstance(key_id, str) and 0 < len(key_id) <= MAX_KEY_ID):
        raise bad_token(f"the token's kid is not a string of 1 to {MAX_KEY_ID} characters")
    return Header(algorithm, key_id)


class TokenVerifier:
    """Checks tokens of some issuers.

    Args:
        issuers: Whose tokens count.
        clock_ms: Milliseconds since the epoch.

    Raises:
        UsageError: The issuers cannot be told apart.
    """

    def __init__(self, issuers: Sequence[Issuer], clock_ms: Callable[[], int]) -> None:
        check_issuers(issuers)
        self.issuers = tuple(issuers)
        self._clock_ms = clock_ms

    @property
    def version(self) -> int:
        """Counts the changes of all key sets."""
        return sum(issuer.key_set.version for issuer in self.issuers if issuer.key_set is not None)

    def renew(self) -> None:
        """Have old key sets fetched again, in the background."""
        for issuer in self.issuers:
            if issuer.key_set is not None and issuer.key_set.loaded:
                issuer.key_set.renew()

    def verify(self, token: str) -> Grant:
        """What the holder of a token may do.

        Raises:
            RequestError: ``bad_token``; ``token_expired``; ``unavailable`` where an issuer's keys
                cannot be had.
            KeysNeeded: Fetch them, then ask again.
        """
        signed = self.signed(token)
        return grant_of(signed.claims, signed.issuer.terms, self._clock_ms())

    def verify_or_ask(self, token: str) -> Grant | None:
        """The same as `verify`; None where key sets have to be fetched first, by `fetch_for`."""
        try:
            return self.verify(token)
        except KeysNeeded:
            return None

    async def fetch_for(self, token: str) -> None:
        """Fetch the key sets that are needed to check a token; what went wrong shows after it."""
        try:
            self.verify(token)
        except KeysNeeded as needed:
            sets = [issuer.key_set for issuer in needed.issuers]
            await asyncio.gather(*(keys.refresh() for keys in sets if keys is not None))
        except RequestError:
            pass

    def signed(self, token: str) -> Signed:
        """Find whose signature is on a token, and read what it says.

        Raises:
            RequestError: ``bad_token``, ``unavailable``.
            KeysNeeded: Fetch them, then ask again.
        """
        header = read_header(token)
        found = self._signer(token, header)
        if isinstance(found, RequestError):
            self._ask_for_keys(header)
            raise found
        issuer, key, payload = found
        return Signed(issuer, key, read_object(payload, "payload"))

    def _signer(self, token: str, header: Header) -> tuple[Issuer, Key, bytes] | RequestError:
        named = [
            (issuer, key) for issuer in self.issuers for key in issuer.candidates(header.key_id)
        ]
        fitting = [(issuer, key) for issuer, key in named if key.algorithm == header.algorithm]
        if len(fitting) > MAX_TRIES:
            return bad_token(
                f"{len(fitting)} keys may have signed the token; it has to say by kid which one"
            )
        for issuer, key in fitting:
            payload = payload_signed_by(token, key)
            if payload is not None:
                return issuer, key, payload
        return _no_signer(header, named, fitting)

    def _ask_for_keys(self, header: Header) -> None:
        """Where an issuer may have the key by now, say so instead of refusing the token."""
        lacking = [
            issuer
            for issuer in self.issuers
            if issuer.key_set is not None and not issuer.knows(header.key_id)
        ]
        asking = [issuer for issuer in lacking if issuer.key_set and issuer.key_set.may_ask()]
        if asking:
            raise KeysNeeded(asking)
        for issuer in lacking:
            if issuer.key_set is not None and not issuer.key_set.loaded:
                raise RequestError(
                    "unavailable", "the keys of the token's issuer cannot be had now; try later"
                )


def _no_signer(
    header: Header, named: Sequence[tuple[Issuer, Key]], fitting: Sequence[tuple[Issuer, Key]]
) -> RequestError:
    by = "by any key of this server" if header.key_id is None else f"by the key {header.key_id!a}"
    if fitting:
        return bad_token(f"the token's signature is not {by}")
    if named:
        others = ", ".join(sorted({key.algorithm for _, key in named}))
        return bad_token(
            f"the token's alg is {header.algorithm}; the keys it can be from are for {others}"
        )
    return bad_token(f"the token is signed {by}, and there is none here")


def payload_signed_by(token: str, key: Key) -> bytes | None:
    """The payload of a token if its signature is by a key; else None.

    Args:
        token: One that `read_header` took.
        key: The key, with the algorithm it is for.
    """
    try:
        return _jws.decode_complete(token, key.verifying, algorithms=[key.algorithm])["payload"]
    except jwt.PyJWTError:
        return None
