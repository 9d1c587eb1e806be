"""The promises of DESIGN.md, against a simple model, for any order of events.

A Hypothesis state machine drives a log, the hub and the catching up as the server joins them, with
a clock and a scheduler of its own: nothing waits, and a failing run is replayed by its seed.
Readers listen over WebSocket, SSE and polls, stall, drain, are cut and go on from their position on
another wire, while messages are published and trimmed.

Held at every moment: order per channel, and no message twice on a connection. Held once everybody
is level: each message after a reader's start was received, or lies in a gap that was told.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from everywire.core.channels import is_pattern, matches
from everywire.core.hub import Hub
from everywire.core.messages import Draft
from everywire.core.pages import Query
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.core.subscriptions import State, Subscriber, Subscription
from everywire.logs.base import Append, Appended, LogSettings
from everywire.logs.memory import MemoryLog
from everywire.server.catch_up import CatchUp
from everywire.server.shared_pages import SharedPages
from everywire.wires import sse
from everywire.wires.frames import split_frames
from everywire.wires.longpoll import page_body
from everywire.wires.websocket import websocket_format

CHANNELS = ("a.1", "a.2", "b", "few")
NAMES = (*CHANNELS, "a.*", "**")
RULES = Rules([ChannelRule("few", max_messages=2)])
BIRTH = 1_000_000


def covers(name: str, channel: str) -> bool:
    return name == channel or (is_pattern(name) and matches(name, channel))


class Reader:
    """A client: what it has been told, on however many connections one after the other."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.positions: dict[str, int] = {}
        self.since = self.first = 0
        self.told: dict[str, int] = {}
        self.polled = False
        self.expected: dict[str, set[int]] = {channel: set() for channel in CHANNELS}
        self.starts: dict[str, int] = {}
        self.received: dict[str, list[int]] = {channel: [] for channel in CHANNELS}
        self.gaps: list[tuple[str, int, int]] = []
        self.connection: Connection | None = None

    def hears(self, channel: str) -> bool:
        return any(covers(name, channel) for name in self.names)

    def position(self, channel: str) -> int:
        return self.positions.get(channel, self.since)

    def take_message(self, channel: str, position: int) -> None:
        if position <= self.position(channel):
            return  # repeated by a hand-over that began at the lowest position
        self.received[channel].append(position)
        self.told[channel] = self.positions[channel] = position

    def take_gap(self, name: str, after: int, before: int) -> None:
        for channel in CHANNELS:
            if not covers(name, channel):
                continue
            # A page that ended early leaves a gap to the next one, which begins at its own since;
            # so after a poll a loss reaches back to the last that was told of the channel, and a
            # pattern's to the beginning. A stream tells it whole.
            back = self.first if is_pattern(name) else self.told.get(channel, self.first)
            begin = min(after, back) if self.polled else after
            self.gaps.append((channel, begin, before))
            self.told[channel] = self.positions[channel] = max(self.position(channel), before - 1)

    def take_position(self, position: int) -> None:
        """Moves all, but none back: after a hand-over some channels are ahead."""
        self.since = position
        self.positions = {c: p for c, p in self.positions.items() if p > position}

    def lowest(self) -> int:
        heard = [channel for channel in CHANNELS if self.hears(channel)]
        return min((self.position(channel) for channel in heard), default=self.since)


class Connection:
    """One wire of a reader; takes so many writes, then its socket is full."""

    def __init__(self, world: Promises, reader: Reader, wire: str) -> None:
        self.world = world
        self.reader = reader
        self.wire = wire
        self.room = 3
        self.seen: dict[str, int] = {}
        formats = {"ws": websocket_format("json"), "sse": sse.ENVELOPE}
        self.subscriber = Subscriber(formats[wire], self.write, self)

    def write(self, data: bytes) -> None:
        for item in self.parse(data):
            self.take(item)
        self.room -= 1
        if self.room <= 0 and not self.subscriber.full:
            # As a transport does: from within the write.
            self.world.hub.lag(self.subscriber)

    def parse(self, data: bytes) -> list[dict]:
        if self.wire == "ws":
            return [json.loads(payload) for _, payload in split_frames(data)]
        found = []
        for block in data.decode().split("\n\n")[:-1]:
            body = re.search("^data: (.*)$", block, re.MULTILINE)
            event = re.search("^event: everywire.(.*)$", block, re.MULTILINE)
            assert body is not None
            found.append({"type": event[1] if event else "message", **json.loads(body[1])})
        return found

    def take(self, item: dict) -> None:
        if item["type"] == "message":
            channel, position = item["channel"], item["id"]
            assert self.seen.get(channel, 0) < position, "order per channel, none twice"
            self.seen[channel] = position
            self.reader.take_message(channel, position)
        elif item["type"] == "gap":
            self.reader.take_gap(item["channel"], item["after"], item["before"])
        elif item["type"] == "position":
            self.reader.take_position(item["last_id"])

    # The owner's part

    def level(self, position: int) -> bytes:
        if self.wire == "sse":
            return sse.position_event(position)
        return websocket_format("json").control({"type": "position", "last_id": position})

    def channel_ended(self, channel: str) -> None: ...

    def too_slow(self) -> None: ...

    def set_back(self) -> None: ...

    def broken(self) -> None: ...


