"""A session over WebSocket.

One frame subscribes to all, so that channels with one ``since`` start level. A server that is
there is heard at least once a heartbeat; when half of the time allowed has passed in silence we
ask (``ping``), and when the rest has passed too, it is gone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from everywire.client.address import Address
from everywire.client.errors import (
    Lost,
    Refused,
    Unreachable,
    checked,
    refusal,
    refusal_by_code,
    turned_away,
)
from everywire.client.events import Ask, Connected, Ended, Event, Moved, Started
from everywire.client.http import USER_AGENT, in_our_words
from everywire.client.messages import gap_of, message_of
from everywire.client.retry import REQUEST_TIMEOUT
from everywire.core.errors import UsageError

MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of a frame from the server."""

MAX_SUBSCRIBE: Final = 64 * 1024
"""Bytes of the frame that subscribes; a server takes 4/3 of its data limit and 4 KiB."""

_HEARTBEATS: Final = 2.5
_FATAL: Final = {4400: "bad_request", 4401: "bad_token", 4403: "forbidden"}


class _Frame(msgspec.Struct):
    """What is looked at in a frame of the server."""

    type: str = ""
    channel: str = ""
    last_id: int = 0
    reason: str = ""
    code: str = ""
    message: str = ""
    retry_ms: float = 0
    heartbeat_ms: float = 25_000
    after: int = 0
    before: int = 0


_decode = msgspec.json.Decoder(_Frame).decode


def ws_session(address: Address, ask: Ask, token: str | None = None) -> Generator[Event]:
    """Subscribe and yield what comes, until it raises.

    Raises:
        Unreachable: No connection.
        Lost: The connection is over.
        Refused: For good.
        UsageError: The names are too many for a frame.
    """
    subscribe = _subscribe_frame(ask)
    with in_our_words(address.url):
        try:
            with _connect(address, token) as socket:
                try:
                    yield from _heard(socket, subscribe)
                finally:
                    # Left by an exception, ``with`` would call this an internal error (1011).
                    socket.close()
        except InvalidStatus as error:
            response = error.response
            refused = refusal(response.status_code, response.headers, bytes(response.body or b""))
            raise turned_away(refused) from None
        except InvalidHandshake as error:
            raise Unreachable(address.url, f"no WebSocket there ({error})") from None
        except ConnectionClosed as closed:
            raise _after_close(closed) from None


def _connect(address: Address, token: str | None) -> ClientConnection:
    return connect(
        address.websocket("/ws"),
        subprotocols=[Subprotocol("everywire.v1")],
        additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
        user_agent_header=USER_AGENT,
        compression=None,
        proxy=None,
        open_timeout=REQUEST_TIMEOUT,
        ping_interval=None,
        close_timeout=1,
        max_size=MAX_FRAME,
    )


def _subscribe_frame(ask: Ask) -> str:
    frame: dict[str, Any] = {"type": "subscribe", "channels": ask.names}
    if isinstance(ask.since, Mapping):
        frame["channels"] = ask.since
    elif ask.since is not None:
        frame["since"] = ask.since
    elif ask.history is not None:
        frame["history"] = ask.history
    encoded = msgspec.json.encode(frame)
    if len(encoded) > MAX_SUBSCRIBE:
        raise UsageError(
            f"the channels make a frame of {len(encoded)} bytes; at most {MAX_SUBSCRIBE} are sent. "
            "Use a pattern, or fewer channels"
        )
    return encoded.decode()


def _heard(socket: ClientConnection, subscribe: str) -> Iterator[Event]:
    welcome = checked(_decode, bytes(socket.recv(REQUEST_TIMEOUT, decode=False)))
    if welcome.type != "welcome":
        raise Lost("the server did not begin with a welcome")
    yield Connected()
    silence = welcome.heartbeat_ms / 1000 * _HEARTBEATS
    socket.send(subscribe)
    started = False
    while True:
        event = _event(_receive(socket, silence))
        started = started or isinstance(event, Started)
        # A heartbeat that crossed the subscribe speaks of no channels, so of none of ours.
        if event is not None and (started or not isinstance(event, Moved)):
            yield event


def _receive(socket: ClientConnection, silence: float) -> bytes:
    """The next frame; `Lost` where none came for so many seconds, asked or not."""
    try:
        return bytes(socket.recv(silence / 2, decode=False))
    except TimeoutError:
        socket.send('{"type":"ping"}')
    try:
        return bytes(socket.recv(silence / 2, decode=False))
    except TimeoutError:
        raise Lost(f"nothing was heard for {silence:.0f} s") from None


def _event(raw: bytes) -> Event | None:
    """What a frame says; None for those that say nothing to a subscriber."""
    if raw.startswith(b'{"type":"message",'):
        return message_of(raw)
    frame = checked(_decode, raw)
    match frame.type:
        case "message":
            return message_of(raw)
        case "position":
            return Moved(frame.last_id)
        case "gap":
            return gap_of(frame.channel, frame.after, frame.before, frame.reason)
        case "subscribed":
            return Started(frame.channel, frame.last_id)
        case "unsubscribed":
            return Ended(frame.channel, frame.reason)
        case "error":
            raise turned_away(refusal_by_code(frame.code, frame.message))
        case "bye":
            raise Lost(f"the server said goodbye ({frame.reason})", frame.retry_ms / 1000)
        case _:
            return None


def _after_close(closed: ConnectionClosed) -> Refused | Lost:
    """What a close means: fatal by its code, else one comes back."""
    if closed.rcvd is None:
        return Lost("the connection was cut")
    code, reason = closed.rcvd.code, closed.rcvd.reason
    words = f"the server closed the connection ({code}{f', {reason}' if reason else ''})"
    if code in _FATAL:
        return refusal_by_code(_FATAL[code], words)
    return Lost(words)
