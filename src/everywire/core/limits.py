"""Every limit: its name, what it counts, its default.

Beside a default stands what others chose, where that helps to judge it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything is allowed.

    Attributes:
        max_data_bytes: Data of one message, counted before base64 (Ably 64 KiB, Pusher 10 KB).
        max_frame_bytes: A WebSocket frame, and a message put together from several; 0 means 4/3
            of ``max_data_bytes`` and 4 KiB, which holds the largest data as base64.
        max_fragments: Frames that one WebSocket message may be cut into.
        max_body_bytes: Body of an HTTP request; only a list of messages needs so much.
        max_batch: Messages in one list.
        max_channels: Channels and patterns that one connection may hear (Centrifugo 128).
        max_connections_per_address: Connections from one IP address; loopback is not counted.
        max_connections: Connections in all; more are refused for load.
        max_head_bytes: Request line and headers.
        max_headers: Headers of a request.
        max_publishes_in_flight: Publishes of one connection that the log has not answered yet;
            then its socket is not read.
        max_bytes_in_flight: The same, in bytes of data.
        max_open_batch_bytes: Bytes waiting for the log in all; then publishers get ``unavailable``.
        max_key_bytes: An idempotency key.
        max_ref_bytes: A ``ref`` that is a string.
        max_event_bytes: The name of an event.
        max_meta_bytes: ``meta``, encoded.
        max_wait: Seconds that a poll is held at most.
        max_poll_messages: Messages in one answer.
        default_poll_messages: The same where no ``limit`` is given.
        crowd_polls: Waiting polls from which on their answers linger by themselves.
        crowd_linger: How long, in seconds for each thousand that wait; at most a second in all.
        head_timeout: Seconds for a request's head to arrive whole.
        body_timeout: Seconds for its body.
        idle_timeout: Seconds that a connection without a request is kept open.
        close_timeout: Seconds that the peer of a closing WebSocket has to answer.
    """

    max_data_bytes: int = 64 * 1024
    max_frame_bytes: int = 0
    max_fragments: int = 1024
    max_body_bytes: int = 8 * 1024 * 1024
    max_batch: int = 1000
    max_channels: int = 1000
    max_connections_per_address: int = 1000
    max_connections: int = 1_000_000
    max_head_bytes: int = 32 * 1024
    max_headers: int = 100
    max_publishes_in_flight: int = 256
    max_bytes_in_flight: int = 1024 * 1024
    max_open_batch_bytes: int = 16 * 1024 * 1024
    max_key_bytes: int = 200
    max_ref_bytes: int = 200
    max_event_bytes: int = 100
    max_meta_bytes: int = 1024
    max_wait: float = 30.0
    max_poll_messages: int = 1000
    default_poll_messages: int = 100
    crowd_polls: int = 2000
    crowd_linger: float = 0.05
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0
    close_timeout: float = 5.0

    @property
    def frame_bytes(self) -> int:
        """Bytes of a WebSocket message, `max_frame_bytes` worked out."""
        return self.max_frame_bytes or self.max_data_bytes * 4 // 3 + 4096
