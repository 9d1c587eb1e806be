"""What a client reads in the bytes of each wire.

The same bytes go to many, and are read once. Each wire is read by code that is not the one that
wrote it: frames by their splitter, event streams by the Python client's parser, JSON by msgspec.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from everywire.client.sse import StreamParser
from everywire.torture.history import digest
from everywire.wires import frames

_CACHED = 4096


class Told(msgspec.Struct, frozen=True):
    """One thing that a client is told.

    Attributes:
        kind: ``message``, ``gap``, ``position``, ``subscribed``, ``unsubscribed``, ``welcome``,
            ``published``, ``error``, ``bye``, ``ping``, ``close`` or ``pong``.
        name: A channel or pattern.
        position: A message's ``id``, or ``last_id``; 0: none.
        after: A gap's.
        before: A gap's.
        reason: A gap's or an end's; an error's code.
        label: A message's own name, from its data.
        digest: Of its data.
        final: Whether it is its channel's last message.
    """

    kind: str
    name: str = ""
    position: int = 0
    after: int = 0
    before: int = 0
    reason: str = ""
    label: str = ""
    digest: int = 0
    final: bool = False


class _Item(msgspec.Struct):
    type: str = "message"
    channel: str = ""
    id: int = 0
    last_id: int = 0
    after: int = 0
    before: int = 0
    reason: str = ""
    code: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    final: bool = False


class _Labelled(msgspec.Struct):
    label: str = ""


class _Page(msgspec.Struct):
    data: list[_Item]
    last_id: int
    gaps: list[_Item] = []
    final: list[str] = []


_item = msgspec.json.Decoder(_Item).decode
_labelled = msgspec.json.Decoder(_Labelled).decode
_page = msgspec.json.Decoder(_Page).decode


@lru_cache(_CACHED)
def socket_told(data: bytes) -> Sequence[Told]:
    """Whole frames of a server."""
    return tuple(_frame(opcode, payload) for opcode, payload in frames.split_frames(data))


@lru_cache(_CACHED)
def stream_told(data: bytes) -> Sequence[Told]:
    """Whole blocks of an event stream."""
    return tuple(
        _told(_item(event.data.encode()), event.event.removeprefix("everywire."))
        for event in StreamParser().feed(data)
    )


@lru_cache(_CACHED)
def page_told(body: bytes) -> Sequence[Told]:
    """The answer to a poll: messages and gaps in position order, where to go on, what ended."""
    page = _page(body)
    told = [_told(item, "message") for item in page.data]
    told += [_told(item, "gap") for item in page.gaps]
    # A stable order: ephemeral messages, which have no position, come first.
    told.sort(key=_place)
    told.append(Told("position", position=page.last_id))
    return (*told, *(Told("unsubscribed", name, reason="final") for name in page.final))


def _place(told: Told) -> tuple[int, int]:
    return (told.before - 1, 1) if told.kind == "gap" else (told.position, 0)


def _frame(opcode: int, payload: bytes) -> Told:
    if opcode == frames.PING:
        return Told("ping")
    if opcode == frames.CLOSE:
        return Told("close", reason=str(int.from_bytes(payload[:2], "big")))
    item = _item(payload)
    return _told(item, item.type)


def _told(item: _Item, kind: str) -> Told:
    data = bytes(item.data)
    return Told(
        kind,
        item.channel,
        item.id or item.last_id,
        item.after,
        item.before,
        item.code or item.reason,
        _labelled(data).label if kind == "message" else "",
        digest(data),
        item.final,
    )


def masked(payload: bytes, opcode: int = frames.TEXT) -> bytes:
    """A client's frame; its mask is all zeros, which is one like any other (RFC 6455 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((frames.FIN | opcode, 0x80 | size))
    else:
        head = bytes((frames.FIN | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    return head + b"\x00\x00\x00\x00" + payload


def answer_of(data: bytes) -> tuple[int, bytes]:
    """Status and what follows the head of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head[9:12]), body
