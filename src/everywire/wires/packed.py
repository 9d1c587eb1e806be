"""msgpack beside JSON: the same values, in other bytes.

What is published is kept as JSON, whatever wire it came by. So a client that speaks msgpack has
its ``data`` written as JSON once, when it publishes, and is sent values decoded from JSON.

What the two do not share is settled here:

* bytes (bin) are a message's whole data or nothing of it; in JSON they would need a name;
* extension types, timestamps among them, NaN, the infinities, and keys that are not strings have
  no JSON and are refused;
* of a key that stands twice the last counts, as everywhere in msgpack;
* integers of JSON beyond 64 bits become doubles, the nearest that msgpack has.

msgpack is read in two ways that give the same. What is a few levels deep goes through msgspec,
with types that allow strings alone as keys: left to itself it takes integers and arrays too, and
of these a client can choose thousands that collide in Python's dictionaries. All else, what is
wrong included, is read by hand, so that an error says what is wrong and where. Such a reader gets
the bytes and where its value begins, and returns the JSON and where the value ended.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from struct import Struct
from typing import Any, Final, cast

import msgspec

from everywire.core.errors import bad_request
from everywire.core.payload import MAX_DEPTH

_decode_json: Final = msgspec.json.Decoder().decode
_encode_json: Final = msgspec.json.Encoder().encode
_decode_bytes: Final = msgspec.msgpack.Decoder(bytes).decode

_DIGITS: Final = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_INTEGER: Final = b"0" * 19
"""As many digits as the first integer beyond 64 bits: -9223372036854775809."""

_NOT_FINITE: Final = (b"\xca\x7f", b"\xca\xff", b"\xcb\x7f", b"\xcb\xff")
"""How NaN and the infinities begin in msgpack, and so do a few other numbers and texts."""


def _shallow(levels: int) -> Any:
    """The type of JSON values that many levels deep; its size doubles with each."""
    scalar = str | int | float | bool | None
    if levels == 0:
        return scalar
    below = _shallow(levels - 1)
    return list[below] | dict[str, below] | scalar


_decode_shallow: Final = msgspec.msgpack.Decoder(_shallow(5)).decode

_Read = tuple[bytes, int]


def json_to_msgpack_value(data: bytes) -> object:
    """Decode checked JSON to a value that msgpack can hold.

    Args:
        data: JSON that `everywire.core.payload.check_json` let pass.

    Returns:
        A value for ``msgspec.msgpack.encode``: integers beyond 64 bits have become doubles. Of a
        key that stands twice, the last counts.
    """
    value = _decode_json(data)
    if len(data) > len(_LONG_INTEGER) and _LONG_INTEGER in data.translate(_DIGITS):
        return _fit(value)
    return value


def _fit(value: Any) -> Any:
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else float(value)
    if isinstance(value, list):
        return [_fit(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _fit(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


def msgpack_bytes(raw: bytes) -> bytes | None:
    """The bytes, where a msgpack value is bin; else None."""
    return _decode_bytes(raw) if raw[:1] in (b"\xc4", b"\xc5", b"\xc6") else None


def msgpack_to_json(raw: bytes, what: str = "data") -> bytes:
    """Write a msgpack value as JSON.

    Args:
        raw: One msgpack value and nothing else.
        what: What to call it in an error.

    Returns:
        Compact JSON that `everywire.core.payload.check_json` lets pass.

    Raises:
        RequestError: ``bad_request``: the value is malformed or has no JSON.
    """
    try:
        json = _encode_json(_decode_shallow(raw))
    except (msgspec.MsgspecError, ValueError):
        return _read_all(raw, what)
    # The encoder writes NaN and the infinities as null.
    if b"null" in json and any(begin in raw for begin in _NOT_FINITE):
        return _read_all(raw, what)
    return json


class _NoJSONError(Exception):
    """A value that cannot be JSON; says what and where."""


def _read_all(raw: bytes, what: str) -> bytes:
    try:
        json, end = _read(raw, 0, 0)
    except (IndexError, struct.error):
        raise bad_request(f"{what} is not valid msgpack: it ends too early") from None
    except UnicodeDecodeError as error:
        raise bad_request(f"{what} is not UTF-8 (byte {error.start} of a string)") from None
    except _NoJSONError as error:
        raise bad_request(f"{what} {error}") from None
    if end != len(raw):
        raise bad_request(f"{what} is not valid msgpack: something follows it (byte {end})")
    return json


def _read(raw: bytes, at: int, depth: int) -> _Read:
    """The value at a place, ``depth`` levels down."""
    first = raw[at]
    at += 1
    if first < 0x80:
        return b"%d" % first, at
    if first < 0x90:
        return _read_map(raw, at, first & 0x0F, depth)
    if first < 0xA0:
        return _read_array(raw, at, first & 0x0F, depth)
    if first < 0xC0:
        return _read_string(raw, at, first & 0x1F)
    if first >= 0xE0:
        return b"%d" % (first - 0x100), at
    number = _NUMBERS.get(first)
    if number is not None:
        return _read_number(raw, at, number)
    sized = _SIZED.get(first)
    if sized is not None:
        size, read = sized
        return read(raw, at + size.size, size.unpack_from(raw, at)[0], depth)
    try:
        return _CONSTANTS[first], at
    except KeyError:
        raise _NoJSONError(
            f"holds {_unfit(first)} (byte {at - 1}), which JSON does not have"
        ) from None


def _read_number(raw: bytes, at: int, number: Struct) -> _Read:
    value = number.unpack_from(raw, at)[0]
    if type(value) is float and not isfinite(value):
        raise _NoJSONError(f"holds the number {value} (byte {at - 1}), which JSON does not have")
    return _encode_json(value), at + number.size


def _read_string(raw: bytes, at: int, length: int, depth: int = 0) -> _Read:
    end = at + length
    if end > len(raw):
        raise IndexError
    return _encode_json(str(raw[at:end], "utf-8")), end


def _read_array(raw: bytes, at: int, count: int, depth: int) -> _Read:
    depth = _deeper(depth)
    items: list[bytes] = []
    # However many it claims, the end of the bytes ends it.
    for _ in range(count):
        item, at = _read(raw, at, depth)
        items.append(item)
    return b"[%b]" % b",".join(items), at


def _read_map(raw: bytes, at: int, count: int, depth: int) -> _Read:
    depth = _deeper(depth)
    members: dict[bytes, bytes] = {}
    for _ in range(count):
        if not (0xA0 <= raw[at] < 0xC0 or 0xD9 <= raw[at] <= 0xDB):
            raise _NoJSONError(f"has a key that is not a string (byte {at})")
        name, at = _read(raw, at, depth)
        members[name], at = _read(raw, at, depth)
    return b"{%b}" % b",".join([b"%b:%b" % member for member in members.items()]), at


def _deeper(depth: int) -> int:
    if depth == MAX_DEPTH:
        raise _NoJSONError(f"is nested more than {MAX_DEPTH} levels deep")
    return depth + 1


def _unfit(first: int) -> str:
    if 0xC4 <= first <= 0xC6:
        return "bytes inside it"
    return "an unused type" if first == 0xC1 else "an extension type"


_CONSTANTS: Final = {0xC0: b"null", 0xC2: b"false", 0xC3: b"true"}

_NUMBERS: Final = {
    0xCA: Struct(">f"),
    0xCB: Struct(">d"),
    0xCC: Struct(">B"),
    0xCD: Struct(">H"),
    0xCE: Struct(">I"),
    0xCF: Struct(">Q"),
    0xD0: Struct(">b"),
    0xD1: Struct(">h"),
    0xD2: Struct(">i"),
    0xD3: Struct(">q"),
}

_SIZED: Final[dict[int, tuple[Struct, Callable[[bytes, int, int, int], _Read]]]] = {
    0xD9: (Struct(">B"), _read_string),
    0xDA: (Struct(">H"), _read_string),
    0xDB: (Struct(">I"), _read_string),
    0xDC: (Struct(">H"), _read_array),
    0xDD: (Struct(">I"), _read_array),
    0xDE: (Struct(">H"), _read_map),
    0xDF: (Struct(">I"), _read_map),
}