class Promises(RuleBasedStateMachine):
    readers = Bundle("readers")

    @initialize()
    def begin(self) -> None:
        self.now = BIRTH
        self.soon: list[Callable[[], None]] = []
        self.fails = False
        self.published: list[tuple[int, str]] = []
        self.everybody: list[Reader] = []
        self.log = MemoryLog(
            LogSettings(
                now_us=lambda: self.now,
                soon=self.soon.append,
                retention=LogRetention(max_age=30, max_bytes=3000),
                rules=RULES,
            )
        )
        with contextlib.suppress(StopIteration):
            self.log.open(self).send(None)  # it does not wait
        self.hub = Hub(self.log.head(), RULES)
        self.pages = SharedPages(self.log)
        self.catch_up = CatchUp(self.log, self.hub, self.pages, self.soon.append, page_messages=2)

    # The log's sink, as the node is

    def batch(self, messages) -> None:
        before = self.hub.position
        delivery = self.hub.deliver(messages)
        self.pages.forget()
        if self.fails:
            self.fails = False
            for subscriber in self.hub.set_back(before):
                self.soon.append(partial(self.catch_up.pump, subscriber))
            return
        for data, subscribers in delivery.writes:
            for subscriber in subscribers:
                subscriber.write(data)

    def advance(self, position: int) -> None:
        assert position == self.hub.position

    def turn(self) -> None:
        """One turn of the loop."""
        due, self.soon[:] = list(self.soon), []
        for callback in due:
            callback()

    # What happens

    @rule(
        channels=st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=4),
        size=st.integers(0, 200),
    )
    def publish(self, channels: list[str], size: int) -> None:
        self.now += 10
        answers: list[object] = []
        data = b'"' + b"x" * size + b'"'
        self.log.submit(Append([Draft(c, data) for c in channels], answers.append))
        (answer,) = answers
        assert isinstance(answer, Appended)
        positions = list(answer.positions)
        assert positions == list(range(positions[0], positions[0] + len(channels)))
        assert not self.published or positions[0] > self.published[-1][0]
        for position, channel in zip(positions, channels, strict=True):
            self.published.append((position, channel))
            for reader in self.everybody:
                if reader.hears(channel):
                    reader.expected[channel].add(position)

    @rule()
    def loop(self) -> None:
        self.turn()

    @rule()
    def the_next_delivery_fails(self) -> None:
        self.fails = True

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1_000_000
        self.log.tick()
        self.pages.forget()

    @rule(
        target=readers,
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
        wire=st.sampled_from(("ws", "sse", "poll")),
        start=st.sampled_from(("now", "kept", "earlier")),
        back=st.integers(0, 30),
    )
    def comes(self, names: list[str], wire: str, start: str, back: int):
        self.log.flush()
        reader = Reader(tuple(names))
        since = self.hub.position
        if start == "kept":
            since = 0
        elif start == "earlier" and self.published:
            since = self.published[max(0, len(self.published) - 1 - back)][0]
        reader.since = reader.first = since
        for position, channel in self.published:
            if position > since > 0 and reader.hears(channel):
                reader.expected[channel].add(position)
        self.everybody.append(reader)
        self.connect(reader, wire, since)
        return reader

    def connect(self, reader: Reader, wire: str, since: int) -> None:
        reader.connection = None
        if since == 0:
            self.expect_what_is_kept(reader)
        if wire == "poll":
            self.poll_once(reader, 1)
            return
        connection = reader.connection = Connection(self, reader, wire)
        channels = [name for name in reader.names if not is_pattern(name)]
        patterns = [name for name in reader.names if is_pattern(name)]
        self.hub.enter(connection.subscriber)
        self.hub.subscribe(connection.subscriber, Subscription(channels, patterns, since))
        self.catch_up.pump(connection.subscriber)

    def expect_what_is_kept(self, reader: Reader) -> None:
        """since=0 asks for what is kept now; what was lost before is not told."""
        for channel in CHANNELS:
            if reader.hears(channel):
                page = self.log.recent(Query((channel,), (), 0, self.hub.position))
                kept = {message.id for message in page.messages}
                pending = {p for p, c in self.published if c == channel and p > self.hub.position}
                reader.expected[channel] = kept | pending | set(reader.received[channel])

    @rule(reader=readers, limit=st.integers(1, 4))
    def polls(self, reader: Reader, limit: int) -> None:
        if reader.connection is None:
            self.poll_once(reader, limit)

    def poll_once(self, reader: Reader, limit: int) -> bool:
        """One answer; False if there was nothing new."""
        channels = tuple(name for name in reader.names if not is_pattern(name))
        patterns = tuple(name for name in reader.names if is_pattern(name))
        since = reader.since
        reader.polled = True
        page = self.log.recent(Query(channels, patterns, since, self.hub.position, limit))
        answer = json.loads(page_body(page, ()))
        gaps = [(gap["before"] - 1, gap) for gap in answer.get("gaps", ())]
        messages = [(item["id"], item) for item in answer["data"]]
        for _, item in sorted(messages + gaps, key=lambda placed: placed[0]):
            if "id" in item:
                reader.take_message(item["channel"], item["id"])
            else:
                reader.take_gap(item["channel"], item["after"], item["before"])
        reader.take_position(answer["last_id"])
        return bool(answer["data"] or answer.get("gaps")) or answer["last_id"] != since

    @rule(reader=readers)
    def stalls(self, reader: Reader) -> None:
        if reader.connection is not None and not reader.connection.subscriber.full:
            self.hub.lag(reader.connection.subscriber)

    @rule(reader=readers, room=st.integers(1, 5))
    def drains(self, reader: Reader, room: int) -> None:
        connection = reader.connection
        if connection is not None and connection.subscriber.full:
            connection.room = room
            connection.subscriber.full = False
            self.catch_up.pump(connection.subscriber)

    @rule(reader=readers, wire=st.sampled_from(("ws", "sse", "poll")))
    def is_cut_and_goes_on(self, reader: Reader, wire: str) -> None:
        """PROTOCOL.md: changing to a wire with one since, take the lowest position."""
        if reader.connection is not None:
            self.hub.exit(reader.connection.subscriber)
        since = reader.lowest()
        reader.positions = {c: reader.position(c) for c in CHANNELS if reader.hears(c)}
        reader.take_position(since)
        self.connect(reader, wire, since)

    # What is held

    @invariant()
    def nothing_is_queued_for_who_is_slow(self) -> None:
        for reader in getattr(self, "everybody", ()):
            if reader.connection is not None and reader.connection.subscriber.full:
                assert all(
                    s.state is not State.LIVE for s in reader.connection.subscriber.subscriptions
                )

    def teardown(self) -> None:
        if not hasattr(self, "everybody"):
            return
        self.log.flush()
        for _ in range(1000):
            self.turn()
            busy = False
            for reader in self.everybody:
                busy |= self.go_on(reader)
            if not busy and not self.soon:
                break
        else:
            raise AssertionError("somebody never becomes level")
        for reader in self.everybody:
            self.check(reader)

    def go_on(self, reader: Reader) -> bool:
        connection = reader.connection
        if connection is None:
            return self.poll_once(reader, 3)
        if connection.subscriber.full:
            connection.room = 3
            connection.subscriber.full = False
            self.catch_up.pump(connection.subscriber)
            return True
        return connection.subscriber.behind() is not None

    def check(self, reader: Reader) -> None:
        for channel in CHANNELS:
            received = reader.received[channel]
            assert received == sorted(set(received)), "order, and none twice"
            missing = reader.expected[channel] - set(received)
            untold = [
                position
                for position in missing
                if not any(c == channel and a < position < b for c, a, b in reader.gaps)
            ]
            assert not untold, f"{channel}: {untold} were lost silently"
            assert set(received) <= {p for p, c in self.published if c == channel}


TestPromises = Promises.TestCase
TestPromises.settings = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
