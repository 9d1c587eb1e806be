"""What may be published as JSON: RFC 8259 by example, and Python's own parser as second opinion."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.payload import MAX_DEPTH, check_json, check_size

# Passed on byte for byte

VALID = [
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"-0.0",
    b"1.0",
    b"123456789012345678901234567890",
    b"-123456789012345678901234567890.5",
    b"1E400".replace(b"400", b"300"),
    b"1e-999",
    b"1e+2",
    b"0e1",
    b"0.1e00",
    b"1.7976931348623157e308",
    b"1.7976931348623158e308",
    b"4.9e-324",
    b'""',
    b'"a"',
    b'"\xc3\xa9"',
    b'"\xf0\x9f\x98\x80"',
    b'"\xf4\x8f\xbf\xbf"',
    b'"\xef\xbf\xbf"',
    b'"\xef\xbb\xbf"',
    b'"\xe2\x80\xa8\xe2\x80\xa9"',
    b'"\x7f"',
    b'"\\u0000"',
    b'"\\ud83d\\ude00"',
    b'"\\uD83D\\uDE00"',
    b'"\\uFFFF"',
    b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    b'"\\\\u0000"',
    b'"\\\\ud800"',
    b"[]",
    b"[ ]",
    b"{}",
    b"{ }",
    b'[1, "a", null, true, [], {}]',
    b'{"a": 1, "b": {"c": [2]}}',
    b'{"": 0}',
    b'{"\\u0000": 0}',
    b'{"a": 1, "a": 2}',
    b'{"a": 1, "\\u0061": 2}',
    b"[1 , 2\t,3]",
    b'["]", "[", "}{"]',
    b'"' + b"[" * 1000 + b'"',
    b"[" + b",".join([b'"' + b'\\"[' * 3 + b'"'] * 100) + b"]",
    b"[" + b"[]," * 1000 + b"[]]",
    b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
    b'{"a":' * MAX_DEPTH + b"0" + b"}" * MAX_DEPTH,
    b'["' + b"9" * 400 + b'"]',
    b"0." + b"9" * 400,
    b"1" + b"0" * 308,
    b"-1" + b"0" * 308,
    b"9" * 400 + b"e-100",
    b"1e" + b"0" * 400 + b"5",
]


@pytest.mark.parametrize("data", VALID, ids=lambda data: repr(data[:24]))
def test_valid_json_is_passed_on_byte_for_byte(data: bytes) -> None:
    assert check_json(data) == data


def test_numbers_of_any_size_keep_their_digits() -> None:
    data = b"[1.50, 100000000000000000000000000000000000000001, 1e2, 0.1000]"
    assert check_json(data) == data


def test_line_breaks_between_tokens_become_spaces() -> None:
    assert check_json(b'{\n"a":\r\n1,\r"b\\n": 2\n}') == b'{ "a":  1, "b\\n": 2 }'


def test_white_space_around_it_goes() -> None:
    assert check_json(b' \t\r\n{"a": " x "}\n\r\t ') == b'{"a": " x "}'


# Refused

TRUNCATED = "ends too early"

INVALID = [
    (b"", TRUNCATED),
    (b"   ", TRUNCATED),
    (b"[", TRUNCATED),
    (b"[1", TRUNCATED),
    (b"[1,", TRUNCATED),
    (b"{", TRUNCATED),
    (b'{"a"', TRUNCATED),
    (b'{"a":', TRUNCATED),
    (b'{"a":1', TRUNCATED),
    (b'"abc', TRUNCATED),
    (b'"\\', TRUNCATED),
    (b'"\\u12', TRUNCATED),
    (b"nul", TRUNCATED),
    (b"-", "not valid JSON"),
    (b"]", "not valid JSON"),
    (b"[1,]", "trailing comma"),
    (b'{"a":1,}', "trailing comma"),
    (b"[,1]", "not valid JSON"),
    (b"[1 2]", "not valid JSON"),
    (b"[1,,2]", "not valid JSON"),
    (b"[1}", "not valid JSON"),
    (b'{"a":1]', "not valid JSON"),
    (b'{"a" 1}', "not valid JSON"),
    (b'{"a":1 "b":2}', "not valid JSON"),
    (b"{a:1}", "not valid JSON"),
    (b"{1:1}", "not valid JSON"),
    (b"{'a':1}", "not valid JSON"),
    (b"{,}", "not valid JSON"),
    (b"'a'", "not valid JSON"),
    (b"1 2", "trailing characters"),
    (b"{}{}", "trailing characters"),
    (b"[]\x00", "trailing characters"),
    (b"\x00", "not valid JSON"),
    (b"\xef\xbb\xbf[]", "not valid JSON"),
    (b"\xff\xfe[\x00]\x00", "not valid JSON"),
    (b"[\x0b1]", "not valid JSON"),
    (b"[\x0c1]", "not valid JSON"),
    (b"[\xc2\xa01]", "not valid JSON"),
    (b"// a\n1", "not valid JSON"),
    (b"/* a */ 1", "not valid JSON"),
    (b"NaN", "not valid JSON"),
    (b"[NaN]", "not valid JSON"),
    (b"Infinity", "not valid JSON"),
    (b"-Infinity", "not valid JSON"),
    (b"undefined", "not valid JSON"),
    (b"True", "not valid JSON"),
    (b"01", "not valid JSON"),
    (b"-01", "not valid JSON"),
    (b"+1", "not valid JSON"),
    (b"1.", "not valid JSON"),
    (b".1", "not valid JSON"),
    (b"1.e1", "not valid JSON"),
    (b"1e", "not valid JSON"),
    (b"1e+", "not valid JSON"),
    (b"0x1", "not valid JSON"),
    (b"1_000", "not valid JSON"),
    (b"--1", "not valid JSON"),
    (b'"\n"', "not valid JSON"),
    (b'"\t"', "not valid JSON"),
    (b'"\x00"', "not valid JSON"),
    (b'"\x1f"', "not valid JSON"),
    (b'{"\x01":1}', "not valid JSON"),
    (b'"\\x41"', "not valid JSON"),
    (b'"\\a"', "not valid JSON"),
    (b'"\\\'"', "not valid JSON"),
    (b'"\\U0041"', "not valid JSON"),
    (b'"\\u00g0"', "not valid JSON"),
    (b'"\\\n"', "not valid JSON"),
    # Lone surrogates
    (b'"\\ud800"', "surrogate"),
    (b'"\\udc00"', "surrogate"),
    (b'"\\ud800abcdef"', "not valid JSON"),
    (b'"\\ud800\\u0041"', "surrogate"),
    (b'"\\ud800\\ud800"', "surrogate"),
    (b'"\\udc00\\ud800"', "surrogate"),
    (b'{"\\ud800": 1, "b": 2}', "not valid JSON"),
    # UTF-8
    (b'"\xff"', "UTF-8"),
    (b'"\x80"', "UTF-8"),
    (b'"\xc3"', "UTF-8"),
    (b'"\xc0\x80"', "UTF-8"),
    (b'"\xe0\x80\x80"', "UTF-8"),
    (b'"\xed\xa0\x80"', "UTF-8"),
    (b'"\xf4\x90\x80\x80"', "UTF-8"),
    (b'"\xf8\x88\x80\x80\x80"', "UTF-8"),
    (b'{"\xff": 1}', "UTF-8"),
    # Beyond a double
    (b"1e309", "beyond a double"),
    (b"-1e309", "beyond a double"),
    (b"[1.8e308]", "beyond a double"),
    (b"1" + b"0" * 309, "beyond a double"),
    (b"-1" + b"0" * 309, "beyond a double"),
    (b"9" * 309, "beyond a double"),
    (b"9" * 5000, "beyond a double"),
    (b"9" * 400 + b".5", "beyond a double"),
    (b'{"a": [' + b"9" * 400 + b"]}", "beyond a double"),
    (b'{"a": ' + b"9" * 400 + b', "a": 1}', "beyond a double"),
    (b'{"a": 1e999, "a": 1}', "beyond a double"),
    # Depth
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "128 levels"),
    (b'{"a":' * (MAX_DEPTH + 1) + b"0" + b"}" * (MAX_DEPTH + 1), "128 levels"),
    (b'["\\\\",' * (MAX_DEPTH + 1) + b"0" + b"]" * (MAX_DEPTH + 1), "128 levels"),
    (b'["\\"",' * (MAX_DEPTH + 1) + b"0" + b"]" * (MAX_DEPTH + 1), "128 levels"),
    (b'["]",' * (MAX_DEPTH + 1) + b"0" + b"]" * (MAX_DEPTH + 1), "128 levels"),
    (b"[" * 100_000, "128 levels"),
    (b"[" * 100_000 + b"]" * 100_000, "128 levels"),
    (b"]" * 100 + b"[" * 100, "not valid JSON"),
    (b"[}" * 1000, "not valid JSON"),
]


@pytest.mark.parametrize(("data", "says"), INVALID, ids=lambda value: repr(value[:24]))
def test_anything_else_is_refused_and_why(data: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        check_json(data)
    assert caught.value.code == "bad_request"
    assert caught.value.status == 400
    assert caught.value.message.startswith("data is ")


def test_the_error_calls_it_what_the_caller_calls_it() -> None:
    with pytest.raises(RequestError, match=r"^meta is not valid JSON"):
        check_json(b"}", "meta")


def test_the_error_says_where() -> None:
    with pytest.raises(RequestError, match=r"\(byte 3\)"):
        check_json(b"[1,x]")


def test_digits_beyond_pythons_own_limit_do_not_get_through() -> None:
    """Where the limit on integers is lifted, the number is still looked at."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(RequestError, match="beyond a double"):
            check_json(b"[" + b"9" * 5000 + b"]")
    finally:
        sys.set_int_max_str_digits(limit)


