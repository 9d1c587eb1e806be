"""The bodies of an HTTP publish: an object, a list, the data itself."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import STATUS, RequestError
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind
from everywire.wires.publishing import PublishRequest, parse_publish, parse_raw

LIMITS = Limits()
SECRET = "abcdefghijklmnopqrstuv"


def publish(value: Any, key: str | None = None, limits: Limits = LIMITS) -> PublishRequest:
    return parse_publish(msgspec.json.encode(value), key, limits)


def refused(
    says: str,
    value: Any,
    key: str | None = None,
    limits: Limits = LIMITS,
    code: str = "bad_request",
) -> RequestError:
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    with pytest.raises(RequestError, match=says) as caught:
        parse_publish(body, key, limits)
    assert caught.value.code == code
    assert caught.value.status == STATUS[code]
    return caught.value


# One object


def test_one_object() -> None:
    request = publish({"channel": "c", "data": {"a": 1}})
    assert request == PublishRequest([Draft("c", b'{"a":1}')], None, "one")


def test_type_and_ref_are_not_needed_and_not_looked_at() -> None:
    for fields in ({"type": "publish", "ref": 1}, {"type": 5, "ref": [1.5]}):
        request = publish({"channel": "c", "data": 1, **fields})
        assert request == PublishRequest([Draft("c", b"1")], None, "one")


def test_white_space_around() -> None:
    body = b' \r\n\t{"channel":"c","data":1}\n'
    assert parse_publish(body, None, LIMITS).shape == "one"
    body = b' \r\n\t[{"channel":"c","data":1}]\n'
    assert parse_publish(body, None, LIMITS).shape == "list"


@pytest.mark.parametrize("value", ["a", 1, 1.5, True, None], ids=repr)
def test_neither_an_object_nor_a_list(value: Any) -> None:
    refused("the body: Expected `object`", value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body ends too early"),
        (b"  ", "the body ends too early"),
        (b'{"channel":"c","data":1', "the body ends too early"),
        (b'{"channel":"c","data":1}{}', "trailing characters"),
        (b'[{"channel":"c","data":1}', "the body ends too early"),
        (b'[{"channel":"c","data":1}]]', "trailing characters"),
        (b'[{"channel":"c","data":1},]', "trailing comma"),
        (b'{"channel":"c","data":NaN}', r"\(byte 22\)"),
        (b'{"channel":"c","data":1,"x":"\xff"}', r"not UTF-8 \(byte 29\)"),
        (b'{"channel":"c","data":1,"\xff":1}', "not UTF-8"),
        (b'[{"channel":"c","data":1,"x":"\xff"}]', "item 0: the object is not UTF-8"),
        (b'\xef\xbb\xbf{"channel":"c","data":1}', r"\(byte 0\)"),
        (b'{"channel":"c","data":1,"data":1}', "the body has the key 'data' twice"),
        (b'{"channel":"c","data":1,"x":1,"\\u0078":1}', "the body has the key 'x' twice"),
        (b'{"channel":"a\\u002cb","data":1,"x":1,"x":1}', "the body has the key 'x' twice"),
        (b'[{"channel":"c","data":1,"data":1}]', "item 0: the object has the key 'data' twice"),
        (b'{"channel":"c","data":1,"x":' + b"[" * 5000, "nested more than 128"),
        (b'[{"channel":"c","data":1,"x":' + b"[" * 5000, "nested more than 128"),
        (b"[" * 100_000, "Expected `object`|nested more|ends too early"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_malformed_bodies(body: bytes, says: str) -> None:
    refused(says, body)


def test_one_key_twice_inside_data_passes_as_published() -> None:
    body = b'{"channel":"c","data":{"a":1,"a":2}}'
    assert parse_publish(body, None, LIMITS).drafts[0].data == b'{"a":1,"a":2}'


# Idempotency keys


def test_the_key_of_an_object_is_in_it_or_in_the_header() -> None:
    fields = {"channel": "c", "data": 1}
    assert publish(fields | {"idempotency_key": "k"}).idempotency_key == "k"
    assert publish(fields, "k").idempotency_key == "k"
    assert publish(fields | {"idempotency_key": "k"}, "k").idempotency_key == "k"
    assert publish(fields | {"idempotency_key": None}, "k").idempotency_key == "k"
    refused("differ; give one", fields | {"idempotency_key": "k"}, "l")


def test_a_header_is_utf8() -> None:
    header = "schlüssel".encode().decode("latin-1")
    fields = {"channel": "c", "data": 1, "idempotency_key": "schlüssel"}
    assert publish(fields, header).idempotency_key == "schlüssel"
    refused("the Idempotency-Key header is not UTF-8", fields, "schlüssel")


@pytest.mark.parametrize("key", ["", "x" * 201, "\xc3\xbc" * 101])
def test_a_header_too_short_or_too_long(key: str) -> None:
    refused(r"idempotency_key is \d+ bytes; 1 to 200", {"channel": "c", "data": 1}, key)
    refused(r"idempotency_key is \d+ bytes; 1 to 200", [], key)


# connection


@pytest.mark.parametrize("secret", [SECRET, "x" * 64, "A-Z_09" * 5])
def test_the_connection_that_publishes(secret: str) -> None:
    fields = {"channel": "c", "data": 1, "connection": secret}
    assert publish(fields).connections == [secret]
    assert publish([fields, {"channel": "d", "data": 1}]).connections == [secret, None]
    assert publish(fields).drafts[0].connection is None
    assert publish([{"channel": "d", "data": 1}]).connections is None


@pytest.mark.parametrize(
    "secret", ["", "x" * 21, "x" * 65, "x" * 22 + "\n", "x" * 22 + "ü", "x" * 21 + " ", "+" * 22]
)
def test_no_connection(secret: str) -> None:
    fields = {"channel": "c", "data": 1, "connection": secret}
    error = refused("connection is 22 to 64 characters", fields)
    assert "xx" not in error.message
    refused("item 0: connection is 22", [fields])


def test_a_connection_is_a_string() -> None:
    refused(r"Expected `str.*\$\.connection", {"channel": "c", "data": 1, "connection": 5})
    assert publish({"channel": "c", "data": 1, "connection": None}).connections is None


# channels


def test_the_same_in_several_channels() -> None:
    request = publish(
        {
            "channels": ["b", "a", "b"],
            "data": [1, 2],
            "event": "e",
            "meta": {"m": 1},
            "ttl": 2,
            "idempotency_key": "k",
            "connection": SECRET,
        }
    )
    made = {"data": b"[1,2]", "event": "e", "meta": b'{"m":1}', "ttl": 2.0}
    assert request.drafts == [Draft(name, **made) for name in ("b", "a", "b")]
    assert request.idempotency_key == "k"
    assert request.shape == "channels"
    assert request.connections == [SECRET] * 3
    assert len({id(draft) for draft in request.drafts}) == 3


def test_one_channel_in_a_list_is_answered_as_a_list() -> None:
    assert publish({"channels": ["a"], "data": 1}) == PublishRequest(
        [Draft("a", b"1")], None, "channels"
    )


def test_which_channels() -> None:
    refused(
        "channel and channels cannot stand together",
        {"channel": "a", "channels": ["b"], "data": 1},
    )
    refused("channels is empty", {"channels": [], "data": 1})
    refused("channel is missing", {"data": 1})
    refused("channel is missing", {"channels": None, "data": 1})
    refused(r"\$\.channels", {"channels": "a", "data": 1})
    refused(r"\$\.channels", {"channels": {"a": 1}, "data": 1})
    refused(r"\$\.channels\[1\]", {"channels": ["a", 1], "data": 1})
    for place in range(3):
        names = ["a", "b", "c"]
        names[place] = "a.*"
        error = refused(
            "'a.\\*' is not a channel", {"channels": names, "data": 1}, code="bad_channel"
        )
        assert error.channel == "a.*"


def test_too_many_channels() -> None:
    limits = Limits(max_batch=3)
    assert len(publish({"channels": ["a"] * 3, "data": 1}, limits=limits).drafts) == 3
    refused(
        "channels names 4; at most 3",
        {"channels": ["a"] * 4, "data": 1},
        limits=limits,
        code="too_many_channels",
    )


# Lists


def test_a_list() -> None:
    request = publish(
        [{"channel": "a", "data": 1}, {"channel": "b", "data": "x", "encoding": "text"}], "k"
    )
    assert request == PublishRequest([Draft("a", b"1"), Draft("b", b"x", Kind.TEXT)], "k", "list")


def test_an_empty_list() -> None:
    assert publish([]) == PublishRequest([], None, "list")
    assert publish([], "k") == PublishRequest([], "k", "list")


def test_an_error_in_a_list_names_the_item() -> None:
    good = {"channel": "a", "data": 1}
    refused("^item 0: channel is missing", [{"data": 1}, good])
    refused("^item 2: .*Object missing required field `data`", [good, good, {"channel": "a"}])
    error = refused(
        "^item 1: 'a b' is not", [good, {"channel": "a b", "data": 1}], code="bad_channel"
    )
    assert error.channel == "a b"
    refused(
        "^item 1: data is 70002 bytes",
        [good, {"channel": "a", "data": "x" * 70_000}],
        code="too_large",
    )
    for item in (1, "a", None, [], [good]):
        refused("^item 1: the object: Expected `object`", [good, item])


def test_what_an_item_may_not_have() -> None:
    fields = {"channel": "c", "data": 1}
    refused("item 0: idempotency_key is not allowed in a list", [fields | {"idempotency_key": "k"}])
    refused("item 0: channels is for a single object", [fields | {"channels": ["a"]}])
    refused("item 0: channel is missing", [{"channels": ["a"], "data": 1}])
    assert len(publish([fields | {"idempotency_key": None, "channels": None}]).drafts) == 1


def test_a_list_of_as_many_as_allowed() -> None:
    item = {"channel": "c", "data": [1, 2, 3]}
    assert len(publish([item] * 1000).drafts) == 1000
    refused("a list of 1001 messages; at most 1000", [item] * 1001, code="too_large")


def test_a_list_of_one_too_many_of_anything() -> None:
    limits = Limits(max_batch=2)
    refused("a list of 3 messages; at most 2", b"[{},{},{}]", limits=limits, code="too_large")
    refused(r"Expected `object`, got `int` - at `\$\[0\]`", b"[1,1,1]", limits=limits)


# Bounds


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 500_000 + b"1]",
        b"[" + b"{}," * 300_000 + b"{}]",
        b"[" + b'{"channel":"c","data":1},' * 40_000 + b"1]",
        b"[" + b"[]," * 300_000 + b"[]]",
        b'[{"channel":"c","data":1,' + b'"x,":1,' * 100_000 + b'"y":2}]',
        b'{"channel":"c","data":1,' + b'"x":1,' * 150_000 + b'"y":2}',
        b'{"channels":[' + b'"a",' * 250_000 + b'"a"],"data":1}',
        b'{"channel":"c","data":[' + b"[]," * 300_000 + b"[]]}",
        b'{"channel":"c","data":1,"meta":{' + b'"x":[],' * 150_000 + b'"y":2}}',
    ],
    ids=lambda body: repr(body[:34]),
)
def test_memory_is_bounded_by_the_body(body: bytes) -> None:
    """A megabyte of nothing but structure; its items, decoded, would be 50 and more."""
    tracemalloc.start()
    try:
        with suppress(RequestError):
            parse_publish(body, None, Limits(max_data_bytes=1024, max_batch=10))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * len(body)


def test_an_object_longer_than_any_allowed_one() -> None:
    body = b'{"channel":"c","data":1' + b" " * 2_000_000 + b"}"
    refused("the body is 2000024 bytes", body, code="too_large")
    refused("item 0: the object is 2000024 bytes", b"[" + body + b"]", code="too_large")


def test_the_longest_object_that_is_allowed_passes() -> None:
    """Each byte of its data and of its channels written as an escape."""

    def escaped(text: str) -> str:
        return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'

    names = ",".join([escaped("c" * 200)] * LIMITS.max_batch)
    data = escaped("d" * LIMITS.max_data_bytes)
    body = f'{{"channels":[{names}],"encoding":"text","data":{data}}}'.encode()
    request = parse_publish(body, None, LIMITS)
    assert len(request.drafts) == LIMITS.max_batch
    assert request.drafts[-1].data == b"d" * LIMITS.max_data_bytes


# Raw bodies


def raw(
    body: bytes,
    content_type: str | None = None,
    event: str | None = None,
    key: str | None = None,
    channel: str = "c",
    limits: Limits = LIMITS,
) -> PublishRequest:
    return parse_raw(channel, body, content_type, event, key, limits)


def raw_refused(says: str, *arguments: Any, code: str = "bad_request", **named: Any) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        raw(*arguments, **named)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", Kind.JSON),
        ("application/json; charset=utf-8", Kind.JSON),
        ("Application/JSON ;charset=UTF-8", Kind.JSON),
        ("application/ld+json", Kind.JSON),
        ("application/cloudevents+json; charset=utf-8", Kind.JSON),
        ("text/plain", Kind.TEXT),
        ("text/plain;", Kind.TEXT),
        ("TEXT/HTML; charset=UTF-8", Kind.TEXT),
        ('text/markdown; variant=GFM; charset="utf-8"', Kind.TEXT),
        ("text/csv; charset=us-ascii; header=present", Kind.TEXT),
        ("text/plain;charset=utf8", Kind.TEXT),
        ("application/octet-stream", Kind.BYTES),
        ("image/png", Kind.BYTES),
        ("application/jsonl", Kind.BYTES),
        ("application/json-seq", Kind.BYTES),
        ("application/x-www-form-urlencoded", Kind.BYTES),
        ("application/octet-stream; charset=latin1", Kind.BYTES),
        ("json", Kind.BYTES),
        (";", Kind.BYTES),
        ("", Kind.BYTES),
        (None, Kind.BYTES),
    ],
)
def test_what_the_content_type_makes_of_it(content_type: str | None, kind: Kind) -> None:
    body = b'{"a": [1]}'
    assert raw(body, content_type) == PublishRequest([Draft("c", body, kind)], None, "one")


def test_json_is_checked_and_put_on_one_line() -> None:
    assert raw(b' {"a":\n1}\r\n', "application/json").drafts[0].data == b'{"a": 1}'
    raw_refused("data is not valid JSON", b"{", "application/json")
    raw_refused("data is not valid JSON", b"", "application/json")
    raw_refused("data is not valid JSON", b"NaN", "application/json")
    raw_refused("data is not UTF-8", b'"\xff"', "application/json")
    raw_refused("128 levels", b"[" * 200 + b"]" * 200, "application/json")


@pytest.mark.parametrize("body", [b"", b"a\r\nb\x00", "ü😀".encode(), b"\xef\xbb\xbfx", b" x "])
def test_text_is_passed_on_as_it_is(body: bytes) -> None:
    assert raw(body, "text/plain").drafts[0].data == body


@pytest.mark.parametrize("body", [b"\xff", b"abc\xc3", b"\xed\xa0\x80"])
def test_text_is_utf8(body: bytes) -> None:
    raw_refused(r"the body is not UTF-8 \(byte \d\)", body, "text/plain")


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "windows-1252", '"latin1"', "x" * 900])
def test_other_charsets(charset: str) -> None:
    raw_refused(
        "charset is .*'utf-8' and 'us-ascii' are allowed", b"a", f"text/plain; Charset = {charset}"
    )


@given(st.binary(max_size=50))
def test_bytes_are_passed_on_as_they_are(body: bytes) -> None:
    assert raw(body).drafts == [Draft("c", body, Kind.BYTES)]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_data_up_to_the_limit(content_type: str | None) -> None:
    limits = Limits(max_data_bytes=10)
    assert len(raw(b"1" * 10, content_type, limits=limits).drafts[0].data) == 10
    raw_refused("data is 11 bytes", b"1" * 11, content_type, limits=limits, code="too_large")


def test_white_space_around_json_does_not_count() -> None:
    body = b" " * 100 + b"1" * 10 + b"\n" * 100
    request = raw(body, "application/json", limits=Limits(max_data_bytes=10))
    assert request.drafts[0].data == b"1" * 10


def test_headers_are_utf8() -> None:
    request = raw(b"", None, "pr\xc3\xa4is", "k\xc3\xbc")
    assert request.drafts[0].event == "präis"
    assert request.idempotency_key == "kü"
    raw_refused("the Event header is not UTF-8", b"", None, "pr\xe4is")
    raw_refused("the Event header is not UTF-8", b"", None, "日")
    raw_refused("the Idempotency-Key header is not UTF-8", b"", None, None, "k\xfc")


@pytest.mark.parametrize("event", ["", "x" * 101, "everywire.gap", "a\tb", "\xc2\x85"])
def test_no_events(event: str) -> None:
    raw_refused("event", b"", None, event)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_no_keys(key: str) -> None:
    raw_refused("idempotency_key is", b"", None, None, key)


@pytest.mark.parametrize("channel", ["", "a b", "a.*", "**", "\udcff", "x" * 201])
def test_no_channels(channel: str) -> None:
    raw_refused("is not a channel", b"", channel=channel, code="bad_channel")


# Whatever arrives

CODES = ("bad_request", "bad_channel", "too_large", "too_many_channels")
OBJECTS = st.fixed_dictionaries(
    {"channel": st.sampled_from(["a", "a.*", ""]) | st.none(), "data": st.integers() | st.text()},
    optional={
        "channels": st.lists(st.sampled_from(["a", "", "x"]), max_size=3) | st.none(),
        "idempotency_key": st.sampled_from(["", "k"]) | st.none(),
        "connection": st.sampled_from(["", SECRET]) | st.none(),
        "encoding": st.sampled_from(["text", "base64", ""]),
        "meta": st.dictionaries(st.text(max_size=3), st.none() | st.lists(st.none())),
        "ttl": st.floats(allow_nan=False, allow_infinity=False),
    },
)
EDITS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 3), st.sampled_from([*'{}[]",:\\0u \nü', ""])),
    max_size=3,
)


def is_request_or_error(body: bytes, key: str | None) -> None:
    try:
        request = parse_publish(body, key, LIMITS)
    except RequestError as error:
        assert error.code in CODES
        assert error.message.isprintable()
    else:
        named = request.connections
        assert named is None or len(named) == len(request.drafts)
        assert named is None or any(named)
        assert request.shape in ("one", "list", "channels")
        assert request.shape != "one" or len(request.drafts) == 1


@given(OBJECTS | st.lists(OBJECTS, max_size=3), EDITS, st.none() | st.text(max_size=3))
def test_damaged_bodies(value: Any, edits: list[tuple[int, int, str]], key: str | None) -> None:
    body = msgspec.json.encode(value)
    for place, removed, added in edits:
        at = place % (len(body) + 1)
        body = body[:at] + added.encode() + body[at + removed :]
    is_request_or_error(body, key)


@given(st.binary(max_size=50), st.none() | st.text(max_size=3))
def test_any_bytes(body: bytes, key: str | None) -> None:
    is_request_or_error(body, key)


@given(st.binary(max_size=20), *[st.none() | st.text(max_size=20)] * 3)
def test_any_raw_body(
    body: bytes, content_type: str | None, event: str | None, key: str | None
) -> None:
    for media in (content_type, "application/json", f"text/plain; {content_type}"):
        try:
            request = raw(body, media, event, key)
        except RequestError as error:
            assert error.code == "bad_request"
        else:
            assert request.shape == "one"
