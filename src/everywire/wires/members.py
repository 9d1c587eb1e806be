"""Objects that a client sent, each key once.

In a frame or a publish object a key that stands twice is an error: which of the two is meant
would depend on the decoder, and a proxy or a policy before the server may have another. Decoders
keep the last and say nothing.

In msgpack the number of members stands in front. In JSON commas tell: an object of n members
holds n - 1 of them beside those inside its values and keys. So if what the decoder kept has as
many commas as what came, nothing was dropped. This is asked twice:

* `all_kept`: of the decoded object, encoded again. It is quick and enough for nearly all, but says
  no to an object with a field that its type does not have.
* `json_members`: of its values, kept raw. If they do not account for every comma, a key holds one,
  or stands twice; only then is the object read again, slowly.
"""

from __future__ import annotations

import json
from typing import Final, cast

import msgspec
from msgspec import Raw

from everywire.core.errors import RequestError, bad_request
from everywire.core.payload import MAX_DEPTH

DECODER_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""Everything that decoding a peer's bytes can raise; `refusal` turns it into an answer."""

_BACKSLASH: Final = ord("\\")

_encode: Final = msgspec.json.Encoder().encode
_from_json: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_from_msgpack: Final = msgspec.msgpack.Decoder(dict[str, Raw]).decode

# Objects as lists of pairs; numbers are left as they stand, however long.
_PAIRS: Final = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


def refusal(error: Exception, what: str) -> RequestError:
    """Say what a decoder found wrong, and where.

    Args:
        error: One of `DECODER_ERRORS`.
        what: What was decoded.
    """
    if isinstance(error, RecursionError):
        return bad_request(f"{what} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(error, UnicodeDecodeError):
        return bad_request(f"{what} is not UTF-8 (byte {error.start} of a string)")
    if str(error) == "Input data was truncated":
        # What the decoder says of a lone surrogate near the end, too.
        return bad_request(f"{what} ends too early, or holds a lone surrogate")
    return bad_request(f"{what}: {error}")


def check_utf8(document: bytes, what: str) -> None:
    """Look at every byte, those that a decoder passes over included.

    Raises:
        RequestError: ``bad_request``, with the first byte that is not UTF-8.
    """
    if not document.isascii():
        try:
            document.decode()
        except UnicodeDecodeError as error:
            raise bad_request(f"{what} is not UTF-8 (byte {error.start})") from None


def all_kept(document: bytes, kept: msgspec.Struct) -> bool:
    """Whether every member of a JSON object was surely kept when it was decoded.

    Args:
        document: The object.
        kept: What it was decoded to, of a type with ``omit_defaults``; its raw values as they were.
    """
    # A comma written as an escape comes back as a comma, and would stand in for a dropped one.
    if _BACKSLASH in document and b"\\u002" in document:
        return False
    return document.count(b",") == _encode(kept).count(b",")


def json_members(document: bytes, what: str) -> dict[str, Raw]:
    """Return the members of a JSON object, their values raw.

    Args:
        document: The object and nothing else. Its values are valid JSON afterwards, but their
            depth and the size of their numbers are not checked.
        what: What to call it in an error.

    Raises:
        RequestError: ``bad_request``: not UTF-8, not JSON, not an object, or one key twice.
    """
    check_utf8(document, what)
    try:
        members = _from_json(document)
        beside = document.count(b",") - b"".join([*members.values()]).count(b",")
        if beside >= len(members) > 0:
            _find_repeated(document, what)
    except DECODER_ERRORS as error:
        raise refusal(error, what) from None
    return members


def _find_repeated(document: bytes, what: str) -> None:
    seen: set[str] = set()
    for key, _ in cast("list[tuple[str, object]]", _PAIRS.decode(document.decode())):
        if key in seen:
            raise bad_request(f"{what} has the key {key[:60]!a} twice")
        seen.add(key)


def msgpack_members(document: bytes, what: str) -> dict[str, Raw]:
    """Return the members of a msgpack map, their values raw.

    Args:
        document: The map and nothing else. Of its values only the lengths are checked.
        what: What to call it in an error.

    Raises:
        RequestError: ``bad_request``: malformed, not a map, a key that is not a string, or one
            key twice.
    """
    try:
        members = _from_msgpack(document)
    except DECODER_ERRORS as error:
        raise refusal(error, what) from None
    if len(members) != _map_length(document):
        raise bad_request(f"{what} has one key twice")
    return members


def _map_length(document: bytes) -> int:
    first = document[0]
    if first < 0x90:
        return first & 0x0F
    return int.from_bytes(document[1 : 3 if first == 0xDE else 5], "big")
