"""core.conflation: only the newest of each event name, and every hole said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everywire.core.conflation import MAX_BETWEEN_BYTES, MAX_CONFLATED_BYTES, Conflation
from everywire.core.messages import Gap, Kind, Message


def message(position: int, event: str = "e", channel: str = "a", data: bytes = b"1") -> Message:
    return Message(position, channel, event, data, Kind.JSON, 0)


def test_one_message_is_sent_as_it_is() -> None:
    conflation = Conflation(5)
    conflation.take([message(7)])
    assert conflation.release() == [message(7)]


def test_what_is_left_out_is_said_before_the_next_message() -> None:
    conflation = Conflation(5)
    conflation.take([message(7), message(8), message(9)])
    assert conflation.release() == [Gap("a", 5, 9, "conflated"), message(9)]


def test_the_newest_of_each_event_name_stays() -> None:
    conflation = Conflation(0)
    conflation.take([message(1, "x"), message(2, "y"), message(3, "x"), message(4, "z")])
    assert conflation.release() == [
        Gap("a", 0, 2, "conflated"),
        message(2, "y"),
        message(3, "x"),
        message(4, "z"),
    ]


def test_it_holds_a_bounded_number_of_bytes() -> None:
    conflation = Conflation(0)
    big = b"x" * 60_000
    taken = 0
    while not conflation.full:
        taken += 1
        conflation.take([message(taken, f"event {taken}", data=big)])
    assert conflation.size <= MAX_CONFLATED_BYTES + len(big) + 200
    assert len(conflation.release()) == taken
    assert not conflation.full


def test_what_is_lossless_waits_and_leaves_in_position_order() -> None:
    conflation = Conflation(5, lambda channel: channel == "b")
    conflation.take([message(6), message(7, channel="b"), message(8), message(9, channel="b")])
    assert conflation.release() == [
        message(7, channel="b"),
        Gap("a", 5, 8, "conflated"),
        message(8),
        message(9, channel="b"),
    ]
    assert conflation.release() == []


def test_only_a_little_waits_for_what_is_conflated() -> None:
    conflation = Conflation(0, lambda channel: channel == "b")
    taken = 0
    while not conflation.full:
        taken += 1
        conflation.take([message(taken, channel="b", data=b"x" * 1000)])
    assert taken * 1000 <= MAX_BETWEEN_BYTES + 1200
    assert len(conflation.release()) == taken
    assert not conflation.full


Stream = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1, max_size=600
)


@given(Stream, st.lists(st.integers(1, 50), max_size=20))
def test_every_message_is_sent_or_lies_in_a_gap(
    stream: list[tuple[str, str]], pages: list[int]
) -> None:
    """DESIGN.md, promises: every hole is a gap; and no gap covers what was sent."""
    messages = [message(n, event, channel) for n, (channel, event) in enumerate(stream, 11)]
    conflation = Conflation(10)
    rest = list(messages)
    for size in pages:
        conflation.take(rest[:size])
        rest = rest[size:]
    conflation.take(rest)
    out = conflation.release()
    for channel in "ab":
        mine = [i for i in out if i.channel == channel]
        sent = {i.id for i in mine if isinstance(i, Message)}
        gaps = [i for i in mine if isinstance(i, Gap)]
        newest = {m.event: m.id for m in messages if m.channel == channel}
        assert sent == set(newest.values())
        for m in messages:
            if m.channel == channel:
                covered = any(gap.after < m.id < gap.before for gap in gaps)
                assert covered is (m.id not in sent)
    places = [i.position if isinstance(i, Gap) else i.id for i in out]
    assert places == sorted(places)
