"""access.inspecting: what a token is, good or not."""

from __future__ import annotations

import asyncio

import pytest

from everywire.access.api_keys import KeyRing, new_key
from everywire.access.fetching import FetchFailed
from everywire.access.inspecting import inspect, inspect_api_key, unverified
from everywire.access.issuers import Issuer, Terms
from everywire.access.key_sets import KeySet
from everywire.access.refusals import MAX_TOKEN_BYTES
from everywire.access.tokens import TokenVerifier
from everywire.core.access import Action

from .making import NOW, Clock, KeyServer, key_for, public_jwk, token, verifier

KEY = key_for("HS256", "k1")
URL = "https://id.example/keys"


def test_a_good_token() -> None:
    text = token(KEY, {"grants": {"chat.*": ["subscribe"]}})
    asked: list[tuple[Action, str]] = [("subscribe", "chat.1"), ("publish", "chat.1")]
    found = asyncio.run(inspect(text, verifier(KEY), NOW * 1000, asked))
    assert (found.valid, found.signature) == (True, "good")
    assert found.key == "the HS256 key 'k1' of a test"
    assert found.claims["sub"] == "ada"
    assert [one.allowed for one in found.can] == [True, False]


def test_an_expired_token_is_shown_with_its_good_signature() -> None:
    text = token(KEY, {"exp": NOW - 300})
    found = asyncio.run(inspect(text, verifier(KEY), NOW * 1000))
    assert (found.valid, found.signature, found.code) == (False, "good", "token_expired")
    assert found.problem == "the token expired 5 min ago, at 2027-01-15T07:55:00Z"


def test_a_forged_token_is_shown_all_the_same() -> None:
    text = token(key_for("HS256", "k1", which=1), {"sub": "root"})
    found = asyncio.run(inspect(text, verifier(KEY), NOW * 1000))
    assert (found.valid, found.signature, found.code) == (False, "bad", "bad_token")
    assert found.claims["sub"] == "root"
    assert found.key is None


def test_without_keys_nothing_is_known() -> None:
    found = asyncio.run(inspect(token(KEY), None, NOW * 1000))
    assert (found.valid, found.signature, found.header["kid"]) == (False, "unchecked", "k1")


def test_keys_at_an_address_are_fetched() -> None:
    server = KeyServer()
    server.sets[URL] = {"keys": [public_jwk("ES256", "k1")]}
    text = token(key_for("ES256", "k1"), {"iss": "id"})

    def look() -> tuple[bool, str | None]:
        keys = KeySet(URL, server.fetch, Clock().monotonic)
        checker = TokenVerifier([Issuer(Terms("id"), (), keys)], Clock().ms)
        found = asyncio.run(inspect(text, checker, NOW * 1000))
        return found.valid, found.code

    assert look() == (True, None)
    server.sets[URL] = FetchFailed("gone")
    assert look() == (False, "unavailable")


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "!.!.!", "eyJ.eyJ.", "\ud800.x.y"])
def test_what_is_no_token_is_empty(text: str) -> None:
    assert unverified(text) == ({}, {})
    found = asyncio.run(inspect(text, verifier(KEY), NOW * 1000))
    assert (found.valid, found.signature, found.code) == (False, "bad", "bad_token")


def test_one_that_is_too_long_is_not_decoded() -> None:
    assert unverified(token(KEY, {"filler": "x" * MAX_TOKEN_BYTES})) == ({}, {})


def test_an_api_key() -> None:
    ring, text = KeyRing().create("backend", {"**": ["publish"]}, 0, expires_ms=NOW * 1000)
    found = inspect_api_key(text, ring, 0, [("publish", "a"), ("subscribe", "a")])
    assert found.valid
    assert found.claims == {
        "key": "backend",
        "admin": False,
        "exp": NOW,
        "grants": {"**": ["publish"]},
    }
    assert [one.allowed for one in found.can] == [True, False]
    assert inspect_api_key(new_key("backend"), ring, 0).code == "bad_token"
    assert inspect_api_key(text, ring, NOW * 1000).code == "token_expired"
