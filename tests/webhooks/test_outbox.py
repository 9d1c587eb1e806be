"""webhooks.outbox: events on disk, bounded, in order, each hole counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from everywire.webhooks.outbox import Batch, Bounds, Outbox, Row, Standing
from everywire.webhooks.outbox_file import FORMAT, OutboxRefused, OutboxUnavailable

URLS = {"a": "https://a.example/", "b": "https://b.example/"}
WIDE = Bounds(1000, 10**6, 100, 10**6)


class Boxes:
    """Opens an outbox again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[Outbox] = []

    def open(self, bounds: Bounds = WIDE, urls: dict[str, str] = URLS) -> Outbox:
        for outbox in self.opened:
            outbox.close()
        self.opened = [Outbox(self.path, bounds, urls)]
        return self.opened[0]


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[Boxes]:
    boxes = Boxes(tmp_path / "outbox.db")
    yield boxes
    for outbox in boxes.opened:
        outbox.close()


def write(outbox: Outbox, *numbers: int, name: str = "a", following: int | None = None) -> int:
    """Write events of one byte for each digit; returns how many were dropped."""
    rows = [Row(name, number, str(number).encode()) for number in numbers]
    then = {name: following or numbers[-1] + 1}
    return outbox.write(rows, then).get(name, 0)


def head(outbox: Outbox, name: str = "a") -> Batch:
    batch = outbox.head(name)
    assert batch is not None
    return batch


def take(outbox: Outbox, name: str = "a") -> list[tuple[int, int]]:
    """Deliver all there is; returns the number and the dropped before it of each batch's first."""
    taken: list[tuple[int, int]] = []
    while (batch := outbox.head(name)) is not None:
        taken.append((batch.first, batch.dropped))
        outbox.delivered(name, batch)
    return taken


def test_events_come_in_their_order_in_batches(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(1000, 10**6, 3, 10**6))
    assert write(outbox, 1, 2) == 0
    assert write(outbox, 3, 4) == 0
    batch = head(outbox)
    assert batch == Batch(1, [b"1", b"2", b"3"], 0)
    assert batch.last == 3
    assert head(outbox) == batch
    outbox.delivered("a", batch)
    assert head(outbox) == Batch(4, [b"4"], 0)
    assert outbox.head("b") is None
    outbox.delivered("a", head(outbox))
    assert outbox.head("a") is None


def test_a_batch_has_so_many_bytes_but_one_event(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(1000, 10**6, 100, 4))
    outbox.write(
        [Row("a", 1, b"aaa"), Row("a", 2, b"a"), Row("a", 3, b"a" * 9), Row("a", 4, b"a")], {"a": 5}
    )
    sizes: list[int] = []
    while (batch := outbox.head("a")) is not None:
        sizes.append(len(batch.bodies))
        outbox.delivered("a", batch)
    assert sizes == [2, 1, 1]


def test_it_survives(boxes: Boxes) -> None:
    outbox = boxes.open()
    write(outbox, 1, 2, 3)
    first = outbox.id
    outbox.delivered("a", Batch(1, [b"1"], 0))
    outbox = boxes.open()
    assert outbox.id == first
    assert outbox.standing("a") == Standing(4, 2, 0, False)
    assert head(outbox) == Batch(2, [b"2", b"3"], 0)


def test_of_too_many_the_oldest_go_and_the_hole_is_told_where_it_is(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(3, 10**6, 100, 10**6))
    assert write(outbox, 1, 2, 3, 4, 5) == 2
    assert outbox.standing("a") == Standing(6, 3, 2, False)
    assert head(outbox) == Batch(3, [b"3", b"4", b"5"], 2)


def test_of_too_many_bytes_likewise(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(1000, 3, 100, 10**6))
    assert write(outbox, 8, 9, 10, following=11) == 7 + 1
    assert head(outbox) == Batch(9, [b"9", b"10"], 8)


def test_one_that_is_larger_than_all_there_may_be_is_dropped(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(1000, 3, 100, 10**6))
    assert outbox.write([Row("a", 1, b"aaaa")], {"a": 2}) == {"a": 1}
    assert outbox.head("a") is None


