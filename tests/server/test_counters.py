"""What a node counts, and how it is exported."""

from __future__ import annotations

from dataclasses import fields

from everywire.server.counters import Counters


def test_every_counter_has_a_name_a_sentence_and_a_value() -> None:
    counters = Counters(peers_gone=3)
    found = list(counters.all())
    assert [counter.name for counter in found] == [field.name for field in fields(Counters)]
    assert all(counter.about for counter in found)
    assert {counter.name: counter.value for counter in found if counter.value} == {"peers_gone": 3}
