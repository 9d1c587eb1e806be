"""A message as one JSON object, the same bytes on every wire.

JSON data is put in as it was published; text becomes a JSON string with ``"encoding":"text"``,
bytes become base64 with ``"encoding":"base64"``.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any

import msgspec

from everywire.core.messages import Gap, Kind, Message

_encode = msgspec.json.encode

# Looking a member of an enumeration up by its name takes a tenth of the time of all the rest.
_JSON = Kind.JSON


@lru_cache(16_384)
def quoted(name: str) -> bytes:
    """A name as a JSON string. Only for checked names, which are short."""
    return _encode(name)


def envelope(message: Message, begin: bytes = b"{") -> bytes:
    """The whole message object of docs/protocol.md, Terms.

    Args:
        message: What is written.
        begin: How the object begins; a wire may put fields of its own in front.
    """
    kind, position = message.kind, message.id
    if kind is _JSON:
        data, encoding = message.data, b""
    elif kind is Kind.TEXT:
        data, encoding = _encode(message.data.decode()), b',"encoding":"text"'
    else:
        data, encoding = b'"' + b64encode(message.data) + b'"', b',"encoding":"base64"'
    return b'%b"channel":%b,%b"event":%b,"data":%b,"ts":%d%b%b}' % (
        begin,
        quoted(message.channel),
        b'"id":%d,' % position if position else b"",
        quoted(message.event),
        data,
        message.ts,
        encoding,
        _rest(message),
    )


def _rest(message: Message) -> bytes:
    """The fields that most messages do not have."""
    rest = b""
    if message.user is not None or message.connection is not None:
        rest += b',"from":' + _encode(sender_of(message))
    if message.key is not None:
        rest += b',"key":' + _encode(message.key)
    if message.meta is not None:
        rest += b',"meta":' + message.meta
    if message.final:
        rest += b',"final":true'
    return rest


def sender_of(message: Message) -> dict[str, str]:
    """The ``from`` of a message; empty where nothing is known."""
    sender: dict[str, str] = {}
    if message.user is not None:
        sender["user"] = message.user
    if message.connection is not None:
        sender["connection"] = message.connection
    return sender


def gap_fields(gap: Gap) -> dict[str, Any]:
    """The fields of a gap object."""
    return {
        "channel": gap.channel,
        "after": gap.after,
        "before": gap.before,
        "reason": gap.reason,
    }