def test_what_is_out_stays_and_no_batch_spans_a_hole(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(3, 10**6, 2, 10**6))
    write(outbox, 1, 2, 3)
    batch = head(outbox)
    assert write(outbox, 4, 5, 6) == 3
    assert head(outbox) == batch
    outbox.delivered("a", batch)
    assert head(outbox) == Batch(6, [b"6"], 3)
    # The same after a restart, before which nothing was out.
    outbox = boxes.open(Bounds(3, 10**6, 100, 10**6))
    write(outbox, 7, 9, following=10)
    assert [*take(outbox)] == [(6, 3), (9, 1)]


def test_numbers_that_were_left_out_are_counted(boxes: Boxes) -> None:
    outbox = boxes.open()
    assert write(outbox, 1, 4, following=7) == 4
    assert outbox.standing("a").dropped == 4
    assert take(outbox) == [(1, 0), (4, 2)]
    assert write(outbox, 7) == 0
    assert take(outbox) == [(7, 2)]


def test_a_batch_that_is_given_up_is_a_hole(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(1000, 10**6, 2, 10**6))
    write(outbox, 1, 2, 3)
    outbox.given_up("a", head(outbox))
    assert outbox.standing("a") == Standing(4, 1, 2, False)
    assert head(outbox) == Batch(3, [b"3"], 2)


def test_one_endpoint_is_nothing_to_another(boxes: Boxes) -> None:
    outbox = boxes.open(Bounds(2, 10**6, 100, 10**6))
    write(outbox, 1, 2, 3, name="a")
    write(outbox, 1, 2, name="b")
    assert outbox.standing("b") == Standing(3, 2, 0, False)
    assert take(outbox, "b") == [(1, 0)]
    assert outbox.standing("a").waiting == 2


def test_one_that_is_gone_has_nothing_and_stays_gone_until_its_address_is_another(
    boxes: Boxes,
) -> None:
    outbox = boxes.open()
    write(outbox, 1, 2)
    assert outbox.gone("a") == 2
    assert outbox.standing("a") == Standing(3, 0, 2, True)
    assert boxes.open().standing("a").gone
    moved = boxes.open(urls={**URLS, "a": "https://new.example/"})
    assert moved.standing("a") == Standing(3, 0, 2, False)
    write(moved, 3)
    assert head(moved) == Batch(3, [b"3"], 2)


def test_an_endpoint_that_is_set_no_more_loses_its_events_and_keeps_its_numbers(
    boxes: Boxes,
) -> None:
    write(boxes.open(), 1, 2)
    boxes.open(urls={"b": URLS["b"]})
    again = boxes.open()
    assert again.standing("a") == Standing(3, 0, 2, False)


def test_a_disk_that_fails_keeps_all_or_nothing(boxes: Boxes) -> None:
    outbox = boxes.open()
    write(outbox, 1)
    # The same number twice is an error of the database in the middle of a write.
    with pytest.raises(OutboxUnavailable, match=r"outbox\.db failed"):
        write(outbox, 2, 1, following=3)
    assert outbox.standing("a") == Standing(2, 1, 0, False)
    assert write(outbox, 3) == 1
    assert take(outbox) == [(1, 0), (3, 1)]


def test_a_disk_that_fails_late_leaves_the_counts_right(
    boxes: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = boxes.open(Bounds(2, 10**6, 100, 10**6))

    def full(*_: object) -> int:
        raise apsw.FullError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_count", full)
        with pytest.raises(OutboxUnavailable):
            write(outbox, 1, 2)
    # Were they counted, these two would not fit.
    assert write(outbox, 1, 2) == 0
    assert outbox.standing("a").waiting == 2


def test_it_belongs_to_one(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywire.webhooks.outbox_file.BUSY_MS", 1)
    boxes.open()
    with pytest.raises(OutboxRefused, match="open in another server"):
        Outbox(boxes.path, WIDE, URLS)


def test_what_is_no_outbox_is_refused(boxes: Boxes) -> None:
    boxes.path.write_bytes(b"no database" * 100)
    with pytest.raises(OutboxRefused, match="damaged or no SQLite database"):
        boxes.open()
    with pytest.raises(OutboxRefused, match="cannot be opened"):
        Outbox(boxes.path.parent / "nowhere" / "outbox.db", WIDE, URLS)


def test_one_of_a_newer_version_is_refused_and_left_as_it_is(boxes: Boxes) -> None:
    file = apsw.Connection(str(boxes.path))
    file.execute(f"PRAGMA user_version = {FORMAT + 1}")
    file.close()
    with pytest.raises(OutboxRefused, match="newer Everywire"):
        boxes.open()
