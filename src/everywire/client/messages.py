"""What a subscriber gets to see: messages and gaps.

Both are the objects of the protocol, as dictionaries: ``message["data"]``, ``gap["before"]``. A
message also keeps the bytes it came as, because JSON is passed on byte for byte: a number of
forty digits, or ``185.50``, is printed as it was published.

The same object comes from every wire. A WebSocket frame carries a ``type`` beside the message's
own fields; it is taken off here.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from everywire.client.errors import BadAnswer, checked

_TYPED: Final = b'{"type":"message",'


class Message(dict[str, Any]):
    """One message, with the fields that the protocol gives it.

    ``channel, id, event, data, ts`` and, where they apply, ``from, key, meta, encoding, final``.
    An ephemeral message has no ``id``.

    Attributes:
        raw: The JSON object it came as, without ``type``.
    """

    __slots__ = ("raw",)

    raw: bytes

    @property
    def channel(self) -> str:
        """The channel it was published to; never a pattern."""
        return self["channel"]

    @property
    def id(self) -> int | None:
        """Its position; None for an ephemeral message."""
        return self.get("id")

    @property
    def final(self) -> bool:
        """Whether it is the last message of its channel."""
        return self.get("final") is True

    @property
    def content(self) -> Any:
        """The data as it was meant: a JSON value, a string for text, or bytes.

        Raises:
            ValueError: It is said to be base64 and is not.
        """
        data = self.get("data")
        if self.get("encoding") == "base64":
            return base64.b64decode(data or "", validate=True)
        return data

    @property
    def json(self) -> bytes:
        """The data's JSON, byte for byte as published (for bytes: their base64, as a string)."""
        return bytes(msgspec.json.decode(self.raw, type=_Data).data)


class Gap(dict[str, Any]):
    """Messages of a channel between ``after`` and ``before``, both exclusive, may be missing.

    A dictionary ``{"type": "gap", "channel", "after", "before", "reason"}``; the reason is
    ``trimmed``, ``conflated``, ``unknown_position`` or ``forbidden``.
    """

    __slots__ = ()

    @property
    def channel(self) -> str:
        """A channel, or the pattern it was asked for by."""
        return self["channel"]

    @property
    def after(self) -> int:
        """Everything up to here was had."""
        return self["after"]

    @property
    def before(self) -> int:
        """The first position after the hole."""
        return self["before"]

    @property
    def reason(self) -> str:
        """Why."""
        return self["reason"]


class _Data(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")


_fields = msgspec.json.Decoder(dict[str, Any]).decode
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def message_of(raw: bytes) -> Message:
    """Make a message of its JSON object, with or without ``"type":"message"``.

    Raises:
        BadAnswer: It is not a message.
    """
    raw = _without_type(raw)
    message = Message(checked(_fields, raw))
    position = message.get("id")
    if not isinstance(message.get("channel"), str) or type(position) not in (int, type(None)):
        raise BadAnswer("a message without a channel, or with an id that is no position")
    message.raw = raw
    return message


def gap_of(channel: str, after: int, before: int, reason: str) -> Gap:
    """A gap of its parts."""
    return Gap(type="gap", channel=channel, after=after, before=before, reason=reason)


def _without_type(raw: bytes) -> bytes:
    if raw.startswith(_TYPED):
        return b"{" + raw[len(_TYPED) :]
    fields = checked(_raw_fields, raw)
    return raw if fields.pop("type", None) is None else msgspec.json.encode(fields)
