"""What an event stream gets (HTML standard, Server-sent events).

An event is ``id:``, ``event:`` and ``data:`` lines and a blank one. JSON data stands on one line
already; text is split at CR, LF and CRLF, each of which would end a line. Event names hold no
control characters, so no field can be smuggled in.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from everywire.core.messages import DEFAULT_EVENT, Gap, Kind, Message
from everywire.wires.envelope import envelope, gap_fields

_json = msgspec.json.encode
_LINE_END = re.compile(rb"\r\n|\r|\n")

COMMENT: Final = b":\n\n"
"""Keeps a silent stream open; dispatches nothing."""


def retry(milliseconds: int) -> bytes:
    """How long an EventSource waits before it comes back."""
    return b"retry: %d\n\n" % milliseconds


def own_event(name: str, fields: Mapping[str, Any], position: int | None = None) -> bytes:
    """An event of the server's: ``everywire.`` and a name.

    Args:
        name: ``position``, ``gap``, ``error`` or ``unsubscribed``.
        fields: Its data.
        position: Its ``id``; None: it has none.
    """
    head = b"" if position is None else b"id: %d\n" % position
    return head + b"event: everywire.%b\ndata: %b\n\n" % (name.encode(), _json(fields))


def position_event(position: int) -> bytes:
    """The stream has brought everything up to here.

    A block of an ``id:`` alone will not do: Firefox and Node's eventsource ignore it.
    """
    return b'id: %d\nevent: everywire.position\ndata: {"last_id":%d}\n\n' % (position, position)


class EventStreamFormat:
    """The part that both formats share."""

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        """Events stand one behind the other."""
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def gap(self, gap: Gap) -> bytes:
        """A gap event; its ``id`` is where its channel goes on from."""
        return own_event("gap", gap_fields(gap), gap.position)

    def message(self, message: Message) -> bytes:
        """A message event."""
        raise NotImplementedError


class DataFormat(EventStreamFormat):
    """``format=data``: the message's event, and its bare data."""

    def message(self, message: Message) -> bytes:
        """``event:`` is absent for the default one, which EventSource calls message."""
        head = b"id: %d\n" % message.id if message.id else b""
        if message.event != DEFAULT_EVENT:
            head += b"event: %b\n" % message.event.encode()
        return head + _data_lines(message) + b"\n"


class EnvelopeFormat(EventStreamFormat):
    """``format=envelope``: data is the whole message object, and ``event:`` is absent."""

    def message(self, message: Message) -> bytes:
        """The whole message as data."""
        head = b"id: %d\n" % message.id if message.id else b""
        return head + b"data: %b\n\n" % envelope(message)


def _data_lines(message: Message) -> bytes:
    if message.kind is Kind.JSON:
        return b"data: %b\n" % message.data
    if message.kind is Kind.BYTES:
        return b"data: %b\n" % b64encode(message.data)
    return b"".join(b"data: %b\n" % line for line in _LINE_END.split(message.data))


DATA: Final = DataFormat()
ENVELOPE: Final = EnvelopeFormat()
FORMATS: Final[Mapping[str, EventStreamFormat]] = {"data": DATA, "envelope": ENVELOPE}
