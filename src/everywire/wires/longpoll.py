"""What a poll gets: one JSON object with a page of messages, and where to go on from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everywire.core.messages import Gap, Message
from everywire.core.pages import Page
from everywire.wires.envelope import envelope, gap_fields

_json = msgspec.json.encode


def page_body(page: Page, ended: Sequence[str], skip: str | None = None) -> bytes:
    """The body for what was read.

    Args:
        page: Messages and gaps.
        ended: Channels whose last message is in this page or an earlier one.
        skip: Public name of the connection that asks; its messages with ``echo:false`` are not
            sent to it.
    """
    gaps = page.gaps
    messages = [m for m in page.messages if m.echo or skip is None or m.connection != skip]
    return body([envelope(message) for message in messages], goes_on_from(page), gaps, ended)


def goes_on_from(page: Page) -> int:
    """The ``last_id`` of a page: its last message or gap, so that pages end alike for all."""
    if not page.complete:
        return page.last
    last = [item.position if isinstance(item, Gap) else item.id for item in page.items]
    return last[-1] if last else page.last


def body(
    parts: Sequence[bytes], last_id: int, gaps: Sequence[Gap] = (), ended: Sequence[str] = ()
) -> bytes:
    """Put an answer together.

    Args:
        parts: Message objects, encoded.
        last_id: Where to go on from.
        gaps: What may be missing.
        ended: Channels that have ended.
    """
    rest = b""
    if gaps:
        rest += b',"gaps":' + _json([gap_fields(gap) for gap in gaps])
    if ended:
        rest += b',"final":' + _json(list(ended))
    return b'{"data":[%b],"last_id":%d%b}' % (b",".join(parts), last_id, rest)


def listing(messages: Sequence[Message], last_id: int, gaps: Sequence[Gap]) -> bytes:
    """The body of a history read."""
    return body([envelope(message) for message in messages], last_id, gaps)


def state(messages: Sequence[Message], position: int, *, complete: bool) -> bytes:
    """The body of a read of state.

    Args:
        messages: The newest of each key.
        position: What they stand for.
        complete: Whether these are all; if not, ``after`` says where the next page begins.
    """
    rest = b"" if complete else b',"after":%d' % messages[-1].id
    parts = b",".join(envelope(message) for message in messages)
    return b'{"data":[%b],"last_id":%d%b}' % (parts, position, rest)
