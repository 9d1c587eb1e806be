"""core.errors: one table of codes, as the protocol has it."""

import pytest

from everywire.core.errors import STATUS, RequestError, bad_request


def test_a_request_error_has_the_status_of_its_code() -> None:
    assert RequestError("conflict", "no").status == 409
    assert RequestError("too_large", "no", status=431).status == 431
    assert bad_request("what").code == "bad_request"
    assert str(bad_request("what")) == "what"


def test_a_code_that_is_not_in_the_table_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        RequestError("oops", "no")


def test_the_table_is_the_protocol_s() -> None:
    """PROTOCOL.md, Codes and their HTTP statuses."""
    assert STATUS == {
        "bad_request": 400,
        "unknown_type": 400,
        "bad_channel": 400,
        "too_many_channels": 400,
        "no_token": 401,
        "bad_token": 401,
        "token_expired": 401,
        "forbidden": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "conflict": 409,
        "too_large": 413,
        "rate_limited": 429,
        "too_many_connections": 429,
        "internal": 500,
        "unavailable": 503,
    }
