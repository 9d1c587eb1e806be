"""The simulation can fail: each fault that is planted into the server is found out soon.

Schedules are played until one breaks a promise that the fault must break.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from everywire.core import hub as hub_module
from everywire.core.hub import Hub
from everywire.core.messages import Message
from everywire.core.positions import Openings
from everywire.logs import answers, memory
from everywire.logs.base import Append
from everywire.logs.keys import Keys
from everywire.logs.memory import MemoryLog
from everywire.server.event_stream import EventStream
from everywire.simulation.plan import draw_plan
from everywire.simulation.playing import play
from everywire.torture.facts import Broken
from everywire.wires import sse

SCHEDULES = 25

Planted = Callable[[pytest.MonkeyPatch], None]


def found(promises: set[str]) -> Broken | None:
    """The first break of one of some promises."""
    for seed in range(SCHEDULES):
        for broken in play(draw_plan(seed, "memory")).broken:
            if broken.promise in promises:
                return broken
    return None


def a_hub_that_drops(patch: pytest.MonkeyPatch) -> None:
    """Now and then the last who hears a batch does not get it."""
    deliver = Hub.deliver

    def lossy(self: Hub, batch: Sequence[Message]) -> Any:
        delivery = deliver(self, batch)
        if batch[-1].id % 5 == 0:
            delivery.writes = [(data, list(heard)[:-1]) for data, heard in delivery.writes]
        return delivery

    patch.setattr(Hub, "deliver", lossy)


def a_page_that_begins_one_late(patch: pytest.MonkeyPatch) -> None:
    answer = answers.answer

    def late(query: Any, *rest: Any) -> Any:
        page = answer(query, *rest)
        if query.after and len(page.items) > 1:
            del page.items[0]
        return page

    patch.setattr(memory, "answer", late)


def a_catch_up_that_begins_one_early(patch: pytest.MonkeyPatch) -> None:
    """Who falls behind reads once more what it was sent last."""
    fall_behind = Hub._fall_behind

    def early(self: Hub, subscriber: Any, live: Any, position: int) -> None:
        fall_behind(self, subscriber, live, position - 2)

    patch.setattr(Hub, "_fall_behind", early)


def pages_in_disorder(patch: pytest.MonkeyPatch) -> None:
    answer = answers.answer

    def shuffled(query: Any, *rest: Any) -> Any:
        page = answer(query, *rest)
        random.Random(page.last).shuffle(page.items)
        return page

    patch.setattr(memory, "answer", shuffled)


def no_gaps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers, "trimmed_gaps", lambda *rest, **more: [])


def gaps_that_end_one_late(patch: pytest.MonkeyPatch) -> None:
    trimmed = answers.trimmed_gaps

    def longer(*rest: Any, **more: Any) -> Any:
        gaps = trimmed(*rest, **more)
        return [msgspec.structs.replace(gap, before=gap.before + 1) for gap in gaps]

    patch.setattr(answers, "trimmed_gaps", longer)


def positions_that_run_ahead(patch: pytest.MonkeyPatch) -> None:
    def level(self: EventStream, position: int) -> bytes:
        return sse.position_event(position + 3)

    patch.setattr(EventStream, "level", level)


def no_idempotency(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keys, "find", lambda self, scope, now: None)


def nobody_is_ever_slow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hub, "lag", lambda self, subscriber: True)


def every_position_is_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Openings, "unknown", lambda self, since, head: None)


def one_hears_oneself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hub, "_own", lambda self, message: ())


def nothing_is_given_up(patch: pytest.MonkeyPatch) -> None:
    unsubscribe = Hub.unsubscribe

    def forgetful(self: Hub, subscriber: Any, name: str) -> bool:
        return name.startswith("x.") or unsubscribe(self, subscriber, name)

    patch.setattr(Hub, "unsubscribe", forgetful)


def ephemeral_twice(patch: pytest.MonkeyPatch) -> None:
    deliver = Hub.deliver_ephemeral

    def twice(self: Hub, message: Message) -> Any:
        delivery = deliver(self, message)
        delivery.writes *= 2
        return delivery

    patch.setattr(Hub, "deliver_ephemeral", twice)


def answers_with_another_position(patch: pytest.MonkeyPatch) -> None:
    """Now and then a publish is acknowledged with the position of another."""
    submit = MemoryLog.submit

    def lying(self: MemoryLog, append: Append) -> None:
        done = append.done

        def told(result: Any) -> None:
            positions = getattr(result, "positions", None)
            if positions is not None and positions[0] % 7 == 0:
                result.positions = [position - 1 for position in positions]
            done(result)

        append.done = told
        submit(self, append)

    patch.setattr(MemoryLog, "submit", lying)


def a_fault_in_the_server(patch: pytest.MonkeyPatch) -> None:
    def fails(wire: Any, messages: Any) -> bytes:
        raise RuntimeError("planted")

    patch.setattr(hub_module, "_joined", fails)


@pytest.mark.parametrize(
    ("plant", "promises"),
    [
        (a_hub_that_drops, {"hole", "lost"}),
        (a_page_that_begins_one_late, {"hole", "lost"}),
        (a_catch_up_that_begins_one_early, {"repeat", "order"}),
        (pages_in_disorder, {"order", "hole"}),
        (no_gaps, {"hole", "lost"}),
        (gaps_that_end_one_late, {"gap"}),
        (positions_that_run_ahead, {"hole", "position"}),
        (no_idempotency, {"once"}),
        (nobody_is_ever_slow, {"bounded"}),
        (every_position_is_known, {"gap", "position"}),
        (one_hears_oneself, {"echo"}),
        (nothing_is_given_up, {"unsubscribed"}),
        (ephemeral_twice, {"repeat"}),
        (answers_with_another_position, {"once", "rising"}),
        (a_fault_in_the_server, {"fault"}),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Planted, promises: set[str]
) -> None:
    plant(monkeypatch)
    assert found(promises) is not None
