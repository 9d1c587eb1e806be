"""access.tokens: whose signature is on a token, and every way to have none that passes for one."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.access.issuers import Issuer, Terms
from everywire.access.keys import ALGORITHMS, Key, keys_of_set, read_keys
from everywire.access.refusals import MAX_TOKEN_BYTES
from everywire.access.tokens import MAX_TRIES, TokenVerifier, read_header
from everywire.core.access import decide
from everywire.core.errors import RequestError, UsageError

from .making import (
    NOW,
    Clock,
    encoded,
    key_for,
    private_pem,
    public_jwk,
    public_pem,
    raw_token,
    signed_with_bytes,
    token,
    verifier,
)


def refused(checker: TokenVerifier, text: str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        checker.verify(text)
    return caught.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_a_key_is_its_user_s(algorithm: str) -> None:
    key = key_for(algorithm, "k1")
    claims = {"grants": {"chat.*": ["publish"]}, "jti": "t1", "iat": NOW}
    grant = verifier(key).verify(token(key, claims))
    assert (grant.user, grant.token_id, grant.issued_ms) == ("ada", "t1", NOW * 1000)
    assert grant.allowed.of("publish") == ("chat.*",)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_the_public_key_is_enough(algorithm: str) -> None:
    (public,) = read_keys(public_pem(algorithm), "a test")
    assert public.signing is None
    assert verifier(public).verify(token(key_for(algorithm))).user == "ada"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_another_key_is_refused(algorithm: str) -> None:
    error = refused(verifier(key_for(algorithm)), token(key_for(algorithm, which=1)))
    assert (error.code, error.status) == ("bad_token", 401)
    assert error.message == "the token's signature is not by any key of this server"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(algorithm: str, part: int) -> None:
    key = key_for(algorithm)
    parts = token(key, {"grants": {"a": ["subscribe"]}}).split(".")
    if part == 0:
        parts[0] = encoded(json.dumps({"alg": algorithm, "typ": "jwt"}).encode())
    elif part == 1:
        parts[1] = encoded(json.dumps({"sub": "root", "exp": NOW + 60}).encode())
    else:
        parts[2] = ("A" if parts[2][0] != "A" else "B") + parts[2][1:]
    assert refused(verifier(key), ".".join(parts)).code == "bad_token"


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_cut_signature_is_refused(cut: int) -> None:
    key = key_for("HS256")
    assert refused(verifier(key), token(key)[:-cut]).code == "bad_token"


def test_a_signature_in_other_letters_for_the_same_bytes_is_refused() -> None:
    """base64url has several ways to write the last bits; a token has one."""
    key = key_for("HS256")
    good = token(key)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = letters[letters.index(good[-1]) ^ 1]
    same = [
        base64.urlsafe_b64decode(end.rpartition(".")[2] + "=") for end in (good, good[:-1] + other)
    ]
    assert same[0] == same[1]
    assert refused(verifier(key), good[:-1] + other).code == "bad_token"


# Tokens that are not signed


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_a_token_that_is_not_signed_is_refused(name: str, signature: str) -> None:
    text = token(None, alg=name) + signature
    error = refused(verifier(key_for("HS256")), text)
    assert error.message == "the token is not signed (alg none)"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_empty_signature_is_none(algorithm: str) -> None:
    key = key_for(algorithm)
    text = token(key).rpartition(".")[0] + "."
    assert refused(verifier(key), text).code == "bad_token"


# Algorithm confusion


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("kid", [None, "k1"])
def test_a_public_key_is_no_secret(algorithm: str, kid: str | None) -> None:
    """The public key's bytes, in each form they are known in, as the secret of an HS256 token."""
    (public,) = read_keys(public_pem(algorithm), "a test")
    checker = verifier(Key(algorithm, kid, public.verifying, None, "a test"))
    header = {} if kid is None else {"kid": kid}
    pem = public_pem(algorithm)
    jwk = json.dumps(public_jwk(algorithm))
    for secret in (pem, pem.strip(), pem.replace("\n", ""), jwk, ""):
        text = signed_with_bytes(secret.encode(), {"sub": "root", "exp": NOW + 60}, **header)
        error = refused(checker, text)
        assert error.message == (
            f"the token's alg is HS256; the keys it can be from are for {algorithm}"
        )


def test_nor_is_it_one_beside_a_secret() -> None:
    (public,) = read_keys(public_pem("RS256"), "a test")
    checker = verifier(public, key_for("HS256"))
    text = signed_with_bytes(public_pem("RS256").encode(), {"sub": "root", "exp": NOW + 60})
    assert refused(checker, text).message.startswith("the token's signature is not by")


