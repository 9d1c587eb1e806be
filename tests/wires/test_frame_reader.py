"""The frame codec against RFC 6455: what Autobahn's cases 1 to 7, 9, 10 and 12 cover, and more.

The numbers in test names and comments are Autobahn's. Client frames are made by a few lines of
our own, so that every wrong frame can be made, and by `websockets` where a second opinion counts.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.protocol import CLIENT, OPEN, Protocol

from everywire.wires import frame_reader, frames
from everywire.wires.deflate import Inflater, compress
from everywire.wires.frame_reader import FrameReader
from everywire.wires.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Binary,
    Broken,
    Closing,
    Event,
    Ping,
    Pong,
    Text,
)

MASK = b"\x37\xfa\x21\x3d"
LIMIT = 100_000
FRAGMENTS = 64
RSV1 = 0x40


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    whole = mask * (len(payload) // 4 + 1)
    return bytes(a ^ b for a, b in zip(payload, whole, strict=False))


def head(opcode: int, length: int, *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    first = bytes((fin << 7 | rsv | opcode,))
    if length < 126:
        return first + bytes((0x80 | length,)) + mask
    if length < 65_536:
        return first + b"\xfe" + struct.pack("!H", length) + mask
    return first + b"\xff" + struct.pack("!Q", length) + mask


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK
) -> bytes:
    return head(opcode, len(payload), fin=fin, rsv=rsv, mask=mask) + masked(payload, mask)


def reader(*, limit: int = LIMIT, fragments: int = FRAGMENTS, deflate: bool = False) -> FrameReader:
    return FrameReader(limit, fragments, Inflater() if deflate else None)


def read(*chunks: bytes, limit: int = LIMIT, deflate: bool = False) -> list[Event]:
    into = reader(limit=limit, deflate=deflate)
    return [event for chunk in chunks for event in into.feed(chunk)]


def chop(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def code_of(events: list[Event]) -> int:
    assert events, "nothing came out"
    last = events[-1]
    assert isinstance(last, Broken), last
    assert 0 < len(last.reason.encode()) <= 123, "the reason has to fit a close frame"
    return last.code


# 1: framing


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 65_535, 65_536, 99_999])
@pytest.mark.parametrize("size", [1, 997, 1_000_000])
def test_1_lengths(length: int, size: int) -> None:
    payload = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    text, binary = frame(TEXT, payload), frame(BINARY, payload[::-1])
    assert read(*chop(text + binary, size)) == [Text(payload), Binary(payload[::-1])]


def test_the_examples_of_rfc_6455_5_7() -> None:
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [Text(b"Hello")]
    assert read(bytes.fromhex("898537fa213d7f9f4d5158")) == [Ping(b"Hello")]
    assert frames.text_frame(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frames.ping_frame(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert frames.binary_frame(bytes(256))[:4] == bytes.fromhex("827e0100")
    assert frames.binary_frame(bytes(65_536))[:10] == bytes.fromhex("827f0000000000010000")


def test_many_small_frames_in_one_read() -> None:
    payloads = [b"%d" % number for number in range(5000)]
    assert read(b"".join(frame(TEXT, payload) for payload in payloads)) == [
        Text(payload) for payload in payloads
    ]


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=40), st.integers(1, 12))
def test_every_mask_unmasks(mask: bytes, payload: bytes, size: int) -> None:
    assert read(*chop(frame(BINARY, payload, mask=mask), size)) == [Binary(payload)]


def test_what_comes_out_is_plain_bytes() -> None:
    for chunks in ([frame(BINARY, b"ab")], chop(frame(BINARY, b"ab"), 1)):
        (event,) = read(*chunks)
        assert isinstance(event, Binary)
        assert type(event.data) is bytes


# 2: pings and pongs


@pytest.mark.parametrize("payload", [b"", b"Hello", bytes(range(125)), b"\xfe" * 125])
def test_2_control_frames_carry_up_to_125_bytes(payload: bytes) -> None:
    data = frame(PING, payload) + frame(PONG, payload)
    assert read(data) == read(*chop(data, 1)) == [Ping(payload), Pong(payload)]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("length", [126, 127, 65_536])
def test_2_5_longer_control_frames_are_refused(opcode: int, length: int) -> None:
    assert code_of(read(frame(opcode, bytes(length)))) == 1002
    assert code_of(read(frame(opcode, bytes(length))[:2])) == 1002, "by the header alone"


def test_2_10_many_pings() -> None:
    pings = [b"payload-%d" % number for number in range(1000)]
    assert read(b"".join(frame(PING, ping) for ping in pings)) == [Ping(ping) for ping in pings]


# 3 and 4: reserved bits, reserved opcodes, masking


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
@pytest.mark.parametrize("rsv", range(0x10, 0x80, 0x10))
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("payload", [b"", b"Hello"])
def test_3_reserved_bits(opcode: int, rsv: int, deflate: bool, payload: bytes) -> None:
    if deflate and rsv == RSV1 and opcode in (TEXT, BINARY):
        return  # what compression uses it for; tested below
    data = frame(TEXT, b"before") + frame(opcode, payload, rsv=rsv) + frame(PING)
    for chunks in ([data], chop(data, 1)):
        events = read(*chunks, deflate=deflate)
        assert events[0] == Text(b"before")
        assert code_of(events) == 1002
        assert len(events) == 2, "nothing comes after it"


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
def test_4_reserved_opcodes(opcode: int, payload: bytes) -> None:
    events = read(frame(TEXT, b"before") + frame(opcode, payload) + frame(PING))
    assert events[:-1] == [Text(b"before")]
    assert code_of(events) == 1002
    assert code_of(read(frame(TEXT, b"a", fin=False) + frame(opcode, payload))) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_frames_of_a_client_have_to_be_masked(opcode: int) -> None:
    unmasked = bytes((0x80 | opcode, 6)) + b"abcdef"
    assert code_of(read(unmasked)) == 1002
    assert code_of(read(unmasked[:2])) == 1002, "by the header alone"
    assert code_of(read(bytes((0x80 | opcode, 0)) + frame(PING))) == 1002


# 5: fragmentation


def fragments(opcode: int, *payloads: bytes, rsv: int = 0) -> list[bytes]:
    last = len(payloads) - 1
    return [
        frame(
            CONTINUATION if number else opcode,
            payload,
            fin=number == last,
            rsv=0 if number else rsv,
        )
        for number, payload in enumerate(payloads)
    ]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_5_1_control_frames_cannot_be_fragmented(opcode: int) -> None:
    for payload in (b"", b"fragment1"):
        assert code_of(read(frame(opcode, payload, fin=False))) == 1002
    inside = frame(TEXT, b"fragment1", fin=False) + frame(opcode, fin=False)
    assert code_of(read(inside)) == 1002


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_5_3_to_5_8_pings_between_fragments(size: int) -> None:
    first, second, third = fragments(TEXT, b"fragment1", b"", b"fragment3")
    data = first + frame(PING, b"a") + second + frame(PONG, b"b") + frame(PING, b"c") + third
    assert read(*chop(data, size)) == [
        Ping(b"a"),
        Pong(b"b"),
        Ping(b"c"),
        Text(b"fragment1fragment3"),
    ]


@pytest.mark.parametrize("fin", [True, False])
def test_5_9_to_5_14_a_continuation_of_nothing(fin: bool) -> None:
    assert code_of(read(frame(CONTINUATION, b"non-continuation", fin=fin))) == 1002
    events = read(b"".join(fragments(TEXT, b"a", b"b")) + frame(CONTINUATION, b"c", fin=fin))
    assert events[0] == Text(b"ab")
    assert code_of(events) == 1002
    assert code_of(read(frame(PING) + frame(CONTINUATION, b"c", fin=fin))) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_5_18_a_message_within_a_message(opcode: int, fin: bool) -> None:
    events = read(frame(TEXT, b"fragment1", fin=False) + frame(opcode, b"fragment2", fin=fin))
    assert code_of(events) == 1002
    assert len(events) == 1, "the first message is not given out"


def test_5_19_messages_after_messages() -> None:
    data = b"".join(fragments(TEXT, b"1", b"2", b"3") + fragments(BINARY, b"", b"", b"\xff"))
    assert read(data + frame(TEXT, b"whole")) == [Text(b"123"), Binary(b"\xff"), Text(b"whole")]


def test_messages_of_empty_fragments() -> None:
    assert read(b"".join(fragments(TEXT, b"", b"", b""))) == [Text(b"")]
    assert read(b"".join(fragments(BINARY, b"", b""))) == [Binary(b"")]


# 6: UTF-8

GOOD_TEXT = [
    b"",
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "κόσμε".encode(),
    b"\x00",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",  # a noncharacter is a character to UTF-8
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    ("x" * 300 + "\U0001f600" * 100).encode(),
]

# Bad text, and how many bytes of it could still have become good text.
BAD_TEXT = [
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xc0\xaf", 0),
    (b"\xc1\xbf", 0),
    (b"\xe0\x80\xaf", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xc2A", 1),
    (b"\xe2\x82A", 2),
    (b"\xf0\x9f\x98A", 3),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 12),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited", 12),
]


@pytest.mark.parametrize("text", GOOD_TEXT)
def test_6_1_to_6_11_good_text(text: bytes) -> None:
    whole = frame(TEXT, text)
    each = b"".join(fragments(TEXT, *(bytes((byte,)) for byte in text[:50]), text[50:]))
    for data in (whole, each):
        assert read(data) == read(*chop(data, 1)) == read(*chop(data, 7)) == [Text(text)]


@pytest.mark.parametrize(("text", "good"), BAD_TEXT)
def test_6_12_to_6_23_bad_text(text: bytes, good: int) -> None:
    for whole in (text, b"before" + text + b"after"):
        each = b"".join(fragments(TEXT, *(bytes((byte,)) for byte in whole)))
        for data in (frame(TEXT, whole), each):
            assert read(data) == read(*chop(data, 1)) == [Broken(1007, "text is not UTF-8")]


@pytest.mark.parametrize("text", [b"\xce", b"\xe2\x82", b"\xf0\x9f\x98", b"abc\xc3"])
def test_6_5_text_that_ends_within_a_character(text: bytes) -> None:
    assert code_of(read(frame(TEXT, text))) == 1007
    for fragment in (fragments(TEXT, text, b""), fragments(TEXT, b"", text)):
        assert code_of(read(b"".join(fragment))) == 1007


@pytest.mark.parametrize(("text", "good"), BAD_TEXT)
def test_6_4_bad_text_fails_at_its_first_bad_byte(text: bytes, good: int) -> None:
    in_one_frame = reader()
    in_fragments = reader()
    in_one_frame.feed(head(TEXT, len(text) + 10))
    in_fragments.feed(frame(TEXT, b"", fin=False))
    for byte, on_the_wire in zip(text[:good], masked(text)[:good], strict=True):
        assert in_one_frame.feed(bytes((on_the_wire,))) == []
        assert in_fragments.feed(frame(CONTINUATION, bytes((byte,)), fin=False)) == []
    assert code_of(in_one_frame.feed(masked(text)[good : good + 1])) == 1007
    bad = frame(CONTINUATION, text[good : good + 1], fin=False)
    assert code_of(in_fragments.feed(bad)) == 1007


@given(st.text(max_size=60), st.lists(st.integers(0, 240), max_size=6), st.integers(1, 9))
def test_text_split_anywhere(text: str, cuts: list[int], size: int) -> None:
    payload = text.encode()
    data = b"".join(fragments(TEXT, *cut(payload, cuts)))
    assert read(*chop(data, size)) == [Text(payload)]


@given(st.binary(max_size=12) | st.text(max_size=4).map(str.encode), st.integers(1, 5))
def test_text_is_judged_as_python_does(payload: bytes, size: int) -> None:
    try:
        payload.decode()
        expected: list[Event] = [Text(payload)]
    except UnicodeDecodeError:
        expected = [Broken(1007, "text is not UTF-8")]
    data = frame(TEXT, payload)
    assert read(data) == read(*chop(data, size)) == expected


def test_binary_is_not_judged() -> None:
    assert read(frame(BINARY, b"\xff\xfe")) == [Binary(b"\xff\xfe")]
    assert read(*fragments(BINARY, b"\xff", b"\xfe")) == [Binary(b"\xff\xfe")]


# 7: closing


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def test_7_1_nothing_after_a_close() -> None:
    into = reader()
    assert into.feed(closing(1000, b"bye") + frame(PING) + frame(TEXT, b"late")) == [
        Closing(1000, "bye")
    ]
    assert into.feed(frame(TEXT, b"later")) == []
    assert into.buffered == 0


def test_nothing_after_a_failure() -> None:
    into = reader()
    assert code_of(into.feed(frame(TEXT, b"\xff") + frame(TEXT, b"late"))) == 1007
    assert into.feed(frame(TEXT, b"later")) == []
    assert into.feed(b"\x88") == []
    assert into.buffered == 0


def test_7_1_5_a_close_between_fragments() -> None:
    assert read(frame(TEXT, b"fragment1", fin=False) + closing(1000)) == [Closing(1000, "")]


def test_7_3_payloads_of_a_close() -> None:
    assert read(frame(CLOSE)) == [Closing(frames.NO_CLOSE_CODE, "")]
    assert read(frame(CLOSE, b"\x03")) == [Broken(1002, "a close frame holds 1 byte; a code has 2")]
    assert read(closing(1000, b"r" * 123)) == [Closing(1000, "r" * 123)]
    assert code_of(read(closing(1000, b"r" * 124))) == 1002


def test_7_5_a_reason_has_to_be_utf_8() -> None:
    assert read(closing(1000, "κόσμε".encode())) == [Closing(1000, "κόσμε")]
    assert code_of(read(closing(1000, b"\xce\xba\xed\xa0\x80"))) == 1007
    assert code_of(read(closing(1000, b"\xce"))) == 1007


def test_7_7_and_7_9_every_code() -> None:
    allowed = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    taken = {code for code in range(65_536) if read(closing(code)) == [Closing(code, "")]}
    refused = {code for code in range(65_536) if isinstance(read(closing(code))[0], Broken)}
    assert taken == allowed
    assert refused == set(range(65_536)) - allowed
    assert code_of(read(closing(1005))) == 1002


# 9 and 10: limits, chopping


@given(st.integers(0, 2**64 - 1))
@example(0)
@example(125)
@example(126)
@example(65_535)
@example(65_536)
@example(LIMIT)
@example(LIMIT + 1)
@example(2**31)
@example(2**63 - 1)
@example(2**63)
@example(2**64 - 1)
def test_all_64_bit_lengths(length: int) -> None:
    for opcode in (TEXT, BINARY):
        into = reader()
        events = into.feed(bytes((0x80 | opcode, 0xFF)) + struct.pack("!Q", length))
        if length < 65_536 or length >= 2**63:
            assert code_of(events) == 1002
        elif length > LIMIT:
            assert code_of(events) == 1009
        else:
            assert events == []
        assert into.buffered < 16, "nothing is kept for what was only announced"


@given(st.integers(0, 65_535))
@example(0)
@example(125)
@example(126)
@example(50_000)
@example(50_001)
def test_all_16_bit_lengths(length: int) -> None:
    for data in (
        b"\x82\xfe" + struct.pack("!H", length),
        b"\x82\xfe" + struct.pack("!H", length) + MASK + bytes(length),
    ):
        if length < 126:
            assert code_of(read(data)) == 1002
        elif length > 50_000:
            assert code_of(read(data, limit=50_000)) == 1009
        else:
            whole = len(data) > 4
            assert len(read(data, limit=50_000)) == (1 if whole else 0)


@pytest.mark.parametrize("limit", [0, 1, 100, 125, 126, 1000, 70_000])
def test_a_message_up_to_the_limit(limit: int) -> None:
    payload = b"x" * limit
    half = limit // 2
    for data in (frame(TEXT, payload), b"".join(fragments(TEXT, payload[:half], payload[half:]))):
        assert read(data, limit=limit) == [Text(payload)]
    assert code_of(read(frame(TEXT, payload + b"x"), limit=limit)) == 1009
    over = fragments(TEXT, payload[:half], payload[half:], b"x")
    assert code_of(read(b"".join(over), limit=limit)) == 1009


def test_a_message_over_the_limit_fails_before_its_payload() -> None:
    assert code_of(read(head(BINARY, LIMIT + 1)[:10])) == 1009
    into = reader(limit=1000)
    assert into.feed(frame(TEXT, b"x" * 600, fin=False)) == []
    assert code_of(into.feed(head(CONTINUATION, 401, fin=False)[:4])) == 1009


def test_messages_do_not_add_up() -> None:
    whole = frame(TEXT, b"x" * 600) + b"".join(fragments(TEXT, b"y" * 300, b"z" * 300))
    assert len(read(whole * 50, limit=600)) == 100


def test_a_message_in_too_many_fragments() -> None:
    enough = fragments(TEXT, *[b"x"] * FRAGMENTS)
    assert read(b"".join(enough)) == [Text(b"x" * FRAGMENTS)]
    for piece in (b"x", b""):
        into = reader()
        for part in fragments(TEXT, *[piece] * (FRAGMENTS + 1))[:-1]:
            assert into.feed(part) == []
        events = into.feed(head(CONTINUATION, 0))
        assert code_of(events) == 1009
        assert events == [Broken(1009, f"a message is in more than {FRAGMENTS} fragments")]
        assert into.buffered == 0


def test_9_large_messages_in_fragments_and_chops() -> None:
    payload = bytes(range(256)) * 4096
    data = b"".join(fragments(BINARY, *chop(payload, 65_536)))
    for size in (64, 1024, 65_536):
        assert read(*chop(data, size), limit=len(payload)) == [Binary(payload)]


def test_10_1_chopped_by_the_sender() -> None:
    payload = b"*" * 65_536
    assert read(*chop(frame(TEXT, payload), 1300)) == [Text(payload)]


# Any chunking gives the same events, and costs the same


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)] or [b""]


def control_frames() -> st.SearchStrategy[bytes]:
    return st.builds(
        frame,
        st.sampled_from([PING, PONG]),
        st.binary(max_size=10) | st.just(bytes(125)),
        mask=st.binary(min_size=4, max_size=4),
    )


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message in fragments, perhaps compressed, control frames between them."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    text = draw(st.text(max_size=50)).encode() * draw(st.sampled_from([1, 1, 1, 3, 700]))
    payload = text if opcode == TEXT else text[::-1]
    compressed = draw(st.booleans())
    if compressed:
        payload = compress(payload, draw(st.integers(9, 15)))
    parts = cut(payload, draw(st.lists(st.integers(0, 10_000), max_size=4)))
    data = b""
    for part in fragments(opcode, *parts, rsv=RSV1 if compressed else 0):
        data += b"".join(draw(st.lists(control_frames(), max_size=1))) + part
    return data


endings = st.sampled_from(
    [
        b"",
        closing(1000, b"bye") + b"rest",
        frame(CLOSE),
        frame(3),
        frame(TEXT, b"\xf0\x9f\x98\x80\xff"),
        frame(TEXT, b"not deflate", rsv=RSV1),
        frame(CONTINUATION, b"x"),
        frame(BINARY, b"whole")[:-1],
        head(BINARY, LIMIT + 1),
    ]
)


@settings(max_examples=300)
@given(
    st.lists(messages() | control_frames(), max_size=6),
    endings,
    st.lists(st.integers(0, 1_000_000), max_size=12),
)
def test_any_chunking_gives_the_same_events(
    parts: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    data = b"".join(parts) + ending
    expected = read(data, deflate=True)
    assert read(*cut(data, cuts), deflate=True) == expected
    if len(data) < 2000:
        assert read(*chop(data, 1), deflate=True) == expected


@settings(max_examples=500)
@given(st.data(), st.booleans())
def test_any_bytes_give_only_events(data: st.DataObject, deflate: bool) -> None:
    """Fuzz: headers more likely right than not, so that it gets far."""
    first = st.sampled_from([0x01, 0x02, 0x80, 0x81, 0x82, 0xC1, 0x41, 0x89, 0x8A, 0x88, 0x00])
    second = st.integers(0x80, 0xFF) | st.integers(0, 255)
    piece = st.tuples(first | st.integers(0, 255), second, st.binary(max_size=20))
    stream = b"".join(
        bytes((a, b)) + rest for a, b, rest in data.draw(st.lists(piece, max_size=12))
    )
    cuts = data.draw(st.lists(st.integers(0, 400), max_size=8))
    limit = data.draw(st.sampled_from([0, 20, 300]))
    into = reader(limit=limit, fragments=3, deflate=deflate)
    events: list[Event] = []
    for chunk in cut(stream, cuts):
        events += into.feed(chunk)
        assert into.buffered <= limit + 130
    assert events == read_with(reader(limit=limit, fragments=3, deflate=deflate), [stream])
    for event in events[:-1]:
        assert not isinstance(event, Closing | Broken), "they are the last"
    for event in events:
        if isinstance(event, Text | Binary):
            assert len(event.data) <= limit


def read_with(into: FrameReader, chunks: Iterable[bytes]) -> list[Event]:
    return [event for chunk in chunks for event in into.feed(chunk)]


class Counted(bytes):
    """Bytes that count how many of them are copied out, and joined to."""

    touched = 0

    def __getitem__(self, key: object) -> object:
        found = bytes.__getitem__(self, key)  # type: ignore[index]
        Counted.touched += len(found) if isinstance(found, bytes) else 1
        return found

    def __radd__(self, other: bytes) -> Counted:
        Counted.touched += len(other) + len(self)
        return Counted(bytes(other) + bytes(self))


def touched(chunks: Iterable[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    unmask = frame_reader.apply_mask

    def counting(data: bytes, mask: bytes) -> bytes:
        Counted.touched += len(data)
        return unmask(data, mask)

    Counted.touched = 0
    with monkeypatch.context() as patch:
        patch.setattr(frame_reader, "apply_mask", counting)
        events = read_with(reader(limit=10**6, fragments=10**6), [Counted(c) for c in chunks])
    assert not any(isinstance(event, Broken) for event in events)
    assert events
    return Counted.touched


SHAPES = {
    "small frames": lambda n: frame(TEXT, b"x" * 20) * n,
    "one frame": lambda n: frame(TEXT, b"x" * 26 * n),
    "fragments": lambda n: b"".join(fragments(TEXT, *[b"x" * 20] * n)),
    "text cut within characters": lambda n: b"".join(fragments(TEXT, *chop(b"\xc3\xa9" * n, 3))),
    "pings": lambda n: frame(PING, b"x" * 125) * n,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 100, 10**9])
def test_twice_the_bytes_touch_twice_the_bytes(
    shape: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, twice = SHAPES[shape](300), SHAPES[shape](600)
    first = touched(chop(once, size), monkeypatch)
    second = touched(chop(twice, size), monkeypatch)
    assert first >= len(once) / 2, "the counting works"
    assert second <= 2.1 * first
    # Byte by byte, an unfinished control frame is looked at again with each; that is bounded.
    assert first <= (140 if shape == "pings" else 16) * len(once)


def test_an_idle_reader_is_small() -> None:
    idle = reader()
    idle.feed(frame(TEXT, b"x" * 1000) + frame(PING) + b"".join(fragments(TEXT, b"a", b"b")))
    assert idle.buffered == 0
    assert not hasattr(idle, "__dict__")
    assert sys.getsizeof(idle) <= 96


# RSV1: compressed messages


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_12_compressed_messages(size: int) -> None:
    payload = b'{"type":"publish","data":"0123456789"}' * 30
    packed = compress(payload, 15)
    first, second = fragments(TEXT, packed[:10], packed[10:], rsv=RSV1)
    data = (
        frame(TEXT, packed, rsv=RSV1)
        + frame(BINARY, packed, rsv=RSV1)
        + first
        + frame(PING, b"between")
        + second
        + frame(TEXT, b"plain")
        + frame(TEXT, compress(b"", 15), rsv=RSV1)
    )
    assert read(*chop(data, size), deflate=True) == [
        Text(payload),
        Binary(payload),
        Ping(b"between"),
        Text(payload),
        Text(b"plain"),
        Text(b""),
    ]


def test_rsv1_only_on_the_first_frame_of_a_message() -> None:
    packed = compress(b"Hello", 15)
    first = frame(TEXT, packed[:3], fin=False, rsv=RSV1)
    assert code_of(read(first + frame(CONTINUATION, packed[3:], rsv=RSV1), deflate=True)) == 1002
    assert code_of(read(frame(TEXT, b"a", fin=False) + first, deflate=True)) == 1002
    assert code_of(read(frame(TEXT, packed, rsv=RSV1))) == 1002


def test_compressed_text_has_to_be_utf_8() -> None:
    bad = compress(b"abc\xff", 15)
    assert code_of(read(frame(TEXT, bad, rsv=RSV1), deflate=True)) == 1007
    assert read(frame(BINARY, bad, rsv=RSV1), deflate=True) == [Binary(b"abc\xff")]


def test_a_compressed_message_over_the_limit() -> None:
    bomb = compress(bytes(10**6), 15)
    assert len(bomb) < 1100
    for data in (frame(BINARY, bomb, rsv=RSV1), b"".join(fragments(BINARY, *chop(bomb, 90)))):
        packed = bytes((data[0] | RSV1,)) + data[1:]
        assert code_of(read(packed, limit=10**6 - 1, deflate=True)) == 1009
        assert read(packed, limit=10**6, deflate=True) == [Binary(bytes(10**6))]


def test_what_is_not_deflate() -> None:
    for payload in (b"\xff\xff\xff", compress(b"Hello" * 50, 15)[:-3]):
        assert code_of(read(frame(TEXT, payload, rsv=RSV1), deflate=True)) == 1007


# A second opinion: `websockets` as the client

operations = st.lists(
    st.one_of(
        st.tuples(st.just(TEXT), st.text(max_size=200).map(str.encode), st.just(True)),
        st.tuples(st.just(BINARY), st.binary(max_size=70_000), st.booleans()),
        st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125), st.just(True)),
    ),
    max_size=12,
)


@given(operations, st.integers(1, 5000), st.integers(1000, 1014))
def test_what_a_websockets_client_sends(
    sent: list[tuple[int, bytes, bool]], size: int, code: int
) -> None:
    client = Protocol(CLIENT, state=OPEN)
    expected: list[Event] = []
    open_message: bytes | None = None
    for opcode, payload, fin in sent:
        if opcode in (PING, PONG):
            (client.send_ping if opcode == PING else client.send_pong)(payload)
            expected.append(Ping(payload) if opcode == PING else Pong(payload))
        elif open_message is not None:
            client.send_continuation(payload, fin=fin)
            open_message += payload
        else:
            # Only binary messages are left open, so that what goes on need not be text.
            (client.send_text if opcode == TEXT else client.send_binary)(payload, fin)
            open_message = payload
            if opcode == TEXT:
                expected.append(Text(payload))
                open_message = None
        if open_message is not None and fin and opcode in (TEXT, BINARY):
            expected.append(Binary(open_message))
            open_message = None
    if code not in (1004, 1005, 1006):
        client.send_close(code, "bye")
        expected.append(Closing(code, "bye"))
    data = b"".join(client.data_to_send())
    assert read_with(reader(limit=10**7), [data]) == expected
    assert read_with(reader(limit=10**7), chop(data, size)) == expected
