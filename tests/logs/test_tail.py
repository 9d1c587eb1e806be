"""The recent tail: bounded, and never answering other than the whole log would."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from everywire.core.messages import Gap, Kind, Message
from everywire.core.pages import Query
from everywire.core.positions import Openings
from everywire.core.watermarks import Watermarks
from everywire.logs.answers import answer
from everywire.logs.kept import Kept
from everywire.logs.tail import Tail

BIRTH = 100
CHANNELS = ("a", "b.1", "b.2")
NAMES = (*CHANNELS, "b.*", "**")


def message(position: int, channel: str = "a", data: bytes = b"1", expires: int = 0) -> Message:
    return Message(position, channel, "message", data, Kind.JSON, 0, expires=expires)


def ask(tail: Tail, *names: str, after: int, upto: int = 1000) -> object:
    query = Query(
        tuple(n for n in names if "*" not in n), tuple(n for n in names if "*" in n), after, upto
    )
    return tail.recent(query, Openings(BIRTH), 0)


def test_a_floor_of_0_answers_everything() -> None:
    tail = Tail(0, BIRTH - 1)
    tail.add([message(200), message(201)])
    page = ask(tail, "a", after=0)
    assert page is not None
    assert [m.id for m in page.messages] == [200, 201]  # type: ignore[attr-defined]


def test_below_its_floor_it_does_not_answer() -> None:
    tail = Tail(150, BIRTH - 1)
    tail.add([message(200)])
    assert ask(tail, "a", after=0) is None
    assert ask(tail, "a", after=149) is None
    assert ask(tail, "a", after=150) is not None
    # An unknown position is answered from where it leads to.
    assert ask(tail, "a", after=50) is None
    assert ask(tail, "a", after=2000) is not None


def test_it_is_bounded_by_number() -> None:
    tail = Tail(0, BIRTH - 1, max_messages=3)
    for position in range(200, 210):
        tail.add([message(position)])
        assert len(tail) <= 3
    assert tail.floor == 206
    assert ask(tail, "a", after=205) is None
    assert ask(tail, "a", after=206) is not None


def test_it_is_bounded_by_bytes() -> None:
    tail = Tail(0, BIRTH - 1, max_bytes=2000)
    tail.add([message(position, data=bytes(500)) for position in range(200, 210)])
    assert tail.size <= 2000
    assert len(tail) == 3
    tail.add([message(300, data=bytes(5000))])
    assert (len(tail), tail.floor) == (0, 300)


def test_what_was_trimmed_is_gone_and_told() -> None:
    tail = Tail(0, BIRTH - 1)
    tail.add([message(200), message(201, "b.1"), message(202)])
    tail.trim({"a": [200]}, {"a": 200}, BIRTH - 1)
    page = ask(tail, "a", "b.1", after=150)
    assert page is not None
    assert page.items[0] == Gap("a", 150, 201, "trimmed")  # type: ignore[attr-defined]
    assert len(tail) == 2


def test_it_is_bounded_by_watermarks() -> None:
    tail = Tail(0, BIRTH - 1, max_marks=10)
    tail.add([message(150, "stays")])
    for position in range(200, 300):
        tail.add([message(position, f"c.{position}")])
        name = f"c.{position - 5}"
        tail.trim({name: [position - 5]}, {name: position - 5}, BIRTH - 1)
        assert len(tail._watermarks) <= 10
    assert 280 < tail.floor < 295
    assert ask(tail, "c.294", after=tail.floor - 1) is None
    page = ask(tail, "c.294", "c.299", after=tail.floor)
    assert page is not None
    assert page.items == [  # type: ignore[attr-defined]
        Gap("c.294", tail.floor, 295, "trimmed"),
        message(299, "c.299"),
    ]
    assert len(tail) == 5


def test_watermarks_below_its_floor_go_first() -> None:
    tail = Tail(0, BIRTH - 1, max_messages=3, max_marks=10)
    for position in range(200, 211):
        tail.trim({}, {f"c.{position}": position}, BIRTH - 1)
        if position < 210:
            tail.add([message(position)])
    assert tail.floor == 206
    assert len(tail._watermarks) == 4


def test_what_expired_is_let_go() -> None:
    tail = Tail(0, BIRTH - 1)
    tail.add([message(200, expires=5), message(201)])
    tail.expire(5)
    assert len(tail) == 1


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=4)),
        st.tuples(st.just("trim"), st.sampled_from(CHANNELS)),
        st.tuples(st.just("raise"), st.integers(1, 3)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(
    events=EVENTS,
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    room=st.integers(1, 8),
    marks_kept=st.integers(1, 4),
    limit=st.integers(1, 6),
)
def test_it_answers_as_the_whole_log(
    events: list[tuple[str, object]],
    names: list[str],
    room: int,
    marks_kept: int,
    limit: int,
) -> None:
    kept, marks = Kept(), Watermarks(BIRTH - 1)
    tail = Tail(0, BIRTH - 1, max_messages=room, max_marks=marks_kept)
    head = BIRTH
    for what, with_what in events:
        if what == "add":
            assert isinstance(with_what, list)
            batch = [message(head + n, channel) for n, channel in enumerate(with_what, 1)]
            for each in batch:
                kept.add(each)
            tail.add(batch)
            head = batch[-1].id
        elif what == "trim" and isinstance(with_what, str) and with_what in kept.shelves:
            lost = kept.drop_oldest_of(with_what)
            marks.raise_to(lost.channel, lost.id)
            tail.trim({lost.channel: [lost.id]}, {lost.channel: lost.id}, marks.floor)
        elif what == "raise" and isinstance(with_what, int):
            marks.forget_below(min(marks.floor + with_what, head))
            tail.trim({}, {}, marks.floor)
    openings = Openings(BIRTH)
    channels = tuple(name for name in names if "*" not in name)
    patterns = tuple(name for name in names if "*" in name)
    answered = 0
    for since in (0, *range(BIRTH - 3, head + 3)):
        query = Query(channels, patterns, since, head, limit)
        page = tail.recent(query, openings, 0)
        if page is not None:
            assert page == answer(query, kept, openings, marks, 0)
            answered += 1
    assert answered >= 3, "at and above the head it always answers"
