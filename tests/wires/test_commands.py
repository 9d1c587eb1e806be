"""What a client may say on a WebSocket, and the exact answer to all else."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import STATUS, RequestError
from everywire.core.limits import Limits
from everywire.core.messages import Draft
from everywire.wires.commands import (
    Command,
    CommandError,
    Ping,
    Publish,
    Ref,
    Subscribe,
    Unsubscribe,
    parse_json,
    parse_msgpack,
)

LIMITS = Limits()
TOP = 2**53 - 1


def read_json(fields: Any, limits: Limits = LIMITS) -> Command:
    return parse_json(msgspec.json.encode(fields), limits)


def read_msgpack(fields: Any, limits: Limits = LIMITS) -> Command:
    return parse_msgpack(msgspec.msgpack.encode(fields), limits)


Reader = Callable[..., Command]


@pytest.fixture(params=[read_json, read_msgpack], ids=lambda reader: reader.__name__)
def read(request: pytest.FixtureRequest) -> Reader:
    return request.param


def refused(
    read: Reader, says: str, fields: Any, code: str = "bad_request", ref: Ref = None
) -> CommandError:
    with pytest.raises(CommandError, match=says) as caught:
        read(fields)
    assert caught.value.code == code
    assert caught.value.status == STATUS[code]
    assert caught.value.ref == ref
    return caught.value


# The frames of the article, as they are written


def test_subscribe_as_in_the_article() -> None:
    frame = b'{"type":"subscribe","channel":"prices"}'
    assert parse_json(frame, LIMITS) == Subscribe([("prices", None)], None, None)


def test_unsubscribe_as_in_the_article() -> None:
    frame = b'{"type":"unsubscribe","channel":"prices"}'
    assert parse_json(frame, LIMITS) == Unsubscribe(["prices"], None)


def test_publish_and_ping() -> None:
    frame = b' { "channel" : "c", "ref":1, "data" : {"a": 1} , "type" : "publish" } '
    assert parse_json(frame, LIMITS) == Publish(Draft("c", b'{"a": 1}'), None, 1)
    assert parse_json(b'{"type":"ping"}', LIMITS) == Ping(None)


def test_the_type_may_be_written_with_escapes() -> None:
    assert parse_json(b'{"\\u0074ype":"p\\u0069ng"}', LIMITS) == Ping(None)


# type


@pytest.mark.parametrize("kind", ["", "message", "Subscribe", "x" * 5000, "\n", "subscribe "])
def test_unknown_types(read: Reader, kind: str) -> None:
    error = refused(
        read,
        "is unknown; it is one of subscribe, unsubscribe, publish, ping$",
        {"type": kind, "ref": 7},
        "unknown_type",
        7,
    )
    assert len(error.message) < 200
    assert error.message.isprintable()


@pytest.mark.parametrize("kind", ["presence", "auth"])
def test_types_of_later(read: Reader, kind: str) -> None:
    fields = {"type": kind, "ref": "r", "token": "t", "channel": "c", "action": "get"}
    refused(read, f"'{kind}' is not offered by this server yet", fields, "unknown_type", "r")


@pytest.mark.parametrize("kind", [1, None, True, ["ping"], {"a": 1}])
def test_a_type_that_is_no_string(read: Reader, kind: Any) -> None:
    refused(read, "^type: Expected `str`", {"type": kind, "ref": 7}, ref=7)


def test_no_type(read: Reader) -> None:
    refused(read, "type is missing; it is one of subscribe", {"channel": "c", "ref": 7}, ref=7)
    refused(read, "type is missing", {})


# No frames


@pytest.mark.parametrize("value", [[], [1], ["ping"], "ping", 1, None, True, 1.5])
def test_not_an_object(read: Reader, value: Any) -> None:
    refused(read, "^the frame: Expected `object`", value)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"", "ends too early"),
        (b" ", "ends too early"),
        (b"{", "ends too early"),
        (b'{"type":"ping"', "ends too early"),
        (b'{"type":"ping"}}', "trailing characters"),
        (b'{"type":"ping",}', r"trailing comma in object \(byte 15\)"),
        (b'{"type":"ping" "ref":1}', r"\(byte 15\)"),
        (b"{type:1}", r"\(byte 1\)"),
        (b'{"type":NaN}', r"\(byte 8\)"),
        (b'{"type":"ping","x":01}', r"\(byte 20\)"),
        (b'{"type":"ping","x":"\t"}', r"\(byte 20\)"),
        (b'{"type":"ping","x":"\\ud800 abcd"}', "malformed"),
        (b'{"type":"ping","x":"\\ud800"}', "lone surrogate"),
        (b'\xef\xbb\xbf{"type":"ping"}', r"\(byte 0\)"),
        (b'{"type":"ping","x":"\xff"}', r"the frame is not UTF-8 \(byte 20\)"),
        (b'{"type":"ping","\xc3":1}', "not UTF-8"),
        (b'{"type":"ping","x":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"type":"\xff"}', "not UTF-8"),
        (b'{"type":"ping","ref":"\xff"}', "not UTF-8"),
        (b'{"type":"ping","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested more than 128"),
        (b"[" * 10_000, "Expected `object`"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_malformed_json(frame: bytes, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        parse_json(frame, LIMITS)
    assert caught.value.code == "bad_request"
    assert caught.value.ref is None


PING = b"\xa4type\xa4ping"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"", "ends too early"),
        (b"\x81", "ends too early"),
        (b"\x81\xa4type", "ends too early"),
        (b"\x82" + PING, "ends too early"),
        (b"\x81" + PING + b"\x01", r"trailing characters \(byte 11\)"),
        (b"\x82" + PING + b"\xa1a\xc1", "invalid opcode"),
        (b"\x82" + PING + b"\x01\x01", "Expected `str`, got `int`"),
        (b"\x82" + PING + b"\xc4\x01a\x01", "Expected `str`, got `bytes`"),
        (b"\x82" + PING + b"\xa1\xff\x01", "not UTF-8"),
        (b"\x81\xa4type\xa1\xff", "not UTF-8"),
        (b"\x82" + PING + b"\xa1a" + b"\x91" * 10_000 + b"\x01", "nested more than 128"),
        (b"\xdf\xff\xff\xff\xff", "ends too early"),
        (b"\x81\xa4type\xc4\x04ping", "Expected `str`, got `bytes`"),
        (b"\xd6\xff\x00\x00\x00\x01", "Expected `object`"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_malformed_msgpack(frame: bytes, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        parse_msgpack(frame, LIMITS)
    assert caught.value.code == "bad_request"


# One key twice


@pytest.mark.parametrize(
    "members",
    [
        b'"type":"ping","type":"ping"',
        b'"type":"ping","type":"publish"',
        b'"type":"nothing","type":"nothing"',
        b'"type":"publish","data":1,"data":2',
        b'"type":"ping","x":1,"x":1',
        b'"type":"ping","x":1,"\\u0078":2',
        b'"type":"ping","x,y":1,"x,y":1',
        b'"type":"publish","channel":"a","channel":"b","data":1',
        b'"type":"publish","channel":"a","data":[1,2],"data":1',
        b'"type":"publish","channel":"a","data":1,"data":[1,2]',
        b'"type":"publish","channel":"a\\u002cb","data":1,"data":1',
        b'"type":"publish","channel":"a","data":1,"event":"\\u002C\\u002c","x":1,"x":1',
        b'"type":"publish","channel":"a","data":1,"final":null,"final":false',
        b'"type":"subscribe","channel":"a","since":1,"since":2',
        b'"type":"subscribe","channels":{"a":1,"a":2}',
        b'"type":"subscribe","channels":{"a":1,"\\u0061":1}',
        b'"type":"subscribe","channels":{"a,b":1,"a,b":1},"x":1',
        b'"type":"unsubscribe","channel":"a","channel":"a"',
    ],
    ids=repr,
)
def test_one_key_twice(members: bytes) -> None:
    for frame in (b"{" + members + b"}", b"{ " + members.replace(b",", b" , ") + b" }"):
        with pytest.raises(CommandError, match=r"(the frame|channels) has the key .* twice"):
            parse_json(frame, LIMITS)
    with pytest.raises(CommandError) as caught:
        parse_json(b"{" + members + b',"ref":5}', LIMITS)
    assert caught.value.code == "bad_request"
    assert caught.value.ref == 5


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82" + PING + PING,
        b"\xde\x00\x03" + PING + b"\xa1x\x01\xa1x\x02",
        b"\x82\xa4type\xa9subscribe\xa8channels\x82\xa1a\x01\xa1a\x02",
    ],
    ids=repr,
)
def test_one_key_twice_in_msgpack(frame: bytes) -> None:
    with pytest.raises(CommandError, match=r"(the frame|channels) has one key twice") as caught:
        parse_msgpack(frame, LIMITS)
    assert caught.value.code == "bad_request"


def test_one_key_twice_inside_data_passes_as_published() -> None:
    data = b'{"a":1,"a":[{"b":1,"b":2}],"x,y":",","x,y":0}'
    frame = b'{"type":"publish","channel":"c","data":' + data + b"}"
    assert parse_json(frame, LIMITS) == Publish(Draft("c", data), None, None)


def test_keys_that_are_not_the_same() -> None:
    frame = b'{"type":"ping","Type":1,"type ":2,"x,y":3,",":4,"\\u002c,":5,"":[1,2],"ref":9}'
    assert parse_json(frame, LIMITS) == Ping(9)


# ref


@pytest.mark.parametrize(
    "ref", ["", "a", "x" * 200, "ü" * 100, "\n", 0, -1, 2**53, -(2**63), 2**64 - 1]
)
def test_refs(read: Reader, ref: str | int) -> None:
    assert read({"type": "ping", "ref": ref}) == Ping(ref)
    assert read({"type": "unsubscribe", "channel": "a", "ref": ref}).ref == ref
    assert read({"type": "subscribe", "channel": "a", "ref": ref}).ref == ref
    assert read({"type": "publish", "channel": "a", "data": 1, "ref": ref}).ref == ref
    refused(read, "unknown", {"type": "nothing", "ref": ref}, "unknown_type", ref)


def test_null_is_no_ref(read: Reader) -> None:
    assert read({"type": "ping", "ref": None}) == Ping(None)
    refused(read, "unknown", {"type": "nothing", "ref": None}, "unknown_type")


@pytest.mark.parametrize("ref", [True, False, 1.0, 1.5, [], ["a"], {}, {"a": 1}])
def test_no_refs(read: Reader, ref: Any) -> None:
    refused(read, r"Expected `int \| str \| null`.*\$\.ref", {"type": "ping", "ref": ref})
    refused(read, "is unknown", {"type": "nothing", "ref": ref}, "unknown_type")


@pytest.mark.parametrize("ref", ["x" * 201, "ü" * 101, "x" * 5000])
def test_a_ref_too_long(read: Reader, ref: str) -> None:
    refused(read, r"ref is \d+ bytes; at most 200 are allowed", {"type": "ping", "ref": ref})


@pytest.mark.parametrize("ref", [b"-9223372036854775809", b"18446744073709551616", b"1" * 300])
def test_a_ref_beyond_64_bits(ref: bytes) -> None:
    with pytest.raises(CommandError, match="more than 64 bits") as caught:
        parse_json(b'{"type":"ping","ref":' + ref + b"}", LIMITS)
    assert caught.value.code == "bad_request"
    assert caught.value.ref is None


def test_a_ref_of_more_digits_than_python_reads() -> None:
    with pytest.raises(CommandError) as caught:
        parse_json(b'{"type":"ping","ref":' + b"1" * 5000 + b"}", LIMITS)
    assert caught.value.code == "bad_request"


def test_a_ref_of_bin_is_none() -> None:
    refused(read_msgpack, "got `bytes`", {"type": "ping", "ref": b"a"})


def test_a_ref_after_what_is_wrong_is_echoed(read: Reader) -> None:
    fields = {"type": "publish", "channel": 5, "data": 1, "ref": "r"}
    refused(read, r"\$\.channel", fields, ref="r")
    refused(read, "ttl is 0", fields | {"channel": "c", "ttl": 0}, ref="r")


# subscribe


def subscribe(read: Reader, **fields: Any) -> Subscribe:
    command = read({"type": "subscribe", **fields})
    assert isinstance(command, Subscribe)
    return command


@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({"channel": "a"}, [("a", None)]),
        ({"channel": "a", "since": 5}, [("a", 5)]),
        ({"channel": "a", "since": 0}, [("a", 0)]),
        ({"channel": "a", "since": TOP}, [("a", TOP)]),
        ({"channel": "a", "since": None}, [("a", None)]),
        ({"channel": "a", "channels": None}, [("a", None)]),
        ({"channel": None, "channels": ["a"]}, [("a", None)]),
        ({"channels": ["b", "a"]}, [("b", None), ("a", None)]),
        ({"channels": ["a", "b", "a"], "since": 3}, [("a", 3), ("b", 3)]),
        ({"channels": {"b": 1, "a": 2}}, [("b", 1), ("a", 2)]),
        ({"channels": {"b": 0, "a": None}}, [("b", 0), ("a", None)]),
        ({"channels": {"b": 0, "a": None}, "since": 9}, [("b", 0), ("a", 9)]),
        ({"channels": {"b": TOP, "a": 1}, "since": 9}, [("b", TOP), ("a", 1)]),
    ],
    ids=repr,
)
def test_channels_and_where_they_start(
    read: Reader, fields: dict[str, Any], channels: list[tuple[str, int | None]]
) -> None:
    assert subscribe(read, **fields) == Subscribe(channels, None, None)


@pytest.mark.parametrize("name", ["", "a b", "*", "a..b", "x" * 5000, "@server", "\n"])
def test_names_are_for_the_session_to_judge(read: Reader, name: str) -> None:
    assert subscribe(read, channel=name).channels == [(name, None)]
    assert subscribe(read, channels=[name, "a"]).channels == [(name, None), ("a", None)]
    assert subscribe(read, channels={name: 1}).channels == [(name, 1)]


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_which_channels(read: Reader, kind: str) -> None:
    refused(read, "channel or channels is missing", {"type": kind})
    refused(read, "channel or channels is missing", {"type": kind, "channel": None})
    refused(read, "channels is empty", {"type": kind, "channels": []})
    both = {"type": kind, "channel": "a", "channels": ["a"]}
    refused(read, "channel and channels cannot stand together", both)
    for channel in (1, True, ["a"], {"a": 1}):
        refused(read, r"Expected `str.*\$\.channel`", {"type": kind, "channel": channel})
    for channels in (1, "a", True):
        refused(read, r"Expected `.*\$\.channels`", {"type": kind, "channels": channels})
    for inside in (1, None, ["a"]):
        refused(
            read, r"Expected `str`.*\$\.channels\[1\]", {"type": kind, "channels": ["a", inside]}
        )


def test_an_empty_map_names_nothing(read: Reader) -> None:
    refused(read, "channels is empty", {"type": "subscribe", "channels": {}})


@pytest.mark.parametrize("since", [-1, 2**53, 2**64 - 1, 5.0, 0.0, 1.5, "5", "", True, [], {}])
def test_no_positions(read: Reader, since: Any) -> None:
    refused(
        read, r"Expected `int.*\$\.since`", {"type": "subscribe", "channel": "a", "since": since}
    )
    refused(read, r"Expected `int.*\$\.channels", {"type": "subscribe", "channels": {"a": since}})


@pytest.mark.parametrize("since", [b"5.0", b"5e0", b"0.0", b"1" * 30, b"1" * 5000, b"1e400"])
def test_no_positions_in_json(since: bytes) -> None:
    frame = b'{"type":"subscribe","channel":"a","since":' + since + b',"ref":1}'
    with pytest.raises(CommandError) as caught:
        parse_json(frame, LIMITS)
    assert caught.value.code == "bad_request"
    assert caught.value.ref == 1


def test_history(read: Reader) -> None:
    assert subscribe(read, channel="a", history=0).history == 0
    assert subscribe(read, channel="a", history=TOP).history == TOP
    assert subscribe(read, channel="a", history=None).history is None
    assert subscribe(read, channel="a", since=4, history=3) == Subscribe([("a", 4)], 3, None)


@pytest.mark.parametrize("history", [-1, 1.0, 1.5, "1", True, [], 2**53])
def test_no_history(read: Reader, history: Any) -> None:
    fields = {"type": "subscribe", "channel": "a", "history": history}
    refused(read, r"Expected `int.*\$\.history`", fields)


def test_presence_is_not_offered_yet(read: Reader) -> None:
    refused(
        read,
        "presence is not offered yet",
        {"type": "subscribe", "channel": "a", "presence": True},
    )
    assert subscribe(read, channel="a", presence=False).channels == [("a", None)]
    assert subscribe(read, channel="a", presence=None).channels == [("a", None)]
    for presence in (1, "true", []):
        fields = {"type": "subscribe", "channel": "a", "presence": presence}
        refused(read, r"Expected `bool.*\$\.presence`", fields)


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_too_many_channels(read: Reader, kind: str) -> None:
    limits = Limits(max_channels=3)
    command = read({"type": kind, "channels": ["a", "b", "c", "a", "b"]}, limits)
    assert isinstance(command, Subscribe | Unsubscribe)
    assert len(command.channels) == 3
    wrong: list[Any] = [["a", "b", "c", "d"]]
    if kind == "subscribe":
        wrong.append({"a": 1, "b": 2, "c": 3, "d": 4})
    for channels in wrong:
        with pytest.raises(CommandError, match="channels names 4; at most 3") as caught:
            read({"type": kind, "channels": channels, "ref": 1}, limits)
        assert caught.value.code == "too_many_channels"
        assert caught.value.status == 400
        assert caught.value.ref == 1


# unsubscribe


def test_unsubscribe(read: Reader) -> None:
    assert read({"type": "unsubscribe", "channel": "a b"}) == Unsubscribe(["a b"], None)
    command = read({"type": "unsubscribe", "channels": ["b", "a", "b"], "ref": 1})
    assert command == Unsubscribe(["b", "a"], 1)


def test_a_map_of_what_to_leave_makes_no_sense(read: Reader) -> None:
    refused(read, r"Expected `array.*\$\.channels`", {"type": "unsubscribe", "channels": {"a": 1}})


# publish (its fields: test_drafts.py)


def test_the_key_of_a_publish(read: Reader) -> None:
    fields = {"type": "publish", "channel": "c", "data": 1, "idempotency_key": "k", "ref": "r"}
    assert read(fields) == Publish(Draft("c", b"1"), "k", "r")
    assert read(fields | {"idempotency_key": None}) == Publish(Draft("c", b"1"), None, "r")


def test_an_error_of_a_publish_carries_its_channel_and_code(read: Reader) -> None:
    fields = {"type": "publish", "channel": "a b", "data": 1, "ref": "r"}
    assert refused(read, "not a channel", fields, "bad_channel", "r").channel == "a b"
    with pytest.raises(CommandError) as caught:
        read(fields | {"channel": "a", "data": "x" * 20}, Limits(max_data_bytes=10))
    assert (caught.value.code, caught.value.status, caught.value.ref) == ("too_large", 413, "r")


def test_the_connection_is_not_the_frames_to_say(read: Reader) -> None:
    fields = {"type": "publish", "channel": "c", "data": 1, "connection": "x" * 22, "user": "me"}
    assert read(fields) == Publish(Draft("c", b"1"), None, None)


# Whatever arrives

ALPHABET = [bytes([byte]) for byte in b'{}[]":,\\ \n0123456789eE+-.tfnu\x00\xff\xc3\xa9']
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe", "publish", "ping", "auth", "x"])},
    optional={
        name: st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-2, 3),
            st.sampled_from(
                [2**53, 2**64 - 1, 1.5, "", "a", "text", "base64", "a.*", "everywire."]
            ),
            st.lists(st.sampled_from(["a", "b", 1]), max_size=3),
            st.dictionaries(st.sampled_from(["a", "b"]), st.integers(-1, 2) | st.none()),
        )
        for name in (
            *("ref", "channel", "channels", "since", "history", "presence", "data", "encoding"),
            *("event", "key", "expected_id", "meta", "ttl", "final", "ephemeral", "echo"),
            *("idempotency_key", "unknown"),
        )
    },
)


def is_command_or_error(parse: Callable[[bytes, Limits], Command], frame: bytes) -> None:
    try:
        command = parse(frame, LIMITS)
    except CommandError as error:
        assert isinstance(error, RequestError)
        assert error.code in ("bad_request", "unknown_type", "bad_channel")
        assert error.message.isprintable()
        assert len(error.message) < 1000
        ref = error.ref
    else:
        assert isinstance(command, Subscribe | Unsubscribe | Publish | Ping)
        ref = command.ref
    assert ref is None or type(ref) in (int, str)


@given(st.binary(max_size=60))
def test_any_bytes(frame: bytes) -> None:
    is_command_or_error(parse_json, frame)
    is_command_or_error(parse_msgpack, frame)


@given(FIELDS)
def test_both_languages_say_the_same(fields: dict[str, Any]) -> None:
    answers: list[Any] = []
    for read in (read_json, read_msgpack):
        try:
            answers.append(read(fields))
        except CommandError as error:
            answers.append((error.code, error.channel, error.ref))
    if fields.get("encoding") != "base64":
        assert answers[0] == answers[1]


@given(
    FIELDS,
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 4), st.sampled_from([b"", *ALPHABET])),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_frames(fields: dict[str, Any], edits: list[tuple[int, int, bytes]]) -> None:
    is_command_or_error(parse_json, edited(msgspec.json.encode(fields), edits))
    is_command_or_error(parse_msgpack, edited(msgspec.msgpack.encode(fields), edits))


def edited(frame: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, added in edits:
        at = place % (len(frame) + 1)
        frame = frame[:at] + added + frame[at + removed :]
    return frame


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"ping",' + b",".join(b'"%x":1' % n for n in range(10_000)) + b"}",
        b'{"type":"ping","x":' + b"[" * 40_000,
        b'{"type":"ping","x":[' + b"[]," * 25_000 + b'[]],"y,":1}',
        b'{"type":"subscribe","channels":[' + b'"a",' * 20_000 + b'"a"]}',
        b'{"type":"publish","channel":"c","data":"' + b'\\"' * 40_000 + b'"}',
    ],
    ids=lambda frame: repr(frame[:30]),
)
def test_memory_is_bounded_by_the_frame(frame: bytes) -> None:
    tracemalloc.start()
    try:
        with suppress(CommandError):
            parse_json(frame, LIMITS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(frame)
