"""Nothing is quadratic: twice the input is at most 2.2 times the work (`support.counting`).

The frame reader counts the bytes it touches in its own tests.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable

import pytest

from everywire.client.lines import LineCutter
from everywire.client.positions import Positions
from everywire.client.sse import StreamParser
from everywire.core import hub as hub_module
from everywire.core import subscriptions
from everywire.core.channels import PatternTable
from everywire.core.conflation import Conflation
from everywire.core.hub import Hub
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind, Message, message_from
from everywire.core.pages import Query
from everywire.core.payload import check_json
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.core.subscriptions import Subscriber, Subscription
from everywire.core.watermarks import Watermarks
from everywire.core.wheel import Timer, Wheel
from everywire.logs.base import Append, LogSettings
from everywire.logs.memory import MemoryLog
from everywire.server.http_reader import RequestReader
from everywire.wires import commands, publishing, queries, sse
from everywire.wires.frame_reader import FrameReader
from everywire.wires.packed import msgpack_to_json
from everywire.wires.websocket import websocket_format
from fuzz.targets import frame
from support.counting import Make, Work, check_growth, work_of

LIMITS = Limits(max_channels=10**6, max_batch=10**6, max_headers=10**6, max_head_bytes=10**9)
NOW = 1_000_000


# Bytes that come in


def head_byte_by_byte(size: int) -> Callable[[], object]:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(size))
    data = b"GET / HTTP/1.1\r\n" + lines + b"\r\n"

    def do() -> None:
        reader = RequestReader(LIMITS, "")
        for place in range(len(data)):
            reader.feed(data[place : place + 1])
            found = reader.head()
        assert found is not None

    return do


def body_byte_by_byte(size: int) -> Callable[[], object]:
    reader = RequestReader(LIMITS, "")
    reader.feed(b"POST /publish HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    assert reader.head() is not None

    def do() -> None:
        for _ in range(size):
            reader.feed(b"x")
            found = reader.body()
        assert found is not None

    return do


def chunked_body(size: int) -> Callable[[], object]:
    reader = RequestReader(LIMITS, "")
    reader.feed(b"POST /publish HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert reader.head() is not None
    data = b"1\r\nx\r\n" * size + b"0\r\n\r\n"

    def do() -> None:
        for place in range(0, len(data), 3):
            reader.feed(data[place : place + 3])
            found = reader.body()
        assert found == b"x" * size

    return do


def pipelined_requests(size: int) -> Callable[[], object]:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * size

    def do() -> None:
        reader = RequestReader(LIMITS, "")
        reader.feed(data)
        for _ in range(size):
            assert reader.head() is not None
            assert reader.body() == b""

    return do


def fragments_byte_by_byte(size: int) -> Callable[[], object]:
    data = frame(b"ab", 0x01) + frame(b"ab", 0x00) * size + frame(b"", 0x80)

    def do() -> None:
        reader = FrameReader(10**9, 10**9)
        events = [event for byte in data for event in reader.feed(bytes((byte,)))]
        assert len(events) == 1

    return do


def brackets(size: int) -> Callable[[], object]:
    data = json.dumps([["]" * 3, {"a": []}]] * size).encode()
    return lambda: check_json(data)


def numbers(size: int) -> Callable[[], object]:
    data = b"[" + b",".join([b"1" + b"0" * 308 + b".5"] * size) + b"]"
    return lambda: check_json(data)


def members(size: int) -> Callable[[], object]:
    channels = {f"c.{number}": number for number in range(size)}
    data = json.dumps({"type": "subscribe", "channels": channels}).encode()
    return lambda: commands.parse_json(data, LIMITS)


def packed_array(size: int) -> Callable[[], object]:
    import msgspec

    data = msgspec.msgpack.encode([[number, {"a": [number]}] for number in range(size)])
    return lambda: msgpack_to_json(data)


def publish_list(size: int) -> Callable[[], object]:
    objects = [{"channel": f"c.{n}", "data": n, "meta": {"a": 1}} for n in range(size)]
    data = json.dumps(objects).encode()
    return lambda: publishing.parse_publish(data, None, LIMITS)


def query_channels(size: int) -> Callable[[], object]:
    raw = "&".join(f"channel=c.{number}" for number in range(size)) + "&since=5"
    return lambda: queries.stream_request(queries.Query(raw), None, LIMITS)


def text_lines_out(size: int) -> Callable[[], object]:
    message = message_from(Draft("a", b"line\r\n" * size, Kind.TEXT), 1, 1)
    return lambda: sse.DATA.message(message)


def text_lines_in(size: int) -> Callable[[], object]:
    data = b"data: line\r\n" * size + b"\r\n"

    def do() -> None:
        parser = StreamParser()
        events = [event for byte in data for event in parser.feed(bytes((byte,)))]
        assert len(events) == 1

    return do


def a_long_line(size: int) -> Callable[[], object]:
    def do() -> None:
        cutter = LineCutter(64)
        pieces = [*cutter.feed(b"x" * 64 * size), *cutter.finish()]
        assert len(pieces) == size

    return do


# The hub


class Nobody:
    """An owner, and all it is told goes nowhere."""

    def __getattr__(self, name: str) -> Callable[..., bytes]:
        return lambda *arguments: b""


def subscriber() -> Subscriber:
    return Subscriber(websocket_format("json"), lambda data: None, Nobody())  # type: ignore[arg-type]


def hear(hub: Hub, who: Subscriber, channels: Iterable[str], patterns: Iterable[str] = ()) -> None:
    subscription = Subscription(channels, patterns, hub.position)
    hub.subscribe(who, subscription)
    hub.caught_up(who, subscription)


def messages(channels: Iterable[str], first: int = 1) -> list[Message]:
    return [
        message_from(Draft(channel, b"1"), position, 1)
        for position, channel in enumerate(channels, first)
    ]


def names(size: int) -> list[str]:
    return [f"c.{number}" for number in range(size)]


def one_channel_of_many(size: int) -> Callable[[], object]:
    hub = Hub(0)
    for _ in range(size):
        hear(hub, subscriber(), ["a"])
    return lambda: hub.deliver(messages(["a"]))


def many_channels_of_one_each(size: int) -> Callable[[], object]:
    hub = Hub(0)
    for name in names(size):
        hear(hub, subscriber(), [name])
    return lambda: hub.deliver(messages(names(size)))


def many_channels_of_one(size: int) -> Callable[[], object]:
    hub = Hub(0)
    hear(hub, subscriber(), names(size))
    return lambda: hub.deliver(messages(names(size)))


def many_patterns_of_one_each(size: int) -> Callable[[], object]:
    hub = Hub(0)
    for name in names(size):
        hear(hub, subscriber(), [], [f"{name}.*"])
    return lambda: hub.deliver(messages(f"{name}.x" for name in names(size)))


def own_echoes(size: int) -> Callable[[], object]:
    """Each message of a batch is kept from its publisher."""
    hub, batch = Hub(0), messages(["a"] * size)
    for number, message in enumerate(batch):
        message.echo, message.connection = False, f"n{number}"
        who = subscriber()
        who.name = message.connection
        hub.enter(who)
        hear(hub, who, [f"b.{number}"])
    return lambda: hub.deliver(batch)


def subscribe_to_many_at_once(size: int) -> Callable[[], object]:
    hub, who = Hub(0), subscriber()
    return lambda: hear(hub, who, names(size))


def leave_with_many(size: int) -> Callable[[], object]:
    hub, who = Hub(0), subscriber()
    hear(hub, who, names(size))
    return lambda: hub.exit(who)


def fall_behind_with_many(size: int) -> Callable[[], object]:
    hub, who = Hub(0), subscriber()
    hear(hub, who, names(size))
    return lambda: hub.lag(who)


def come_and_go(size: int) -> Callable[[], object]:
    hub = Hub(0)

    def do() -> None:
        here = [subscriber() for _ in range(size)]
        for who in here:
            hear(hub, who, ["a"])
        for who in here:
            hub.exit(who)

    return do


def patterns_in_a_table(size: int) -> Callable[[], object]:
    def do() -> None:
        table: PatternTable[str] = PatternTable()
        for name in names(size):
            table.put(f"{name}.*", name)
        for name in names(size):
            assert table.covering(f"{name}.x") == [name]
        for name in names(size):
            table.remove(f"{name}.*")

    return do


def names_that_overlap(size: int) -> Callable[[], object]:
    """Read beside a pattern that may send the same."""
    hub, who = Hub(0), subscriber()
    hub.subscribe(who, Subscription([], ["c.*"], 0))
    later = Subscription(names(size), [], 0)
    hub.subscribe(who, later)
    read = messages(names(size))

    def do() -> None:
        sent = who.sent_by_others(later)
        assert sent is not None
        for message in read:
            assert sent(message)

    return do


def conflated(size: int) -> Callable[[], object]:
    read = messages(["a"] * size)
    for number, message in enumerate(read):
        message.event = f"e{number % 300}"

    def do() -> None:
        conflation = Conflation(0)
        for place in range(0, size, 100):
            conflation.take(read[place : place + 100])
        conflation.release()

    return do


def timers(size: int) -> Callable[[], object]:
    def do() -> None:
        wheel = Wheel(0.0)
        for number in range(size):
            wheel.start(Timer(lambda: None), number / 10)
        for second in range(size // 10 + 2):
            wheel.turn(float(second))

    return do


# The log, and reading on


def memory_log(rules: Rules | None = None, retention: LogRetention | None = None) -> MemoryLog:
    later: list[Callable[[], None]] = []
    log = MemoryLog(
        LogSettings(
            now_us=lambda: NOW,
            soon=later.append,
            rules=rules or Rules(),
            retention=retention or LogRetention(None, None),
        )
    )
    with contextlib.suppress(StopIteration):
        log.open(Nobody()).send(None)  # type: ignore[arg-type]
    return log


def append(log: MemoryLog, channels: Iterable[str], at_once: int = 1) -> None:
    drafts = [Draft(channel, b"1") for channel in channels]
    for place in range(0, len(drafts), at_once):
        log.submit(Append(drafts[place : place + at_once], lambda answer: None))
        log.flush()


def read_on(log: MemoryLog, channels: tuple[str, ...], patterns: tuple[str, ...]) -> int:
    after = count = 0
    while True:
        page = log.recent(Query(channels, patterns, after, log.head(), limit=100))
        count += len(page.messages)
        after = page.last
        if page.complete:
            return count


def appends(size: int) -> Callable[[], object]:
    log = memory_log()
    return lambda: append(log, names(size))


def one_append_of_many(size: int) -> Callable[[], object]:
    log = memory_log()
    return lambda: append(log, names(size), size)


def trims_by_channel(size: int) -> Callable[[], object]:
    log = memory_log(Rules([ChannelRule("**", max_messages=3)]))
    return lambda: append(log, ["a"] * size)


def trims_of_the_whole(size: int) -> Callable[[], object]:
    log = memory_log(retention=LogRetention(None, 2000))
    return lambda: append(log, names(size))


def backlog_of_a_channel(size: int) -> Callable[[], object]:
    log = memory_log()
    append(log, ["a"] * size, size)
    return lambda: read_on(log, ("a",), ())


def backlog_of_some_channels(size: int) -> Callable[[], object]:
    log, some = memory_log(), names(8)
    append(log, some * size, 8 * size)
    return lambda: read_on(log, tuple(some), ())


def backlog_of_a_pattern(size: int) -> Callable[[], object]:
    log = memory_log()
    append(log, names(8) * size, 8 * size)
    return lambda: read_on(log, (), ("c.*",))


def backlog_of_a_pattern_over_many_channels(size: int) -> Callable[[], object]:
    log = memory_log()
    append(log, names(size), size)
    return lambda: read_on(log, (), ("c.*",))


def gaps_of_many_channels(size: int) -> Callable[[], object]:
    log = memory_log(Rules([ChannelRule("**", max_messages=1)]))
    append(log, names(size), size)
    since = log.head()
    append(log, names(size) * 2, size)
    query = Query(tuple(names(size)), (), since, log.head(), limit=1000)
    return lambda: log.recent(query)


def watermarks(size: int) -> Callable[[], object]:
    def do() -> None:
        marks = Watermarks(0, size // 2)
        for position, name in enumerate(names(size), 1):
            marks.raise_to(name, position)

    return do


def watermarks_of_patterns(size: int) -> Callable[[], object]:
    marks = Watermarks(0)
    for position, name in enumerate(names(size), 1):
        marks.raise_to(f"{name}.x", position)
    patterns = [f"{name}.*" for name in names(size)]

    def do() -> None:
        assert len(marks.of_all(patterns)) == size

    return do


def what_a_client_remembers(size: int) -> Callable[[], object]:
    def do() -> None:
        positions = Positions(names(size), 1)
        for position, name in enumerate(names(size), 2):
            positions.take(name, position)
        positions.move(size + 2)

    return do


QUADRATIC = pytest.mark.xfail(strict=True, reason="found to be quadratic, and not mended yet")

CASES = [
    (head_byte_by_byte, 40),
    (body_byte_by_byte, 500),
    (chunked_body, 300),
    (pipelined_requests, 100),
    (fragments_byte_by_byte, 100),
    (brackets, 300),
    (numbers, 100),
    (members, 300),
    (packed_array, 200),
    (publish_list, 500),
    (query_channels, 300),
    (text_lines_out, 500),
    (text_lines_in, 200),
    (a_long_line, 300),
    (one_channel_of_many, 500),
    (many_channels_of_one_each, 300),
    (many_channels_of_one, 300),
    (many_patterns_of_one_each, 200),
    pytest.param(own_echoes, 200, marks=QUADRATIC),
    (subscribe_to_many_at_once, 300),
    (leave_with_many, 300),
    (fall_behind_with_many, 300),
    (come_and_go, 200),
    (patterns_in_a_table, 200),
    pytest.param(names_that_overlap, 100, marks=QUADRATIC),
    (conflated, 2000),
    (timers, 500),
    (appends, 300),
    (one_append_of_many, 500),
    (trims_by_channel, 500),
    (trims_of_the_whole, 500),
    (backlog_of_a_channel, 1000),
    (backlog_of_some_channels, 250),
    (backlog_of_a_pattern, 250),
    pytest.param(backlog_of_a_pattern_over_many_channels, 1500, marks=QUADRATIC),
    (gaps_of_many_channels, 400),
    (watermarks, 500),
    (watermarks_of_patterns, 100),
    (what_a_client_remembers, 300),
]


@pytest.mark.parametrize(("make", "size"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_twice_the_input_is_twice_the_work(make: Make, size: int) -> None:
    check_growth(make, size)


# One by one on one connection: also the names that are copied within C are counted


def one_by_one(size: int) -> Callable[[], object]:
    """Subscribe to many channels in as many frames, then give them up so."""
    hub, who = Hub(0), subscriber()

    def do() -> None:
        for name in names(size):
            hear(hub, who, [name])
        for name in names(size):
            assert hub.unsubscribe(who, name)

    return do


@QUADRATIC
def test_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = subscriptions.shared_names
    running = Work()

    def counting(some: Iterable[str]) -> frozenset[str]:
        found = shared(some)
        running.extra += len(found)
        return found

    monkeypatch.setattr(subscriptions, "shared_names", counting)
    monkeypatch.setattr(hub_module, "shared_names", counting)

    def fresh() -> Work:
        nonlocal running
        running = Work()
        return running

    check_growth(one_by_one, 500, fresh)


# The counting itself


def test_what_is_quadratic_is_noticed() -> None:
    def quadratic(size: int) -> Callable[[], object]:
        return lambda: [None for a in range(size) for b in range(size)]

    def searching(size: int) -> Callable[[], object]:
        def do() -> None:
            seen: list[int] = []
            for number in range(size):
                if not any(number == other for other in seen):
                    seen.append(number)

        return do

    for make in (quadratic, searching):
        with pytest.raises(AssertionError, match="steps"):
            check_growth(make, 50)


def test_the_same_is_the_same_work() -> None:
    assert work_of(publish_list, 100) == work_of(publish_list, 100)
