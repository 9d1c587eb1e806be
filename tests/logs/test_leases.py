"""When leases run out: by one heap, bounded, whatever is on its way."""

from __future__ import annotations

from everywire.core.errors import EverywireError, LogUnavailable
from everywire.logs.leases import Lease, LeaseChange, Leases
from logs.harness import draft


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def change(name: str, ttl: float | None, data: str = "1") -> LeaseChange:
    def done(_: EverywireError | None) -> None: ...

    lease = None if ttl is None else Lease(name, ttl, (draft("a", data),))
    return LeaseChange(name, lease, done)


def take(leases: Leases, name: str, ttl: float) -> None:
    made = change(name, ttl)
    assert leases.begin(made) is None
    leases.end(made, done=True)


def due(leases: Leases) -> list[str]:
    return [lease.id for lease in leases.run_out()]


def test_replacing_leaves_nothing_behind() -> None:
    leases = Leases(Clock())
    for number in range(10_000):
        take(leases, f"{number % 3}", 1000.0)
    assert len(leases) == 3
    assert len(leases._heap) <= 2 * 3 + 1000 + 1
    for number in range(3):
        leases.end(change(f"{number}", None), done=True)
    assert leases._bytes == leases._coming == len(leases) == 0


def test_a_change_that_failed_leaves_all_as_it_was() -> None:
    clock = Clock()
    leases = Leases(clock, most=1)
    take(leases, "l", 5)
    size = leases._bytes
    for wanted in (change("l", 9, "2" * 100), change("l", None)):
        assert leases.begin(wanted) is None
        leases.end(wanted, done=False)
        assert (leases._bytes, leases._coming, len(leases)) == (size, 0, 1)
    assert isinstance(leases.begin(change("m", 5)), LogUnavailable)
    clock.now += 5
    assert due(leases) == ["l"]


def test_what_is_on_its_way_counts() -> None:
    leases = Leases(Clock(), most=2, most_bytes=3000)
    first = change("a", 5)
    assert leases.begin(first) is None
    assert leases.begin(change("b", 5)) is None
    assert isinstance(leases.begin(change("c", 5)), LogUnavailable)
    leases.end(first, done=False)
    assert leases.begin(change("c", 5)) is None
    assert isinstance(leases.begin(change("c", 5, "1" * 3000)), LogUnavailable)


def test_one_that_runs_out_cannot_be_renewed_but_made_anew() -> None:
    clock = Clock()
    leases = Leases(clock)
    take(leases, "l", 5)
    clock.now += 5
    (lease,) = leases.run_out()
    assert not leases.renew("l")
    assert due(leases) == []
    again = change("l", 5)
    assert leases.begin(again) is None
    leases.ran_out(lease, done=True)
    assert len(leases) == 0
    leases.end(again, done=True)
    assert leases.renew("l")
    clock.now += 5
    assert due(leases) == ["l"]


def test_one_whose_will_was_not_taken_is_due_again() -> None:
    clock = Clock()
    leases = Leases(clock)
    take(leases, "l", 5)
    take(leases, "m", 6)
    clock.now += 5
    (lease,) = leases.run_out()
    leases.ran_out(lease, done=False)
    assert due(leases) == ["l"]
    leases.ran_out(lease, done=False)
    # Whoever comes back before it is tried again keeps it.
    assert leases.renew("l")
    clock.now += 1
    assert due(leases) == ["m"]


def test_a_second_change_on_its_way_holds_it_too() -> None:
    clock = Clock()
    leases = Leases(clock)
    take(leases, "l", 5)
    first, second = change("l", 1), change("l", None)
    leases.begin(first)
    leases.begin(second)
    leases.end(first, done=True)
    clock.now += 1
    assert due(leases) == []
    leases.end(second, done=False)
    clock.now += 1
    assert due(leases) == ["l"]
