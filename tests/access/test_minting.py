"""access.minting: tokens that others can check."""

from __future__ import annotations

import jwt
import pytest

from everywire.access.keys import ALGORITHMS, read_keys
from everywire.access.minting import mint
from everywire.core.errors import UsageError

from .making import NOW, key_for, public_pem, verifier

CLAIMS = {"sub": "ada", "exp": NOW + 60, "grants": {"chat.*": ["publish"]}}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kid", [None, "k1"])
def test_what_is_made_counts(algorithm: str, kid: str | None) -> None:
    key = key_for(algorithm, kid)
    text = mint(CLAIMS, key)
    assert jwt.get_unverified_header(text).get("kid") == kid
    grant = verifier(key).verify(text)
    assert (grant.user, grant.expires_ms) == ("ada", (NOW + 61) * 1000)


def test_a_public_key_makes_none() -> None:
    (public,) = read_keys(public_pem("ES256"), "jwt.pem")
    with pytest.raises(UsageError, match=r"jwt\.pem holds a public key"):
        mint(CLAIMS, public)


def test_one_that_no_server_would_read_is_not_made() -> None:
    grants = {f"{number}.{'x' * 190}": ["publish"] for number in range(100)}
    with pytest.raises(UsageError, match="16384 are allowed"):
        mint({**CLAIMS, "grants": grants}, key_for("HS256"))
