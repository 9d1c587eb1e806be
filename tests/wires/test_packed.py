"""msgpack to JSON and back: exact where both have it, refused where JSON does not."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.payload import MAX_DEPTH, check_json
from everywire.wires import packed
from everywire.wires.packed import json_to_msgpack_value, msgpack_bytes, msgpack_to_json

pack = msgspec.msgpack.encode

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=5), below, max_size=4)
    ),
    max_leaves=15,
)


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types, and with the same sign of zero."""
    return repr(one) == repr(other)


def nested(value: bytes, levels: int) -> bytes:
    """In that many lists of one."""
    return b"\x91" * levels + value


# Round trips


@given(VALUES)
@example({"a": 2**64 - 1, "b": -(2**63), "c": -0.0, "d": 5e-324, "e": 1.0, "f": 1e308})
def test_msgpack_to_json_and_back_is_the_same(value: Any) -> None:
    written = msgpack_to_json(pack(value))
    assert same(json_to_msgpack_value(written), value)
    assert same(msgspec.json.decode(written), value)


@given(VALUES)
def test_what_is_written_passes_the_check_of_json(value: Any) -> None:
    written = msgpack_to_json(pack(value))
    assert check_json(written) == written


@given(VALUES, st.integers(0, 8))
def test_both_ways_of_reading_give_the_same(value: Any, levels: int) -> None:
    raw = nested(pack(value), levels)
    assert msgpack_to_json(raw) == packed._read_all(raw, "data")


@given(VALUES)
def test_json_to_msgpack_to_json_is_the_same(value: Any) -> None:
    document = msgspec.json.encode(value)
    assert msgpack_to_json(pack(json_to_msgpack_value(document))) == document


LONGEST = [
    (b"\xd9\x03abc", b'"abc"'),
    (b"\xda\x00\x03abc", b'"abc"'),
    (b"\xdb\x00\x00\x00\x03abc", b'"abc"'),
    (b"\xa0", b'""'),
    (b"\xdc\x00\x01\xc0", b"[null]"),
    (b"\xdd\x00\x00\x00\x01\xc0", b"[null]"),
    (b"\x90", b"[]"),
    (b"\xde\x00\x01\xa1a\xc2", b'{"a":false}'),
    (b"\xdf\x00\x00\x00\x01\xd9\x01a\xc3", b'{"a":true}'),
    (b"\x81\xda\x00\x01a\xdb\x00\x00\x00\x01b", b'{"a":"b"}'),
    (b"\x80", b"{}"),
    (b"\x7f", b"127"),
    (b"\xe0", b"-32"),
    (b"\xcc\xff", b"255"),
    (b"\xcd\xff\xff", b"65535"),
    (b"\xce\xff\xff\xff\xff", b"4294967295"),
    (b"\xcf" + b"\xff" * 8, b"18446744073709551615"),
    (b"\xd0\x80", b"-128"),
    (b"\xd1\x80\x00", b"-32768"),
    (b"\xd2\x80\x00\x00\x00", b"-2147483648"),
    (b"\xd3\x80" + b"\x00" * 7, b"-9223372036854775808"),
    (b"\xca\x3f\xc0\x00\x00", b"1.5"),
    (b"\xcb\x3f\xf8" + b"\x00" * 6, b"1.5"),
    (b"\xcb\x80" + b"\x00" * 7, b"-0.0"),
    (b'\xa6"\\/\n\x00\x7f', b'"\\"\\\\/\\n\\u0000\x7f"'),
]


@pytest.mark.parametrize(("raw", "written"), LONGEST, ids=repr)
def test_every_form_that_msgpack_has(raw: bytes, written: bytes) -> None:
    assert msgpack_to_json(raw) == written
    # Deep enough to be read by hand.
    deep = msgpack_to_json(nested(raw, 20))
    assert deep == b"[" * 20 + written + b"]" * 20


def test_null_beside_a_number_that_begins_like_an_infinity() -> None:
    assert msgpack_to_json(pack([None, 1.7e308, "null"])) == b'[null,1.7e308,"null"]'


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    raw = b"\x83\xa1a\x01\xa1b\x02\xa1a\x03"
    assert msgpack_to_json(raw) == b'{"a":3,"b":2}'
    assert packed._read_all(raw, "data") == b'{"a":3,"b":2}'


def test_depth() -> None:
    for level in (b"\x91", b"\x81\xa1a"):
        deepest = level * MAX_DEPTH + b"\x01"
        assert check_json(msgpack_to_json(deepest)) == msgpack_to_json(deepest)
        with pytest.raises(RequestError, match="data is nested more than 128 levels deep"):
            msgpack_to_json(level * (MAX_DEPTH + 1) + b"\x01")


# Refused

EARLY = "ends too early"

