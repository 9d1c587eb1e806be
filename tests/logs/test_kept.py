"""Messages kept in memory: two orders that agree, and no more memory than is counted."""

from __future__ import annotations

import gc

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everywire.core.channels import matches
from everywire.core.messages import Kind, Message
from everywire.logs import kept as kept_module
from everywire.logs.kept import Kept

CHANNELS = ("a", "b.1", "b.2")


def message(position: int, channel: str, size: int = 1, expires: int = 0) -> Message:
    return Message(position, channel, "message", bytes(size), Kind.BYTES, 0, expires=expires)


class KeptMachine(RuleBasedStateMachine):
    """Against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept()
        self.model: list[Message] = []
        self.aside: list[Message] = []
        self.next = 1
        # Packed all the time, which else takes a thousand messages.
        self.pack_from, kept_module._PACK_FROM = kept_module._PACK_FROM, 3  # type: ignore[misc]

    def teardown(self) -> None:
        kept_module._PACK_FROM = self.pack_from  # type: ignore[misc]

    @rule(channel=st.sampled_from(CHANNELS), expires=st.sampled_from([0, 0, 5, 9]))
    def add(self, channel: str, expires: int) -> None:
        added = message(self.next, channel, expires=expires)
        self.next += 1
        self.kept.add(added)
        self.model.append(added)

    @precondition(lambda self: self.model)
    @rule()
    def drop_oldest(self) -> None:
        assert self.kept.drop_oldest() is self.model.pop(0)

    @rule(channel=st.sampled_from(CHANNELS))
    def drop_oldest_of(self, channel: str) -> None:
        mine = [m for m in self.model if m.channel == channel]
        if mine:
            assert self.kept.drop_oldest_of(channel) is mine[0]
            self.model.remove(mine[0])

    @rule(channel=st.sampled_from(CHANNELS))
    def set_aside(self, channel: str) -> None:
        mine = [m for m in self.model if m.channel == channel]
        if mine:
            self.kept.set_aside(channel)
            self.model.remove(mine[0])
            self.aside.append(mine[0])

    @rule(channel=st.sampled_from(CHANNELS), number=st.integers(0, 12))
    def drop_aside(self, channel: str, number: int) -> None:
        found = [m for m in self.aside if (m.channel, m.id) == (channel, number)]
        assert self.kept.drop_aside(channel, number) is (found[0] if found else None)
        self.aside = [m for m in self.aside if m not in found]

    @rule(channel=st.sampled_from(CHANNELS), back=st.integers(1, 12))
    def drop(self, channel: str, back: int) -> None:
        gone = (channel, self.next - back)
        self.kept.drop(*gone)
        self.model = [m for m in self.model if (m.channel, m.id) != gone]
        self.aside = [m for m in self.aside if (m.channel, m.id) != gone]

    @rule(now=st.integers(1, 9))
    def drop_expired(self, now: int) -> None:
        dropped = self.kept.drop_expired(now)
        gone = [m for m in (*self.model, *self.aside) if 0 < m.expires <= now]
        assert sorted(m.id for m in dropped) == sorted(m.id for m in gone)
        self.model = [m for m in self.model if m not in gone]
        self.aside = [m for m in self.aside if m not in gone]

    @rule(
        channels=st.lists(st.sampled_from((*CHANNELS, "none")), max_size=4, unique=True),
        patterns=st.lists(st.sampled_from(("b.*", "**", "x.*")), max_size=2, unique=True),
        back=st.integers(0, 12),
    )
    def read(self, channels: list[str], patterns: list[str], back: int) -> None:
        after = self.next - back
        heard = [
            m
            for m in self.everything()
            if m.id > after
            and (m.channel in channels or any(matches(p, m.channel) for p in patterns))
        ]
        assert list(self.kept.after(channels, patterns, after)) == heard

    @rule(channel=st.sampled_from(CHANNELS), back=st.integers(0, 12))
    def read_back(self, channel: str, back: int) -> None:
        shelf = self.kept.shelves.get(channel)
        before = self.next - back
        mine = [m for m in self.everything() if m.channel == channel and m.id < before]
        assert list(() if shelf is None else shelf.before(before)) == mine[::-1]

    def everything(self) -> list[Message]:
        return sorted((*self.model, *self.aside), key=lambda m: m.id)

    @invariant()
    def counts_agree(self) -> None:
        assert self.kept.count == len(self.model)
        assert self.kept.size == sum(m.size for m in self.model)
        assert self.kept.oldest() is (self.model[0] if self.model else None)
        assert set(self.kept.shelves) == {m.channel for m in self.everything()}
        for name, shelf in self.kept.shelves.items():
            mine = [m for m in self.model if m.channel == name]
            assert (len(shelf), shelf.size) == (len(mine), sum(m.size for m in mine))
            assert not mine or shelf.oldest() is mine[0]


TestKept = KeptMachine.TestCase
TestKept.settings = settings(deadline=None, max_examples=80, stateful_step_count=40)


def held() -> int:
    """Bytes of data of all messages that anything refers to."""
    gc.collect()
    return sum(Alive.sizes.values())


class Alive(bytes):
    """Data that knows whether it is still there."""

    sizes: dict[int, int] = {}  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        self.sizes[id(self)] = len(self)

    def __del__(self) -> None:
        self.sizes.pop(id(self), None)


def large(position: int, channel: str, expires: int = 0) -> Message:
    data = Alive(64 * 1024)
    return Message(position, channel, "message", data, Kind.BYTES, 0, expires=expires)


def test_what_is_dropped_by_channel_is_let_go() -> None:
    """A hundred channels that keep one message each, behind one that nothing drops."""
    kept = Kept()
    kept.add(large(1, "first"))
    position = 1
    for _ in range(30):
        for number in range(100):
            position += 1
            name = f"c.{number}"
            kept.add(large(position, name))
            if len(kept.shelves[name]) > 1:
                kept.drop_oldest_of(name)
    assert kept.count == 101
    assert held() <= 2 * kept.size + 1024 * 1024
    del kept


def test_what_expires_late_but_is_dropped_early_leaves_nothing() -> None:
    kept = Kept()
    for position in range(1, 20_000):
        kept.add(message(position, f"c.{position % 3}", expires=10**15))
        if kept.count > 10:
            kept.drop_oldest()
    assert len(kept._expiring) <= kept_module._PACK_FROM + 1
    assert len(kept._gone) <= kept_module._PACK_FROM + 1
