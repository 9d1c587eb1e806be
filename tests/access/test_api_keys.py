"""access.api_keys: keys of back ends, kept as hashes."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.access.api_keys import (
    MAX_API_KEYS,
    KeyRing,
    StoredKey,
    hash_of,
    is_api_key,
    name_of,
    new_key,
)
from everywire.core.errors import RequestError, UsageError

PUBLISH = {"**": ["publish"]}


def made(name: str = "backend", now: int = 1000, **options: object) -> tuple[KeyRing, str]:
    return KeyRing().create(name, PUBLISH, now, **options)  # type: ignore[arg-type]


def refused(call: Callable[[], object]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value


def test_a_key_has_its_name_and_grants() -> None:
    ring, text = made()
    grant = ring.check(text, 1000)
    assert (grant.key, grant.user, grant.admin) == ("backend", None, False)
    assert grant.allowed.of("publish") == ("**",)
    assert grant.publisher == "key:backend"
    assert ring.create("ops", {}, 1000, admin=True)[0].keys["ops"].admin


def test_what_is_kept_is_a_hash() -> None:
    ring, text = made()
    written = msgspec.json.encode(ring).decode()
    assert text not in written
    assert text.rpartition("_")[2][:43] not in written
    assert f"sha256:{sha256(text.encode()).hexdigest()}" in written


def test_every_key_is_another() -> None:
    keys = {new_key("backend") for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert key.startswith("ew_backend_")
        assert len(key) == len("ew_backend_") + 43 + 6
        assert name_of(key) == "backend"


@given(st.data())
def test_a_key_that_was_changed_is_told_from_one_that_is_not_known(data: st.DataObject) -> None:
    key = new_key("a-b")
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from("0aZ-_.").filter(lambda char: char != key[at]))
    for changed in (key[:at] + other + key[at + 1 :], key[:at], f"{key}0"):
        error = refused(lambda changed=changed: KeyRing().check(changed, 0))
        assert error.code == "bad_token"
        assert "not whole" in error.message


def test_a_key_of_somewhere_else_is_not_known() -> None:
    ring, _ = made()
    for name in ("backend", "other"):
        error = refused(lambda name=name: ring.check(new_key(name), 1000))
        assert (error.code, error.status) == ("bad_token", 401)
        assert "is not known here" in error.message


def test_a_name_does_not_find_the_secret_of_another() -> None:
    ring, text = made("one")
    ring, other = ring.create("two", PUBLISH, 1000)
    assert ring.check(text, 1000).key == "one"
    assert ring.check(other, 1000).key == "two"


def test_secrets_are_compared_in_constant_time_known_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many comparisons of as many bytes, whatever is shown."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    ring, text = made()
    counts = []
    for shown in (text, new_key("backend"), new_key("unknown")):
        compared.clear()
        with contextlib.suppress(RequestError):
            ring.check(shown, 1000)
        counts.append(list(compared))
    assert counts[0] == counts[1] == counts[2] == [(71, 71)] * 2


def test_a_key_and_its_secrets_may_expire() -> None:
    ring, text = made(expires_ms=5000)
    assert ring.check(text, 4999).expires_ms == 5000
    error = refused(lambda: ring.check(text, 5000))
    assert error.code == "token_expired"
    assert "the API key 'backend' expired" in error.message
    ring, _ = ring.rotate("backend", 2000, 3000)
    assert ring.check(text, 2999).expires_ms == 3000
    assert refused(lambda: ring.check(text, 3000)).code == "token_expired"


def test_a_key_has_two_secrets_while_it_is_changed() -> None:
    ring, first = made()
    ring, second = ring.rotate("backend", 2000)
    assert ring.check(first, 2000).key == ring.check(second, 2000).key == "backend"
    assert ring.check(first, 2000).token_id != ring.check(second, 2000).token_id
    ring, third = ring.rotate("backend", 3000)
    assert refused(lambda: ring.check(first, 3000)).code == "bad_token"
    assert ring.check(second, 3000).key == ring.check(third, 3000).key == "backend"
    ring = ring.revoke("backend", old_only=True)
    assert refused(lambda: ring.check(second, 3000)).code == "bad_token"
    assert ring.check(third, 3000).key == "backend"
    with pytest.raises(UsageError, match="has no older secret"):
        ring.revoke("backend", old_only=True)


def test_a_revoked_key_is_not_known() -> None:
    ring, text = made()
    assert refused(lambda: ring.revoke("backend").check(text, 1000)).code == "bad_token"
    assert ring.check(text, 1000)


def test_what_has_become_of_a_grant() -> None:
    ring, text = made(expires_ms=5000)
    grant = ring.check(text, 1000)
    assert ring.refusal(grant, 1000) is None
    gone = ring.refusal(grant, 5000)
    assert gone is not None
    assert gone.code == "token_expired"
    rotated, _ = ring.rotate("backend", 2000)
    assert rotated.refusal(grant, 2000) is None
    for after in (rotated.revoke("backend", old_only=True), ring.revoke("backend"), made()[0]):
        refusal = after.refusal(grant, 2000)
        assert refusal is not None
        assert refusal.message == "the API key 'backend' has been revoked"


def test_what_cannot_be_is_refused() -> None:
    ring, _ = made()
    with pytest.raises(UsageError, match="there is an API key 'backend' already"):
        ring.create("backend", PUBLISH, 0)
    with pytest.raises(UsageError, match="no API key 'backed'; there are: backend"):
        ring.rotate("backed", 0)
    with pytest.raises(UsageError, match="there are: none yet"):
        KeyRing().revoke("a")
    with pytest.raises(RequestError, match="is no action"):
        ring.create("other", {"a": ["all"]}, 0)
    for name in ("", "A", "a_b", "-a", "a-", "a" * 33, "a.b", "ä", "a\n"):
        with pytest.raises(UsageError, match="no name for an API key"):
            ring.create(name, PUBLISH, 0)


def test_the_number_of_keys_is_bounded() -> None:
    full = KeyRing({f"k{number}": StoredKey({}, 0, ()) for number in range(MAX_API_KEYS)})
    with pytest.raises(UsageError, match="revoke some"):
        full.create("another", PUBLISH, 0)


def test_what_is_an_api_key_shows_by_how_it_begins() -> None:
    assert is_api_key(new_key("a"))
    assert not is_api_key("eyJhbGciOiJIUzI1NiJ9.e30.x")
    assert hash_of("x") == f"sha256:{sha256(b'x').hexdigest()}"
