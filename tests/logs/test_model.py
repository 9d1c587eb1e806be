"""Each log against a simple model, for any order of events.

The model keeps a plain list and trims it as DESIGN.md says; the log under test is asked for pages,
and its pages must be the model's, message for message and gap for gap. A page that memory answers
must be the store's, too (harness.read). The log in a file is also closed and opened again, keeps
only five messages in its tail, and is made to merge no more than two channels, so that every way
of reading is taken.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everywire.core.channels import is_pattern, matches
from everywire.core.errors import RequestError
from everywire.core.messages import Draft, Gap, Message, message_from
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import ChannelStatus, Log
from everywire.logs.sqlite import reading
from logs.harness import Bench, draft, read_all

T = TypeVar("T")

CHANNELS = ("a.1", "a.2", "b", "few.1", "few.2", "few.3", "aged")
NAMES = (*CHANNELS, "a.*", "few.*", "**", "*", "none")
RULES = Rules([ChannelRule("few.*", max_messages=2, max_bytes=300), ChannelRule("aged", max_age=5)])
RETENTION = LogRetention(max_age=30, max_bytes=2500)
MAX_MARKS = 2
WINDOW_S = 20


class Model:
    """What a log keeps and has lost, in the plainest way."""

    def __init__(self, birth: int) -> None:
        self.birth = self.head = birth
        self.floor = birth - 1
        self.kept: list[Message] = []
        self.marks: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.holes: list[tuple[int, int]] = []
        self.opened = True
        self.keys: dict[tuple[str, str], tuple[int, list[int]]] = {}

    def append(self, drafts: list[Draft], now_us: int, key: str | None) -> list[int] | None:
        """The positions; None where the append is refused."""
        scope = (drafts[0].channel, key or "")
        if key is not None and scope in self.keys and self.keys[scope][0] > now_us // 1000:
            return self.keys[scope][1]
        ended = set(self.ended)
        for each in drafts:
            if each.channel in ended:
                return None
            if each.final:
                ended.add(each.channel)
        first = max(self.head + 1, now_us)
        if self.opened and first > self.head + 1:
            self.holes.append((self.head, first))
        self.opened = False
        given = list(range(first, first + len(drafts)))
        for position, each in zip(given, drafts, strict=True):
            self.kept.append(message_from(each, position, now_us // 1000))
            if each.final:
                self.ended[each.channel] = position
        self.head = given[-1]
        if key is not None:
            self.keys[scope] = (now_us // 1000 + WINDOW_S * 1000, given)
        return given

    def trim(self, now_ms: int) -> None:
        self.kept = [m for m in self.kept if not 0 < m.expires <= now_ms]
        for channel in CHANNELS:
            of_channel = RULES.of(channel)
            while mine := [m for m in self.kept if m.channel == channel]:
                too_many = of_channel.max_messages and len(mine) > of_channel.max_messages
                too_large = (
                    of_channel.max_bytes and sum(m.size for m in mine) > of_channel.max_bytes
                )
                too_old = of_channel.max_age and mine[0].ts < now_ms - of_channel.max_age * 1000
                if not (too_many or too_large or too_old):
                    break
                self.lose(mine[0])
        assert RETENTION.max_age and RETENTION.max_bytes
        while self.kept and (
            sum(m.size for m in self.kept) > RETENTION.max_bytes
            or self.kept[0].ts < now_ms - RETENTION.max_age * 1000
        ):
            self.lose(self.kept[0])

    def lose(self, message: Message) -> None:
        self.kept.remove(message)
        if message.id > self.floor:
            self.marks[message.channel] = message.id
        if len(self.marks) > MAX_MARKS:
            lowest = min(self.marks, key=lambda channel: self.marks[channel])
            self.floor = self.marks.pop(lowest)

    def expected(self, names: list[str], since: int, now_ms: int) -> list[Message | Gap]:
        """All that a reader gets who goes on from a position, in order."""
        items: list[tuple[int, int, Message | Gap]] = []
        after = since
        if since:
            before = None
            if since > self.head:
                before = self.head + 1
            elif since < self.birth - 1:
                before = self.birth
            for head, first in self.holes:
                if head < since < first - 1:
                    before = first
            if before is not None:
                gaps = [Gap(name, since, before, "unknown_position") for name in names]
                items += [(0, 0, gap) for gap in gaps]
                after = before - 1
            for name in names:
                marks = [mark for channel, mark in self.marks.items() if covers(name, channel)]
                lost = max([*marks, self.floor if after < self.floor else 0])
                if lost > after:
                    items.append((lost, 1, Gap(name, after, lost + 1, "trimmed")))
        for message in self.kept:
            heard = any(covers(name, message.channel) for name in names)
            if heard and message.id > after and not 0 < message.expires <= now_ms:
                items.append((message.id, 0, message))
        return [item for *_, item in sorted(items, key=lambda entry: entry[:2])]


def covers(name: str, channel: str) -> bool:
    return name == channel or (is_pattern(name) and matches(name, channel))


DRAFTS = st.lists(
    st.builds(
        draft,
        st.sampled_from(CHANNELS),
        st.sampled_from(["1", "7" * 120]),
        ttl=st.sampled_from([None, None, None, 3.0]),
        final=st.sampled_from([False] * 15 + [True]),
    ),
    min_size=1,
    max_size=4,
)
KEYS = st.sampled_from([None, None, None, "k", "l"])


class LogMachine(RuleBasedStateMachine):
    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.bench = Bench(self.kind, Path(self.directory.name))
        self.merged = mock.patch.object(reading, "MERGED", 2)
        self.merged.start()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(what)

    async def open(self) -> Log:
        return await self.bench.open(
            rules=RULES,
            retention=RETENTION,
            key_window_ms=WINDOW_S * 1000,
            max_watermarks=MAX_MARKS,
            sqlite={"tail_messages": 5},
        )

    @property
    def now_ms(self) -> int:
        return self.bench.clock.us // 1000

    @initialize()
    def begin(self) -> None:
        self.log = self.run(self.open())
        self.model = Model(self.log.head())

    @rule(drafts=DRAFTS, key=KEYS)
    def append(self, drafts: list[Draft], key: str | None) -> None:
        expected = self.model.append(drafts, self.bench.clock.us, key)
        try:
            given = list(self.run(self.log.append(drafts, key=key)).positions)
        except RequestError as error:
            assert error.code == "conflict"
            given = None
        assert given == expected
        self.settle()

    @rule(seconds=st.sampled_from([0.001, 1, 3, 7, 25]))
    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        self.run(self.log.settle())
        self.model.trim(self.now_ms)

    @precondition(lambda self: self.bench.keeps)
    @rule()
    def reopen(self) -> None:
        self.run(self.bench.close())
        self.log = self.run(self.open())
        self.model.opened = True

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True),
        near=st.integers(0, 30),
        off=st.integers(-2, 2),
        limit=st.integers(1, 5),
    )
    def read(self, names: list[str], near: int, off: int, limit: int) -> None:
        places = [0, 1, self.model.birth, self.model.head, self.model.floor]
        places += [*self.model.marks.values(), *(m.id for m in self.model.kept)]
        places += [place for hole in self.model.holes for place in hole]
        since = max(places[near % len(places)] + off, 0)
        items = self.run(read_all(self.log, *names, after=since, limit=limit))
        expected = self.model.expected(names, since, self.now_ms)
        # Gaps that stand at one place may come in any order; a gap that is left to a later page
        # begins where that page does.
        assert [place(item)[0] for item in items] == [place(item)[0] for item in expected]
        for item, wanted in zip(sorted(items, key=place), sorted(expected, key=place), strict=True):
            same = item
            if isinstance(item, Gap) and isinstance(wanted, Gap) and item.reason == "trimmed":
                assert wanted.after <= item.after < item.before
                same = msgspec.structs.replace(item, after=wanted.after)
            assert same == wanted

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(1, 4))
    def look_back(self, channel: str, count: int) -> None:
        mine = [m for m in self.model.kept if m.channel == channel]
        head = self.model.head
        back = self.run(self.log.read_back(channel, head + 1, 0, count))
        assert back == mine[::-1][:count]
        nth = mine[-count].id - 1 if len(mine) >= count else 0
        assert self.run(self.log.nth_last(channel, count)) == nth
        last = max(self.model.marks.get(channel, 0), self.model.ended.get(channel, 0)) or None
        assert self.run(self.log.status(channel)) == (
            ChannelStatus(mine[-1].id, mine[0].id, len(mine))
            if mine
            else ChannelStatus(last, None, 0)
        )

    @invariant()
    def heads_and_marks_agree(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.head() == self.model.head
        assert dict(self.run(self.log.watermarks(CHANNELS))) == self.model.marks
        assert {c: self.log.ended(c) for c in CHANNELS if self.log.ended(c)} == self.model.ended
        assert [(h.head, h.next) for h in self.log.openings().holes] == self.model.holes

    def teardown(self) -> None:
        self.run(self.bench.close())
        self.merged.stop()
        self.loop.close()
        self.directory.cleanup()


def place(item: Message | Gap) -> tuple[int, str]:
    if isinstance(item, Gap):
        return (0 if item.reason == "unknown_position" else item.position, item.channel)
    return (item.id, "")


class SqliteMachine(LogMachine):
    kind = "sqlite"


_MODEL = settings(
    deadline=None,
    max_examples=40,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TestMemory = LogMachine.TestCase
TestMemory.settings = _MODEL
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = _MODEL