# Python's parser as second opinion


class Surrogate(Exception):
    """A lone surrogate, which Python's json lets pass."""


def accepted_by_python(data: bytes) -> bool:
    """Our rules, by Python's json and a walk."""

    def constant(name: str) -> None:
        raise ValueError(name)

    try:
        text = data.decode()
        value = json.loads(text, parse_constant=constant, object_pairs_hook=tuple)
        walk(value)
    except (ValueError, OverflowError, RecursionError, Surrogate):
        return False
    return True


def walk(value: Any, depth: int = 0) -> None:
    """``value`` holds objects as tuples of pairs."""
    if isinstance(value, list | tuple):
        if depth == MAX_DEPTH:
            raise ValueError("too deep")
        for item in value:
            if isinstance(value, tuple):
                walk(item[0])
                walk(item[1], depth + 1)
            else:
                walk(item, depth + 1)
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Surrogate
    elif value is not None and math.isinf(float(value)):
        raise ValueError("beyond a double")


NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?\Z"),
    st.integers(305, 320).map("1".ljust),
    st.integers(305, 320).map(lambda digits: "9" * digits),
)
STRINGS = st.lists(
    st.one_of(
        st.characters(min_codepoint=0x20, exclude_characters='"\\', exclude_categories=["Cs"]),
        st.sampled_from(['\\"', "\\\\", "\\/", "\\n", "\\u0041", "\\ud83d\\ude00", "[", "}", ","]),
        st.integers(0xD7FF, 0xE000).map("\\u{:04x}".format),
    ),
    max_size=6,
).map(lambda parts: '"' + "".join(parts) + '"')
SPACE = st.sampled_from(["", "", "", " ", "\n", "\r\n", "\t"])


