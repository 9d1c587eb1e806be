"""access.credentials: where a token may stand, and where one never shows."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.access.api_keys import new_key
from everywire.access.credentials import (
    COOKIE,
    SUBPROTOCOL_PREFIX,
    Credential,
    RedactingFilter,
    find_credential,
    redacted,
    redacted_query,
)
from everywire.access.refusals import MAX_TOKEN_BYTES
from everywire.core.errors import RequestError
from everywire.wires.handshake import CREDENTIAL_PREFIX

from .making import key_for, token

Headers = list[tuple[bytes, bytes]]

JWT = token(key_for("HS256"))


def find(
    headers: Headers | None = None,
    query: str = "",
    *,
    method: str = "GET",
    origin: bool = False,
) -> Credential | None:
    return find_credential(method, headers or [], query, origin_allowed=origin)


def code(
    headers: Headers | None = None, query: str = "", *, method: str = "GET", origin: bool = False
) -> str:
    with pytest.raises(RequestError) as caught:
        find(headers, query, method=method, origin=origin)
    assert "secret" not in caught.value.message
    return caught.value.code


def cookie(value: str) -> tuple[bytes, bytes]:
    return (b"cookie", f"theme=dark; {COOKIE}={value}; lang=de".encode())


# Where


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_header(scheme: str) -> None:
    assert find([(b"authorization", f"{scheme} {JWT}".encode())]) == Credential(JWT, "header")


@pytest.mark.parametrize(
    "query", [f"token={JWT}", f"channel=a&token={JWT}&since=1", f"%74oken={JWT}"]
)
def test_the_query(query: str) -> None:
    assert find(query=query) == Credential(JWT, "query")
    encoded = JWT.replace(".", "%2E")
    assert find(query=f"token={encoded}") == Credential(JWT, "query")


def test_the_subprotocol() -> None:
    value = f"everywire.v1, everywire.token.{JWT}".encode()
    assert find([(b"sec-websocket-protocol", value)]) == Credential(JWT, "subprotocol")
    assert SUBPROTOCOL_PREFIX == CREDENTIAL_PREFIX


@pytest.mark.parametrize("quoted", [JWT, f'"{JWT}"'])
def test_the_cookie(quoted: str) -> None:
    assert find([cookie(quoted)]) == Credential(JWT, "cookie")
    assert find([cookie(quoted)], origin=True, method="POST") == Credential(JWT, "cookie")


def test_nowhere() -> None:
    headers = [
        (b"cookie", b"everywire_tokens=a; xeverywire_token=b; other"),
        (b"sec-websocket-protocol", b"everywire.v1, everywire.tokenx.a"),
        (b"x-token", b"secret"),
    ]
    assert find(headers, "tokens=a&mytoken=b&channel=token%3Dc") is None
    assert find() is None


# Several


def test_the_same_at_several_places_is_one() -> None:
    headers = [(b"authorization", f"Bearer {JWT}".encode())]
    assert find(headers, f"token={JWT}&token={JWT}") == Credential(JWT, "header")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([(b"authorization", b"Bearer secret1"), (b"authorization", b"Bearer secret2")], ""),
        ([(b"authorization", b"Bearer secret1")], "token=secret2"),
        ([(b"sec-websocket-protocol", b"everywire.token.secret1")], "token=secret2"),
        ([(b"sec-websocket-protocol", b"everywire.token.secret1,everywire.token.secret2")], ""),
        ([], "token=secret1&token=secret2"),
        ([(b"authorization", b"Bearer secret1")], "token="),
    ],
)
def test_several_that_differ_are_refused(headers: Headers, query: str) -> None:
    """Which is meant would depend on who reads it, a proxy or this server."""
    assert code(headers, query) == "bad_request"


def test_a_cookie_gives_way_to_what_was_meant() -> None:
    headers = [cookie("ambient"), (b"sec-fetch-site", b"cross-site")]
    assert find(headers, f"token={JWT}") == Credential(JWT, "query")


def test_cookies_that_differ_are_refused() -> None:
    """One may have been set by another host of the domain."""
    assert code([cookie("secret1"), cookie("secret2")], origin=True) == "bad_request"
    assert find([cookie(JWT), cookie(JWT)]) == Credential(JWT, "cookie")


@pytest.mark.parametrize(
    "value", [b"Basic c2VjcmV0", b"Bearer", b"Bearer ", b"secret", b"Bearer a b"]
)
def test_a_header_that_is_no_bearer_is_not_passed_over(value: bytes) -> None:
    """Who sent it meant to be known, and is not made anonymous."""
    headers = [(b"authorization", value)]
    with pytest.raises(RequestError) as caught:
        find(headers)
    assert caught.value.code == "bad_token"
    assert find(headers, f"token={JWT}") == Credential(JWT, "query")


# Cookies that another site may have had sent


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"Cross-Site", b"unknown", b""])
def test_a_cookie_of_another_site_s_request_does_not_count(site: bytes) -> None:
    """An image, script or link of another page has no Origin; a browser says whose it is."""
    assert code([cookie("secret"), (b"sec-fetch-site", site)]) == "forbidden"


@pytest.mark.parametrize("site", [b"same-origin", b"none"])
def test_one_s_own_page_may_send_it_along(site: bytes) -> None:
    headers = [cookie(JWT), (b"sec-fetch-site", site)]
    assert find(headers) == Credential(JWT, "cookie")


def test_several_claims_of_whose_it_is_have_to_agree() -> None:
    headers = [
        cookie("secret"),
        (b"sec-fetch-site", b"same-origin"),
        (b"sec-fetch-site", b"cross-site"),
    ]
    assert code(headers) == "forbidden"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post"])
def test_a_cookie_changes_nothing_without_an_origin(method: str) -> None:
    """A form of another site; browsers send an Origin with each."""
    for headers in ([cookie("secret")], [cookie("secret"), (b"sec-fetch-site", b"same-origin")]):
        assert code(headers, method=method) == "forbidden"
    assert find([cookie(JWT)], method="HEAD") == Credential(JWT, "cookie")


# Form


@pytest.mark.parametrize(
    "query", ["token=", "token=a%20b", "token=a%0Ab", "token=%C3%A4", "token=a%00", "token=a+b"]
)
def test_a_token_that_cannot_be_one_is_refused(query: str) -> None:
    assert code(query=query) == "bad_token"


def test_a_query_that_is_malformed_is_refused() -> None:
    assert code(query="token=%FF") == "bad_request"
    assert code(query="token=a&" + "a=b&" * 2000) == "bad_request"


def test_a_token_that_is_too_long_is_refused_wherever_it_stands() -> None:
    long = "x" * (MAX_TOKEN_BYTES + 1)
    assert code(query=f"token={long}") == "bad_token"
    assert code([(b"authorization", f"Bearer {long}".encode())]) == "bad_token"
    assert code([cookie(long)]) == "bad_token"
    assert find(query=f"token={long[1:]}") is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"authorization", b"cookie", b"sec-websocket-protocol", b"sec-fetch-site"]
            ),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
    st.text(max_size=40),
    st.booleans(),
)
def test_whatever_is_sent_there_is_an_answer(headers: Headers, query: str, origin: bool) -> None:
    try:
        found = find(headers, query, origin=origin)
    except RequestError as error:
        assert error.code in ("bad_request", "bad_token", "forbidden")
    else:
        assert found is None or found.token.isascii()


# Never shown


def test_a_credential_does_not_show_itself() -> None:
    assert repr(Credential("secret", "query")) == "Credential(place='query')"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("token=secret", "token=[hidden]"),
        ("channel=a&token=secret&since=1", "channel=a&token=[hidden]&since=1"),
        ("token=secret&token=secret2", "token=[hidden]&token=[hidden]"),
        ("connection=secret&channel=a", "connection=[hidden]&channel=a"),
        ("TOKEN=secret", "TOKEN=[hidden]"),
        ("channel=token&since=1", "channel=token&since=1"),
        ("mytoken=x", "mytoken=x"),
        ("token=", "token="),
        ("", ""),
    ],
)
def test_a_query_is_shown_without_its_secrets(query: str, shown: str) -> None:
    assert redacted_query(query) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /ws?channel=a&token={} HTTP/1.1",
        "GET /events?token={}#x",
        "Authorization: Bearer {}",
        "Sec-WebSocket-Protocol: everywire.v1, everywire.token.{}",
        "Cookie: a=b; everywire_token={}; c=d",
        "{{'token': '{}'}}",
        "showed {} twice: {}",
    ],
)
def test_a_text_is_shown_without_credentials(text: str) -> None:
    for secret in (JWT, new_key("backend")):
        shown = redacted(text.replace("{}", secret))
        assert secret not in shown
        assert "[hidden]" in shown
        assert not any(len(part) > 8 and part in shown for part in secret.split("."))
        assert shown.startswith(text[:3])


def test_what_is_no_credential_is_left_alone() -> None:
    for text in ("channel ew_lobby", "a.b.c", "the bearer of news", "eyJ", "since=1&channel=a"):
        assert redacted(text) == text


def test_no_log_has_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("everywire.test.redaction")
    redacting = RedactingFilter()
    logger.addFilter(redacting)
    with caplog.at_level(logging.INFO, logger.name):
        logger.info("%s %s", "GET", f"/ws?token={JWT}")
        logger.info("nothing %d", 7)
    logger.removeFilter(redacting)
    assert caplog.messages == ["GET /ws?token=[hidden]", "nothing 7"]
