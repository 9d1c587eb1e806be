"""What a client remembers: the rules one by one, then against a model of a log and its wires."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.client import positions as positions_module
from everywire.client.messages import Gap, gap_of
from everywire.client.positions import Positions
from everywire.core.channels import is_pattern, matches


def test_a_message_moves_the_position_of_all_while_level() -> None:
    positions = Positions(["a", "b"], since=10)
    assert positions.take("a", 15)
    assert positions.lowest == 15
    assert positions.by_name(["a", "b"]) == 15


def test_a_message_is_taken_once_on_a_connection() -> None:
    positions = Positions(["a"], since=10)
    assert positions.take("a", 15)
    assert not positions.take("a", 15)
    assert not positions.take("a", 14)
    assert not positions.take("a", 10)


def test_a_message_is_taken_once_across_connections() -> None:
    positions = Positions(["a", "b"], since=10)
    positions.take("a", 15)
    positions.resume()
    assert not positions.take("a", 15)
    assert positions.take("a", 16)


def test_an_order_that_was_not_promised_loses_nothing() -> None:
    positions = Positions(["a", "b"], since=10)
    assert positions.take("a", 20)
    assert positions.take("b", 15)
    assert positions.lowest == 20


def test_position_moves_all() -> None:
    positions = Positions(["a", "b"], since=10)
    positions.move(30)
    assert positions.lowest == 30
    assert not positions.take("a", 30)


def test_what_the_server_says_is_where_one_without_since_starts() -> None:
    positions = Positions(["a", "b"])
    assert positions.lowest is None
    positions.start("a", 100)
    positions.start("b", 100)
    assert positions.lowest == 100
    assert positions.by_name(["a", "b"]) == 100


def test_names_that_start_apart_have_positions_of_their_own() -> None:
    """An ended channel (at 0) is replayed beside one that runs (at the head)."""
    positions = Positions(["ended", "running"])
    positions.start("ended", 0)
    positions.start("running", 100)
    assert positions.take("ended", 5)
    assert positions.take("running", 120)
    assert positions.take("ended", 6)
    assert positions.by_name(["ended", "running"]) == {"ended": 6, "running": 120}
    assert positions.lowest == 6
    positions.move(120)
    assert positions.by_name(["ended", "running"]) == 120


def test_a_position_in_the_middle_of_a_replay_does_not_make_level() -> None:
    positions = Positions(["ended", "running"])
    positions.start("ended", 0)
    positions.start("running", 100)
    positions.move(50)
    assert positions.by_name(["ended", "running"]) == {"ended": 50, "running": 100}


def test_one_since_for_names_apart_brings_nothing_twice() -> None:
    positions = Positions(["ended", "running"])
    positions.start("ended", 0)
    positions.start("running", 100)
    positions.take("running", 120)
    positions.take("ended", 5)
    positions.resume()
    positions.move(5)
    assert not positions.take("running", 120)
    assert positions.take("ended", 6)
    assert positions.take("running", 121)


def test_a_stream_that_begins_at_0_is_not_level() -> None:
    """SSE without since, one channel of which has ended: cut before the replay is over."""
    positions = Positions(["ended", "running"])
    positions.move(0)
    positions.take("ended", 5)
    positions.take("running", 120)
    assert positions.lowest == 5
    positions.resume()
    assert positions.take("ended", 6)
    assert not positions.take("running", 120)


def test_a_stream_that_begins_at_the_head_may_replay_what_is_below() -> None:
    positions = Positions(["ended", "running"])
    positions.move(100)
    assert positions.take("ended", 5)
    assert positions.lowest == 5


def test_a_pattern_goes_on_behind_its_last_message() -> None:
    positions = Positions(["ended", "run.*"])
    positions.start("ended", 0)
    positions.start("run.*", 100)
    positions.take("run.1", 110)
    assert positions.by_name(["ended", "run.*"]) == {"ended": 0, "run.*": 110}
    positions.resume()
    assert not positions.take("run.1", 110)
    assert not positions.take("run.2", 105)
    assert positions.take("run.2", 111)


def test_starting_again_changes_nothing() -> None:
    positions = Positions(["a"], since=10)
    positions.take("a", 20)
    positions.resume()
    positions.start("a", 20)
    assert positions.lowest == 20


def test_a_gap_moves_its_channel() -> None:
    positions = Positions(["a"], since=10)
    gap = gap_of("a", 10, 50, "trimmed")
    assert positions.take_gap(gap) == gap
    assert positions.lowest == 49


def test_a_gap_in_what_was_had_is_no_news() -> None:
    positions = Positions(["ended", "running"])
    positions.start("ended", 0)
    positions.start("running", 100)
    positions.resume()
    assert positions.take_gap(gap_of("running", 0, 80, "trimmed")) is None
    assert positions.take_gap(gap_of("running", 0, 150, "trimmed")) == gap_of(
        "running", 100, 150, "trimmed"
    )


def test_an_unknown_position_moves_downwards() -> None:
    positions = Positions(["a", "b"], since=100)
    positions.take("a", 120)
    positions.resume()
    for name in ("a", "b"):
        gap = gap_of(name, 120, 41, "unknown_position")
        assert positions.take_gap(gap) == gap
    assert positions.lowest == 40
    assert positions.take("a", 41)


def test_an_unknown_position_moves_upwards() -> None:
    positions = Positions(["a"], since=100)
    gap = gap_of("a", 100, 201, "unknown_position")
    assert positions.take_gap(gap) == gap
    assert positions.lowest == 200


def test_a_stream_whose_since_is_unknown_begins_below_it() -> None:
    positions = Positions(["a"], since=120)
    positions.move(40)
    assert positions.take_gap(gap_of("a", 120, 41, "unknown_position")) is not None
    assert positions.lowest == 40
    assert positions.take("a", 41)


def test_an_unknown_position_of_one_name_leaves_the_others() -> None:
    positions = Positions(["ended", "running"])
    positions.start("ended", 30)
    positions.start("running", 100)
    positions.resume()
    positions.take_gap(gap_of("running", 100, 41, "unknown_position"))
    assert positions.by_name(["ended", "running"]) == {"ended": 30, "running": 40}
    assert positions.take("running", 41)
    assert not positions.take("ended", 30)


def test_a_name_that_has_ended_holds_nobody_back() -> None:
    positions = Positions(["ended", "running"])
    positions.start("ended", 0)
    positions.start("running", 100)
    positions.end("ended")
    assert positions.lowest == 100


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_module, "MAX_REMEMBERED", 10)
    positions = Positions(["**"], since=0)
    for number in range(1, 1001):
        assert positions.take(f"channel.{number}", number)
    assert len(positions._last) == 10
    assert not positions.take("channel.1000", 1000)


class Log:
    """A log of a few channels, and what each wire sends of it."""

    def __init__(self, messages: list[tuple[str, bool]]) -> None:
        self.messages: list[tuple[str, int]] = []
        self.ended: dict[str, int] = {}
        for position, (channel, final) in enumerate(messages, start=1):
            if channel in self.ended:
                continue
            self.messages.append((channel, position))
            if final:
                self.ended[channel] = position

    def after(self, names: list[str], since: int) -> list[tuple[str, int]]:
        return [
            (channel, position)
            for channel, position in self.messages
            if position > since
            and any(n == channel or (is_pattern(n) and matches(n, channel)) for n in names)
        ]


_NAMES = ["a", "b", "c.1", "c.2"]


_MESSAGES = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.integers(0, 3).map(lambda number: number == 0)),
    min_size=20,
    max_size=40,
)


@given(
    _MESSAGES,
    st.lists(st.sampled_from([*_NAMES, "c.*"]), min_size=1, unique=True),
    st.floats(0, 1),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_whatever_is_cut_and_whichever_wire_each_message_is_had_once(
    messages: list[tuple[str, bool]],
    names: list[str],
    head_at: float,
    seed: int,
    by_name: bool,
) -> None:
    """Without ``since``: ended channels from their start, the others from the head."""
    choose = random.Random(seed)
    log = Log(messages)
    head = int(head_at * len(messages))
    starts = {name: 0 if log.ended.get(name, head + 1) <= head else head for name in names}
    expected = {message for name in names for message in log.after([name], starts[name])}
    had: list[tuple[str, int]] = []
    positions = Positions(names)

    def receive(each: dict[str, int], stop: int) -> bool:
        """One connection: what starts together comes in order, the rest as it may; then a cut."""
        together = {since: [n for n in each if each[n] == since] for since in each.values()}
        queues = [log.after(group, since) for since, group in together.items()]
        sent: set[tuple[str, int]] = set()
        while any(queues):
            if stop == 0:
                return False
            stop -= 1
            queue = choose.choice([queue for queue in queues if queue])
            message = queue.pop(0)
            if message not in sent:
                sent.add(message)
                if positions.take(*message):
                    had.append(message)
        positions.move(max([head, *(p for _, p in log.messages)]))
        return True

    for name in names:
        positions.start(name, starts[name])
    whole = receive(starts, choose.randrange(8))
    for connection in itertools.count(1):
        if whole:
            break
        positions.resume()
        where = positions.by_name(names)
        lowest = positions.lowest
        assert lowest is not None
        each = where if by_name and isinstance(where, dict) else dict.fromkeys(names, lowest)
        # Longer each time: what was had is sent again, and must not use up every connection.
        whole = receive(each, choose.randrange(8 * connection))
    assert len(had) == len(set(had))
    assert set(had) >= expected


def test_gap_is_a_dictionary() -> None:
    assert gap_of("a", 1, 5, "trimmed") == Gap(
        type="gap", channel="a", after=1, before=5, reason="trimmed"
    )
