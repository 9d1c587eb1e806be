"""access.authenticator: what a server asks, from connecting to the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest

from everywire.access import authenticator
from everywire.access.authenticator import Authenticator
from everywire.access.credentials import Credential
from everywire.access.key_file import KeyFile
from everywire.access.revocations import Revocations
from everywire.core.access import OPEN, Grant, decide, permissions
from everywire.core.errors import RequestError, UsageError

from .making import NOW, Clock, key_for, token, verifier

KEY = key_for("HS256")


class World:
    """A server with one key for tokens, and a file of API keys."""

    def __init__(self, tmp_path: Path, anonymous: Grant | None = None) -> None:
        self.clock = Clock()
        self.file = KeyFile(tmp_path / "everywire.keys")
        self.asks = Authenticator(
            self.clock.ms,
            tokens=verifier(KEY, clock=self.clock),
            key_file=self.file,
            anonymous=anonymous,
        )

    def key(self, name: str = "backend") -> str:
        grants = {"**": ["publish"]}
        return KeyFile(self.file.path).change(
            lambda ring: ring.create(name, grants, self.clock.ms())
        )

    def revoke_key(self, name: str) -> None:
        KeyFile(self.file.path).change(lambda ring: (ring.revoke(name), None))

    def recall(self, text: str) -> Grant:
        grant = self.asks.recall(Credential(text, "header"))
        assert grant is not None
        return grant

    def code(self, text: str) -> str:
        with pytest.raises(RequestError) as caught:
            self.recall(text)
        return caught.value.code


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# Nobody


def test_a_server_without_keys_is_open_and_looks_at_no_credential() -> None:
    asks = Authenticator(Clock().ms, anonymous=OPEN)
    assert asks.keyless
    assert asks.recall(None) is OPEN
    assert asks.recall(Credential("whatever", "query")) is OPEN


def test_a_server_with_keys_wants_a_credential(world: World) -> None:
    with pytest.raises(RequestError) as caught:
        world.asks.recall(None)
    assert (caught.value.code, caught.value.status) == ("no_token", 401)


def test_what_is_public_is_for_everybody(tmp_path: Path) -> None:
    public = Grant(allowed=permissions({"news.*": ["subscribe"]}), anonymous=True)
    world = World(tmp_path, public)
    assert world.asks.recall(None) is public
    key = world.key()
    world.asks.reload()
    for text in (token(KEY), key):
        assert decide(world.recall(text), "subscribe", "news.1") is None


def test_who_shows_what_does_not_count_does_not_become_anonymous(tmp_path: Path) -> None:
    """On a server that is open, too, as soon as it has keys."""
    for anonymous in (OPEN, Grant(allowed=permissions({"a": ["subscribe"]}), anonymous=True)):
        world = World(tmp_path, anonymous)
        assert world.code(token(KEY, {"exp": NOW - 60})) == "token_expired"
        assert world.code(token(key_for("HS256", which=1))) == "bad_token"
        assert world.code("ew_backend_x") == "bad_token"


def test_revoking_the_last_key_does_not_open_a_server(world: World) -> None:
    world.key()
    world.asks.reload()
    world.revoke_key("backend")
    assert world.asks.reload()
    only_keys = Authenticator(world.clock.ms, key_file=world.file, anonymous=None)
    assert not only_keys.keyless
    with pytest.raises(RequestError, match="a token is needed"):
        only_keys.recall(None)


# Tokens


def test_a_token_is_checked_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = token(KEY)
    first = world.recall(text)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the signature was checked again")

    monkeypatch.setattr(jwt.PyJWS, "decode_complete", never)
    assert world.recall(text) is first
    with pytest.raises(AssertionError, match="checked again"):
        world.recall(token(KEY, {"sub": "bob"}))


def test_a_token_that_was_good_is_not_when_it_has_expired(world: World) -> None:
    text = token(KEY, {"exp": NOW + 10})
    grant = world.recall(text)
    assert grant.expires_ms == (NOW + 11) * 1000
    assert world.asks.refusal(grant) is None
    world.clock.seconds = NOW + 11
    assert world.code(text) == "token_expired"
    refusal = world.asks.refusal(grant)
    assert refusal is not None
    assert refusal.code == "token_expired"


def test_a_revoked_token_is_refused_and_its_connections_are_known(world: World) -> None:
    texts = [token(KEY, {"jti": name, "iat": NOW - 5}) for name in ("t1", "t2")]
    first, second = map(world.recall, texts)
    world.asks.revoke_token("t1", (NOW + 60) * 1000)
    assert world.code(texts[0]) == "bad_token"
    refusal = world.asks.refusal(first)
    assert refusal is not None
    assert refusal.message == "the token has been revoked"
    assert world.asks.refusal(second) is None
    world.asks.revoke_user("ada", (NOW + 60) * 1000)
    assert world.code(texts[1]) == "bad_token"
    assert world.asks.refusal(second) is not None
    # Who signs in again is let in.
    world.clock.seconds += 2
    assert world.recall(token(KEY, {"iat": NOW + 1})).user == "ada"


def test_revocations_outlive_a_change_of_the_settings(world: World) -> None:
    world.asks.revoke_token("t1", (NOW + 60) * 1000)
    after = Authenticator(
        world.clock.ms,
        tokens=verifier(KEY, clock=world.clock),
        revocations=world.asks.revocations,
    )
    with pytest.raises(RequestError, match="revoked"):
        after.recall(Credential(token(KEY, {"jti": "t1"}), "query"))
    assert isinstance(after.revocations, Revocations)


def test_what_is_remembered_is_bounded_and_holds_no_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "MAX_REMEMBERED", 5)
    texts = [token(KEY, {"jti": f"t{number}"}) for number in range(9)]
    grants = [world.recall(text) for text in texts]
    remembered = world.asks._remembered
    assert list(remembered.values()) == grants[-5:]
    assert all(len(name) == 32 for name in remembered)
    # The one that was used last stays longest.
    assert world.recall(texts[4]) is grants[4]
    world.recall(token(KEY))
    assert world.recall(texts[4]) is grants[4]


def test_without_keys_for_tokens_they_are_refused(world: World) -> None:
    asks = Authenticator(world.clock.ms, key_file=world.file)
    with pytest.raises(RequestError, match="API keys only"):
        asks.recall(Credential(token(KEY), "header"))
    asks = Authenticator(world.clock.ms, tokens=verifier(KEY))
    with pytest.raises(RequestError, match="has no API keys"):
        asks.recall(Credential(world.key(), "header"))


def test_to_wait_for_what_is_known_is_not_to_wait(world: World) -> None:
    assert asyncio.run(world.asks.authenticate(Credential(token(KEY), "header"))).user == "ada"
    with pytest.raises(RequestError, match="a token is needed"):
        asyncio.run(world.asks.authenticate(None))


# API keys


def test_keys_come_and_go_while_the_server_runs(world: World) -> None:
    text = world.key()
    assert world.code(text) == "bad_token"
    assert world.asks.reload()
    assert not world.asks.reload()
    grant = world.recall(text)
    assert (grant.key, world.asks.refusal(grant)) == ("backend", None)
    world.revoke_key("backend")
    assert world.asks.reload()
    assert world.code(text) == "bad_token"
    refusal = world.asks.refusal(grant)
    assert refusal is not None
    assert refusal.code == "bad_token"


def test_a_file_that_breaks_leaves_the_keys_as_they_were(world: World) -> None:
    text = world.key()
    world.asks.reload()
    world.file.path.write_text("{")
    with pytest.raises(UsageError):
        world.asks.reload()
    assert world.recall(text).key == "backend"


def test_a_token_cannot_pass_for_a_key(world: World) -> None:
    grant = world.recall(token(KEY, {"key": "backend", "admin": True}))
    assert (grant.key, grant.admin, grant.publisher) == (None, False, "user:ada")


# A fresh token on a running connection


def test_a_fresh_token_takes_the_place_of_the_old(world: World) -> None:
    old = world.recall(token(KEY, {"exp": NOW + 10}))
    fresh = world.recall(token(KEY, {"exp": NOW + 50, "grants": {"a": ["publish"]}}))
    assert world.asks.renewed(old, fresh) is fresh
    # Also in the grace after it has expired.
    world.clock.seconds = NOW + 20
    assert world.asks.renewed(old, fresh) is fresh


@pytest.mark.parametrize("claims", [{"sub": "bob"}, {"sub": ...}, {"sub": "Ada"}])
def test_but_not_somebody_else_s(world: World, claims: dict[str, Any]) -> None:
    """PROTOCOL.md, auth: another sub is forbidden."""
    old, fresh = world.recall(token(KEY)), world.recall(token(KEY, claims))
    for one, other in ((old, fresh), (fresh, old)):
        with pytest.raises(RequestError) as caught:
            world.asks.renewed(one, other)
        assert caught.value.code == "forbidden"


def test_nor_a_key_s_nor_that_of_nobody(world: World) -> None:
    text, other = world.key(), world.key("other")
    world.asks.reload()
    nobody = Grant(anonymous=True)
    texts = (token(KEY, {"sub": ...}), text, other)
    grants = [*map(world.recall, texts), nobody]
    for old in grants:
        for fresh in grants:
            if old is fresh:
                assert world.asks.renewed(old, fresh) is fresh
            else:
                with pytest.raises(RequestError, match="another user's"):
                    world.asks.renewed(old, fresh)
