"""webhooks.signing: Standard Webhooks 1.0.0."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import UsageError
from everywire.webhooks import BadSignature, new_secret, verify
from everywire.webhooks.signing import MAX_SIGNATURES, TOLERANCE, Signer, key_of

from .making import OLD_SECRET, SECRET

NOW = 1_614_265_330
BODY = b'{"test": 2432232314}'


def sent(*secrets: str, body: bytes = BODY, at: int = NOW) -> dict[str, str]:
    return Signer(*(secrets or (SECRET,))).headers("msg_1", at, body)


def why(body: bytes, headers: dict[str, str], secret: str = SECRET, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        verify(body, headers, secret, now=now)
    return str(caught.value)


def test_the_signature_is_the_one_of_the_reference_library() -> None:
    """The example in the tests of github.com/standard-webhooks/standard-webhooks."""
    headers = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, BODY
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(max_size=200))
def test_what_is_signed_verifies(body: bytes) -> None:
    assert verify(body, sent(body=body), SECRET, now=NOW) == "msg_1"


def test_names_of_headers_are_compared_without_case() -> None:
    headers = {name.title(): value for name, value in sent().items()}
    assert verify(BODY, headers, SECRET, now=NOW) == "msg_1"


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(where: int, change: int) -> None:
    body = bytearray(BODY)
    body[where] ^= change
    assert "no v1 signature fits" in why(bytes(body), sent())


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "msg_2"), ("webhook-timestamp", str(NOW + 1))],
)
def test_a_changed_header_is_noticed(name: str, value: str) -> None:
    assert "no v1 signature fits" in why(BODY, {**sent(), name: value})


def test_another_secret_does_not_fit() -> None:
    assert "no v1 signature fits" in why(BODY, sent(OLD_SECRET))


def test_a_secret_is_changed_without_a_moment_in_which_neither_counts() -> None:
    old, both, new = sent(OLD_SECRET), sent(SECRET, OLD_SECRET), sent(SECRET)
    receivers = [(OLD_SECRET,), (SECRET, OLD_SECRET), (SECRET,)]
    for receiver in receivers:
        assert verify(BODY, both, receiver, now=NOW)
    assert verify(BODY, old, receivers[1], now=NOW)
    assert verify(BODY, new, receivers[1], now=NOW)


def test_signatures_of_other_versions_are_passed_over() -> None:
    headers = sent()
    headers["webhook-signature"] = f"v1a,AAAA nonsense {headers['webhook-signature']}"
    assert verify(BODY, headers, SECRET, now=NOW)


def test_only_so_many_signatures_are_looked_at() -> None:
    headers = sent()
    good = headers["webhook-signature"]
    headers["webhook-signature"] = "v1,A " * (MAX_SIGNATURES - 1) + good
    assert verify(BODY, headers, SECRET, now=NOW)
    headers["webhook-signature"] = "v1,A " * MAX_SIGNATURES + good
    assert "no v1 signature fits" in why(BODY, headers)


def test_a_signature_that_is_not_ascii_does_not_fit() -> None:
    assert "no v1 signature fits" in why(BODY, {**sent(), "webhook-signature": "v1,é \udcff"})


@pytest.mark.parametrize("apart", [-TOLERANCE, 0, TOLERANCE])
def test_clocks_may_differ(apart: float) -> None:
    assert verify(BODY, sent(), SECRET, now=NOW + apart)


def test_an_old_request_does_not_count() -> None:
    assert "301 s too old" in why(BODY, sent(), now=NOW + TOLERANCE + 1)
    assert "301 s too early" in why(BODY, sent(), now=NOW - TOLERANCE - 1)
    with pytest.raises(BadSignature):
        verify(BODY, sent(), SECRET, now=NOW + 11, tolerance=10)


def test_without_a_time_it_is_this_machines() -> None:
    with pytest.raises(BadSignature, match="too old"):
        verify(BODY, sent(), SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(name: str) -> None:
    headers = sent()
    del headers[name]
    assert f"{name} is missing" in why(BODY, headers)


@pytest.mark.parametrize("value", ["a.b", "a b", "a" * 256, "é"])
def test_an_id_holds_nothing_that_could_be_taken_for_another(value: str) -> None:
    assert "webhook-id is not" in why(BODY, {**sent(), "webhook-id": value})


@pytest.mark.parametrize("value", ["1.5", "-1", "nan", "9" * 13, "١"])
def test_a_timestamp_is_whole_seconds(value: str) -> None:
    assert "webhook-timestamp is not" in why(BODY, {**sent(), "webhook-timestamp": value})


def test_a_new_secret_is_one_and_new() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert len(key_of(one)) == 32


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_AAAA", "A" * 40, "whsec_" + "A" * 88, "whsec_" + "!" * 40, "whsec_é"],
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        Signer(secret)
    assert "24 to 64 bytes" in str(caught.value)
    assert not secret[6:] or secret[6:] not in str(caught.value)
    with pytest.raises(UsageError):
        verify(BODY, sent(), secret, now=NOW)


def test_there_is_a_secret() -> None:
    with pytest.raises(UsageError, match="give one"):
        Signer()


def test_a_receiver_loads_no_more_than_it_needs() -> None:
    code = "import sys, everywire.webhooks; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"h11", "apsw", "asyncio", "msgspec"} & set(output.stdout.split())