@pytest.mark.parametrize("says", ["RS256", "ES256", "EdDSA", "HS256"])
@pytest.mark.parametrize("signed", ["RS256", "ES256", "EdDSA", "HS256"])
def test_a_key_is_for_one_algorithm(says: str, signed: str) -> None:
    key = key_for(signed, "k1")
    text = raw_token(
        json.dumps({"alg": says, "kid": "k1"}).encode(),
        json.dumps({"sub": "ada", "exp": NOW + 60}).encode(),
        key,
    )
    if says == signed:
        assert verifier(key).verify(text).user == "ada"
    else:
        assert refused(verifier(key), text).code == "bad_token"


@pytest.mark.parametrize(
    "name", ["HS384", "RS512", "PS256", "ES384", "rs256", "", None, 7, ["RS256"]]
)
def test_other_algorithms_are_not_known(name: Any) -> None:
    error = refused(verifier(key_for("RS256")), token(key_for("RS256"), alg=name))
    assert "there are HS256, RS256, ES256, EdDSA" in error.message


# Headers


@pytest.mark.parametrize(
    "crit", [["b64"], ["exp"], ["http://example.org/unknown"], [], "b64", None, 7]
)
def test_a_token_that_asks_to_be_understood_is_refused(crit: Any) -> None:
    """RFC 7515 4.1.11."""
    key = key_for("HS256")
    extra = {"http://example.org/unknown": 1}
    assert "crit" in refused(verifier(key), token(key, crit=crit, **extra)).message


def test_a_payload_that_is_not_encoded_is_refused() -> None:
    """RFC 7797."""
    key = key_for("HS256")
    assert "'b64'" in refused(verifier(key), token(key, b64=False)).message


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_a_token_brings_is_not_looked_at(name: str) -> None:
    own = key_for("RS256", "mine", which=1)
    values = {
        "jku": "https://attacker.example/keys",
        "x5u": "https://attacker.example/cert",
        "jwk": public_jwk("RS256", "mine", which=1),
        "x5c": ["MIIB"],
    }
    error = refused(verifier(key_for("RS256", "k1")), token(own, **{name: values[name]}))
    assert error.message == "the token is signed by the key 'mine', and there is none here"
    # And it is no reason to refuse one that is good without it.
    key = key_for("RS256", "k1")
    assert verifier(key).verify(token(key, **{name: values[name]})).user == "ada"


@pytest.mark.parametrize("kid", ["", 7, [], "x" * 201])
def test_a_kid_that_is_none_is_refused(kid: Any) -> None:
    key = key_for("HS256")
    assert (
        "the token's kid is not a string of 1 to 200"
        in refused(verifier(key), token(key, kid=kid)).message
    )


@pytest.mark.parametrize("part", ["header", "payload"])
def test_a_name_that_stands_twice_is_refused(part: str) -> None:
    """Which of the two is meant would depend on who reads it."""
    key = key_for("HS256")
    header, payload = b'{"alg":"HS256"}', b'{"sub":"ada","exp":%d}' % (NOW + 60)
    if part == "header":
        header = b'{"alg":"HS256","alg":"HS256"}'
    else:
        payload = b'{"sub":"root","sub":"ada","exp":%d}' % (NOW + 60)
    error = refused(verifier(key), raw_token(header, payload, key))
    assert error.message == f"the {part} of the token is no JSON object with each name once"


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'"ada"', b"null", b"{", b"\xff", b'{"exp": NaN}', b"[" * 9000, b'{"a":"\xc3"}'],
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    key = key_for("HS256")
    text = raw_token(b'{"alg":"HS256"}', payload, key)
    assert "the payload of the token is no JSON object" in refused(verifier(key), text).message


# Form and size


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c.d", "not a token", "a.b.c\n", "ä.b.c", "a=.b.c", "\ud800.b.c"],
)
def test_what_is_no_token_is_said_to_be_none(text: str) -> None:
    assert "the token is no JWT" in refused(verifier(key_for("HS256")), text).message


def test_an_encrypted_token_is_said_to_be_one() -> None:
    assert "encrypted (JWE)" in refused(verifier(key_for("HS256")), "a.b.c.d.e").message


