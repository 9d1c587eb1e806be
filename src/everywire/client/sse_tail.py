"""A session over Server-Sent Events.

The envelope form is asked for, so that a message is the same object as on the other wires. The
server is heard at least every 15 s, if only by a comment; twice and a half of that in silence, and
it is gone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

import msgspec

from everywire.client.address import Address
from everywire.client.errors import (
    BadAnswer,
    Lost,
    checked,
    refusal,
    refusal_by_code,
    turned_away,
)
from everywire.client.events import Ask, Comeback, Connected, Ended, Event, Moved
from everywire.client.http import HttpClient, Stream
from everywire.client.messages import gap_of, message_of
from everywire.client.sse import StreamEvent, StreamParser, StreamTooLarge

SILENCE: Final = 37.5
"""Seconds without a byte after which the server counts as gone: two heartbeats and a half."""

_READ: Final = 64 * 1024


class _Fields(msgspec.Struct):
    """What is looked at in the data of the server's own events."""

    channel: str = ""
    last_id: int = 0
    reason: str = ""
    code: str = ""
    message: str = ""
    after: int = 0
    before: int = 0


_fields = msgspec.json.Decoder(_Fields).decode


def sse_session(
    address: Address, ask: Ask, token: str | None = None, *, silence: float = SILENCE
) -> Generator[Event]:
    """Open a stream and yield what comes, until it raises or all channels have ended.

    Args:
        silence: Seconds without a byte after which the server counts as gone.

    Raises:
        Unreachable: No connection, or it was cut.
        Lost: The stream is over.
        Refused: For good.
        UsageError: The names are too many for a URL.
    """
    target, headers = _request(address, ask)
    with HttpClient(address, token=token) as client:
        stream = client.stream(target, headers=headers, timeout=silence)
        try:
            if stream.status == 204:
                # All channels have ended, and all of them was had (HTML, section 9.2.3).
                yield Connected()
                yield from (Ended(name, "final") for name in ask.names)
                return
            _check(stream)
            yield Connected()
            yield from _heard(stream)
        except StreamTooLarge as error:
            raise BadAnswer(str(error)) from None
        finally:
            stream.close()


def _request(address: Address, ask: Ask) -> tuple[str, dict[str, str]]:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    query = [("channel", name) for name in ask.names]
    query += [("format", "envelope"), ("ephemeral", "1")]
    if ask.lowest is not None and ask.returning:
        headers["Last-Event-ID"] = str(ask.lowest)
    elif ask.lowest is not None:
        query.append(("since", str(ask.lowest)))
    return address.target("/events", query), headers


def _check(stream: Stream) -> None:
    if stream.status != 200:
        raise turned_away(refusal(stream.status, stream.headers, stream.read(_READ)))
    kind = stream.headers.get("Content-Type") or ""
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        raise Lost(f"the answer is not an event stream but {kind or 'of no type'}")


def _heard(stream: Stream) -> Iterator[Event]:
    parser = StreamParser()
    comeback: int | None = None
    while chunk := stream.read(_READ):
        events = parser.feed(chunk)
        if parser.retry_ms is not None and parser.retry_ms != comeback:
            comeback = parser.retry_ms
            yield Comeback(comeback / 1000)
        for event in events:
            told = _event(event)
            if told is not None:
                yield told
    raise Lost("the stream ended")


def _event(event: StreamEvent) -> Event | None:
    """What an event says; None for those that say nothing to a subscriber."""
    data = event.data.encode()
    if event.event == "message":
        return message_of(data)
    if not event.event.startswith("everywire."):
        return None
    fields = checked(_fields, data)
    match event.event:
        case "everywire.position":
            return Moved(fields.last_id)
        case "everywire.gap":
            return gap_of(fields.channel, fields.after, fields.before, fields.reason)
        case "everywire.unsubscribed":
            return Ended(fields.channel, fields.reason)
        case "everywire.error":
            raise turned_away(refusal_by_code(fields.code, fields.message))
        case _:
            return None
