"""What a token says, once its signature is known to be good (RFC 7519 4).

The payload is read strictly: JSON with each name once, and each claim that is used of its one type
and within its bounds. Claims that are not used may be anything; tokens of identity providers are
full of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from everywire.access.refusals import bad_token, duration, expired, moment
from everywire.core.access import Grant, Permissions, both, permissions
from everywire.core.errors import RequestError

if TYPE_CHECKING:
    from everywire.access.issuers import Terms

MAX_USER_BYTES: Final = 200
"""Bytes of a ``sub``, with its issuer's prefix. One over 194 has no ``@user.<sub>`` channel."""

MAX_TOKEN_ID_BYTES: Final = 200
"""Bytes of a ``jti``."""

_MAX_AUDIENCES: Final = 100
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999."""


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object in which each name stands once, at every level.

    Args:
        data: Its bytes; their number is bounded.
        what: What to call it.

    Raises:
        RequestError: ``bad_token``.
    """
    try:
        found: object = json.loads(
            data.decode(), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise bad_token(f"the {what} of the token is no JSON object with each name once") from None
    if not isinstance(found, dict):
        raise bad_token(f"the {what} of the token is no JSON object")
    return cast("dict[str, Any]", found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def grant_of(claims: Mapping[str, Any], terms: Terms, now_ms: int) -> Grant:
    """What the holder of a token may do here now.

    Args:
        claims: Of a token whose signature has been checked.
        terms: Its issuer's.
        now_ms: Milliseconds since the epoch.

    Raises:
        RequestError: ``token_expired`` or ``bad_token``.
    """
    check_issuer(claims, terms)
    _check_audience(claims, terms)
    expires_ms = _check_times(claims, terms, now_ms)
    return Grant(
        user_of(claims, terms),
        allowed_by(claims, terms),
        expires_ms=expires_ms,
        issued_ms=_milliseconds(claims, "iat"),
        token_id=_text(claims, "jti", MAX_TOKEN_ID_BYTES),
    )


def check_issuer(claims: Mapping[str, Any], terms: Terms) -> None:
    """Whether a token is from who has signed it.

    Raises:
        RequestError: ``bad_token``.
    """
    if terms.issuer is not None and claims.get("iss") != terms.issuer:
        raise bad_token(
            f"the token's iss is {_shown(claims.get('iss'))}; its key is that of {terms.issuer!a}"
        )


def _check_audience(claims: Mapping[str, Any], terms: Terms) -> None:
    if "aud" not in claims:
        if terms.audiences:
            raise bad_token(f"the token has no aud; {_one_of(terms.audiences)} is needed")
        return
    listed: Any = [claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]
    if not isinstance(listed, list) or len(cast("list[Any]", listed)) > _MAX_AUDIENCES:
        raise bad_token("the token's aud is neither a string nor a list of strings")
    if not any(audience in terms.audiences for audience in cast("list[Any]", listed)):
        # RFC 7519 4.1.3: who is not named in it has to refuse the token.
        here = _one_of(terms.audiences) if terms.audiences else "no audience is set here"
        raise bad_token(f"the token is for aud {_shown(claims['aud'])}; {here}")


def _check_times(claims: Mapping[str, Any], terms: Terms, now_ms: int) -> int | None:
    """Check ``nbf`` and ``exp``; when the token counts no more."""
    leeway_ms = round(terms.leeway * 1000)
    begins_ms = _milliseconds(claims, "nbf")
    if begins_ms is not None and now_ms + leeway_ms < begins_ms:
        raise bad_token(
            f"the token counts only from {moment(begins_ms)} on (nbf), in "
            f"{duration(begins_ms - now_ms)}; is a clock wrong?"
        )
    expires_ms = _milliseconds(claims, "exp")
    if expires_ms is None:
        if terms.require_expiry:
            raise bad_token("the token has no exp; here it needs one")
        return None
    expires_ms += leeway_ms
    if now_ms >= expires_ms:
        raise expired("token", expires_ms - leeway_ms, now_ms)
    return expires_ms


def user_of(claims: Mapping[str, Any], terms: Terms) -> str | None:
    """The user whose token it is; None: it names none.

    Raises:
        RequestError: ``bad_token``.
    """
    user = _text(claims, "sub", MAX_USER_BYTES - len(terms.user_prefix.encode()))
    return None if user is None else terms.user_prefix + user


def allowed_by(claims: Mapping[str, Any], terms: Terms) -> Permissions:
    """What a token grants, with what its issuer's tokens all do.

    Raises:
        RequestError: ``bad_token``.
    """
    name = terms.grants_claim
    grants: Any = claims.get(name, {})
    if not isinstance(grants, dict) or not all(
        _is_list_of_texts(actions) for actions in cast("dict[str, Any]", grants).values()
    ):
        raise bad_token(
            f"the token's {name} is not a JSON object of lists, "
            'such as {"chat.*": ["subscribe", "publish"]}'
        )
    try:
        return both(permissions(cast("dict[str, list[str]]", grants)), terms.grants)
    except RequestError as error:
        raise bad_token(f"the token's {name}: {error.message}") from None


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) for item in cast("list[Any]", value)
    )


def _text(claims: Mapping[str, Any], name: str, most: int) -> str | None:
    """A claim that is a text of 1 to so many bytes, none of them a control character."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value and len(value) <= most:
        try:
            encoded = value.encode()
        except UnicodeEncodeError:
            encoded = b""
        control = any(char < " " or "\x7f" <= char <= "\x9f" for char in value)
        if 0 < len(encoded) <= most and not control:
            return value
    raise bad_token(
        f"the token's {name} is not a string of 1 to {most} bytes without control characters"
    )


def _milliseconds(claims: Mapping[str, Any], name: str) -> int | None:
    """A time that a claim gives in seconds, fractions allowed (RFC 7519 2, NumericDate)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds: float = value
        if 0 <= seconds <= _LAST_SECOND:
            return round(seconds * 1000)
    raise bad_token(f"the token's {name} is no time: seconds since 1970 are expected, as a number")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _one_of(names: tuple[str, ...]) -> str:
    return (
        f"{names[0]!a} is ours" if len(names) == 1 else f"ours are {', '.join(map(ascii, names))}"
    )
