"""access.keys: each key for one algorithm, from whatever it is written in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from everywire.access.keys import MAX_KEYS, keys_of_set, read_keys
from everywire.core.errors import UsageError

from .making import SECRET, encoded, key_for, private_pem, public_jwk, public_pem

PAIRS = ("RS256", "ES256", "EdDSA")


def pem(key: Any) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.mark.parametrize("algorithm", PAIRS)
def test_what_a_key_is_for_shows_by_what_it_is(algorithm: str) -> None:
    for text in (public_pem(algorithm), private_pem(algorithm), json.dumps(public_jwk(algorithm))):
        (key,) = read_keys(f"\n{text}\n", "a file")
        assert (key.algorithm, key.id) == (algorithm, None)
        assert (key.signing is not None) == ("PRIVATE" in text)


def test_a_secret_is_its_text() -> None:
    (key,) = read_keys(f"{SECRET}\n", "a file")
    assert (key.algorithm, key.verifying) == ("HS256", SECRET.encode())


def test_a_set_has_its_keys_by_name() -> None:
    keys = [public_jwk(algorithm, f"k-{algorithm}") for algorithm in PAIRS]
    keys.append({"kty": "oct", "k": encoded(SECRET.encode()), "kid": "s", "alg": "HS256"})
    read = read_keys(json.dumps({"keys": keys}), "a file")
    assert [(key.id, key.algorithm) for key in read] == [
        ("k-RS256", "RS256"),
        ("k-ES256", "ES256"),
        ("k-EdDSA", "EdDSA"),
        ("s", "HS256"),
    ]
    assert read[3].verifying == SECRET.encode()


def test_a_key_is_never_shown() -> None:
    for key in (key_for("HS256"), key_for("EdDSA", "k1")):
        assert SECRET not in repr(key)
        assert "Private" not in repr(key)
    assert key_for("EdDSA", "k1").name == "the EdDSA key 'k1' of a test"
    assert key_for("HS256").name == "the HS256 key of a test"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use": "enc"}, "for use 'enc'"),
        ({"key_ops": ["encrypt"]}, "key_ops"),
        ({"alg": "RS512"}, "a key is for 'RS512'"),
        ({"alg": "HS256"}, "a key is for 'HS256'"),
        ({"kty": "EC"}, "malformed"),
        ({"kty": "DSA"}, "kty 'DSA'"),
        ({"kty": ["RSA"]}, "kty ['RSA']"),
        ({"n": "AQAB"}, "malformed"),
        ({"n": 7}, "malformed"),
        ({"kid": 7}, "kid"),
        ({"kid": "x" * 201}, "kid"),
    ],
)
def test_keys_for_something_else_are_passed_over(changes: dict[str, Any], words: str) -> None:
    """RFC 7517 5; where none is left, it says why."""
    odd = {**public_jwk("RS256", "odd"), **changes}
    with pytest.raises(UsageError) as caught:
        keys_of_set(json.dumps({"keys": [odd]}), "a file")
    assert words in str(caught.value)
    (good,) = keys_of_set(json.dumps({"keys": [odd, public_jwk("ES256", "k")]}), "a file")
    assert good.id == "k"


def test_weak_keys_and_other_curves_are_refused() -> None:
    for key, words in (
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
        (ec.generate_private_key(ec.SECP384R1()), "ES256 is on P-256"),
        (ed448.Ed448PrivateKey.generate(), "neither RSA"),
    ):
        with pytest.raises(UsageError, match=words):
            read_keys(pem(key), "a file")
    with pytest.raises(UsageError, match="5 bytes; HS256 needs 32"):
        read_keys("short", "a file")


def test_what_everybody_can_read_is_no_secret() -> None:
    text = json.dumps({"keys": [{"kty": "oct", "k": encoded(SECRET.encode())}]})
    assert keys_of_set(text, "a file")
    with pytest.raises(UsageError, match="everybody can read it there"):
        keys_of_set(text, "https://id.example", public=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "begins like JSON"),
        ("{}", "no key that can be used"),
        ('{"keys": 7}', "it is empty"),
        ('{"keys": []}', "it is empty"),
        ('{"keys": [7]}', "a key is a JSON object"),
        ('{"keys": ' + "[" * 99_999, "begins like JSON"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "begins like PEM"),
        ("-----BEGIN PRIVATE KEY-----", "begins like PEM"),
        ("-----BEGIN CERTIFICATE-----", "begins like PEM"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here", "SSH"),
    ],
)
def test_what_is_no_key_is_said_to_be_none(text: str, words: str) -> None:
    """And is not taken for a secret, however long it is."""
    with pytest.raises(UsageError) as caught:
        read_keys(text, "the file")
    assert words in str(caught.value)
    assert "the file" in str(caught.value)


def test_a_key_with_a_passphrase_is_refused_without_showing_it() -> None:
    private = serialization.load_pem_private_key(private_pem("ES256").encode(), None)
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    ).decode()
    with pytest.raises(UsageError, match="without a passphrase") as caught:
        read_keys(text, "the file")
    assert text.splitlines()[1] not in str(caught.value)


def test_a_malformed_private_key_is_not_repeated() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "c2VjcmV0", "d": "c2VjcmV0LXNlY3JldA"}
    with pytest.raises(UsageError) as caught:
        read_keys(json.dumps(jwk), "a file")
    assert "c2Vj" not in str(caught.value)


def test_the_number_of_keys_is_bounded() -> None:
    keys = [public_jwk("ES256", str(number)) for number in range(MAX_KEYS)]
    assert len(keys_of_set(json.dumps({"keys": keys}), "a file")) == MAX_KEYS
    with pytest.raises(UsageError, match="101 keys; 100 are allowed"):
        keys_of_set(json.dumps({"keys": [*keys, keys[0]]}), "a file")
