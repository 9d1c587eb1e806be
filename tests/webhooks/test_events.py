"""webhooks.events: what an endpoint is told."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from everywire.webhooks.events import (
    Connected,
    Disconnected,
    Event,
    Missed,
    Occupied,
    PresenceChanged,
    Vacated,
    batch_body,
    encoded,
    told,
)
from everywire.webhooks.settings import EVENTS

from .making import EPOCH

ALL: dict[str, tuple[Event, dict[str, object]]] = {
    "connected": (
        Connected("c1", "ws", "u1", "192.0.2.7"),
        {"connection": "c1", "wire": "ws", "user": "u1", "address": "192.0.2.7"},
    ),
    "disconnected": (
        Disconnected("c1", "sse", reason="drain"),
        {"connection": "c1", "wire": "sse", "reason": "drain"},
    ),
    "occupied": (Occupied("chat.1"), {"channel": "chat.1"}),
    "vacated": (Vacated("chat.1"), {"channel": "chat.1"}),
    "presence": (
        PresenceChanged("chat.1", "enter", Raw(b'{"user":"u1","data":1.50}')),
        {"channel": "chat.1", "action": "enter", "member": {"user": "u1", "data": 1.5}},
    ),
    "gap": (
        Missed("chat.*", 5, 9, "trimmed", "c1"),
        {"channel": "chat.*", "after": 5, "before": 9, "reason": "trimmed", "connection": "c1"},
    ),
}


def test_every_event_has_its_form() -> None:
    assert set(ALL) == set(EVENTS)
    for name, (event, data) in ALL.items():
        assert event.name == name
        assert event.about == data.get("channel")
        assert msgspec.json.decode(told(event, encoded(event), "x_a", 17, 5)) == {
            "id": "evt_x_a_17",
            "seq": 17,
            "type": name,
            "ts": 5,
            "data": data,
        }


def test_a_batch_is_a_standard_webhook() -> None:
    assert msgspec.json.decode(batch_body([b'{"seq":3}', b'{"seq":4}'], 2, EPOCH)) == {
        "type": "everywire.events",
        "timestamp": "2025-11-24T00:00:00.000Z",
        "data": {"dropped": 2, "events": [{"seq": 3}, {"seq": 4}]},
    }
