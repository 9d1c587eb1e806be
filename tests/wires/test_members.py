"""Each key once: never one that stands twice let pass, never one refused that stands once."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.wires.members import (
    DECODER_ERRORS,
    all_kept,
    check_utf8,
    json_members,
    msgpack_members,
    refusal,
)

TWICE = [
    b'{"a":1,"a":1}',
    b'{"a":1,"a":2}',
    b'{"a":1,"b":2,"a":3}',
    b'{"a":1,"\\u0061":2}',
    b'{"\\u0061":1,"a":2}',
    b'{"":1,"":2}',
    b'{"a,b":1,"a,b":2}',
    b'{"a\\u002cb":1,"c":1,"c":2}',
    b'{"a\\u002Cb":1,"a,b":2}',
    b'{"a":[1,2,3],"a":1}',
    b'{"a":1,"a":[1,2,3]}',
    b'{"a":",","a":1}',
    b'{"a":{"a":1,"a":2},"a":1}',
    b' { "a" : 1 ,\n"a" : 2 } ',
    '{"ü":1,"\\u00fc":2}'.encode(),
    b'{"a":1,' + b",".join(b'"%d":[1,2]' % number for number in range(100)) + b',"a":1}',
    b'{"a":' + b"9" * 5000 + b',"a":1}',
]

ONCE = [
    b"{}",
    b" { } ",
    b'{"a":1}',
    b'{"a":1,"A":2}',
    b'{"a":1,"a ":2}',
    b'{"a,b":1}',
    b'{",":1,",,":2,"b":",,,"}',
    b'{"a\\u002cb":1,"c":2}',
    b'{"a":{"a":1,"a":2}}',
    b'{"a":[{"b":1,"b":2}],"b":{"a":[1,2,3]}}',
    b'{"a":"{\\"a\\":1,\\"a\\":2}"}',
    b'{"\\\\u0061":1,"a":2}',
    '{"ü":1,"u":2,"ü,":3}'.encode(),
    b'{"a":' + b"9" * 5000 + b',"b,":1e999}',
]


@pytest.mark.parametrize("document", TWICE, ids=lambda document: repr(document[:40]))
def test_one_key_twice(document: bytes) -> None:
    with pytest.raises(RequestError, match=r"^it has the key .+ twice$") as caught:
        json_members(document, "it")
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("document", ONCE, ids=lambda document: repr(document[:40]))
def test_each_key_once(document: bytes) -> None:
    members = json_members(document, "it")
    pairs = json.loads(document, object_pairs_hook=list, parse_int=str, parse_float=str)
    assert list(members) == [name for name, _ in pairs]


def test_values_are_as_they_were() -> None:
    members = json_members(b' { "a" : [1, 2.50] , "b":"\\u0041","c" :\n{ } } ', "it")
    assert {name: bytes(value) for name, value in members.items()} == {
        "a": b"[1, 2.50]",
        "b": b'"\\u0041"',
        "c": b"{ }",
    }


def test_the_key_is_named_safely() -> None:
    with pytest.raises(RequestError, match=r"^it has the key '\\n\\u2028x+' twice$") as caught:
        json_members('{{"\\n\u2028{0}":1,"\\n\u2028{0}":2}}'.format("x" * 5000).encode(), "it")
    assert len(caught.value.message) < 150


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "ends too early"),
        (b"[]", "Expected `object`, got `array`"),
        (b'"a"', "Expected `object`, got `str`"),
        (b"1", "Expected `object`, got `int`"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"a":1', "ends too early"),
        (b'{"a":1}}', "trailing characters"),
        (b'{"a":x}', r"invalid character \(byte 5\)"),
        (b'{"a":"\xff"}', r"not UTF-8 \(byte 6\)"),
        (b'{"a":[{"\xc3":1}]}', r"not UTF-8 \(byte 8\)"),
        (b"\xff", r"not UTF-8 \(byte 0\)"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested more than 128 levels"),
        (b'{"a,":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested more than 128 levels"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_no_object_of_json(document: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        json_members(document, "it")
    assert caught.value.code == "bad_request"
    assert caught.value.message.startswith("it")


KEYS = st.sampled_from(
    ['"a"', '"b"', '"c"', '"d"', '"\\u0061"', '"a,b"', '"a\\u002cb"', '"a\\u002Cb"', '"x,,"', '""']
)
STRINGS = st.sampled_from(['""', '","', '",,"', '"\\u002c"', '"\\u002C\\u002c"', '"\\\\u002c,"'])
JSON_VALUES = st.recursive(
    STRINGS | st.sampled_from(["1", "null", "1.5e3"]),
    lambda below: st.one_of(
        st.lists(below, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(KEYS, below), max_size=3).map(
            lambda pairs: "{{{}}}".format(",".join(f"{name}: {value}" for name, value in pairs))
        ),
    ),
    max_leaves=4,
)
MEMBERS = st.lists(st.tuples(KEYS, JSON_VALUES), max_size=6)


def written(members: list[tuple[str, str]], space: str) -> bytes:
    comma = space + "," + space
    return ("{" + comma.join(f"{name}:{value}" for name, value in members) + "}").encode()


@given(MEMBERS, st.sampled_from(["", " "]))
def test_refused_exactly_if_one_key_stands_twice(
    members: list[tuple[str, str]], space: str
) -> None:
    document = written(members, space)
    names = [json.loads(name) for name, _ in members]
    if len(set(names)) == len(names):
        assert list(json_members(document, "it")) == names
    else:
        with pytest.raises(RequestError, match="twice"):
            json_members(document, "it")


# The quick test


class Kept(msgspec.Struct, omit_defaults=True):
    """Has fields of each type that frames have."""

    a: Any = None
    b: str | None = None
    c: list[str] | dict[str, int] | None = None
    d: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(['"a"', '"\\u0061"']), STRINGS),
            st.tuples(st.just('"b"'), STRINGS | st.just("null")),
            st.tuples(
                st.just('"c"'),
                st.one_of(
                    st.lists(STRINGS, max_size=3).map(lambda items: f"[{','.join(items)}]"),
                    st.lists(KEYS, max_size=3).map(
                        lambda names: "{{{}}}".format(",".join(f"{name}:1" for name in names))
                    ),
                ),
            ),
            st.tuples(st.just('"d"'), JSON_VALUES),
            st.tuples(KEYS.filter(lambda key: len(key) > 3), JSON_VALUES),
        ),
        max_size=5,
    )
)
@example([('"b"', '"\\u002c"'), ('"a"', '"x"'), ('"a"', '"x"')])
@example([('"c"', '{"\\u002c":1}'), ('"a"', '"x"'), ('"a"', '"x"')])
@example([('"c"', '{"y":1,"y":1}')])
def test_what_surely_kept_all_did(members: list[tuple[str, str]]) -> None:
    document = written(members, "")
    if all_kept(document, msgspec.json.decode(document, type=Kept)):
        names = [json.loads(name) for name, _ in members]
        assert len(set(names)) == len(names)
        assert set(names) <= {"a", "b", "c", "d"}
        for name, value in members:
            if name == '"c"':
                inner = json.loads(value, object_pairs_hook=lambda pairs: [key for key, _ in pairs])
                assert value.startswith("[") or len(set(inner)) == len(inner)


def test_the_quick_test_says_yes_to_what_is_usual() -> None:
    document = b'{"a": "x,y", "b": "\\"\\n,", "c": ["p,q", "r"], "d": {"e": [1, 2, ","]}}'
    assert all_kept(document, msgspec.json.decode(document, type=Kept))


# msgpack

pack = msgspec.msgpack.encode


def test_members_of_a_map() -> None:
    members = msgpack_members(pack({"a": [1], "b": b"x"}), "it")
    assert {name: bytes(value) for name, value in members.items()} == {
        "a": b"\x91\x01",
        "b": b"\xc4\x01x",
    }
    assert msgpack_members(b"\x80", "it") == {}


@pytest.mark.parametrize("count", [1, 15, 16, 300, 70_000])
def test_as_many_members_as_the_map_says(count: int) -> None:
    assert len(msgpack_members(pack({str(n): n for n in range(count)}), "it")) == count


@pytest.mark.parametrize("head", [b"\x82", b"\xde\x00\x02", b"\xdf\x00\x00\x00\x02"], ids=bytes.hex)
def test_one_key_twice_in_a_map(head: bytes) -> None:
    with pytest.raises(RequestError, match="it has one key twice") as caught:
        msgpack_members(head + b"\xa1a\x01" + b"\xd9\x01a\x02", "it")
    assert caught.value.code == "bad_request"
    assert len(msgpack_members(head + b"\xa1a\x01" + b"\xa1b\x02", "it")) == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "ends too early"),
        (b"\x90", "Expected `object`, got `array`"),
        (b"\xa1a", "Expected `object`, got `str`"),
        (b"\x81\xa1a", "ends too early"),
        (b"\x81\xa1a\x01\x02", r"trailing characters \(byte 4\)"),
        (b"\x81\xa1a\xc1", "invalid opcode"),
        (b"\x81\x01\x02", "Expected `str`, got `int`"),
        (b"\x81\xa1\xff\x02", "not UTF-8"),
        (b"\xdf\xff\xff\xff\xff", "ends too early"),
        (b"\x81\xa1a" + b"\x91" * 50_000 + b"\x01", "nested more than 128 levels"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_no_map_of_msgpack(document: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        msgpack_members(document, "it")
    assert caught.value.code == "bad_request"
    assert caught.value.message.startswith("it")


@given(st.binary(max_size=30))
def test_any_bytes_are_members_or_an_error(document: bytes) -> None:
    for members in (json_members, msgpack_members):
        try:
            found = members(document, "it")
        except RequestError as error:
            assert error.code == "bad_request"
        else:
            assert all(isinstance(name, str) for name in found)


# Errors


@given(st.binary(max_size=20))
def test_utf8_by_pythons_own_decoder(document: bytes) -> None:
    try:
        document.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(RequestError, match=rf"\(byte {error.start}\)"):
            check_utf8(document, "it")
    else:
        check_utf8(document, "it")


@pytest.mark.parametrize("error", [kind("here") for kind in DECODER_ERRORS], ids=repr)
def test_every_error_of_a_decoder_has_an_answer(error: Exception) -> None:
    answer = refusal(error, "it")
    assert answer.code == "bad_request"
    assert answer.message.startswith("it")
