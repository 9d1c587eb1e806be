"""What a server is started with, in one typed object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from everywire.core.limits import Limits
from everywire.core.rules import LogRetention, Rules
from everywire.core.units import (
    MAX_SECONDS,
    HostName,
    Milliseconds,
    Name,
    Port,
    PositiveSeconds,
    Seconds,
    Url,
    WebOrigin,
    WholeSeconds,
)

LogLevel = Literal["debug", "info", "warning", "error"]

StopSeconds = Annotated[float, Meta(ge=1, le=MAX_SECONDS, extra={"unit": "seconds"})]


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        host: Address to listen on.
        port: Port; 0: any that is free.
        log: Where messages are kept: ``memory:``, or ``sqlite:PATH``, perhaps with
            ``?synchronous=normal`` behind it.
        retention: What the whole log keeps; None: the engine's default.
        rules: What holds for channels, by pattern.
        limits: Every limit.
        allowed_hosts: Names that a Host header may carry beside loopback ones and ``host``;
            ``*`` allows every one.
        allowed_origins: Origins of web pages that may use the server beside its own.
        open: Listen on an address that others reach although everybody may do everything.
        socket_heartbeat: Seconds between heartbeats of a WebSocket.
        stream_heartbeat: Seconds between heartbeats of an event stream.
        key_window_ms: How long an idempotency key counts.
        cache_seconds: ``max-age`` of a cacheable answer to a poll.
        retry_ms: What an event stream is told to wait before it comes back.
        drain_seconds: The time over which an orderly stop sends clients away; few take less.
        drain_retry_ms: The longest that a client sent away is told to wait, once all are.
        stop_seconds: The longest that an orderly stop takes; the drain gets 4/5 of it at most.
        deflate: Offer permessage-deflate on WebSockets.
        docs: Serve the description of the API under ``/docs``.
        log_level: The least important that the server writes to its standard error.
    """

    host: Name = "127.0.0.1"
    port: Port = 8000
    log: Url = "sqlite:everywire.db"
    retention: LogRetention | None = None
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    allowed_hosts: tuple[HostName, ...] = ()
    allowed_origins: tuple[WebOrigin, ...] = ()
    open: bool = False
    socket_heartbeat: PositiveSeconds = 25.0
    stream_heartbeat: PositiveSeconds = 15.0
    key_window_ms: Milliseconds = 600_000
    cache_seconds: WholeSeconds = 60
    retry_ms: Milliseconds = 2000
    drain_seconds: Seconds = 5.0
    drain_retry_ms: Milliseconds = 2000
    stop_seconds: StopSeconds = 10.0
    deflate: bool = False
    docs: bool = True
    log_level: LogLevel = "info"
