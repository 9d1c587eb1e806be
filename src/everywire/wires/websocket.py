"""What a WebSocket gets: frames of JSON or msgpack, or the bare data.

Each format is one object, shared by all that use it, so that the hub encodes once for all of
them. A control frame is a dict; ``control`` turns it into bytes, or into nothing where the format
does not send it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from everywire.core.messages import Gap, Kind, Message
from everywire.wires import frames
from everywire.wires.deflate import compress
from everywire.wires.envelope import envelope, gap_fields, sender_of
from everywire.wires.packed import json_to_msgpack_value

_json = msgspec.json.encode
_msgpack = msgspec.msgpack.encode

_MESSAGE: Final = b'{"type":"message",'

Framing = Callable[[bytes], bytes]

_BARE_CONTROL: Final = frozenset({"gap", "error", "unsubscribed", "bye"})
"""Control frames that ``format=data`` sends, wrapped; no other."""


class WebSocketFormat:
    """The part that all formats share: how payloads become frames.

    Args:
        window_bits: For permessage-deflate; 0: not compressed.
    """

    def __init__(self, window_bits: int = 0) -> None:
        self.text: Framing = frames.text_frame
        self.binary: Framing = frames.binary_frame
        if window_bits:
            self.text = lambda payload: frames.compressed_text_frame(compress(payload, window_bits))
            self.binary = lambda payload: frames.compressed_binary_frame(
                compress(payload, window_bits)
            )

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        """Frames stand one behind the other."""
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def gap(self, gap: Gap) -> bytes:
        """A gap frame."""
        return self.control({"type": "gap", **gap_fields(gap)})

    def message(self, message: Message) -> bytes:
        """A message frame."""
        raise NotImplementedError

    def control(self, frame: Mapping[str, Any]) -> bytes:
        """A control frame; empty where the format does not send it."""
        raise NotImplementedError


class JsonFormat(WebSocketFormat):
    """Subprotocol ``everywire.v1``: JSON in text frames."""

    def message(self, message: Message) -> bytes:
        """The message's fields beside its type."""
        return self.text(envelope(message, _MESSAGE))

    def control(self, frame: Mapping[str, Any]) -> bytes:
        """The frame as it is."""
        return self.text(_json(frame))


class PackedFormat(WebSocketFormat):
    """Subprotocol ``everywire.v1.msgpack``: the same objects in binary frames."""

    def message(self, message: Message) -> bytes:
        """The message's fields beside its type; bytes travel as bin."""
        fields: dict[str, Any] = {"type": "message", "channel": message.channel}
        if message.id:
            fields["id"] = message.id
        fields["event"] = message.event
        if message.kind is Kind.JSON:
            fields["data"] = json_to_msgpack_value(message.data)
        elif message.kind is Kind.TEXT:
            fields["data"] = message.data.decode()
        else:
            fields["data"] = message.data
        fields["ts"] = message.ts
        if message.kind is Kind.TEXT:
            fields["encoding"] = "text"
        sender = sender_of(message)
        if sender:
            fields["from"] = sender
        if message.key is not None:
            fields["key"] = message.key
        if message.meta is not None:
            fields["meta"] = json_to_msgpack_value(message.meta)
        if message.final:
            fields["final"] = True
        return self.binary(_msgpack(fields))

    def control(self, frame: Mapping[str, Any]) -> bytes:
        """The frame as it is."""
        return self.binary(_msgpack(frame))


class BareFormat(WebSocketFormat):
    """``format=data``: a frame is just the data, bytes as binary frames."""

    def message(self, message: Message) -> bytes:
        """The data alone."""
        if message.kind is Kind.BYTES:
            return self.binary(message.data)
        return self.text(message.data)

    def control(self, frame: Mapping[str, Any]) -> bytes:
        """What must not go unsaid, wrapped so that it is not taken for data."""
        if frame["type"] not in _BARE_CONTROL:
            return b""
        return self.text(_json({"everywire": frame}))


@lru_cache(64)
def websocket_format(name: str, window_bits: int = 0) -> WebSocketFormat:
    """The shared format object.

    Args:
        name: ``json``, ``msgpack`` or ``data``.
        window_bits: For permessage-deflate; 0: not compressed.
    """
    kinds = {"json": JsonFormat, "msgpack": PackedFormat, "data": BareFormat}
    return kinds[name](window_bits)
