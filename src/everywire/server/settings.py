"""What a server is started with, in one typed object."""

from __future__ import annotations

from dataclasses import dataclass, field

from everywire.core.limits import Limits
from everywire.core.rules import LogRetention, Rules


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        host: Address to listen on.
        port: Port; 0: any that is free.
        log: ``memory:`` or ``sqlite:PATH``.
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
        drain_retry_ms: The longest that a client sent away by a drain is told to wait.
        stop_seconds: The longest that an orderly stop takes.
        deflate: Offer permessage-deflate on WebSockets.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    log: str = "sqlite:everywire.db"
    retention: LogRetention | None = None
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    open: bool = False
    socket_heartbeat: float = 25.0
    stream_heartbeat: float = 15.0
    key_window_ms: int = 600_000
    cache_seconds: int = 60
    retry_ms: int = 2000
    drain_retry_ms: int = 2000
    stop_seconds: float = 10.0
    deflate: bool = False
