"""A good history passes; and for each promise there is a bad one, at which the checker complains.

A checker that cannot complain is worth nothing: every rule of `everywire.torture.checker` has a
history here that differs from a good one in one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from everywire.torture import checker
from everywire.torture.facts import Broken
from everywire.torture.history import (
    Acknowledged,
    AnyEvent,
    Attempted,
    Connected,
    Failed,
    Finished,
    Handed,
    History,
    HistoryFull,
    Kept,
    Listens,
    Missed,
    Moved,
    Received,
    load,
    save,
)

IDS = range(11, 17)
"""Positions of the messages of ``all``; those of ``few`` are 100 higher."""


def published(channel: str, number: int) -> list[AnyEvent]:
    label = f"{channel}/{number}"
    return [
        Attempted("p", channel, label, number),
        Acknowledged("p", channel, label, number),
    ]


def lossless(channel: str) -> bool:
    return channel.startswith("all")


def got(channel: str, number: int, client: str = "c") -> list[AnyEvent]:
    return [
        Received(client, channel, number, f"{channel}/{number}", number),
        Handed(client, channel, number),
    ]


def kept(channel: str, *numbers: int) -> Kept:
    return Kept(channel, tuple((n, f"{channel}/{n}", n) for n in numbers))


def broken(*events: AnyEvent) -> list[str]:
    """The promises that a history breaks, each once."""
    return sorted({found.promise for found in checker.check(events, lossless)})


def history(
    *events: AnyEvent,
    names: tuple[str, ...] = ("all",),
    channel: str = "all",
    ids: range = IDS,
    since: int = 10,
    wire: str = "ws",
    finished: bool = True,
) -> list[AnyEvent]:
    """Six messages were published and kept; one client listened, and these events are its own."""
    story: list[AnyEvent] = [event for n in ids for event in published(channel, n)]
    story += [Listens("c", names, since), Connected("c", 1, wire, since), *events]
    story += [Finished("c")] if finished else []
    return [*story, kept(channel, *ids)]


def every(channel: str = "all", ids: range = IDS) -> list[AnyEvent]:
    return [event for n in ids for event in got(channel, n)]


def test_a_good_history_breaks_nothing() -> None:
    assert broken(*history(Moved("c", 10), *every(), Moved("c", 16))) == []


def test_going_on_elsewhere_breaks_nothing() -> None:
    story = [
        *every(ids=range(11, 13)),
        Connected("c", 2, "poll", 12),
        *every(ids=range(13, 15)),
        Moved("c", 14),
        # A hand-over that begins lower than it could: repeated, but handed on once.
        Connected("c", 3, "sse", 12),
        Moved("c", 12),
        Received("c", "all", 13, "all/13", 13),
        Received("c", "all", 14, "all/14", 14),
        *every(ids=range(15, 17)),
    ]
    assert broken(*history(*story)) == []


def test_a_publish_that_was_repeated_breaks_nothing() -> None:
    again = Acknowledged("p", "all", "all/12", 12, again=True)
    assert broken(again, *history(*every())) == []


def test_who_is_told_of_a_hole_misses_nothing() -> None:
    story = [*got("few", 11), Missed("c", "few", 11, 14, "trimmed"), *every("few", range(14, 17))]
    assert broken(*history(*story, names=("few",), channel="few")) == []


def test_who_hears_a_channel_by_two_names_is_told_by_either() -> None:
    for name in ("few", "*"):
        gap = Missed("c", name, 11, 14, "trimmed")
        story = [*got("few", 11), gap, *every("few", range(14, 17))]
        assert broken(*history(*story, names=("few", "*"), channel="few")) == []


def test_who_hears_a_channel_by_two_names_goes_on_from_the_lower_since() -> None:
    twice = Connected("c", 2, "ws", {"few": 14, "*": 12})
    story = [*every("few", range(11, 13)), twice, *every("few", range(14, 17))]
    assert "hole" in broken(*history(*story, names=("few", "*"), channel="few"))


def test_order() -> None:
    story = [*every(ids=range(11, 14)), *got("all", 15), *got("all", 14), *got("all", 16)]
    assert "order" in broken(*history(*story))


def test_repeat() -> None:
    twice = Received("c", "all", 12, "all/12", 12)
    assert broken(*history(*every(ids=range(11, 13)), twice, *every(ids=range(13, 17)))) == [
        "repeat"
    ]


def test_a_hole_without_a_gap() -> None:
    assert broken(
        *history(*got("few", 11), *every("few", range(14, 17)), names=("few",), channel="few")
    ) == ["hole", "lost"]


def test_a_gap_that_comes_after_the_hole() -> None:
    story = [*got("few", 11), *got("few", 14), Missed("c", "few", 11, 14, "trimmed")]
    story += every("few", range(15, 17))
    assert broken(*history(*story, names=("few",), channel="few")) == ["hole"]


def test_a_gap_that_is_too_short() -> None:
    story = [*got("few", 11), Missed("c", "few", 11, 13, "trimmed"), *every("few", range(14, 17))]
    assert broken(*history(*story, names=("few",), channel="few")) == ["hole", "lost"]


def test_a_hole_at_the_beginning() -> None:
    assert broken(*history(*every(ids=range(12, 17)))) == ["hole", "lost"]


def test_a_position_that_passes_something_over() -> None:
    story = [*every(ids=range(11, 13)), Moved("c", 16)]
    assert "hole" in broken(*history(*story, finished=False))


def test_a_message_after_its_position() -> None:
    story = [*every(ids=range(11, 15)), Moved("c", 15), *every(ids=range(15, 17))]
    assert "position" in broken(*history(*story))


def test_a_position_that_goes_back() -> None:
    story = [*every(), Moved("c", 16), Moved("c", 15)]
    assert broken(*history(*story)) == ["position"]


def test_a_hole_at_the_seam_between_two_connections() -> None:
    story = [*every(ids=range(11, 13)), Connected("c", 2, "sse", 14), *every(ids=range(15, 17))]
    assert broken(*history(*story)) == ["lost"]


def test_a_gap_of_a_channel_that_is_whole() -> None:
    story = [*got("all", 11), Missed("c", "all", 11, 12, "trimmed"), *every(ids=range(12, 17))]
    assert broken(*history(*story)) == ["gap"]


def test_an_unknown_position_of_the_same_log() -> None:
    story = [*every(), Missed("c", "all", 16, 17, "unknown_position")]
    assert broken(*history(*story)) == ["gap"]


def test_acknowledged_and_not_in_the_log() -> None:
    story = history(*every(ids=range(11, 16)), finished=False)
    story[-1] = kept("all", *range(11, 16))
    assert "lost" in broken(*story)


def test_a_last_message_that_never_came() -> None:
    assert broken(*history(*every(ids=range(11, 16)))) == ["lost"]


def test_one_publish_with_two_positions() -> None:
    twice = Acknowledged("p", "all", "all/12", 20, again=True)
    assert "once" in broken(*history(*every()), twice)


def test_one_publish_kept_twice() -> None:
    story = history(*every(), finished=False)
    story[-1] = Kept("all", (*kept("all", *IDS).messages, (17, "all/16", 16)))
    assert "once" in broken(*story)


def test_one_position_for_two_messages() -> None:
    same = [Attempted("q", "all", "other", 1), Acknowledged("q", "all", "other", 12)]
    assert broken(*history(*every()), *same) == ["once"]


def test_other_data() -> None:
    story = [*every(ids=range(11, 16)), Received("c", "all", 16, "all/16", 99)]
    assert "altered" in broken(*history(*story, Handed("c", "all", 16)))


def test_another_channel() -> None:
    story = [*published("few", 20), *history(*every(), names=("all", "few"))]
    story.insert(-2, Received("c", "few", 30, "all/16", 16))
    assert "altered" in broken(*story)


def test_a_message_that_nobody_published() -> None:
    assert "invented" in broken(*history(*every(), Received("c", "all", 17, "nobody/1", 1)))


def test_a_message_that_it_does_not_hear() -> None:
    story = [*published("few", 20), *history(*every(), *got("few", 20))]
    assert "invented" in broken(*story)


def test_positions_that_fall() -> None:
    later = [Attempted("p", "all", "last", 1), Acknowledged("p", "all", "last", 9)]
    assert broken(*history(*every()), *later) == ["lost", "rising"]


def test_handed_on_twice() -> None:
    assert broken(*history(*every(), Handed("c", "all", 14))) == ["handed"]


def test_handed_on_out_of_order() -> None:
    events = every()
    events[-1], events[-3] = events[-3], events[-1]
    assert broken(*history(*events)) == ["handed"]


def test_received_and_not_handed_on() -> None:
    assert broken(*history(*every()[:-1])) == ["handed"]


def test_who_never_comes_to_the_end() -> None:
    assert broken(*history(*every(), finished=False)) == ["unfinished"]


def test_who_fails() -> None:
    assert broken(*history(*every()), Failed("publisher 1", "gave up")) == ["unfinished"]


class TestPattern:
    """Two channels by one pattern, ``**``: ``all`` is kept whole, ``few`` loses 112 and 113."""

    FEW = range(111, 117)

    def story(self, *events: AnyEvent) -> list[AnyEvent]:
        few = [event for n in self.FEW for event in published("few", n)]
        return [*few, *history(*events, names=("**",))]

    def test_one_gap_may_come_behind_what_it_excuses(self) -> None:
        story = [*every(), *got("few", 111), *got("few", 114)]
        story += [Missed("c", "**", 10, 115, "trimmed"), *every("few", range(115, 117))]
        assert "hole" not in broken(*self.story(*story, Moved("c", 116)))
        assert "lost" not in broken(*self.story(*story, Moved("c", 116)))

    def test_but_not_behind_the_position(self) -> None:
        story = [*every(), *got("few", 111), *every("few", range(114, 117)), Moved("c", 116)]
        late = Missed("c", "**", 10, 114, "trimmed")
        assert "hole" in broken(*self.story(*story, late))

    def test_it_excuses_nothing_of_a_channel_that_is_whole(self) -> None:
        story = [*every(ids=range(12, 17)), Missed("c", "**", 10, 114, "trimmed")]
        found = broken(*self.story(*story, *every("few", range(114, 117)), Moved("c", 116)))
        assert "hole" in found
        assert "lost" in found


class TestGapsThatComeLate:
    """A gap stands behind other channels' messages; who goes on from one of those gets the rest."""

    def story(self, wire: str, *events: AnyEvent) -> list[AnyEvent]:
        events = (*events, Missed("c", "few", 13, 15, "trimmed"), *every("few", range(15, 17)))
        return history(*events, names=("few",), channel="few", wire=wire)

    def test_after_a_cut_a_gap_reaches_back(self) -> None:
        assert broken(*self.story("sse", Connected("c", 2, "sse", 13))) == []

    def test_a_page_may_leave_it_to_the_next(self) -> None:
        assert broken(*self.story("poll", Moved("c", 13))) == []

    def test_a_position_may_not(self) -> None:
        assert broken(*self.story("ws", Moved("c", 13))) == ["hole"]
        assert broken(*self.story("sse", Moved("c", 13))) == ["hole"]


def test_what_is_broken_says_who_and_what() -> None:
    (found,) = checker.check(history(*every(), Moved("c", 16), Moved("c", 15)), lossless)
    assert found == Broken("position", "c, connection 1 (ws)", "went from 16 back to 15")
    assert str(found) == "position: c, connection 1 (ws): went from 16 back to 15"


def test_a_history_can_be_kept_and_read_again(tmp_path: Path) -> None:
    story = history(*every(), Missed("c", "all", 1, 2, "trimmed"), Moved("c", 1))
    story.append(Connected("c", 2, "ws", {"all": 3}))
    save(story, tmp_path / "history")
    assert load(tmp_path / "history") == story


def test_a_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywire.torture.history.MAX_EVENTS", 2)
    notes = History()
    add: Callable[[AnyEvent], None] = notes.add
    add(Finished("a"))
    add(Finished("b"))
    with pytest.raises(HistoryFull):
        add(Finished("c"))
    assert notes.count(Finished) == 2
