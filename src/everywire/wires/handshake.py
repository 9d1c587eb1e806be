"""The opening handshake of a WebSocket, as a decision (RFC 6455 4.2).

Header fields go in; out comes the whole head of the 101 answer and what was agreed on, or the
error to answer instead. Nothing here reads or writes a socket, and whatever bytes the fields
hold, the only error is a `RequestError`.

Only the fields that the handshake is about are looked at. Host, Origin and credentials are judged
elsewhere, before; the token that a browser can only send as a subprotocol is found here, handed
on, and never repeated: not in the answer, not in an error, not in a ``repr``.

Clients of one program differ in nothing but the key. So what comes of all the other fields is
worked out once and remembered (`_agree`), as far as it is short and holds no token; the key is
judged, and answered, each time.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from everywire.core.errors import RequestError, UsageError, bad_request
from everywire.wires.deflate import Deflate, negotiate

SUBPROTOCOLS: Final = ("everywire.v1", "everywire.v1.msgpack")
"""The subprotocols of the native protocol: JSON text frames, msgpack binary frames."""

CREDENTIAL_PREFIX: Final = "everywire.token."
"""What follows it in the list of subprotocols is a credential."""

_CREDENTIAL: Final = CREDENTIAL_PREFIX.encode()
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# 16 bytes are 22 characters of base64 and two of padding (RFC 6455 4.1).
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")
_OBS_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_KEY_NAME: Final = b"sec-websocket-key"
_READ: Final = frozenset(
    (
        b"upgrade",
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"sec-websocket-version",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
    )
)
_MAX_KNOWN: Final = 128
_MAX_KNOWN_BYTES: Final = 512

_Header = tuple[bytes, bytes]
_Fields = dict[str, list[str]]


class Upgrade(msgspec.Struct, frozen=True):
    """A handshake that was accepted.

    Attributes:
        response_head: The 101 answer to the blank line; frames may follow at once.
        subprotocol: The one chosen, or None where none was asked for or none is known.
        token: The credential sent as a subprotocol, unchecked.
        deflate: The compression agreed on, or None.
    """

    response_head: bytes
    subprotocol: str | None
    token: str | None
    deflate: Deflate | None

    def __repr__(self) -> str:
        """Without the token."""
        return f"Upgrade({self.response_head!r}, {self.subprotocol!r}, {self.deflate!r})"


def accept(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    method: str,
    http_version: str,
    known: Sequence[str] = SUBPROTOCOLS,
    deflate: bool,
    extra_headers: Iterable[tuple[bytes, bytes]] = (),
) -> Upgrade:
    """Decide on a request to open a WebSocket.

    Args:
        headers: Fields in the order they came, names in lower case.
        method: Such as ``GET``.
        http_version: Such as ``1.1``.
        known: Subprotocols that may be chosen.
        deflate: Whether compression may be agreed on.
        extra_headers: More lines for the answer.

    Raises:
        RequestError: ``method_not_allowed``; ``bad_request``, with the status 426 where the
            request is no WebSocket handshake of version 13: the answer then needs the headers
            ``Upgrade: websocket`` and ``Sec-WebSocket-Version: 13`` (RFC 6455 4.4, RFC 9110
            15.5.22).
        UsageError: A line of ``extra_headers`` is not one.
    """
    keys: list[bytes] = []
    others: list[_Header] = []
    for header in headers:
        if header[0] == _KEY_NAME:
            keys.append(header[1])
        elif header[0] in _READ:
            others.append(header)
    agree = _known_agree if _is_common(others) else _agree
    agreed = agree(tuple(others), method, http_version, tuple(known), deflate)
    extra = [_line(name, value) for name, value in extra_headers]
    return Upgrade(
        b"%b%b\r\n%b%b\r\n"
        % (_SWITCHING, _accept_value(_key(keys)), agreed.lines, b"".join(extra)),
        agreed.subprotocol,
        agreed.token,
        agreed.deflate,
    )


class _Agreed(msgspec.Struct, frozen=True):
    """What comes of a handshake but for its key.

    Attributes:
        lines: Those of the answer that say what was chosen.
    """

    lines: bytes
    subprotocol: str | None
    token: str | None
    deflate: Deflate | None

    def __repr__(self) -> str:
        """Without the token."""
        return f"_Agreed({self.lines!r})"


def _is_common(headers: Sequence[_Header]) -> bool:
    """Whether others may send the same: nothing long, and no token."""
    values = b"\n".join([value for _, value in headers])
    return len(values) <= _MAX_KNOWN_BYTES and _CREDENTIAL not in values


def _agree(
    headers: tuple[_Header, ...],
    method: str,
    http_version: str,
    known: tuple[str, ...],
    deflate: bool,
) -> _Agreed:
    fields = _read(headers)
    _check_request(method, http_version, fields)
    subprotocol, token = choose_subprotocol(_items(fields, "sec-websocket-protocol"), known)
    agreed = negotiate(fields.get("sec-websocket-extensions", ())) if deflate else None
    lines = b""
    if subprotocol is not None:
        lines += b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode()
    if agreed is not None:
        lines += b"Sec-WebSocket-Extensions: %b\r\n" % agreed[0].encode()
    return _Agreed(lines, subprotocol, token, None if agreed is None else agreed[1])


_known_agree: Final = lru_cache(_MAX_KNOWN)(_agree)


def choose_subprotocol(
    offered: Iterable[str], known: Sequence[str] = SUBPROTOCOLS
) -> tuple[str | None, str | None]:
    """Choose among a client's subprotocols, in the client's order, and find its token.

    Where it asks for none that is known, none is chosen (RFC 6455 4.2.2): a browser then gives up
    by itself, and other clients may go on.

    Returns:
        The subprotocol and the token, each None where there is none.

    Raises:
        RequestError: ``bad_request``: an empty token, or more than one.
    """
    chosen: str | None = None
    token: str | None = None
    for name in offered:
        if name.startswith(CREDENTIAL_PREFIX):
            if token is not None:
                raise bad_request(f"only one subprotocol may be {CREDENTIAL_PREFIX}<token>")
            token = name[len(CREDENTIAL_PREFIX) :]
            if not token:
                raise bad_request(f"the subprotocol {CREDENTIAL_PREFIX}<token> needs a token")
        elif chosen is None and name in known:
            chosen = name
    return chosen, token


def _accept_value(key: bytes) -> bytes:
    """The ``Sec-WebSocket-Accept`` that proves the key was understood (RFC 6455 4.2.2, 5.4)."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def _read(headers: Iterable[_Header]) -> _Fields:
    fields: _Fields = {}
    for name, value in headers:
        fields.setdefault(name.decode(), []).append(_text(name, value))
    return fields


