"""The fields of a publish, the same whatever they come in: a frame of JSON or msgpack, an object,
an item of a list.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind
from everywire.wires import commands
from everywire.wires.drafts import PublishFields
from everywire.wires.publishing import parse_publish

LIMITS = Limits()
Reader = Callable[..., Draft]


def json_of(fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def json_frame(fields: dict[str, Any], limits: Limits = LIMITS) -> Draft:
    command = commands.parse_json(json_of({"type": "publish", **fields}), limits)
    assert isinstance(command, commands.Publish)
    return command.draft


def msgpack_frame(fields: dict[str, Any], limits: Limits = LIMITS) -> Draft:
    command = commands.parse_msgpack(msgspec.msgpack.encode({"type": "publish", **fields}), limits)
    assert isinstance(command, commands.Publish)
    return command.draft


def http_object(fields: dict[str, Any], limits: Limits = LIMITS) -> Draft:
    return parse_publish(json_of(fields), None, limits).drafts[0]


def list_item(fields: dict[str, Any], limits: Limits = LIMITS) -> Draft:
    others = {"channel": "other", "data": 0}
    return parse_publish(json_of([others, fields, others]), None, limits).drafts[1]


CARRIERS = [json_frame, msgpack_frame, http_object, list_item]


@pytest.fixture(params=CARRIERS, ids=lambda carrier: carrier.__name__)
def read(request: pytest.FixtureRequest) -> Reader:
    return request.param


@pytest.fixture(params=[json_frame, http_object, list_item], ids=lambda c: c.__name__)
def read_json(request: pytest.FixtureRequest) -> Reader:
    return request.param


def refused(read: Reader, says: str, code: str = "bad_request", **fields: Any) -> RequestError:
    with pytest.raises(RequestError, match=says) as caught:
        read({"channel": "c", "data": 1, **fields})
    assert caught.value.code == code
    return caught.value


def draft(read: Reader, **fields: Any) -> Draft:
    return read({"channel": "c", "data": 1, **fields})


# Everything at once


def test_the_least(read: Reader) -> None:
    assert draft(read) == Draft("c", b"1")


def test_the_most(read: Reader) -> None:
    fields = {
        "channel": "a.b",
        "data": {"x": [1, None, "ü"]},
        "event": "price",
        "key": "k",
        "meta": {"s": "ü", "i": 1, "f": 1.5, "t": True, "n": None},
        "ttl": 1.5,
        "final": True,
        "ephemeral": False,
        "echo": False,
        "idempotency_key": "i" if read is not list_item else None,
    }
    assert read(fields) == Draft(
        "a.b",
        '{"x":[1,null,"ü"]}'.encode(),
        Kind.JSON,
        "price",
        "k",
        '{"s":"ü","i":1,"f":1.5,"t":true,"n":null}'.encode(),
        1.5,
        True,
        False,
        False,
    )


def test_what_the_server_sets_is_ignored_and_so_is_what_nobody_knows(read: Reader) -> None:
    fields = {"from": {"user": "me"}, "id": 5, "ts": "x", "nonsense": [1, {"a": 2}], "": 1}
    assert draft(read, **fields) == Draft("c", b"1")


def test_null_is_as_good_as_no_field(read: Reader) -> None:
    names = set(PublishFields.__struct_fields__) - {"channel", "data"}
    assert draft(read, **dict.fromkeys(names)) == Draft("c", b"1")


# channel


@pytest.mark.parametrize("channel", ["", "a..b", "a b", "a\n", "*", "a.*", "a.**", "x" * 201])
def test_a_malformed_channel(read: Reader, channel: str) -> None:
    error = refused(read, "is not a channel", "bad_channel", channel=channel)
    assert error.channel == (channel if len(channel) <= 200 and channel.isprintable() else None)


@pytest.mark.parametrize("channel", [1, True, ["a"], {"a": 1}, 1.5])
def test_a_channel_that_is_no_string(read: Reader, channel: Any) -> None:
    refused(read, r"Expected `str \| null`.*\$\.channel", channel=channel)


def test_no_channel(read: Reader) -> None:
    with pytest.raises(RequestError, match="channel is missing") as caught:
        read({"data": 1})
    assert caught.value.code == "bad_request"
    refused(read, "channel is missing", channel=None)


def test_channels_are_for_single_objects(read: Reader) -> None:
    if read is not http_object:
        refused(read, "channels is for a single object", channels=["a"])


# data


def test_no_data(read: Reader) -> None:
    with pytest.raises(RequestError, match="missing required field `data`") as caught:
        read({"channel": "c"})
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("data", [None, False, 0, "", [], {}, "text", [[]], 2**64 - 1, -0.0])
def test_any_json_is_data(read: Reader, data: Any) -> None:
    assert draft(read, data=data) == Draft("c", msgspec.json.encode(data))


def test_json_is_passed_on_byte_for_byte() -> None:
    data = b'{"a" : 1.50, "b":123456789012345678901234567890,"a":"\\u0041\\/"}'
    frame = b'{"type":"publish","channel":"c","data": ' + data + b" }"
    command = commands.parse_json(frame, LIMITS)
    assert isinstance(command, commands.Publish)
    assert command.draft.data == data
    for body in (frame, b"[" + frame + b"]"):
        assert parse_publish(body, None, LIMITS).drafts[0].data == data


def test_line_breaks_in_data_become_spaces() -> None:
    body = b'{"channel":"c","data":{\n"a":\r\n1}\n}'
    assert parse_publish(body, None, LIMITS).drafts[0].data == b'{ "a":  1}'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" * 129 + b"]" * 129, "data is nested more than 128 levels deep"),
        (b"1e999", "beyond a double"),
        (b"9" * 400, "beyond a double"),
        (b"NaN", "malformed"),
        (b'"\\ud800"', "surrogate|malformed"),
        (b'"\xff"', "not UTF-8"),
        (b"[1,]", "malformed"),
        (b"", "malformed"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_malformed_data(data: bytes, says: str) -> None:
    frame = b'{"type":"publish","channel":"c","data":' + data + b"}"
    for document in (frame, b"[" + frame + b"]"):
        with pytest.raises(RequestError, match=says) as caught:
            if document is frame:
                commands.parse_json(document, LIMITS)
            parse_publish(document, None, LIMITS)
        assert caught.value.code == "bad_request"


@pytest.mark.parametrize("data", [math.nan, math.inf, [{"a": -math.inf}], {1: 2}, [b"x"]])
def test_data_that_json_does_not_have(data: Any) -> None:
    refused(msgpack_frame, "data ", data=data)


def test_data_up_to_the_limit(read: Reader) -> None:
    limits = Limits(max_data_bytes=10)
    assert read({"channel": "c", "data": "x" * 8}, limits).data == b'"xxxxxxxx"'
    with pytest.raises(RequestError, match="data is 11 bytes; at most 10") as caught:
        read({"channel": "c", "data": "x" * 9}, limits)
    assert caught.value.code == "too_large"


def test_size_is_looked_at_before_the_rest() -> None:
    limits = Limits(max_data_bytes=10)
    body = b'{"channel":"c","data":' + b"[" * 500 + b"]" * 500 + b"}"
    with pytest.raises(RequestError) as caught:
        parse_publish(body, None, limits)
    assert caught.value.code == "too_large"


# encoding: text


@pytest.mark.parametrize("text", ["", "a", "ü\r\n\x00😀", '"quoted"', "{}", "x" * 10_000])
def test_text(read: Reader, text: str) -> None:
    assert draft(read, encoding="text", data=text) == Draft("c", text.encode(), Kind.TEXT)


def test_text_may_be_written_with_escapes() -> None:
    body = b'{"channel":"c","encoding":"text","data":"\\u00fc\\ud83d\\ude00\\n"}'
    assert parse_publish(body, None, LIMITS).drafts[0].data == "ü😀\n".encode()


@pytest.mark.parametrize("data", [1, None, ["a"], {"a": "b"}, True])
def test_text_that_is_no_string(read: Reader, data: Any) -> None:
    refused(read, "data, with encoding 'text': Expected `str`", encoding="text", data=data)


def test_text_counts_as_utf8(read: Reader) -> None:
    limits = Limits(max_data_bytes=4)
    assert read({"channel": "c", "encoding": "text", "data": "üü"}, limits).data == b"\xc3\xbc" * 2
    with pytest.raises(RequestError, match="data is 5 bytes") as caught:
        read({"channel": "c", "encoding": "text", "data": "üüx"}, limits)
    assert caught.value.code == "too_large"


# encoding: base64, and bin


@given(st.binary(max_size=100))
def test_bytes_come_as_base64_or_as_bin(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    for read in (json_frame, http_object, list_item):
        assert draft(read, encoding="base64", data=text) == Draft("c", data, Kind.BYTES)
    assert draft(msgpack_frame, data=data) == Draft("c", data, Kind.BYTES)


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA",
        "AAA",
        "AA=",
        "AAA==",
        "AAAA=",
        "AAAA====",
        "=",
        "====",
        "AB==",  # bits that count for nothing
        "AAB=",
        "_-8=",
        "A AA",
        "AAAA\n",
        "AA\r\nAA",
        " AAAA",
        "AA==AA==",
        "AAA*",
        "ÄAAA",
        "\x00AAA",
    ],
    ids=ascii,
)
def test_what_is_not_base64(read_json: Reader, text: str) -> None:
    refused(read_json, "data is not base64", encoding="base64", data=text)


@given(st.text(st.sampled_from("AQgwB/+_-= \n"), max_size=8))
def test_base64_exactly_as_written_by_python(text: str) -> None:
    try:
        data = base64.b64decode(text, validate=True)
        right = base64.b64encode(data).decode() == text
    except ValueError:
        right = False
    fields = {"channel": "c", "encoding": "base64", "data": text}
    if right:
        assert json_frame(fields).data == data
    else:
        with pytest.raises(RequestError, match="data is not base64"):
            json_frame(fields)


def test_bytes_count_before_base64(read_json: Reader) -> None:
    limits = Limits(max_data_bytes=6)
    fields = {"channel": "c", "encoding": "base64", "data": "AAAAAAAA"}
    assert read_json(fields, limits).data == bytes(6)
    with pytest.raises(RequestError, match="data is 7 bytes") as caught:
        read_json(fields | {"data": "AAAAAAAAAA=="}, limits)
    assert caught.value.code == "too_large"


def test_the_largest_bytes_fit_a_frame_as_base64() -> None:
    data = base64.b64encode(bytes(LIMITS.max_data_bytes)).decode()
    frame = json_of({"type": "publish", "channel": "c", "encoding": "base64", "data": data})
    assert len(frame) <= LIMITS.frame_bytes
    assert isinstance(commands.parse_json(frame, LIMITS), commands.Publish)


def test_bin_up_to_the_limit() -> None:
    limits = Limits(max_data_bytes=6)
    assert msgpack_frame({"channel": "c", "data": bytes(6)}, limits).data == bytes(6)
    with pytest.raises(RequestError) as caught:
        msgpack_frame({"channel": "c", "data": bytes(7)}, limits)
    assert caught.value.code == "too_large"


def test_base64_that_is_no_string(read_json: Reader) -> None:
    refused(read_json, "with encoding 'base64': Expected `str`", encoding="base64", data=1)


@pytest.mark.parametrize("encoding", ["", "json", "TEXT", "utf-8", "x" * 1000])
def test_other_encodings(read: Reader, encoding: str) -> None:
    error = refused(read, "encoding is '.*'text'", encoding=encoding, data="a")
    assert len(error.message) < 200


def test_bytes_have_no_encoding_in_msgpack() -> None:
    refused(msgpack_frame, "bytes are bin", encoding="base64", data="AAAA")
    refused(msgpack_frame, "Expected `str`, got `bytes`", encoding="text", data=b"a")


# event


@pytest.mark.parametrize(
    "event", ["a", "message", "x" * 100, "ü" * 50, "a b", "\u2028", "everywire", "Everywire.a", ":"]
)
def test_events(read: Reader, event: str) -> None:
    assert draft(read, event=event).event == event


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("", "event is 0 bytes; 1 to 100"),
        ("x" * 101, "event is 101 bytes; 1 to 100"),
        ("ü" * 51, "event is 102 bytes; 1 to 100"),
        ("a\nb", "control character"),
        ("a\r", "control character"),
        ("\x00", "control character"),
        ("\x7f", "control character"),
        ("\x85", "control character"),
        ("\x9f", "control character"),
        ("everywire.", "event begins with 'everywire.'"),
        ("everywire.gap", "event begins with 'everywire.'"),
        (1, "Expected `str"),
        (["a"], "Expected `str"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_no_events(read: Reader, event: Any, says: str) -> None:
    refused(read, says, event=event)


# key, idempotency_key, expected_id


@pytest.mark.parametrize("key", ["k", "x" * 200, "ü" * 100, "\n"])
def test_keys(read: Reader, key: str) -> None:
    assert draft(read, key=key).key == key


@pytest.mark.parametrize("key", ["", "x" * 201, "ü" * 101])
def test_keys_too_short_or_too_long(read: Reader, key: str) -> None:
    refused(read, r"key is \d+ bytes; 1 to 200 are allowed", key=key)
    if read is not list_item:
        refused(read, r"idempotency_key is \d+ bytes; 1 to 200", idempotency_key=key)


def test_keys_that_are_no_strings(read: Reader) -> None:
    refused(read, r"Expected `str \| null`.*\$\.key", key=5)
    refused(read, r"Expected `str \| null`.*\$\.idempotency_key", idempotency_key=5)


@pytest.mark.parametrize("expected", [0, 5, 2**53 - 1])
def test_expected_ids(read: Reader, expected: int) -> None:
    assert draft(read, key="k", expected_id=expected).expected_id == expected
    assert draft(read, key="k").expected_id is None


@pytest.mark.parametrize("expected", [-1, 2**53])
def test_expected_ids_that_are_no_positions(read: Reader, expected: int) -> None:
    refused(read, "expected_id is a position", key="k", expected_id=expected)


def test_an_expected_id_needs_a_key_that_is_kept(read: Reader) -> None:
    refused(read, "give the key", expected_id=0)
    refused(read, "no key holds what is not kept", key="k", expected_id=0, ephemeral=True)
    refused(read, r"Expected `int \| null`.*\$\.expected_id", key="k", expected_id="x")


# meta


@pytest.mark.parametrize("meta", [1, "a", True, ["a"], [], [["a", 1]]])
def test_meta_that_is_no_object(read: Reader, meta: Any) -> None:
    refused(read, "meta: Expected `object`", meta=meta)


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}])
def test_meta_is_flat(read: Reader, value: Any) -> None:
    refused(read, "meta holds an array or object, at 'deep'", meta={"a": 1, "deep": value})


def test_no_members_of_meta(read: Reader) -> None:
    assert draft(read, meta={}).meta == b"{}"


def test_meta_is_kept_compact_with_its_values_as_written() -> None:
    body = (
        b'{"channel":"c","data":1,"meta": {\n "\\u0061" : 1.50 , "b" : "\\u0041",'
        b' "c": 123456789012345678901234567890, "d , e": null }}'
    )
    assert parse_publish(body, None, LIMITS).drafts[0].meta == (
        b'{"a":1.50,"b":"\\u0041","c":123456789012345678901234567890,"d , e":null}'
    )


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        (b'{"a":1,"a":2}', "meta has the key 'a' twice"),
        (b'{"a":1,"\\u0061":1}', "meta has the key 'a' twice"),
        (b'{"a":1e999}', "meta is not valid JSON: a number is beyond a double"),
        (b'{"a":' + b"9" * 400 + b"}", "meta is not valid JSON: a number is beyond a double"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "meta is nested more than 128"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_malformed_meta(meta: bytes, says: str) -> None:
    frame = b'{"type":"publish","channel":"c","data":1,"meta":' + meta + b"}"
    with pytest.raises(RequestError, match=says) as caught:
        commands.parse_json(frame, LIMITS)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        (b"\x82\xa1a\x01\xa1a\x02", "meta has one key twice"),
        (b"\x81\xa1a\xcb\x7f\xf0" + bytes(6), "meta holds the number inf"),
        (b"\x81\xa1a\xc4\x00", "meta holds bytes"),
        (b"\x81\x01\x01", "meta has a key that is not a string"),
        (b"\xc4\x00", "meta holds bytes"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_malformed_meta_of_msgpack(meta: bytes, says: str) -> None:
    refused(msgpack_frame, says, meta=msgspec.Raw(meta))


def test_meta_up_to_the_limit(read: Reader) -> None:
    assert len(draft(read, meta={"k": "x" * 1016}).meta or b"") == 1024
    refused(read, "meta is 1025 bytes; at most 1024", meta={"k": "x" * 1017})


# ttl


@pytest.mark.parametrize("ttl", [1, 0.001, 5e-324, 1e308, 2**53])
def test_ttl(read: Reader, ttl: float) -> None:
    assert draft(read, ttl=ttl).ttl == ttl


@pytest.mark.parametrize("ttl", [0, -1, -0.5, -0.0])
def test_ttl_is_above_nothing(read: Reader, ttl: float) -> None:
    refused(read, "a number of seconds above 0", ttl=ttl)


@pytest.mark.parametrize("ttl", ["1", True, [1], {"s": 1}])
def test_ttl_is_a_number(read: Reader, ttl: Any) -> None:
    refused(read, r"Expected `float \| null`.*\$\.ttl", ttl=ttl)


@pytest.mark.parametrize("ttl", [math.inf, -math.inf, math.nan])
def test_ttl_is_finite(ttl: float) -> None:
    refused(msgpack_frame, "a number of seconds above 0", ttl=ttl)


@pytest.mark.parametrize("ttl", [b"1e999", b"9" * 400])
def test_ttl_is_within_a_double(ttl: bytes) -> None:
    frame = b'{"type":"publish","channel":"c","data":1,"ttl":' + ttl + b"}"
    with pytest.raises(RequestError) as caught:
        commands.parse_json(frame, LIMITS)
    assert caught.value.code == "bad_request"


# Flags


@pytest.mark.parametrize("name", ["final", "ephemeral", "echo"])
def test_flags(read: Reader, name: str) -> None:
    assert getattr(draft(read, **{name: True}), name) is True
    assert getattr(draft(read, **{name: False}), name) is False


@pytest.mark.parametrize("name", ["final", "ephemeral", "echo"])
@pytest.mark.parametrize("value", [0, 1, "true", [], {}])
def test_flags_are_booleans(read: Reader, name: str, value: Any) -> None:
    refused(read, rf"Expected `bool \| null`.*\$\.{name}", **{name: value})


def test_an_end_is_kept(read: Reader) -> None:
    refused(read, "final and ephemeral cannot stand together", final=True, ephemeral=True)
    assert draft(read, final=False, ephemeral=True).ephemeral
