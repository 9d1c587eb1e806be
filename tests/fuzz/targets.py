"""What is fuzzed: every parser of what strangers send, each with seeds and what must hold.

A check takes any bytes and where to cut them. It raises where a promise of the parser is broken: an
exception that is not documented, more bytes held than allowed, a result that depends on how the
input was cut, or something let through that is not what it is taken for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import msgspec

from everywire.access.tokens import read_header
from everywire.client.errors import BadAnswer
from everywire.client.lines import LineCutter
from everywire.client.messages import message_of
from everywire.client.sse import StreamParser, StreamTooLarge
from everywire.core.channels import (
    PatternTable,
    check_channel,
    check_channel_or_pattern,
    is_pattern,
    matches,
)
from everywire.core.errors import RequestError, UsageError
from everywire.core.filters import parse_filter
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind, message_from
from everywire.core.payload import check_json
from everywire.core.positions import MAX_POSITION, Hole, Openings
from everywire.server.http_reader import RequestReader
from everywire.server.routes import channel_of, match
from everywire.wires import commands, frames, handshake, publishing, queries, sse
from everywire.wires.deflate import InflateError, Inflater, compress, negotiate
from everywire.wires.frame_reader import FrameReader
from everywire.wires.packed import json_to_msgpack_value, msgpack_to_json
from everywire.wires.websocket import websocket_format

from .mutation import cut

LIMITS = Limits(max_data_bytes=300, max_batch=4)
HTTP_LIMITS = Limits(max_head_bytes=150, max_headers=4, max_body_bytes=60)
FRAME = 400
STREAM = 200

Check = Callable[[bytes, Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A parser.

    Attributes:
        name: For people.
        corpus: Seeds.
        check: What must hold.
        words: What means something to it.
    """

    name: str
    corpus: Sequence[bytes]
    check: Check
    words: Sequence[bytes] = ()

    def __str__(self) -> str:
        return self.name


# HTTP requests


def requests(chunks: Sequence[bytes]) -> list[object]:
    """What a connection's bytes come to: heads and bodies, then perhaps an error."""
    reader, found = RequestReader(HTTP_LIMITS, "peer"), list[object]()
    waiting = False
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while True:
                if not waiting:
                    request = reader.head()
                    if request is None:
                        break
                    found.append((request.method, request.path, request.query, request.headers))
                body = reader.body()
                waiting = body is None
                if body is None:
                    break
                found.append(body)
            most = HTTP_LIMITS.max_head_bytes + HTTP_LIMITS.max_body_bytes
            assert reader.buffered <= most + len(chunk), "too much is kept"
    except RequestError as error:
        found.append((error.code, error.status))
    return found


def check_requests(data: bytes, cuts: Sequence[int]) -> None:
    assert requests(cut(data, cuts)) == requests([data])


def check_handshake(data: bytes, cuts: Sequence[int]) -> None:
    lines = [line.partition(b":") for line in data.split(b"\r\n")]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in lines]
    try:
        upgrade = handshake.accept(headers, method="GET", http_version="1.1", deflate=True)
    except RequestError:
        return
    head = upgrade.response_head
    assert head.startswith(b"HTTP/1.1 101 ")
    assert head.index(b"\r\n\r\n") == len(head) - 4, "the answer was split"


def check_deflate_offer(data: bytes, cuts: Sequence[int]) -> None:
    try:
        agreed = negotiate([data.decode("latin-1")])
    except RequestError:
        return
    if agreed is not None:
        _, deflate = agreed
        assert 8 <= deflate.server_window_bits <= 15
        assert 8 <= deflate.client_window_bits <= 15


def check_path(data: bytes, cuts: Sequence[int]) -> None:
    path = "/" + data.decode("latin-1")
    try:
        route = match("GET", path)
        if route is not None and "channel" in path:
            check_channel(channel_of(route))
    except RequestError:
        pass


# WebSocket frames


def read_frames(chunks: Sequence[bytes], deflate: bool) -> list[frames.Event]:
    reader = FrameReader(FRAME, 3, Inflater() if deflate else None)
    events: list[frames.Event] = []
    for chunk in chunks:
        events += reader.feed(chunk)
        assert reader.buffered <= FRAME + 130, "too much is kept"
    return events


