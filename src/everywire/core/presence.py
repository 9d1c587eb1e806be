"""Who is in a channel, as messages.

Presence is keyed state like any other, in a channel beside the channel: ``@presence.chat.1`` holds
who is in ``chat.1``, a message for each change, keyed by the connection's public name. So a
snapshot with its position, changes without a hole, resume and gaps are the log's own; history and
retention of the channel itself are not touched; and who did not ask for presence pays nothing for
it. Towards clients the messages carry the name of the channel (`shown_name`).

A change names one connection. Several connections of a user are one member (`gathered`); an
anonymous connection is a member by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from everywire.core.messages import Draft, Message

PRESENCE_EVENT: Final = "everywire.presence"
PRESENCE_CHANNELS: Final = "@presence."
"""What the names of the channels begin with that hold who is where."""

Action = Literal["enter", "update", "leave"]

_NOTHING: Final = msgspec.Raw(b"null")


class Presence(msgspec.Struct, omit_defaults=True):
    """A connection in a channel.

    Attributes:
        connection: Its public name.
        user: Whose it is; None: an anonymous one's.
        data: What it says of itself, JSON as it was given.
    """

    connection: str
    user: str | None = None
    data: msgspec.Raw = _NOTHING


class Change(msgspec.Struct):
    """The data of a presence message."""

    action: Action
    member: Presence


class Member(msgspec.Struct):
    """Somebody who is in a channel, by one connection or several.

    Attributes:
        user: None: an anonymous one.
        connection: Public name of the connection that spoke last.
        data: What that said.
        connections: Public names of all, the first to enter first.
    """

    user: str | None
    connection: str
    data: msgspec.Raw
    connections: list[str]


_changes = msgspec.json.Decoder(Change)
_encode = msgspec.json.encode


def presence_channel(channel: str) -> str:
    """Where it is kept who is in a channel."""
    return PRESENCE_CHANNELS + channel


def shown_name(name: str) -> str:
    """What clients know a channel by."""
    return name.removeprefix(PRESENCE_CHANNELS)


def change(channel: str, action: Action, member: Presence) -> Draft:
    """The draft that says who came, changed or left."""
    return Draft(
        presence_channel(channel),
        _encode(Change(action, member)),
        event=PRESENCE_EVENT,
        key=member.connection,
        connection=member.connection,
        user=member.user,
    )


def present(state: Iterable[Message]) -> list[Presence]:
    """The connections that a channel's presence state stands for, in position order."""
    changes = [_changes.decode(message.data) for message in state]
    return [change.member for change in changes if change.action != "leave"]


def gathered(connections: Iterable[Presence]) -> list[Member]:
    """Members: a user is one, by however many connections.

    Args:
        connections: In the order in which they last spoke.
    """
    members: dict[tuple[bool, str], Member] = {}
    for one in connections:
        anonymous = one.user is None
        who = (anonymous, one.connection if one.user is None else one.user)
        known = members.pop(who, None)
        before = [] if known is None else known.connections
        members[who] = Member(one.user, one.connection, one.data, [*before, one.connection])
    return list(members.values())
