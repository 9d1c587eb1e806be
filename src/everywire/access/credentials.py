"""Where in a request a token may stand, and how it is kept out of logs.

Four places (docs/protocol.md, Who may connect): the header ``Authorization: Bearer``, the query's
``token``, the WebSocket subprotocol ``everywire.token.<token>``, which is never echoed, and the
cookie ``everywire_token``.

The first three are put there by the program that sends the request. Two that differ are refused:
which is meant would depend on who reads it. The cookie is put there by the browser, whoever made it
send the request; so it counts for less, and only where no other site can have done so:

* one of the others wins over it, for that one was meant;
* a page of another site is known by its Origin, which `everywire.server.trust` has let in or
  refused before, or, where a browser sends none (images, scripts, plain links), by
  ``Sec-Fetch-Site``;
* a request that changes something (not GET or HEAD) needs an Origin. Browsers send it with each.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl

from everywire.access.refusals import MAX_TOKEN_BYTES, bad_token
from everywire.core.errors import RequestError, bad_request

COOKIE: Final = "everywire_token"
"""The cookie that a token may be in."""

SUBPROTOCOL_PREFIX: Final = "everywire.token."
"""What follows it in the list of subprotocols is a token."""

Place = Literal["header", "query", "subprotocol", "cookie"]

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"(?i)(^|[?&;\s])((?:token|connection)=)[^&;#\s\"']+")
_SECRETS = re.compile(
    r"ew_[a-z0-9-]{1,32}_[0-9A-Za-z]{8,}"
    r"|eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?"
    r"|(?i:(?<=bearer )|(?<=everywire\.token\.)|(?<=everywire_token=))[^\s,;\"']{8,}"
)
_HIDDEN: Final = "[hidden]"


@dataclass(frozen=True, slots=True)
class Credential:
    """What somebody showed; nothing about it has been checked.

    Attributes:
        token: A JWT or an API key, or meant to be one.
        place: Where it stood.
    """

    token: str = field(repr=False)
    place: Place


def find_credential(
    method: str,
    headers: Iterable[tuple[bytes, bytes]],
    query: str,
    *,
    origin_allowed: bool,
) -> Credential | None:
    """Find the credential of a request; None: it has none.

    Args:
        method: Such as ``GET``.
        headers: Names in lower case, values as they came.
        query: What stands behind the ``?``, as it came.
        origin_allowed: Whether the request has an Origin; a foreign one has been refused before.

    Raises:
        RequestError: ``bad_request``: there are several, or it is malformed; ``bad_token``: it is
            too long; ``forbidden``: it is a cookie that another site may have sent.
    """
    seen = _Headers(headers)
    credential = _meant(seen, query)
    if credential is None:
        credential = _sent_along(seen)
        if credential is not None:
            _check_site(method, seen, origin_allowed)
    if credential is not None:
        _check_form(credential)
    return credential


class _Headers:
    """The values of the headers that matter here."""

    __slots__ = ("authorization", "cookie", "site", "subprotocols")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.authorization: list[str] = []
        self.cookie: list[str] = []
        self.subprotocols: list[str] = []
        self.site: list[str] = []
        lists = {
            b"authorization": self.authorization,
            b"cookie": self.cookie,
            b"sec-websocket-protocol": self.subprotocols,
            b"sec-fetch-site": self.site,
        }
        for name, value in headers:
            found = lists.get(name)
            if found is not None:
                found.append(value.decode("latin-1"))


def _meant(seen: _Headers, query: str) -> Credential | None:
    """The credential that the sender of the request put there."""
    found = [Credential(token, "query") for token in _in_query(query)]
    found += [Credential(token, "subprotocol") for token in _in_subprotocols(seen.subprotocols)]
    foreign = ""
    for value in seen.authorization:
        bearer = _BEARER.fullmatch(value.strip())
        if bearer is not None:
            found.insert(0, Credential(bearer[1], "header"))
        else:
            foreign = value
    if len({credential.token for credential in found}) > 1:
        places = ", ".join(dict.fromkeys(credential.place for credential in found))
        raise bad_request(f"there are several tokens that differ ({places}); send one")
    if found:
        return found[0]
    if foreign:
        # Silence here would make somebody who meant to be known anonymous.
        scheme = foreign.partition(" ")[0][:20]
        raise bad_token(f"the Authorization header is {scheme!a}; Bearer <token> is expected")
    return None


def _in_query(query: str) -> list[str]:
    if "token" not in query and "%" not in query:
        return []
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=2000)
    except ValueError:
        raise bad_request("the query is malformed: percent-encoded UTF-8 is expected") from None
    return [value for name, value in pairs if name == "token"]


def _in_subprotocols(values: Sequence[str]) -> list[str]:
    return [
        name.strip(" \t")[len(SUBPROTOCOL_PREFIX) :]
        for value in values
        for name in value.split(",")
        if name.strip(" \t").startswith(SUBPROTOCOL_PREFIX)
    ]


def _sent_along(seen: _Headers) -> Credential | None:
    """The credential that a browser sent along by itself."""
    tokens = {
        pair.partition("=")[2].strip(' "')
        for value in seen.cookie
        for pair in value.split(";")
        if pair.partition("=")[0].strip() == COOKIE
    }
    if len(tokens) > 1:
        # One may have been set by another host of the domain.
        raise bad_request(f"there are {len(tokens)} cookies {COOKIE} that differ")
    return Credential(tokens.pop(), "cookie") if tokens else None


def _check_site(method: str, seen: _Headers, origin_allowed: bool) -> None:
    if origin_allowed:
        return
    if any(site.strip().lower() not in ("same-origin", "none") for site in seen.site):
        raise RequestError(
            "forbidden", f"the cookie {COOKIE} does not count for a request of another site"
        )
    if method not in ("GET", "HEAD"):
        raise RequestError(
            "forbidden",
            f"a {method[:20]} with the cookie {COOKIE} needs an Origin; programs send "
            "Authorization: Bearer <token>",
        )


def _check_form(credential: Credential) -> None:
    token = credential.token
    if len(token) > MAX_TOKEN_BYTES:
        raise bad_token(f"the token has more than {MAX_TOKEN_BYTES} characters")
    if not token or not (token.isascii() and token.isprintable()) or " " in token:
        raise bad_token(
            f"the token in the {credential.place} is empty, or holds more than printable ASCII"
        )


def redacted_query(query: str) -> str:
    """A query without its secrets: the token, and the connection's."""
    return _SECRET_PARAMETER.sub(rf"\1\2{_HIDDEN}", query)


def redacted(text: str) -> str:
    """A text without anything that is or looks like a credential."""
    return _SECRETS.sub(_HIDDEN, redacted_query(text))


class RedactingFilter(logging.Filter):
    """Keeps credentials out of whatever goes through a logger or handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the message out, without its secrets."""
        message = record.getMessage()
        shown = redacted(message)
        if shown != message:
            record.msg, record.args = shown, ()
        return True
