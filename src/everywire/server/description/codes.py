"""What each error code means and what to do about it.

The one source of three things: the pages at ``/docs/errors/{code}``, to which the ``type`` of each
problem leads; the codes in the described API; and, held by a test, docs/reference/errors.md.
Texts are Markdown, as far as `html.inline` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from everywire.core.errors import STATUS

PAGES: Final = "/docs/errors/"
"""The path of the pages about codes, up to the code."""


@dataclass(frozen=True)
class Code:
    """About an error code.

    Attributes:
        again: Whether to try again, in few words.
        means: What went wrong.
        do: What to do about it.
        detail: What a problem with it says, for example.
        channel: The channel that the example is about.
    """

    again: str
    means: str
    do: str
    detail: str
    channel: str | None = None


CODES: Final[Mapping[str, Code]] = {
    "bad_request": Code(
        "no",
        "Something in the request or frame is malformed: JSON, a parameter, a field's type or "
        "length, the request's head. Also with other statuses: **408** where a head or body did "
        "not arrive in time, **426** where `/ws` was asked for without a WebSocket handshake of "
        "version 13. Also for what is reserved and not offered yet (`presence`).",
        "`detail` names the field, what it was and what is allowed. Sent again as it is, it is "
        "refused again.",
        "limit counts from 1 to 1000",
    ),
    "unknown_type": Code(
        "no",
        "A frame whose `type` this server does not know. `presence` and `auth` are reserved, and "
        "answered so.",
        "Send one of the types that `message` names. The connection is as it was.",
        "type 'subscrib' is unknown; it is one of subscribe, unsubscribe, publish, ping",
    ),
    "bad_channel": Code(
        "no",
        "A name that is no channel or pattern: 1 to 200 bytes of UTF-8, segments separated by `.`, "
        "none empty, no control characters or spaces. `*` is for patterns: a whole segment, or "
        "`**` as the last. One cannot publish to a pattern.",
        "Choose another name, such as `room.1`. In a path it is percent-encoded whole, `/` as "
        "`%2F`.",
        "'two words' is not a channel: 1 to 200 bytes of UTF-8, segments separated by '.', none "
        "empty, without control characters, spaces or '*'",
        "two words",
    ),
    "too_many_channels": Code(
        "no",
        "More channels than a connection may hear, or a list may name (1000). Of such a frame "
        "nothing is subscribed. A pattern counts as one.",
        "Subscribe to a pattern, or spread the channels over several connections. The number is a "
        "limit that the operator sets.",
        "1001 channels; a connection may hear 1000",
    ),
    "no_token": Code(
        "with a token",
        "A token is needed and there is none.",
        "Send one: `Authorization: Bearer …`, `?token=…` or the cookie `everywire_token`; on a "
        "WebSocket also the subprotocol `everywire.token.…`.",
        "a token is needed",
    ),
    "bad_token": Code(
        "with another token",
        "The token cannot be read or verified.",
        "Get another one. `everywire token inspect` says what is wrong with it.",
        "the token's signature is not right",
    ),
    "token_expired": Code(
        "with a fresh token",
        "The token was good once.",
        "Get a fresh one from whoever gave you this, and come back with it.",
        "the token has expired",
    ),
    "forbidden": Code(
        "no",
        "A `Host` or `Origin` that may not use this server "
        "([who may connect](settings.md#who-may-connect)), or a channel whose name begins with "
        "`@`, which are the server's.",
        "Use the server's own name, or have the operator add yours to `allowed_hosts` or "
        "`allowed_origins`. Names that begin with `@` cannot be had.",
        "channels that begin with '@' are the server's",
        "@lobby",
    ),
    "not_found": Code(
        "no",
        "There is nothing at this path. A channel that nobody has published to is no error.",
        "Look at the path: a `/` within a channel has to be `%2F`.",
        "there is nothing at /chanels/room.1",
    ),
    "method_not_allowed": Code(
        "no",
        "The path is there, for other methods; the header `Allow` names them.",
        "Use one of those.",
        "PUT is not for /publish; allowed are POST, OPTIONS",
    ),
    "conflict": Code(
        "no",
        "The state of a channel or connection does not allow it: publishing to a channel that has "
        "ended, an `expected_id` that is not the key's newest, and subscribing to what the "
        "connection has already. Nothing has changed.",
        "Look at how things stand (`detail` says it), and decide anew.",
        "channel 'build.42' has ended with a final message",
        "build.42",
    ),
    "too_large": Code(
        "with less",
        "Data, a list or a body is over a [limit](limits.md). With status **431**: the request's "
        "head, or the number of its headers. An event stream of which a rule says "
        "`slow=disconnect` gets this code in its `everywire.error` when it is too far behind.",
        "Send less at once, or publish where it can be fetched and not the thing itself. The "
        "limits are the operator's to set.",
        "data is 70000 bytes; at most 65536 are allowed",
    ),
    "rate_limited": Code(
        "later",
        "Too many requests in a time, or an address connects too often. Loopback addresses are "
        "not counted.",
        "Wait, and longer each time; keep a connection open in place of many short ones.",
        "an address may connect 100 times a second",
    ),
    "too_many_connections": Code(
        "later",
        "This address has as many connections as it may. Loopback addresses are not counted.",
        "Close some, or hear several channels over one. Behind a proxy the address is the proxy's: "
        "have the operator raise `max_connections_per_address`.",
        "an address may have 1000 connections open",
    ),
    "internal": Code(
        "yes",
        "A fault of the server. Its own output says more.",
        "With an idempotency key the request may be repeated safely.",
        "the server failed; its log says more",
    ),
    "unavailable": Code(
        "yes, after `Retry-After`",
        "The server cannot take it now: the disk is full or failed, too much waits for the log, "
        "all connections are taken, or it is stopping. Nothing was published.",
        "Wait for `Retry-After` seconds, and keep the idempotency key.",
        "the log cannot be written: database or disk is full",
    ),
}


def page_of(code: str) -> str:
    """The path of the page about a code: what a problem's ``type`` says."""
    return PAGES + code


def example(code: str) -> dict[str, Any]:
    """A problem with that code, as an answer has it."""
    about, status = CODES[code], STATUS[code]
    problem: dict[str, Any] = {
        "type": page_of(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": about.detail,
    }
    return problem if about.channel is None else {**problem, "channel": about.channel}
