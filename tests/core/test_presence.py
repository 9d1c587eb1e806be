"""Who is in a channel, from the messages that say so."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.messages import Message, message_from
from everywire.core.presence import (
    Action,
    Presence,
    change,
    gathered,
    presence_channel,
    present,
    shown_name,
)


def member(connection: str, user: str | None = None, data: object = None) -> Presence:
    return Presence(connection, user, msgspec.Raw(json.dumps(data).encode()))


def test_a_change_is_keyed_by_its_connection_in_a_channel_beside_the_channel() -> None:
    draft = change("chat.1", "enter", member("c1", "ann", {"mood": "fine"}))
    assert draft.channel == "@presence.chat.1"
    assert (draft.event, draft.key) == ("everywire.presence", "c1")
    assert (draft.connection, draft.user) == ("c1", "ann")
    assert json.loads(draft.data) == {
        "action": "enter",
        "member": {"connection": "c1", "user": "ann", "data": {"mood": "fine"}},
    }
    assert shown_name(draft.channel) == "chat.1"
    assert shown_name("chat.1") == "chat.1"
    assert presence_channel("chat.1") == draft.channel


def test_an_anonymous_connection_has_no_user() -> None:
    draft = change("chat", "leave", Presence("c1"))
    assert json.loads(draft.data) == {"action": "leave", "member": {"connection": "c1"}}


def state(*changes: tuple[Action, Presence]) -> list[Message]:
    drafts = [change("chat", action, who) for action, who in changes]
    return [message_from(draft, n, 0) for n, draft in enumerate(drafts, 1)]


def test_who_is_present_is_who_has_not_left() -> None:
    messages = state(
        ("enter", member("c1", "ann")),
        ("leave", member("c2", "bob")),
        ("update", member("c3", data=[1, 2])),
    )
    found = present(messages)
    assert [one.connection for one in found] == ["c1", "c3"]
    assert json.loads(bytes(found[1].data)) == [1, 2]


def test_several_connections_of_a_user_are_one_member() -> None:
    found = gathered(
        [member("c1", "ann", 1), member("c2"), member("c3", "ann", 3), member("c4"), member("ann")]
    )
    told = {(m.user, m.connection): m for m in found}
    assert told["ann", "c3"].connections == ["c1", "c3"]
    assert bytes(told["ann", "c3"].data) == b"3"
    assert told[None, "c2"].connections == ["c2"]
    assert told[None, "ann"].connections == ["ann"], "a connection's name is nobody's user"
    assert len(found) == 4


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, "ann", "bob"]))))
def test_each_connection_is_in_exactly_one_member(pairs: list[tuple[str, str | None]]) -> None:
    each = {name: Presence(name, user) for name, user in pairs}
    found = gathered(each.values())
    named = [name for one in found for name in one.connections]
    assert sorted(named) == sorted(each)
    users = [one.user for one in found if one.user is not None]
    assert len(users) == len(set(users))
    assert all(one.connection == one.connections[-1] for one in found)
