"""Keys that tokens are signed with, each for one algorithm.

A key knows what it is for: an RSA key for RS256, a point on P-256 for ES256, one on Ed25519 for
EdDSA, a secret for HS256, and nothing else. So a token cannot choose: one that says HS256 and names
an RSA key is refused before any bytes of the key are used as a secret (algorithm confusion).

Where a key is written down, three forms are known: PEM, JWK or JWKS (RFC 7517), and for a secret
just its text. What a text is shows by how it begins, so a public key can never be read as a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import jwt.algorithms
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.exceptions import InvalidKeyError

from everywire.core.errors import UsageError

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
"""What tokens may be signed with (RFC 7518 3.1, RFC 8037 3.1)."""

MIN_SECRET_BYTES: Final = 32
"""Bytes of a secret for HS256 (RFC 7518 3.2)."""

MIN_RSA_BITS: Final = 2048
"""Bits of an RSA key (RFC 7518 3.3)."""

MAX_KEYS: Final = 100
"""Keys of one set."""

MAX_KEY_ID: Final = 200
"""Characters of a ``kid``."""

_PRIVATE: Final = (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey)
_UNREADABLE: Final = (
    InvalidKeyError,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it is for.

    Attributes:
        algorithm: The one of `ALGORITHMS` that it is for.
        id: Its ``kid``; None: it has none, and may have signed a token with any.
        verifying: What a signature is checked with.
        signing: What one is made with; None: that part is not here.
        where: Where it was read, for people.
    """

    algorithm: str
    id: str | None
    verifying: Any = field(repr=False)
    signing: Any = field(repr=False)
    where: str

    @property
    def name(self) -> str:
        """What to call it in a message."""
        named = "" if self.id is None else f" {self.id!a}"
        return f"the {self.algorithm} key{named} of {self.where}"


def secret_key(text: str, where: str) -> Key:
    """A secret shared with who signs. Its bytes are those of its text, whatever they may encode.

    Raises:
        UsageError: It is too short to be one.
    """
    secret = text.strip().encode()
    if len(secret) < MIN_SECRET_BYTES:
        raise UsageError(
            f"the secret in {where} has {len(secret)} bytes; HS256 needs {MIN_SECRET_BYTES} or "
            "more (RFC 7518 3.2): openssl rand -hex 32 makes one"
        )
    return Key("HS256", None, secret, secret, where)


def read_keys(text: str, where: str) -> list[Key]:
    """Read PEM, JWK, JWKS or a secret.

    Args:
        text: What a file or variable holds.
        where: Where it comes from, for messages.

    Raises:
        UsageError: It is none of them, or holds no key that can be used.
    """
    text = text.strip()
    if text.startswith("{"):
        return keys_of_set(text, where)
    if text.startswith("-----BEGIN "):
        return [_pem_key(text, where)]
    if text.startswith(("ssh-", "ecdsa-")):
        raise UsageError(
            f"{where} holds an SSH key; PEM, JWK, JWKS or a secret is expected "
            "(ssh-keygen -e -m pem -f FILE turns a public key into PEM)"
        )
    return [secret_key(text, where)]


def keys_of_set(text: str, where: str, *, public: bool = False) -> list[Key]:
    """Read a JWK or a JWKS; keys for something else are passed over (RFC 7517 5).

    Args:
        text: JSON.
        where: Where it comes from.
        public: Whether it can be read by everybody, so that a secret in it is none.

    Raises:
        UsageError: It is not one, or none of its keys can be used.
    """
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} begins like JSON and is none: {error}") from None
    members = cast("dict[str, object]", document) if isinstance(document, dict) else {}
    listed = members.get("keys", [members])
    entries = cast("list[object]", listed) if isinstance(listed, list) else []
    if len(entries) > MAX_KEYS:
        raise UsageError(f"{where} has {len(entries)} keys; {MAX_KEYS} are allowed")
    keys: list[Key] = []
    reasons: list[str] = []
    for entry in entries:
        try:
            keys.append(_jwk(entry, where, public))
        except UsageError as error:
            reasons.append(str(error))
    if not keys:
        why = "; ".join(reasons[:3]) or "it is empty"
        raise UsageError(f"{where} has no key that can be used: {why}")
    return keys