REFUSED = [
    (b"", EARLY),
    (b"\x91", EARLY),
    (b"\x81\xa1a", EARLY),
    (b"\x81", EARLY),
    (b"\xa2a", EARLY),
    (b"\xd9", EARLY),
    (b"\xda\x00", EARLY),
    (b"\xdb\xff\xff\xff\xffabc", EARLY),
    (b"\xdd\xff\xff\xff\xff", EARLY),
    (b"\xdf\xff\xff\xff\xff", EARLY),
    (b"\xcb\x00", EARLY),
    (b"\xcf\x00\x00", EARLY),
    (b"\x01\x02", r"something follows it \(byte 1\)"),
    (b"\x91\x01\xc0", r"something follows it \(byte 2\)"),
    (b"\xc1", r"an unused type \(byte 0\)"),
    (b"\x91\xc4\x01a", r"bytes inside it \(byte 1\)"),
    (b"\x91\xc5\x00\x01a", r"bytes inside it \(byte 1\)"),
    (b"\x91\xc6\x00\x00\x00\x01a", r"bytes inside it \(byte 1\)"),
    (b"\x81\xa1a\xc4\x00", r"bytes inside it \(byte 3\)"),
    (b"\xd4\x05a", r"an extension type \(byte 0\)"),
    (b"\xd8\x05" + b"a" * 16, "an extension type"),
    (b"\xc7\x01\x05a", "an extension type"),
    (b"\xc8\x00\x01\x05a", "an extension type"),
    (b"\xc9\x00\x00\x00\x01\x05a", "an extension type"),
    (pack(datetime.now(UTC)), "an extension type"),
    (pack([{"a": datetime.now(UTC)}]), "an extension type"),
    (pack(math.nan), r"the number nan \(byte 0\)"),
    (pack([None, math.nan]), "the number nan"),
    (pack({"a": math.inf}), "the number inf"),
    (pack([-math.inf]), "the number -inf"),
    (b"\xca" + struct.pack(">f", math.nan), "the number nan"),
    (b"\xca" + struct.pack(">f", -math.inf), "the number -inf"),
    (b"\x81\x01\x02", r"has a key that is not a string \(byte 1\)"),
    (b"\x81\xc0\x02", "has a key that is not a string"),
    (b"\x81\xc4\x01a\x02", "has a key that is not a string"),
    (b"\x81\x91\x01\x02", "has a key that is not a string"),
    (b"\x81\x80\x02", "has a key that is not a string"),
    (b"\x91\x81\xcb" + b"\x00" * 8 + b"\x02", "has a key that is not a string"),
    (b"\xa1\xff", "is not UTF-8"),
    (b"\xa3\xed\xa0\x80", "is not UTF-8"),
    (b"\x81\xa1\xff\x01", "is not UTF-8"),
]


@pytest.mark.parametrize(("raw", "says"), REFUSED, ids=repr)
def test_what_json_does_not_have_is_refused_and_where(raw: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        msgpack_to_json(raw)
    assert caught.value.code == "bad_request"
    assert caught.value.message.startswith("data ")


def test_the_error_calls_it_what_the_caller_calls_it() -> None:
    with pytest.raises(RequestError, match=r"^meta is not valid msgpack"):
        msgpack_to_json(b"", "meta")


@given(st.binary(max_size=30) | st.binary(max_size=5).map(lambda raw: nested(raw, 7)))
def test_any_bytes_become_json_or_an_error(raw: bytes) -> None:
    try:
        written = msgpack_to_json(raw)
    except RequestError as error:
        assert error.code == "bad_request"
    else:
        assert check_json(written) == written
        assert json.loads(written) == msgspec.msgpack.decode(raw)


def test_keys_that_collide_do_not_cost_their_square() -> None:
    """Tuples of -1 and -2 all have one hash; as keys they would not end within the time-out."""
    bits = {ord("0"): 0xFF, ord("1"): 0xFE}
    keys = [
        b"\xdc\x00\x11" + format(number, "017b").translate(bits).encode("latin-1")
        for number in range(2**17)
    ]
    assert len({hash(tuple(msgspec.msgpack.decode(key))) for key in keys[:100]}) == 1
    raw = b"\x91\xdf\x00\x02\x00\x00" + b"".join(key + b"\x01" for key in keys)
    with pytest.raises(RequestError, match="has a key that is not a string"):
        msgpack_to_json(raw)


# Bytes


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
def test_bin_is_bytes(length: int) -> None:
    assert msgpack_bytes(pack(b"\xff" * length)) == b"\xff" * length


@given(VALUES)
def test_nothing_else_is_bytes(value: Any) -> None:
    assert msgpack_bytes(pack(value)) is None


# To msgpack


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", float(2**64)),
        (b"-9223372036854775808", -(2**63)),
        (b"-9223372036854775809", -float(2**63)),
        (b"[1" + b"0" * 300 + b"]", [1e300]),
        (b'{"a": [{"b": 123456789012345678901234567890}], "c": 1}',
         {"a": [{"b": 123456789012345678901234567890.0}], "c": 1}),
        (b'"123456789012345678901234567890"', "123456789012345678901234567890"),
        (b'[true, null, 0.1234567890123456789012, "a"]', [True, None, 0.12345678901234568, "a"]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"-0", 0),
    ],
    ids=repr,
)  # fmt: skip
def test_integers_beyond_64_bits_become_doubles(document: bytes, value: Any) -> None:
    found = json_to_msgpack_value(document)
    assert same(found, value)
    assert same(msgspec.msgpack.decode(pack(found)), value)


@given(
    st.recursive(
        SCALARS | st.integers(-(10**40), 10**40),
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
        max_leaves=8,
    )
)
def test_every_json_document_can_be_packed(value: Any) -> None:
    found = json_to_msgpack_value(json.dumps(value).encode("utf-8"))
    assert msgspec.msgpack.decode(pack(found)) == found
    assert found == json.loads(json.dumps(value), parse_int=fitting)


def fitting(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)
