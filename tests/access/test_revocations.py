"""access.revocations: what counted once and does so no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.access.revocations import Revocations
from everywire.core.access import Grant
from everywire.core.errors import RequestError


def test_a_token_is_revoked_by_its_id() -> None:
    revoked = Revocations()
    revoked.revoke_token("t1", 100, 0)
    assert revoked.revoked(Grant("ada", token_id="t1"))
    assert not revoked.revoked(Grant("ada", token_id="t2"))
    assert not revoked.revoked(Grant("t1"))


@pytest.mark.parametrize(("issued", "gone"), [(None, True), (49, True), (50, True), (51, False)])
def test_a_user_s_tokens_are_revoked_up_to_a_moment(issued: int | None, gone: bool) -> None:
    revoked = Revocations()
    revoked.revoke_user("ada", 50, 100, 0)
    assert revoked.revoked(Grant("ada", issued_ms=issued)) is gone
    assert not revoked.revoked(Grant("bob", issued_ms=1))
    assert not revoked.revoked(Grant(token_id="ada"))


def test_a_second_revocation_never_lets_somebody_in_again() -> None:
    revoked = Revocations()
    revoked.revoke_user("ada", 50, 100, 0)
    revoked.revoke_user("ada", 20, 60, 0)
    revoked.revoke_token("t1", 100, 0)
    revoked.revoke_token("t1", 60, 0)
    revoked.forget_expired(60)
    assert revoked.revoked(Grant("ada", issued_ms=50))
    assert revoked.revoked(Grant(token_id="t1"))


def test_a_key_s_secret_is_no_jti() -> None:
    revoked = Revocations()
    revoked.revoke_token("sha256:00", 100, 0)
    assert not revoked.revoked(Grant(key="backend", token_id="sha256:00"))


def test_the_list_is_bounded_and_forgets_nothing_that_counts() -> None:
    revoked = Revocations(most=2)
    revoked.revoke_token("t1", 100, 0)
    revoked.revoke_token("t2", 200, 0)
    revoked.revoke_user("ada", 0, 100, 0)
    with pytest.raises(RequestError, match="2 revocations are kept") as caught:
        revoked.revoke_token("t3", 300, 99)
    assert caught.value.code == "unavailable"
    assert revoked.revoked(Grant(token_id="t1"))
    revoked.revoke_token("t1", 300, 99)
    assert len(revoked) == 3
    # t2 has expired by itself at 200.
    revoked.revoke_token("t3", 300, 200)
    assert not revoked.revoked(Grant(token_id="t2"))
    assert revoked.revoked(Grant(token_id="t1"))
    assert len(revoked) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        max_size=12,
    ),
    st.sampled_from("abc"),
    st.integers(0, 9),
)
def test_against_the_meaning_of_it(
    entries: list[tuple[str, int, int, int]], user: str, issued: int
) -> None:
    """A token is revoked as long as an entry that is about it is one that it could outlive."""
    revoked = Revocations()
    for name, until, expires, _ in entries:
        revoked.revoke_user(name, until, expires, 0)
    meant = any(name == user and issued <= until for name, until, _, _ in entries)
    assert revoked.revoked(Grant(user, issued_ms=issued)) is meant