def check_frames(deflate: bool, data: bytes, cuts: Sequence[int]) -> None:
    events = read_frames(cut(data, cuts), deflate)
    assert events == read_frames([data], deflate)
    for event in events[:-1]:
        assert not isinstance(event, frames.Closing | frames.Broken), "they are the last"
    for event in events:
        if isinstance(event, frames.Text):
            event.data.decode()
        if isinstance(event, frames.Text | frames.Binary):
            assert len(event.data) <= FRAME


def check_inflate(data: bytes, cuts: Sequence[int]) -> None:
    try:
        assert len(Inflater().inflate(data, FRAME)) <= FRAME
    except InflateError as error:
        assert error.code in (1007, 1009)
    assert Inflater().inflate(compress(data, 15), len(data)) == data


def check_split(data: bytes, cuts: Sequence[int]) -> None:
    try:
        parts = frames.split_frames(data)
    except UsageError:
        return
    assert all(opcode < 16 for opcode, _ in parts)
    assert sum(len(payload) + 2 for _, payload in parts) <= len(data)


def frame(payload: bytes, first: int = 0x81, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    assert len(payload) < 126
    masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return bytes((first, 0x80 | len(payload))) + mask + masked


# What is in them


def check_draft(draft: Draft) -> None:
    """A draft that was let in is what the log may keep and every wire can write."""
    check_channel(draft.channel)
    assert len(draft.data) <= LIMITS.max_data_bytes
    assert not draft.event.startswith("everywire.")
    if draft.kind is Kind.JSON:
        assert check_json(draft.data) == draft.data
        assert b"\n" not in draft.data and b"\r" not in draft.data
    elif draft.kind is Kind.TEXT:
        draft.data.decode()
    if draft.meta is not None:
        assert isinstance(json.loads(draft.meta), dict)
    if draft.ttl is not None:
        assert draft.ttl > 0
    message = message_from(draft, 1, 1)
    for name in ("json", "msgpack", "data"):
        assert frames.split_frames(websocket_format(name).message(message))
    json.loads(frames.split_frames(websocket_format("json").message(message))[0][1])
    for wire in sse.FORMATS.values():
        (event,) = StreamParser().feed(wire.message(message))
        assert event.last_id == "1"


def check_command(parse: Any, data: bytes, cuts: Sequence[int]) -> None:
    try:
        command = parse(data, LIMITS)
    except commands.CommandError as error:
        assert error.code in ("bad_request", "unknown_type", "bad_channel", "too_large",
                              "too_many_channels", "forbidden")  # fmt: skip
        msgspec.json.encode({"message": error.message, "ref": error.ref})
        return
    if isinstance(command, commands.Publish):
        check_draft(command.draft)


def check_publish(data: bytes, cuts: Sequence[int]) -> None:
    try:
        asked = publishing.parse_publish(data, None, LIMITS)
    except RequestError:
        return
    assert 1 <= len(asked.drafts) <= LIMITS.max_batch
    for draft in asked.drafts:
        check_draft(draft)


def check_raw(data: bytes, cuts: Sequence[int]) -> None:
    for kind in ("application/json", "text/plain; charset=utf-8", "image/png", "", "text/\xff"):
        try:
            (draft,) = publishing.parse_raw("a", data, kind, None, None, LIMITS).drafts
        except RequestError:
            continue
        check_draft(draft)


def check_json_data(data: bytes, cuts: Sequence[int]) -> None:
    try:
        passed = check_json(data)
    except RequestError:
        return
    assert json.loads(passed) == json.loads(data)
    assert check_json(passed) == passed
    json_to_msgpack_value(passed)


def check_packed(data: bytes, cuts: Sequence[int]) -> None:
    try:
        passed = msgpack_to_json(data)
    except RequestError:
        return
    assert check_json(passed) == passed


# Queries, names, positions


def check_query(data: bytes, cuts: Sequence[int]) -> None:
    raw = data.decode("latin-1")
    for read in (
        lambda query: queries.stream_request(query, None, LIMITS),
        lambda query: queries.poll_request(query, None, LIMITS),
        lambda query: queries.socket_request(query, LIMITS),
        lambda query: queries.history_request(query, LIMITS),
    ):
        try:
            asked: Any = read(queries.Query(raw))
        except RequestError:
            continue
        since = getattr(asked, "since", None)
        assert since is None or 0 <= since <= MAX_POSITION
        for name in (*getattr(asked, "channels", ()), *getattr(asked, "patterns", ())):
            check_channel_or_pattern(name)


def check_last_event_id(data: bytes, cuts: Sequence[int]) -> None:
    """It is never refused: that would end an EventSource for good."""
    text = data.decode("latin-1")
    asked = queries.stream_request(queries.Query("channel=a"), text, LIMITS)
    if asked.since is None:
        assert not text
        return
    assert queries.NO_POSITION <= asked.since <= MAX_POSITION
    if asked.since > 0:
        assert text.strip() == str(asked.since)


def check_prefer(data: bytes, cuts: Sequence[int]) -> None:
    asked = queries.poll_request(queries.Query("channel=a"), data.decode("latin-1"), LIMITS)
    assert 0 <= asked.wait <= LIMITS.max_wait


def check_names(data: bytes, cuts: Sequence[int]) -> None:
    names = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\n")[:4]]
    channels, patterns = list[str](), list[str]()
    for name in names:
        for check, good in ((check_channel, channels), (check_channel_or_pattern, patterns)):
            try:
                good.append(check(name))
            except RequestError as error:
                msgspec.json.encode(error.message)
    table: PatternTable[str] = PatternTable()
    for pattern in patterns:
        table.put(pattern, pattern)
    for channel in channels:
        assert channel in patterns
        assert unquote_to_bytes(quote(channel, safe="")).decode() == channel
        expected = {pattern for pattern in patterns if matches(pattern, channel)}
        assert set(table.covering(channel)) == expected
        assert is_pattern(channel) is False
    for pattern in patterns:
        table.remove(pattern)
    assert len(table) == 0


def check_positions(data: bytes, cuts: Sequence[int]) -> None:
    """Holes are known again wherever one stands, and who is told where to go on is known there."""
    found = [queries.as_position(part) for part in data.decode("latin-1").split(",")]
    numbers = sorted({number for number in found if number})
    if len(numbers) < 3:
        return
    birth, *rest = numbers
    openings = Openings(birth)
    for head, first in zip(rest[::2], rest[1::2], strict=False):
        openings.note(head, first)
    again = Openings(birth, [Hole(hole.head, hole.next) for hole in openings.holes])
    head = numbers[-1]
    for since in {place for number in numbers for place in (number - 1, number, number + 1)}:
        before = openings.unknown(since, head)
        assert again.unknown(since, head) == before
        if before is not None:
            assert openings.unknown(before - 1, max(head, before - 1)) is None


def check_filter(data: bytes, cuts: Sequence[int]) -> None:
    try:
        filtered = parse_filter(data.decode("utf-8", "ignore"))
    except RequestError:
        return
    for content in (b'{"price": 5, "a": "b"}', b"[1]", b"null"):
        draft = Draft("a", content, meta=b'{"region": "eu"}')
        assert filtered.shows(message_from(draft, 1, 1)) in (True, False)


def check_token(data: bytes, cuts: Sequence[int]) -> None:
    try:
        read_header(data.decode("latin-1"))
    except RequestError as error:
        assert error.code == "bad_token"
        msgspec.json.encode(error.message)


# What our clients read


def stream_events(chunks: Sequence[bytes]) -> tuple[list[object], object]:
    parser, events = StreamParser(STREAM), list[object]()
    try:
        for chunk in chunks:
            events += parser.feed(chunk)
    except StreamTooLarge:
        # How much of it was read before depends on where it was cut.
        return [], "too large"
    return events, (parser.last_id, parser.retry_ms)


def check_stream(data: bytes, cuts: Sequence[int]) -> None:
    assert stream_events(cut(data, cuts)) == stream_events([data])


def check_text_in_a_stream(data: bytes, cuts: Sequence[int]) -> None:
    """Text comes out as it went in, but for its line ends; nothing in it becomes a field."""
    text = data.decode("utf-8", "ignore")
    message = message_from(Draft("a", text.encode(), Kind.TEXT), 7, 1)
    (event,) = StreamParser().feed(sse.DATA.message(message))
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")
    assert (event.event, event.last_id) == ("message", "7")


def check_message(data: bytes, cuts: Sequence[int]) -> None:
    try:
        message = message_of(data)
    except BadAnswer:
        return
    assert isinstance(message.channel, str)
    assert isinstance(message.raw, bytes)


def check_lines(data: bytes, cuts: Sequence[int]) -> None:
    def pieces(chunks: Sequence[bytes]) -> list[object]:
        cutter = LineCutter(9)
        found = [piece for chunk in chunks for piece in cutter.feed(chunk)]
        return [*found, *cutter.finish()]

    assert pieces(cut(data, cuts)) == pieces([data])


REQUESTS = [
    b"GET /updates?channel=a&since=5&wait=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b'POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: 25\r\n\r\n{"channel":"a","data":[]}',
    b"POST /publish HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'19\r\n{"channel":"a","data":[]}\r\n0\r\nTrailer: x\r\n\r\n',
    b"POST /publish HTTP/1.1\r\nContent-Length: 1\r\n\r\n1",
    b"\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nA: b\r\nA: c\r\n\r\n",
]
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
COMMANDS: list[dict[str, object]] = [
    {"type": "ping", "ref": 1},
    {"type": "subscribe", "channel": "a", "since": 0, "ref": "r"},
    {"type": "subscribe", "channels": {"a": 5, "a.*": None}, "history": 3},
    {"type": "unsubscribe", "channels": ["a", "b"]},
    {"type": "publish", "channel": "a", "data": {"a": [1, "é", 1.5e3]}, "meta": {"m": 1}, "ttl": 1},
    {"type": "publish", "channel": "a", "data": "AA==", "encoding": "base64", "echo": False},
    {"type": "publish", "channel": "a", "data": "t", "encoding": "text", "final": True, "key": "k"},
]
PUBLISHES = [msgspec.json.encode(command) for command in COMMANDS[4:]]
PUBLISHES += [b"[" + b",".join(PUBLISHES[:2]) + b"]", b'{"channels":["a","b"],"data":1}']
VALUES: list[object] = [None, True, -1, 2**64, 1.5, "é\n", [1, [2, []]], {"a": {"b": "c"}}]
JSON = [msgspec.json.encode(value) for value in VALUES] + [b'{"a":1,"a":2}', b'"\\ud800"', b"[" * 9]
NAMES = [b"a", b"a.b.c", b"a.*\na.b", b"**\n@user.x", b"chat.\xc3\xa9", b".".join([b"a"] * 20)]
POSITIONS = [b"5,10,20,30,40", b"1,2,3,4", b"1763942400000000,1763942400000457,9007199254740991"]
STREAMS = [
    b"retry: 2000\n\n",
    b'id: 7\nevent: everywire.position\ndata: {"last_id":7}\n\n',
    b"data: a\r\ndata: b\r\r\n\n:comment\nid\n\ndata\n\n",
    b"\xef\xbb\xbfdata: bom\n\n",
]
JWT = b"eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJhIn0.AAAA"
HEADER_WORDS = [b"\r\n", b"\r\n\r\n", b": ", b"chunked", b"Content-Length: 5\r\n", b"HTTP/1.1"]
JSON_WORDS = [
    b'"',
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b":",
    b"NaN",
    b"\\ud800",
    b'"channel"',
    b'"data":',
]

TARGETS = [
    Target("http requests", REQUESTS, check_requests, HEADER_WORDS),
    Target("handshake", [UPGRADE], check_handshake, [b"\r\n", b"everywire.token.x", b","]),
    Target(
        "deflate offer",
        [b"permessage-deflate; client_max_window_bits=10", b"permessage-deflate, x; y=1"],
        check_deflate_offer,
        [b"; ", b", ", b"server_no_context_takeover", b"=", b'"'],
    ),
    Target(
        "paths",
        [b"channels/a%2Eb/messages", b"channels/%C3%A9", b"publish"],
        check_path,
        [b"%", b"%2F", b"/", b"%00", b".."],
    ),
    Target(
        "frames",
        [
            frame(b'{"type":"ping"}'),
            frame(b"a", 0x01) + frame(b"b", 0x80),
            frame(b"", 0x89),
            frame(b"\x03\xe8bye", 0x88),
            frame("é€".encode()),
            b"\x82\xfe\x00\x7e\x00\x00\x00\x00",
        ],
        partial(check_frames, False),
    ),
    Target(
        "compressed frames",
        [frame(compress(b"text" * 20, 15), 0xC1), frame(b"plain"), frame(b"\x00", 0xC2)],
        partial(check_frames, True),
    ),
    Target("inflate", [compress(b"a" * 500, 15), compress(b"text", 9), b"\x00"], check_inflate),
    Target(
        "own frames",
        [frames.text_frame(b"a"), frames.ping_frame(), b"\x81\x7e\x00\x80" + b"x" * 128],
        check_split,
    ),
    Target(
        "json commands",
        [msgspec.json.encode(command) for command in COMMANDS],
        partial(check_command, commands.parse_json),
        JSON_WORDS,
    ),
    Target(
        "msgpack commands",
        [msgspec.msgpack.encode(command) for command in COMMANDS],
        partial(check_command, commands.parse_msgpack),
        [b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xd4"],
    ),
    Target("publish bodies", PUBLISHES, check_publish, JSON_WORDS),
    Target("raw bodies", [*JSON, b"text", b"\x89PNG"], check_raw, JSON_WORDS),
    Target("json data", JSON, check_json_data, JSON_WORDS),
    Target(
        "msgpack data",
        [msgspec.msgpack.encode(value) for value in VALUES if value != 2**64],
        check_packed,
        [b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xcb\x7f\xf0"],
    ),
    Target(
        "queries",
        [
            b"channel=a&channel=b.*&since=5&limit=10&wait=1.5&ephemeral=1",
            b"channel=%C3%A9&token=x",
            b"since=0&before=9&order=desc&format=envelope&connection=" + b"a" * 22,
        ],
        check_query,
        [b"&", b"=", b"%", b"%ff", b"+", b"channel="],
    ),
    Target("last event ids", [b"0", b"1763942400000000", b"abc", b" 7"], check_last_event_id),
    Target(
        "prefer", [b"wait=5", b"respond-async, wait = 30"], check_prefer, [b"wait=", b",", b'"']
    ),
    Target("names", NAMES, check_names, [b".", b"*", b"**", b"@", b"\n", b" ", b"\xc2\x85"]),
    Target("positions", POSITIONS, check_positions, [b","]),
    Target(
        "filters",
        [
            b'event = "trade" and data.price >= 100',
            b'not meta.region in ("eu", "uk") or data.a = null',
        ],
        check_filter,
        [b"(", b")", b"not ", b" and ", b'"', b"data.", b" in "],
    ),
    Target("token headers", [JWT], check_token, [b".", b"=", b"eyJhbGciOiJub25lIn0"]),
    Target(
        "event streams", STREAMS, check_stream, [b"\n", b"\r", b"\r\n", b"data: ", b"id: ", b":"]
    ),
    Target(
        "text in event streams",
        [b"one\ntwo\r\nthree\rfour", b"data: x\n\nid: 9\n\n"],
        check_text_in_a_stream,
        [b"\r", b"\n", b"\r\n", b"\xe2\x80\xa8"],
    ),
    Target(
        "client messages",
        [b'{"type":"message","channel":"a","id":1,"data":1}', b'{"channel":"a"}'],
        check_message,
        JSON_WORDS,
    ),
    Target("piped lines", [b"one\ntwo\r\nthree", "é€\U0001f600".encode()], check_lines, [b"\n"]),
]