def spaced(opening: str, items: list[str], closing: str, space: str) -> str:
    return opening + space + (space + "," + space).join(items) + space + closing


DOCUMENTS = st.recursive(
    st.one_of(st.sampled_from(["null", "true", "false"]), NUMBERS, STRINGS),
    lambda below: st.one_of(
        st.builds(spaced, st.just("["), st.lists(below, max_size=4), st.just("]"), SPACE),
        st.builds(
            lambda pairs, space: spaced("{", [f"{k}:{v}" for k, v in pairs], "}", space),
            st.lists(st.tuples(STRINGS, below), max_size=4),
            SPACE,
        ),
    ),
    max_leaves=12,
).map(str.encode)

EDIT = st.tuples(
    st.integers(0, 200),
    st.integers(0, 3),
    st.one_of(
        st.sampled_from(
            [bytes([byte]) for byte in b'[]{}",:\\u0d8e+-.1nulltrefas \n\t\x00\xff\xc3']
        ),
        st.sampled_from([b"[]", b"NaN", b"\\ud800", b'""', b"1e999", b"//", b"\xef\xbb\xbf"]),
        st.just(b""),
    ),
)


def edited(document: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, added in edits:
        at = place % (len(document) + 1)
        document = document[:at] + added + document[at + removed :]
    return document


def deepened(document: bytes, levels: int) -> bytes:
    return b"[" * levels + document + b"]" * levels


def verdict_of(check: Callable[[bytes], object], data: bytes) -> bool:
    try:
        check(data)
    except RequestError as error:
        assert error.code == "bad_request"
        return False
    return True


@given(DOCUMENTS, st.integers(0, 3) | st.integers(MAX_DEPTH - 3, MAX_DEPTH + 1))
def test_a_document_is_valid_to_us_as_to_python(document: bytes, levels: int) -> None:
    document = deepened(document, levels)
    assert verdict_of(check_json, document) == accepted_by_python(document)


@given(DOCUMENTS, st.lists(EDIT, min_size=1, max_size=3))
def test_a_damaged_document_is_valid_to_us_as_to_python(
    document: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    document = edited(document, edits)
    assert verdict_of(check_json, document) == accepted_by_python(document)


@given(st.binary(max_size=40))
def test_any_bytes_are_valid_to_us_as_to_python(data: bytes) -> None:
    assert verdict_of(check_json, data) == accepted_by_python(data)


@given(DOCUMENTS.filter(accepted_by_python))
def test_what_is_passed_on_is_one_line_and_the_same_document(document: bytes) -> None:
    passed = check_json(document)
    assert b"\n" not in passed
    assert b"\r" not in passed
    assert passed == passed.strip()
    assert msgspec.json.decode(passed) == msgspec.json.decode(document)
    assert check_json(passed) == passed


# Bounded work


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * 500_000,
        b'"' + b"\\\\" * 500_000,
        b'"' * 1_000_000,
        b'"]",' * 250_000,
        b"[" * 1_000_000,
        b"[]" * 500_000,
        b"[" + b"[]," * 300_000 + b"[]]",
        (b"1" * 308 + b",") * 3_000,
        (b"9" * 310 + b",") * 3_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_a_megabyte_of_anything_takes_time_in_proportion(data: bytes) -> None:
    """Where it took the square of it, this would not end within the time-out of a test."""
    verdict_of(check_json, b"[" * MAX_DEPTH + b"[" + data)
    verdict_of(check_json, data)


# Size


def test_size_counts_bytes() -> None:
    check_size(b"12345", 5)
    with pytest.raises(RequestError, match="6 bytes; at most 5") as caught:
        check_size(b"123456", 5)
    assert caught.value.code == "too_large"
    assert caught.value.status == 413


def test_nothing_is_not_too_large() -> None:
    check_size(b"", 0)