def _jwk(entry: object, where: str, public: bool) -> Key:
    if not isinstance(entry, dict):
        raise UsageError("a key is a JSON object")
    jwk = cast("dict[str, object]", entry)
    if jwk.get("use", "sig") != "sig":
        raise UsageError(f"a key is for use {jwk['use']!a}, not sig")
    operations = jwk.get("key_ops", ["verify"])
    listed = cast("list[object]", operations) if isinstance(operations, list) else []
    if "verify" not in listed and "sign" not in listed:
        raise UsageError("a key is not for signatures (key_ops)")
    material = _material(jwk, public)
    algorithm = _algorithm_for(material)
    if jwk.get("alg", algorithm) != algorithm:
        raise UsageError(
            f"a key is for {jwk['alg']!a}; tokens may be signed with {', '.join(ALGORITHMS)}"
        )
    name = jwk.get("kid")
    if name is not None and not (isinstance(name, str) and len(name) <= MAX_KEY_ID):
        raise UsageError(f"the kid of a key is a string of at most {MAX_KEY_ID} characters")
    return _key(material, name, where)


def _material(jwk: Mapping[str, object], public: bool) -> Any:
    readers: dict[object, Any] = {
        "RSA": jwt.algorithms.RSAAlgorithm,
        "EC": jwt.algorithms.ECAlgorithm,
        "OKP": jwt.algorithms.OKPAlgorithm,
        "oct": jwt.algorithms.HMACAlgorithm,
    }
    kind = jwk.get("kty")
    reader = readers.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise UsageError(f"a key has the kty {kind!a}; there are {', '.join(map(str, readers))}")
    if kind == "oct" and public:
        raise UsageError("a key is a secret (oct), and everybody can read it there")
    try:
        return reader.from_jwk(dict(jwk))
    except _UNREADABLE:
        # What the library says may hold a part of the key.
        raise UsageError(f"a key of kty {kind} is malformed") from None


def _pem_key(text: str, where: str) -> Key:
    data = text.encode()
    try:
        if "PRIVATE KEY-----" in text:
            return _key(serialization.load_pem_private_key(data, None), None, where)
        return _key(serialization.load_pem_public_key(data), None, where)
    except _UNREADABLE:
        raise UsageError(
            f"{where} begins like PEM, and holds no key that can be read: a public key, or a "
            "private one without a passphrase, is expected"
        ) from None
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _algorithm_for(material: Any) -> str:
    """The one algorithm that a key is for.

    Raises:
        UsageError: It is weak, or for something else.
    """
    if isinstance(material, bytes):
        if len(material) < MIN_SECRET_BYTES:
            raise UsageError(f"a secret has less than {MIN_SECRET_BYTES} bytes")
        return "HS256"
    if isinstance(material, RSAPublicKey | RSAPrivateKey):
        if material.key_size < MIN_RSA_BITS:
            raise UsageError(
                f"an RSA key has {material.key_size} bits; {MIN_RSA_BITS} are the least"
            )
        return "RS256"
    if isinstance(material, EllipticCurvePublicKey | EllipticCurvePrivateKey):
        if not isinstance(material.curve, SECP256R1):
            raise UsageError(f"a key is on {material.curve.name}; ES256 is on P-256")
        return "ES256"
    if isinstance(material, Ed25519PublicKey | Ed25519PrivateKey):
        return "EdDSA"
    raise UsageError("a key is neither RSA, nor on P-256 or Ed25519, nor a secret")


def _key(material: Any, name: str | None, where: str) -> Key:
    algorithm = _algorithm_for(material)
    if isinstance(material, bytes):
        return Key(algorithm, name, material, material, where)
    if isinstance(material, _PRIVATE):
        return Key(algorithm, name, material.public_key(), material, where)
    return Key(algorithm, name, material, None, where)


def by_id(keys: Iterable[Key]) -> dict[str | None, list[Key]]:
    """Keys by their ``kid``; those without one under None."""
    found: dict[str | None, list[Key]] = {}
    for key in keys:
        found.setdefault(key.id, []).append(key)
    return found
