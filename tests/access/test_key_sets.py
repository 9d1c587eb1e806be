"""access.key_sets: keys at an address, fetched when they are needed and never more often."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from everywire.access.authenticator import Authenticator
from everywire.access.credentials import Credential
from everywire.access.fetching import FetchFailed
from everywire.access.issuers import Issuer, Terms
from everywire.access.key_sets import (
    COOLDOWN_SECONDS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    KeySet,
)
from everywire.access.keys import Key
from everywire.access.tokens import TokenVerifier
from everywire.core.errors import RequestError, UsageError

from .making import NOW, Clock, KeyServer, encoded, key_for, public_jwk, raw_token, token

URL = "https://id.example/keys"
OTHER = "https://other.example/keys"


class World:
    """A server that takes tokens of an issuer (or two) whose keys are at an address."""

    def __init__(self, *more: tuple[str, str]) -> None:
        self.clock = Clock()
        self.keys = KeyServer()
        issuers = (("id", URL), *more)
        self.sets = [KeySet(url, self.keys.fetch, self.clock.monotonic) for _, url in issuers]
        verifier = TokenVerifier(
            [
                Issuer(Terms(name), (), key_set)
                for (name, _), key_set in zip(issuers, self.sets, strict=True)
            ],
            self.clock.ms,
        )
        self.authenticator = Authenticator(self.clock.ms, tokens=verifier)

    def publish(self, *keys: dict[str, object], url: str = URL) -> None:
        self.keys.sets[url] = {"keys": list(keys)}

    async def user(self, text: str) -> str | None:
        return (await self.authenticator.authenticate(Credential(text, "header"))).user

    async def code(self, text: str) -> str:
        with pytest.raises(RequestError) as caught:
            await self.user(text)
        return caught.value.code


def signed(key: Key, issuer: str = "id", **claims: object) -> str:
    return token(key, {"iss": issuer, "exp": NOW + 10 * STALE_SECONDS, **claims})


def settle() -> asyncio.Future[None]:
    """Let what runs in the background go on."""
    return asyncio.ensure_future(asyncio.sleep(0))


def test_keys_are_fetched_when_they_are_first_needed() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        good = Credential(signed(key_for("ES256", "k1")), "header")
        assert world.keys.asked == []
        assert world.authenticator.recall(good) is None
        assert world.keys.asked == []
        assert (await world.authenticator.authenticate(good)).user == "ada"
        again = world.authenticator.recall(good)
        assert again is not None
        assert world.keys.asked == [URL]

    asyncio.run(scene())


def test_all_who_wait_wait_for_one_request() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        texts = [signed(key_for("ES256", "k1"), jti=f"t{number}") for number in range(50)]
        users = await asyncio.gather(*map(world.user, texts))
        assert users == ["ada"] * 50
        assert world.keys.asked == [URL]

    asyncio.run(scene())


def test_who_stops_waiting_leaves_the_others_their_answer() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        released = asyncio.Event()
        fetch = world.keys.fetch

        async def slow(url: str) -> bytes:
            await released.wait()
            return await fetch(url)

        world.sets[0]._fetch = slow
        first, second = (
            asyncio.create_task(world.user(signed(key_for("ES256", "k1")))) for _ in range(2)
        )
        await settle()
        await settle()
        first.cancel()
        await settle()
        released.set()
        assert await second == "ada"

    asyncio.run(scene())


def test_a_token_of_a_new_key_has_the_keys_fetched_again() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        old, new = key_for("ES256", "k1"), key_for("ES256", "k2", which=1)
        assert await world.user(signed(old)) == "ada"
        world.publish(public_jwk("ES256", "k2", which=1))
        world.clock.seconds += COOLDOWN_SECONDS
        assert await world.user(signed(new)) == "ada"
        # The set is the whole truth: the old key is in it no more.
        assert await world.code(signed(old)) == "bad_token"

    asyncio.run(scene())


def test_what_was_remembered_of_a_withdrawn_key_is_forgotten() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        text = signed(key_for("ES256", "k1"))
        assert await world.user(text) == "ada"
        world.publish(public_jwk("ES256", "k2", which=1))
        world.clock.seconds += REFRESH_SECONDS
        assert await world.user(text) == "ada"
        await settle()
        await settle()
        assert world.keys.asked == [URL, URL]
        assert await world.code(text) == "bad_token"

    asyncio.run(scene())


def test_made_up_names_of_keys_cost_the_issuer_one_request_in_a_while() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        forged = key_for("ES256", which=7)
        for number in range(200):
            name = {"kid": f"made-up-{number}"}
            text = raw_token(json.dumps({"alg": "ES256", **name}).encode(), b'{"iss":"id"}', forged)
            assert await world.code(text) == "bad_token"
            world.clock.seconds += COOLDOWN_SECONDS / 100
        assert len(world.keys.asked) == 2

    asyncio.run(scene())


def test_an_unsigned_token_whose_claims_name_a_url_has_no_request_sent() -> None:
    """Centrifugo CVE-2026-32301: a claim that was put into an address before it was checked."""

    async def scene() -> None:
        world = World()
        evil = "https://attacker.example/keys"
        claims = {"iss": evil, "jwks_uri": evil, "jku": evil, "exp": NOW + 60}
        for name in ("none", "None", "HS999"):
            header = {"alg": name, "jku": evil, "x5u": evil, "kid": evil}
            text = raw_token(json.dumps(header).encode(), json.dumps(claims).encode(), None)
            assert await world.code(text) == "bad_token"
        assert world.keys.asked == []
        # One that is signed, if not by anybody we know, has our issuer asked and nobody else.
        world.publish(public_jwk("ES256", "k1"))
        text = token(key_for("ES256", "k9", which=9), claims, jku=evil)
        assert await world.code(text) == "bad_token"
        assert world.keys.asked == [URL]

    asyncio.run(scene())


def test_an_issuer_that_does_not_answer_is_asked_after_a_while() -> None:
    async def scene() -> None:
        world = World()
        world.keys.sets[URL] = FetchFailed("no route to host")
        text = signed(key_for("ES256", "k1"))
        assert await world.code(text) == "unavailable"
        assert await world.code(text) == "unavailable"
        assert world.keys.asked == [URL]
        assert world.sets[0].trouble == "no route to host"
        world.publish(public_jwk("ES256", "k1"))
        world.clock.seconds += COOLDOWN_SECONDS
        assert await world.user(text) == "ada"
        assert world.sets[0].trouble == ""

    asyncio.run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"\xff",
        {"keys": []},
        {"keys": [{"kty": "oct", "k": encoded(b"x" * 40), "kid": "k1"}]},
        ValueError("a fault"),
    ],
)
def test_keys_count_on_while_the_issuer_answers_nonsense(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        assert await world.user(signed(key_for("ES256", "k1"))) == "ada"
        world.keys.sets[URL] = answer
        for number in range(20):
            world.clock.seconds += REFRESH_SECONDS
            assert await world.user(signed(key_for("ES256", "k1"), jti=f"t{number}")) == "ada"
            await settle()
            await settle()
        assert len(world.keys.asked) == 21
        assert world.sets[0].trouble

    with caplog.at_level(logging.ERROR, "everywire.access"):
        asyncio.run(scene())


def test_but_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        text = signed(key_for("ES256", "k1"))
        assert await world.user(text) == "ada"
        world.keys.sets[URL] = FetchFailed("gone")
        world.clock.seconds += STALE_SECONDS - 1
        assert await world.user(text) == "ada"
        await settle()
        await settle()
        world.clock.seconds += 1
        assert await world.code(text) == "unavailable"

    with caplog.at_level(logging.CRITICAL, "everywire.access"):
        asyncio.run(scene())


def test_old_keys_are_renewed_and_nobody_waits_for_it() -> None:
    async def scene() -> None:
        world = World()
        world.publish(public_jwk("ES256", "k1"))
        good = Credential(signed(key_for("ES256", "k1")), "header")
        await world.authenticator.authenticate(good)
        world.clock.seconds += REFRESH_SECONDS - 1
        assert world.authenticator.recall(good) is not None
        await settle()
        assert len(world.keys.asked) == 1
        world.clock.seconds += 1
        for _ in range(10):
            assert world.authenticator.recall(good) is not None
        await settle()
        await settle()
        assert len(world.keys.asked) == 2

    asyncio.run(scene())


def test_two_issuers_whose_keys_have_the_same_name() -> None:
    """The keys of each are looked up under it, also where only one of them is loaded."""

    async def scene() -> None:
        world = World(("other", OTHER))
        world.publish(public_jwk("ES256", "k1"))
        world.publish(public_jwk("ES256", "k1", which=1), url=OTHER)
        ours, theirs = key_for("ES256", "k1"), key_for("ES256", "k1", which=1)
        assert await world.user(signed(ours, "id")) == "ada"
        assert await world.user(signed(theirs, "other", sub="bob")) == "bob"
        assert await world.code(signed(ours, "other")) == "bad_token"
        assert await world.code(signed(theirs, "id")) == "bad_token"

    asyncio.run(scene())


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/keys",
        "ftp://id.example/keys",
        "file:///etc/passwd",
        "https://",
        "https://user:password@id.example/keys",
        "http://127.0.0.1.attacker.example/keys",
    ],
)
def test_an_address_in_whose_place_others_could_answer_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        KeySet(url, KeyServer().fetch, Clock().monotonic)
    assert "password@" not in str(caught.value)


def test_an_issuer_at_an_address_has_to_have_a_name() -> None:
    keys = KeySet(URL, KeyServer().fetch, Clock().monotonic)
    with pytest.raises(UsageError, match="needs its name"):
        Issuer(Terms(), (), keys)
