"""What the query of a URL asks: one check for all three wires and the reads.

A malformed parameter is ``bad_request`` on every route; flags are ``0`` or ``1``; unknown
parameters are ignored. The one exception is a Last-Event-ID, because a 400 would end an
EventSource for good: one that is no position counts as an unknown position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from everywire.core.channels import check_channel_or_pattern
from everywire.core.errors import RequestError, bad_request
from everywire.core.limits import Limits
from everywire.core.positions import MAX_POSITION

_POSITION = re.compile(r"0|[1-9][0-9]{0,15}")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_CONNECTION = re.compile(r"[A-Za-z0-9_-]{22,64}")
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)

NO_POSITION: Final = -1
"""What a Last-Event-ID that is no position is taken for: an unknown one, ``after`` 0."""


class Query:
    """The parameters of a request's query.

    Args:
        raw: What stands behind the ``?``, as it came.

    Raises:
        RequestError: ``bad_request``: it is not UTF-8, or has too many parameters.
    """

    __slots__ = ("_pairs",)

    def __init__(self, raw: str) -> None:
        try:
            self._pairs = parse_qsl(
                raw, keep_blank_values=True, errors="strict", max_num_fields=2000
            )
        except UnicodeDecodeError:
            raise bad_request("the query is not percent-encoded UTF-8") from None
        except ValueError:
            raise bad_request("the query has more than 2000 parameters") from None

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for key, value in self._pairs if key == name]

    def one(self, name: str) -> str | None:
        """The value of a parameter that may stand once.

        Raises:
            RequestError: ``bad_request``: it stands twice.
        """
        values = self.all(name)
        if len(values) > 1:
            raise bad_request(f"{name} may be given once")
        return values[0] if values else None

    def flag(self, name: str) -> bool:
        """A flag, ``0`` or ``1``; absent is 0."""
        value = self.one(name)
        if value not in (None, "0", "1"):
            raise bad_request(f"{name} is 0 or 1")
        return value == "1"

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of several words; the first where it is absent."""
        value = self.one(name)
        if value is None:
            return choices[0]
        if value not in choices:
            raise bad_request(f"{name} is one of {', '.join(choices)}")
        return value

    def position(self, name: str) -> int | None:
        """A position; None where it is absent."""
        value = self.one(name)
        if value is None:
            return None
        position = as_position(value)
        if position is None:
            raise bad_request(f"{name} is a position: 0, or a positive integer below 2^53")
        return position

    def count(self, name: str, default: int, most: int) -> int:
        """A count from 1; more than the most is cut to it."""
        value = self.one(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or len(value) > 16 or int(value) < 1:
            raise bad_request(f"{name} counts from 1 to {most}")
        return min(int(value), most)

    def connection(self) -> str | None:
        """The connection's secret, if the client brings one."""
        return check_connection(self.one("connection"))

    def channels(self, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The channels and patterns asked for, each once.

        Raises:
            RequestError: ``bad_channel`` or ``too_many_channels``.
        """
        names = dict.fromkeys(self.all("channel"))
        if len(names) > limits.max_channels:
            raise RequestError(
                "too_many_channels",
                f"{len(names)} channels; a connection may hear {limits.max_channels}",
            )
        for name in names:
            check_channel_or_pattern(name)
        return (
            tuple(name for name in names if "*" not in name),
            tuple(name for name in names if "*" in name),
        )


def as_position(text: str) -> int | None:
    """The position that a text stands for; None if it is none."""
    if _POSITION.fullmatch(text) is None:
        return None
    position = int(text)
    return position if position <= MAX_POSITION else None


def check_connection(secret: str | None) -> str | None:
    """Return a connection's secret if it is well formed.

    Raises:
        RequestError: ``bad_request``.
    """
    if secret is not None and _CONNECTION.fullmatch(secret) is None:
        raise bad_request("connection is 22 to 64 random characters of A-Z a-z 0-9 _ -")
    return secret


class StreamRequest(msgspec.Struct, frozen=True):
    """What ``GET /events`` asks.

    Attributes:
        since: A position, `NO_POSITION`, or None: only what comes from now on.
    """

    channels: tuple[str, ...]
    patterns: tuple[str, ...]
    since: int | None
    connection: str | None
    ephemeral: bool
    format: str


def stream_request(query: Query, last_event_id: str | None, limits: Limits) -> StreamRequest:
    """Read the query of ``GET /events``.

    Raises:
        RequestError: With what was wrong and what is allowed.
    """
    channels, patterns = _some_channels(query, limits)
    since = query.position("since")
    resumed = last_event_id or query.one("lastEventId")
    if resumed:
        position = as_position(resumed)
        since = NO_POSITION if position is None else position
    _not_yet(query, "presence")
    return StreamRequest(
        channels,
        patterns,
        since,
        query.connection(),
        query.flag("ephemeral"),
        query.choice("format", ("data", "envelope")),
    )


class PollRequest(msgspec.Struct, frozen=True):
    """What ``GET /updates`` asks.

    Attributes:
        since: A position, or None: tell where the log stands.
        wait: Seconds.
    """

    channels: tuple[str, ...]
    patterns: tuple[str, ...]
    since: int | None
    wait: float
    limit: int
    connection: str | None
    ephemeral: bool


def poll_request(query: Query, prefer: str | None, limits: Limits) -> PollRequest:
    """Read the query of ``GET /updates``.

    Args:
        prefer: The Prefer header (RFC 7240), whose ``wait`` counts where the query has none.

    Raises:
        RequestError: With what was wrong and what is allowed.
    """
    channels, patterns = _some_channels(query, limits)
    _not_yet(query, "presence")
    return PollRequest(
        channels,
        patterns,
        query.position("since"),
        _wait(query.one("wait"), prefer, limits.max_wait),
        query.count("limit", limits.default_poll_messages, limits.max_poll_messages),
        query.connection(),
        query.flag("ephemeral"),
    )


def _wait(value: str | None, prefer: str | None, most: float) -> float:
    if value is None:
        preferred = _PREFER_WAIT.search(prefer or "")
        return most if preferred is None else min(float(preferred[1]), most)
    if _SECONDS.fullmatch(value) is None:
        raise bad_request(f"wait is a number of seconds from 0 to {most:g}; 0 answers at once")
    return min(float(value), most)


class SocketRequest(msgspec.Struct, frozen=True):
    """What ``GET /ws`` asks.

    Attributes:
        since: A position, or None: only what comes from now on.
        format: ``envelope`` or ``data``.
    """

    channels: tuple[str, ...]
    patterns: tuple[str, ...]
    since: int | None
    connection: str | None
    format: str


def socket_request(query: Query, limits: Limits) -> SocketRequest:
    """Read the query of ``GET /ws``.

    Raises:
        RequestError: With what was wrong and what is allowed.
    """
    channels, patterns = query.channels(limits)
    return SocketRequest(
        channels,
        patterns,
        query.position("since"),
        query.connection(),
        query.choice("format", ("envelope", "data")),
    )


class HistoryRequest(msgspec.Struct):
    """What ``GET /channels/{channel}/messages`` asks.

    Attributes:
        before: Position, exclusive; None: up to the newest.
    """

    since: int
    before: int | None
    limit: int
    newest_first: bool


def history_request(query: Query, limits: Limits) -> HistoryRequest:
    """Read the query of a history read.

    Raises:
        RequestError: With what was wrong and what is allowed.
    """
    return HistoryRequest(
        query.position("since") or 0,
        query.position("before"),
        query.count("limit", limits.default_poll_messages, limits.max_poll_messages),
        query.choice("order", ("asc", "desc")) == "desc",
    )


class StateRequest(msgspec.Struct):
    """What ``GET /channels/{channel}/state`` asks.

    Attributes:
        after: Position, exclusive: the last of the page before.
        upto: The position that the pages stand for; None: the log's head, for a first page.
    """

    after: int
    upto: int | None
    limit: int


def state_request(query: Query, limits: Limits) -> StateRequest:
    """Read the query of a read of state.

    Raises:
        RequestError: With what was wrong and what is allowed.
    """
    most = limits.max_poll_messages
    return StateRequest(
        query.position("after") or 0, query.position("upto"), query.count("limit", most, most)
    )


def _some_channels(query: Query, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    channels, patterns = query.channels(limits)
    if not channels and not patterns:
        raise bad_request("at least one channel is needed: ?channel=NAME, as often as you like")
    return channels, patterns


def _not_yet(query: Query, name: str) -> None:
    if query.flag(name):
        raise bad_request(
            f"this server does not offer {name} yet; leave {name} away or set it to 0"
        )
