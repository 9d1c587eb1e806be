"""Keys and tokens for tests, and an issuer whose answers a test writes.

Tokens are put together by hand from header, payload and signature, so that a test can make those
that no library would.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from everywire.access.issuers import Issuer, Terms
from everywire.access.keys import Key, read_keys
from everywire.access.tokens import TokenVerifier

NOW = 1_800_000_000
SECRET = "a secret of more than thirty-two bytes"


def private_pem(algorithm: str, which: int = 0) -> str:
    """A private key in PEM; another for another number."""
    return _private_pem(algorithm, which)


@cache
def _private_pem(algorithm: str, which: int) -> str:
    made: Any = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[algorithm]()
    return made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(algorithm: str, which: int = 0) -> str:
    """The public part of the same."""
    private = serialization.load_pem_private_key(private_pem(algorithm, which).encode(), None)
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_jwk(algorithm: str, kid: str | None = None, which: int = 0) -> dict[str, Any]:
    """The public part as a JWK."""
    material = serialization.load_pem_public_key(public_pem(algorithm, which).encode())
    jwk = json.loads(get_default_algorithms()[algorithm].to_jwk(material))
    jwk.pop("key_ops", None)
    return jwk if kid is None else {**jwk, "kid": kid}


def key_for(algorithm: str, kid: str | None = None, which: int = 0) -> Key:
    """A key with its private part."""
    text = f"{SECRET} {which}" if algorithm == "HS256" else private_pem(algorithm, which)
    (key,) = read_keys(text, "a test")
    return Key(key.algorithm, kid, key.verifying, key.signing, key.where)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_token(header: bytes, payload: bytes, key: Key | None, algorithm: str = "") -> str:
    """A token of any bytes, signed by a key, or by nobody."""
    start = f"{encoded(header)}.{encoded(payload)}"
    if key is None:
        return f"{start}."
    signer: Any = get_default_algorithms()[algorithm or key.algorithm]
    return f"{start}.{encoded(signer.sign(start.encode(), key.signing))}"


def token(key: Key | None, claims: Mapping[str, Any] | None = None, **header: Any) -> str:
    """A token of some claims, good for another minute unless they say otherwise."""
    fields = {"alg": "none" if key is None else key.algorithm, "typ": "JWT"}
    if key is not None and key.id is not None:
        fields["kid"] = key.id
    said = {"sub": "ada", "exp": NOW + 60, **(claims or {})}
    return raw_token(
        json.dumps({**fields, **header}).encode(),
        json.dumps({name: value for name, value in said.items() if value is not ...}).encode(),
        key,
    )


def signed_with_bytes(secret: bytes, claims: Mapping[str, Any], **header: Any) -> str:
    """HS256 with any bytes as the secret, such as a public key's."""
    start = ".".join(
        encoded(json.dumps(part).encode())
        for part in ({"alg": "HS256", "typ": "JWT", **header}, claims)
    )
    return f"{start}.{encoded(hmac.digest(secret, start.encode(), hashlib.sha256))}"


class Clock:
    """A time that a test sets."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def ms(self) -> int:
        return round(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class KeyServer:
    """Answers requests for key sets, as a test says, and counts them."""

    def __init__(self) -> None:
        self.sets: dict[str, Any] = {}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        answer = self.sets[url]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def verifier(*keys: Key, terms: Terms | None = None, clock: Clock | None = None) -> TokenVerifier:
    """A verifier of one issuer."""
    return TokenVerifier([Issuer(terms or Terms(), keys)], (clock or Clock()).ms)
