"""Each log against a simple model, for any order of events.

The model keeps a plain list and trims it as DESIGN.md says; what is the newest of its key goes to a
second list then, until it is newest no more. The log under test is asked for pages, and its pages
must be the model's, message for message and gap for gap. A page that memory answers must be the
store's, too (harness.read). Leases are renewed or run out, and their wills are publishes like any.
The log in a file is also closed and opened again, keeps only five messages in its tail, and is made
to merge no more than two channels, so that every way of reading is taken.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everywire.core.channels import is_pattern, matches
from everywire.core.errors import RequestError
from everywire.core.messages import Draft, Gap, Message, message_from
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import ChannelStatus, Log
from everywire.logs.sqlite import reading
from logs.harness import Bench, draft, read

T = TypeVar("T")

CHANNELS = ("a.1", "a.2", "b", "few.1", "few.2", "few.3", "aged")
NAMES = (*CHANNELS, "a.*", "few.*", "**", "*", "none")
RULES = Rules([ChannelRule("few.*", max_messages=2, max_bytes=300), ChannelRule("aged", max_age=5)])
RETENTION = LogRetention(max_age=30, max_bytes=2500)
MAX_MARKS = 2
MAX_STATE_KEYS = 2
CURRENT = -1
"""As ``expected_id``: that of the newest message of the key."""
WINDOW_S = 20


class Model:
    """What a log keeps and has lost, in the plainest way."""

    def __init__(self, birth: int) -> None:
        self.birth = self.head = birth
        self.floor = birth - 1
        self.window: list[Message] = []
        self.aside: list[Message] = []
        self.state: dict[tuple[str, str], Message] = {}
        self.leases: dict[str, tuple[float, float, list[Draft]]] = {}
        self.marks: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.holes: list[tuple[int, int]] = []
        self.opened = True
        self.keys: dict[tuple[str, str], tuple[int, list[int]]] = {}

    @property
    def kept(self) -> list[Message]:
        return sorted((*self.window, *self.aside), key=lambda message: message.id)

    def append(self, drafts: list[Draft], now_us: int, key: str | None = None) -> list[int] | str:
        """The positions; the code where the append is refused."""
        scope = (drafts[0].channel, key or "")
        if key is not None and scope in self.keys and self.keys[scope][0] > now_us // 1000:
            return self.keys[scope][1]
        ended = set(self.ended)
        for each in drafts:
            if each.channel in ended:
                return "conflict"
            if each.final:
                ended.add(each.channel)
        state = dict(self.state)
        refused = self.change_state(state, drafts, max(self.head + 1, now_us), now_us // 1000)
        if refused is not None:
            return refused
        first = max(self.head + 1, now_us)
        if self.opened and first > self.head + 1:
            self.holes.append((self.head, first))
        self.opened = False
        given = list(range(first, first + len(drafts)))
        for position, each in zip(given, drafts, strict=True):
            self.window.append(message_from(each, position, now_us // 1000))
            if each.final:
                self.ended[each.channel] = position
        self.state = state
        for message in [m for m in self.aside if m not in state.values()]:
            self.aside.remove(message)
            self.lose(message)
        self.head = given[-1]
        if key is not None:
            self.keys[scope] = (now_us // 1000 + WINDOW_S * 1000, given)
        return given

    def change_state(
        self, state: dict[tuple[str, str], Message], drafts: list[Draft], first: int, now_ms: int
    ) -> str | None:
        for position, each in enumerate(drafts, first):
            if each.key is None:
                continue
            name = (each.channel, each.key)
            if each.expected_id not in (None, state[name].id if name in state else 0):
                return "conflict"
            if each.frees:
                state.pop(name, None)
                continue
            of_channel = [key for channel, key in state if channel == each.channel]
            if name not in state and len(of_channel) == MAX_STATE_KEYS:
                return "too_large"
            state[name] = message_from(each, position, now_ms)
        return None

    def run_out(self, now_us: int) -> None:
        due = [(due, lease_id) for lease_id, (due, _, _) in self.leases.items()]
        # Those that are due at once go in the order in which they were taken.
        for _, lease_id in sorted(due, key=lambda entry: entry[0]):
            when, _, will = self.leases[lease_id]
            if when <= now_us / 1e6:
                del self.leases[lease_id]
                for each in will:
                    self.append([each], now_us)

    def trim(self, now_ms: int) -> None:
        self.window = [m for m in self.window if not 0 < m.expires <= now_ms]
        self.aside = [m for m in self.aside if not 0 < m.expires <= now_ms]
        self.state = {n: m for n, m in self.state.items() if not 0 < m.expires <= now_ms}
        for channel in CHANNELS:
            of_channel = RULES.of(channel)
            while mine := [m for m in self.window if m.channel == channel]:
                too_many = of_channel.max_messages and len(mine) > of_channel.max_messages
                too_large = (
                    of_channel.max_bytes and sum(m.size for m in mine) > of_channel.max_bytes
                )
                too_old = of_channel.max_age and mine[0].ts < now_ms - of_channel.max_age * 1000
                if not (too_many or too_large or too_old):
                    break
                self.take(mine[0])
        assert RETENTION.max_age and RETENTION.max_bytes
        while self.window and (
            sum(m.size for m in self.window) > RETENTION.max_bytes
            or self.window[0].ts < now_ms - RETENTION.max_age * 1000
        ):
            self.take(self.window[0])

    def take(self, message: Message) -> None:
        self.window.remove(message)
        if message in self.state.values():
            self.aside.append(message)
        else:
            self.lose(message)

    def lose(self, message: Message) -> None:
        if message.id > self.floor:
            self.marks[message.channel] = max(self.marks.get(message.channel, 0), message.id)
        if len(self.marks) > MAX_MARKS:
            lowest = min(self.marks, key=lambda channel: self.marks[channel])
            self.floor = self.marks.pop(lowest)

    def expected(
        self, names: list[str], since: int, now_ms: int, told: bool
    ) -> list[Message | Gap]:
        """All that a reader gets who goes on from a position, in order.

        Args:
            told: Whether gaps are; who began with 0 is told none.
        """
        items: list[tuple[int, int, Message | Gap]] = []
        after = since
        ahead: dict[str, Gap] = {}
        if since and told:
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
                    ahead[name] = Gap(name, after, lost + 1, "trimmed")
        for message in self.kept:
            hearing = [name for name in names if covers(name, message.channel)]
            if not hearing or message.id <= after or 0 < message.expires <= now_ms:
                continue
            items.append((message.id, 0, message))
            mark = self.marks.get(message.channel, 0)
            if message.key is None or message.id > max(
                mark, self.floor if after < self.floor else 0
            ):
                continue
            # Left behind below a loss of its channel: what is missing before it is told before it.
            for name in hearing:
                gap = ahead.get(name)
                if gap is None:
                    continue
                if gap.after + 1 < message.id:
                    hole = Gap(name, gap.after, message.id, "trimmed")
                    items.append((message.id - 1, 1, hole))
                ahead[name] = Gap(name, message.id, gap.before, "trimmed")
        items += [(gap.position, 1, gap) for gap in ahead.values()]
        return [item for *_, item in sorted(items, key=lambda entry: entry[:2])]


def covers(name: str, channel: str) -> bool:
    return name == channel or (is_pattern(name) and matches(name, channel))


DRAFTS = st.lists(
    st.builds(
        draft,
        st.sampled_from([*CHANNELS, "few.1", "few.1", "aged"]),
        st.sampled_from(["1", "1", "7" * 120, "null"]),
        key=st.sampled_from([None, None, "x", "y", "z"]),
        expected_id=st.sampled_from([None] * 9 + [0, CURRENT, 5]),
        ttl=st.sampled_from([None, None, None, 3.0]),
        final=st.sampled_from([False] * 30 + [True]),
    ),
    min_size=1,
    max_size=4,
)
KEYS = st.sampled_from([None, None, None, "k", "l"])
WILLS = st.lists(
    st.builds(
        draft,
        st.sampled_from(CHANNELS),
        st.just("null"),
        key=st.sampled_from([None, "x", "y"]),
        expected_id=st.sampled_from([None, None, 0]),
        final=st.sampled_from([False] * 9 + [True]),
    ),
    min_size=1,
    max_size=3,
)


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
            max_channel_keys=MAX_STATE_KEYS,
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
        for each in drafts:
            if each.key is None:
                each.expected_id = None
            elif each.expected_id == CURRENT:
                current = self.model.state.get((each.channel, each.key))
                each.expected_id = 0 if current is None else current.id
        expected = self.model.append(drafts, self.bench.clock.us, key)
        given: list[int] | str
        try:
            given = list(self.run(self.log.append(drafts, key=key)).positions)
        except RequestError as error:
            given = error.code
        assert given == expected
        self.settle()

    @rule(
        what=st.sampled_from(["take", "take", "renew", "release"]),
        lease_id=st.sampled_from(["one", "two", "three"]),
        ttl=st.sampled_from([0.5, 2.0, 5.0]),
        will=WILLS,
    )
    def lease(self, what: str, lease_id: str, ttl: float, will: list[Draft]) -> None:
        for each in will:
            if each.key is None:
                each.expected_id = None
        now = self.bench.clock.us / 1e6
        held = self.model.leases
        if what == "renew":
            assert self.log.renew(lease_id) == (lease_id in held)
            if lease_id in held:
                _, ttl, will = held[lease_id]
                held[lease_id] = (now + ttl, ttl, will)
            return
        held.pop(lease_id, None)
        if what == "release":
            self.run(self.log.release(lease_id))
        else:
            self.run(self.log.lease(lease_id, ttl, will))
            held[lease_id] = (now + ttl, ttl, will)

    @rule(seconds=st.sampled_from([0.001, 1, 3, 7, 25]))
    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        self.run(self.log.settle())
        self.model.trim(self.now_ms)
        self.model.run_out(self.bench.clock.us)
        self.model.trim(self.now_ms)

    @precondition(lambda self: self.bench.keeps)
    @rule()
    def reopen(self) -> None:
        self.run(self.bench.close())
        self.log = self.run(self.open())
        self.model.opened = True
        now = self.bench.clock.us / 1e6
        self.model.leases = {
            lease_id: (now + ttl, ttl, will)
            for lease_id, (_, ttl, will) in self.model.leases.items()
        }

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True),
        near=st.integers(0, 30),
        off=st.integers(-2, 2),
        limit=st.integers(1, 5),
    )
    def ask(self, names: list[str], near: int, off: int, limit: int) -> None:
        self.read(names, near, off, limit)

    def read(self, names: list[str], near: int, off: int, limit: int) -> None:
        places = [0, 1, self.model.birth, self.model.head, self.model.floor]
        places += [*self.model.marks.values(), *(m.id for m in self.model.kept)]
        places += [place for hole in self.model.holes for place in hole]
        since = max(places[near % len(places)] + off, 0)
        after, waived = since, {}
        while True:
            page = self.run(read(self.log, *names, after=after, waived=waived, limit=limit))
            expected = self.model.expected(names, after, self.now_ms, told=since > 0)
            # Gaps that stand at one place may come in any order.
            assert [place(i)[0] for i in page.items] == sorted(place(i)[0] for i in page.items)
            assert sorted(page.items, key=place) == sorted(expected, key=place)[: len(page.items)]
            assert page.complete == (len(page.items) == len(expected))
            if page.complete:
                break
            assert page.messages, "a page that ends early holds a message"
            after, waived = page.last, page.marks

    @rule(channel=st.sampled_from(CHANNELS), limit=st.integers(1, 3), back=st.integers(0, 3))
    def ask_for_state(self, channel: str, limit: int, back: int) -> None:
        self.read_state(channel, limit, back)

    def read_state(self, channel: str, limit: int, back: int) -> None:
        head = self.model.head
        upto = head - back
        of_channel = [m for (name, _), m in self.model.state.items() if name == channel]
        expected = sorted((m for m in of_channel if m.id <= upto), key=lambda m: m.id)
        found: list[Message] = []
        while True:
            after = found[-1].id if found else 0
            page = self.run(self.log.state(channel, after, upto if back else None, limit))
            assert page.position == upto
            assert len(page.messages) <= limit
            found += page.messages
            if page.complete:
                break
        assert found == expected

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(1, 4))
    def look_back(self, channel: str, count: int) -> None:
        mine = [m for m in self.model.kept if m.channel == channel]
        head = self.model.head
        back = self.run(self.log.read_back(channel, head + 1, 0, count))
        assert back == mine[::-1][:count]
        nth = mine[-count].id - 1 if len(mine) >= count else 0
        assert self.run(self.log.nth_last(channel, count)) == nth
        last = max(self.model.marks.get(channel, 0), self.model.ended.get(channel, 0))
        assert self.run(self.log.status(channel)) == (
            ChannelStatus(max(mine[-1].id, last), mine[0].id, len(mine))
            if mine
            else ChannelStatus(last or None, None, 0)
        )

    @invariant()
    def heads_and_marks_agree(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.head() == self.model.head
        assert dict(self.run(self.log.watermarks(CHANNELS))) == self.model.marks
        assert {c: self.log.ended(c) for c in CHANNELS if self.log.ended(c)} == self.model.ended
        assert [(h.head, h.next) for h in self.log.openings().holes] == self.model.holes
        for channel in CHANNELS:
            self.read_state(channel, 5, 0)
        self.read(["few.*", "aged", "b"], 0, 0, 100)
        self.read(["**"], 2, 0, 3)

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