def _text(name: bytes, value: bytes) -> str:
    if _VALUE.fullmatch(value) is None:
        raise bad_request(f"the header {name.decode()} holds bytes other than printable ASCII")
    return value.decode("ascii").strip(" \t")


def _items(fields: _Fields, name: str) -> Iterator[str]:
    """The items of a comma-separated header; empty ones are passed over (RFC 9110 5.6.1.2)."""
    for value in fields.get(name, ()):
        for part in value.split(","):
            item = part.strip(" \t")
            if not item:
                continue
            if _TOKEN.fullmatch(item) is None:
                # What was wrong is not repeated: it may be a credential.
                raise bad_request(
                    f"the header {name} has an item that is no token: only letters, digits and "
                    "!#$%&'*+-.^_`|~ are allowed in one"
                )
            yield item


def _check_request(method: str, http_version: str, fields: _Fields) -> None:
    if method != "GET":
        raise RequestError(
            "method_not_allowed", f"a WebSocket is opened by GET, not by {method[:20]!a}"
        )
    if http_version != "1.1":
        raise bad_request(f"a WebSocket is opened over HTTP version 1.1, not {http_version[:8]!a}")
    upgrades = ",".join(fields.get("upgrade", ())).lower().split(",")
    if "websocket" not in [name.strip(" \t") for name in upgrades]:
        raise _upgrade_required("the header Upgrade: websocket is missing")
    if "upgrade" not in [option.lower() for option in _items(fields, "connection")]:
        raise _upgrade_required("the header Connection: Upgrade is missing")
    version = "sec-websocket-version"
    if _only(version, fields.get(version, [])) != "13":
        raise _upgrade_required("Sec-WebSocket-Version has to be 13")
    # A body would be taken for frames by one side of a proxy and not by the other.
    if fields.get("transfer-encoding") or set(fields.get("content-length", ())) - {"0"}:
        raise bad_request("a request to open a WebSocket has no body")


def _upgrade_required(what: str) -> RequestError:
    return RequestError(
        "bad_request",
        f"{what}: this address speaks WebSocket (RFC 6455, version 13) only",
        status=426,
    )


def _only(name: str, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise bad_request(f"the header {name} is there {len(values)} times; once is allowed")
    return values[0] if values else None


def _key(values: Sequence[bytes]) -> bytes:
    key = values[0].strip(b" \t") if len(values) == 1 else b""
    if _KEY.fullmatch(key) is None:
        # Said first: bytes that no header holds, and one header too many.
        _only(_KEY_NAME.decode(), [_text(_KEY_NAME, value) for value in values])
        raise bad_request("Sec-WebSocket-Key has to be 16 bytes in base64")
    return key


def _line(name: bytes, value: bytes) -> bytes:
    if _NAME.fullmatch(name) is None or _OBS_VALUE.fullmatch(value) is None:
        raise UsageError(
            f"the extra header {name!r} is not a header line: no CR, LF or NUL is allowed"
        )
    return b"%b: %b\r\n" % (name, value)