def test_an_oversized_token_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_for("HS256")
    good = token(key, {"filler": "x" * (MAX_TOKEN_BYTES // 2)})
    assert verifier(key).verify(good).user == "ada"
    long = token(key, {"filler": "x" * MAX_TOKEN_BYTES})

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("everywire.access.tokens.urlsafe_b64decode", never)
    monkeypatch.setattr(jwt.PyJWS, "decode_complete", never)
    error = refused(verifier(key), long)
    assert error.message == f"the token has more than {MAX_TOKEN_BYTES} characters"


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[\w-]{0,20}\.[\w-]{0,20}\.[\w-]{0,20}")))
def test_whatever_is_shown_the_answer_is_bad_token(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        verifier(key_for("HS256")).verify(text)
    assert caught.value.code == "bad_token"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_is_in_a_signed_token_there_is_an_answer(header: bytes, payload: bytes) -> None:
    key = key_for("HS256")
    for head in (header, b'{"alg":"HS256"}'):
        try:
            grant = verifier(key).verify(raw_token(head, payload, key))
        except RequestError as error:
            assert error.code == "bad_token"
        else:
            # Whoever holds the key may say nothing in it, and gets nothing for it.
            assert isinstance(json.loads(payload), dict)
            assert decide(grant, "subscribe", "chat") is not None


def test_no_error_repeats_what_could_be_used() -> None:
    """Of a token that was refused, its parts are not in the message."""
    key = key_for("HS256")
    texts = [token(key_for("HS256", which=1)), token(key, {"exp": NOW - 9}), token(key, crit=["x"])]
    for text in texts:
        message = refused(verifier(key), text).message
        assert not any(part in message for part in text.split("."))


# Several keys, several issuers


def test_a_token_names_one_of_several_keys() -> None:
    keys = [key_for("ES256", f"k{number}", which=number) for number in range(3)]
    for key in keys:
        assert verifier(*keys).signed(token(key)).key is key


def test_a_key_without_a_name_may_have_signed_any() -> None:
    key = key_for("ES256")
    assert verifier(key).verify(token(key, kid="whatever")).user == "ada"


def test_a_token_without_a_name_is_tried_with_a_few_keys() -> None:
    few = [key_for("HS256", f"k{number}", which=number) for number in range(MAX_TRIES)]
    last = few[-1]
    text = token(Key(last.algorithm, None, last.verifying, last.signing, ""))
    assert verifier(*few).verify(text).user == "ada"
    more = [*few, key_for("HS256", "another", which=99)]
    assert "it has to say by kid which one" in refused(verifier(*more), text).message


def two_issuers(*, clock: Clock | None = None) -> TokenVerifier:
    """Two issuers whose keys have the same name."""
    issuers = [
        Issuer(Terms(name), keys_of_set(json.dumps(public_jwk("ES256", "k1", which)), name))
        for which, name in enumerate(("one", "other"))
    ]
    return TokenVerifier(issuers, (clock or Clock()).ms)


@pytest.mark.parametrize(("which", "name"), [(0, "one"), (1, "other")])
def test_two_issuers_may_name_their_keys_alike(which: int, name: str) -> None:
    signed = two_issuers().signed(token(key_for("ES256", "k1", which), {"iss": name}))
    assert signed.issuer.terms.issuer == name


@pytest.mark.parametrize(("which", "claimed"), [(0, "other"), (1, "one"), (0, "third"), (0, None)])
def test_but_the_one_cannot_sign_for_the_other(which: int, claimed: str | None) -> None:
    """Centrifugo CVE-2026-49998: keys that were looked up by kid alone."""
    error = refused(two_issuers(), token(key_for("ES256", "k1", which), {"iss": claimed}))
    assert error.code == "bad_token"
    assert "its key is that of" in error.message


def test_issuers_that_cannot_be_told_apart_are_refused() -> None:
    keys = [key_for("HS256")]
    for names, words in (([None, "a"], "each needs its name"), (["a", "a"], "there twice")):
        with pytest.raises(UsageError, match=words):
            TokenVerifier([Issuer(Terms(name), keys) for name in names], Clock().ms)


def test_the_header_is_read_without_looking_at_the_payload() -> None:
    header = encoded(json.dumps({"alg": "ES256", "kid": "k"}).encode())
    assert read_header(f"{header}.not-base64-of-json.") == ("ES256", "k")


def test_a_weak_key_cannot_be_had() -> None:
    for text in ("short", json.dumps({"kty": "oct", "k": encoded(b"x" * 31)})):
        with pytest.raises(UsageError, match="32"):
            read_keys(text, "a test")
    assert "BEGIN" in private_pem("RS256")
