"""access.claims: what a token says, read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from everywire.access.claims import grant_of
from everywire.access.issuers import Terms
from everywire.core.access import Grant, permissions
from everywire.core.errors import RequestError

from .making import NOW


def grant(claims: dict[str, Any], terms: Terms | None = None, now: float = NOW) -> Grant:
    return grant_of(claims, terms or Terms(), round(now * 1000))


def refused(claims: dict[str, Any], terms: Terms | None = None, now: float = NOW) -> RequestError:
    with pytest.raises(RequestError) as caught:
        grant(claims, terms, now)
    return caught.value


# Times


def test_a_token_counts_until_it_expires() -> None:
    claims = {"exp": NOW + 10}
    assert grant(claims, Terms(leeway=0)).expires_ms == (NOW + 10) * 1000
    assert grant(claims, Terms(leeway=0), NOW + 9.999).expires_ms is not None
    error = refused(claims, Terms(leeway=0), NOW + 10)
    assert (error.code, error.status) == ("token_expired", 401)
    error = refused(claims, Terms(leeway=0), NOW + 10 + 3661)
    assert error.message == "the token expired 1 h 1 min ago, at 2027-01-15T08:00:10Z"


def test_the_leeway_is_added_to_when_it_expires_everywhere() -> None:
    terms = Terms(leeway=5)
    assert grant({"exp": NOW}, terms, NOW + 4.999).expires_ms == (NOW + 5) * 1000
    assert refused({"exp": NOW}, terms, NOW + 5).code == "token_expired"


def test_a_token_without_an_end_counts_unless_that_is_not_wanted() -> None:
    assert grant({}).expires_ms is None
    error = refused({}, Terms(require_expiry=True))
    assert error.message == "the token has no exp; here it needs one"


def test_a_token_counts_from_its_beginning_on() -> None:
    assert grant({"nbf": NOW + 5}, Terms(leeway=5)).user is None
    error = refused({"nbf": NOW + 65.5}, Terms(leeway=5))
    assert error.code == "bad_token"
    assert "in 1 min 5 s; is a clock wrong?" in error.message


def test_times_may_have_fractions() -> None:
    assert grant({"exp": NOW + 1.25, "iat": NOW + 0.5}, Terms(leeway=0)).expires_ms == (
        NOW * 1000 + 1250
    )


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["soon", str(NOW), True, -1, 10**30, 1e30, [], {}])
def test_what_is_no_time_is_refused(name: str, value: Any) -> None:
    assert f"the token's {name} is no time" in refused({name: value}).message


# Who


@pytest.mark.parametrize("user", ["a", "auth0|7", "Ä", "x" * 200, "ä" * 100, "two words", "**"])
def test_the_user_is_the_sub(user: str) -> None:
    assert grant({"sub": user}).user == user


def test_a_token_may_be_nobody_s_in_particular() -> None:
    assert grant({}).user is None
    assert grant({"sub": None}).user is None


@pytest.mark.parametrize(
    "user", ["", 7, ["a"], True, "x" * 201, "ä" * 101, "a\nb", "a\x00", "a\x85", "\ud800"]
)
def test_what_is_no_user_is_refused(user: Any) -> None:
    assert "the token's sub is not a string of 1 to 200 bytes" in refused({"sub": user}).message


def test_the_users_of_an_issuer_may_get_a_prefix() -> None:
    terms = Terms(user_prefix="b:")
    assert grant({"sub": "ada"}, terms).user == "b:ada"
    assert "1 to 198 bytes" in refused({"sub": "x" * 199}, terms).message


@pytest.mark.parametrize("token_id", ["", 7, "x" * 201, "a\n"])
def test_what_is_no_jti_is_refused(token_id: Any) -> None:
    assert "the token's jti is not a string" in refused({"jti": token_id}).message


# For whom, from whom


@pytest.mark.parametrize("audience", ["us", ["us"], ["them", "us"]])
def test_a_token_for_us_is_taken(audience: Any) -> None:
    assert grant({"aud": audience, "sub": "a"}, Terms(audiences=("us", "we"))).user == "a"


@pytest.mark.parametrize("audience", ["them", [], ["them"], "US", "us ", [["us"]]])
def test_a_token_for_others_is_not(audience: Any) -> None:
    error = refused({"aud": audience}, Terms(audiences=("us",)))
    assert error.code == "bad_token"
    assert error.message.endswith("; 'us' is ours")


def test_a_token_for_somebody_is_not_for_a_server_without_a_name() -> None:
    """RFC 7519 4.1.3."""
    assert "no audience is set here" in refused({"aud": "us"}).message


@pytest.mark.parametrize("claims", [{}, {"aud": None}, {"aud": 7}, {"aud": {"us": 1}}])
def test_a_token_for_nobody_is_not_for_a_server_with_one(claims: dict[str, Any]) -> None:
    assert refused(claims, Terms(audiences=("us", "we"))).code == "bad_token"


def test_a_list_of_audiences_is_bounded() -> None:
    assert (
        "neither a string nor a list"
        in refused({"aud": ["them"] * 101}, Terms(audiences=("us",))).message
    )


@pytest.mark.parametrize("issuer", [None, "them", "US", "us/", ["us"]])
def test_a_token_is_from_who_signed_it(issuer: Any) -> None:
    assert grant({"iss": "us", "sub": "a"}, Terms("us")).user == "a"
    error = refused({"iss": issuer}, Terms("us"))
    assert error.message.endswith("its key is that of 'us'")


def test_a_long_claim_is_not_repeated_whole() -> None:
    assert len(refused({"iss": "x" * 9000}, Terms("us")).message) < 200


# What it grants


def test_grants_are_patterns_with_actions() -> None:
    allowed = grant({"grants": {"chat.*": ["subscribe", "publish"], "news": []}}).allowed
    assert allowed.of("subscribe") == ("chat.*",)
    assert not grant({}).allowed.patterns


@pytest.mark.parametrize(
    "grants",
    [
        None,
        [],
        "chat.*",
        ["chat.*"],
        {"chat.*": "subscribe"},
        {"chat.*": {"subscribe": True}},
        {"chat.*": [1]},
        {"chat.*": [["subscribe"]]},
        {"chat.*": None},
    ],
)
def test_what_is_no_grant_is_refused(grants: Any) -> None:
    assert "the token's grants is not a JSON object of lists" in refused({"grants": grants}).message


@pytest.mark.parametrize(
    ("grants", "words"),
    [
        ({"chat.*": ["read"]}, "'read' is no action"),
        ({"chat.*": ["Subscribe"]}, "'Subscribe' is no action"),
        ({"chat..x": ["subscribe"]}, "is not a channel or pattern"),
        ({"": ["subscribe"]}, "is not a channel or pattern"),
        ({"chat.*x": ["subscribe"]}, "is not a channel or pattern"),
        ({"\ud800": ["subscribe"]}, "is not a channel or pattern"),
        ({"@server": ["subscribe"]}, "nothing can be granted on"),
        ({f"a.{number}": ["subscribe"] for number in range(257)}, "256 are allowed"),
    ],
)
def test_a_grant_that_cannot_be_is_refused(grants: Any, words: str) -> None:
    error = refused({"grants": grants})
    assert error.code == "bad_token"
    assert error.message.startswith("the token's grants: ")
    assert words in error.message


def test_the_claim_may_have_another_name() -> None:
    terms = Terms(grants_claim="https://app.example/grants")
    claims = {"https://app.example/grants": {"a": ["publish"]}, "grants": "whatever"}
    assert grant(claims, terms).allowed.of("publish") == ("a",)


def test_the_tokens_of_an_issuer_may_all_do_something() -> None:
    terms = Terms(grants=permissions({"lobby": ["subscribe"]}))
    allowed = grant({"grants": {"lobby": ["publish"]}}, terms).allowed
    assert allowed.patterns == (("lobby", frozenset(("publish", "subscribe"))),)
    assert grant({}, terms).allowed.of("subscribe") == ("lobby",)


def test_claims_that_are_not_used_may_be_anything() -> None:
    claims = {"azp": 7, "scope": ["x"], "admin": True, "key": "backend", "anonymous": True}
    made = grant(claims)
    assert (made.admin, made.key, made.anonymous) == (False, None, False)
