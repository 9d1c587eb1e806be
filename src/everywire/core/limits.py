"""Every limit: its name, what it counts, its default.

Beside a default stands what others chose, where that helps to judge it.
"""

from __future__ import annotations

from dataclasses import dataclass

from everywire.core.units import Bytes, Count, Seconds


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
        max_connections_per_address: Connections from one IP address, whether or not they have asked
            for something; loopback is not counted. Of IPv6 the first 64 bits are the address.
        max_connections: WebSockets, streams and polls in all; more are refused for load.
        max_connects_per_second_per_address: How often an IP address may connect, on average; ten
            seconds' worth at once, loopback not counted, 0 any number.
        max_connects_per_second: The same of all addresses together.
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
        max_channel_keys: Keys of a channel that hold a message (keyed state).
        max_state_bytes: Bytes of the newest messages of all keys, which retention does not take.
        max_leases: Leases held at once; each that is not renewed publishes its will.
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

    max_data_bytes: Bytes = 64 * 1024
    max_frame_bytes: Bytes = 0
    max_fragments: Count = 1024
    max_body_bytes: Bytes = 8 * 1024 * 1024
    max_batch: Count = 1000
    max_channels: Count = 1000
    max_connections_per_address: Count = 1000
    max_connections: Count = 1_000_000
    max_connects_per_second_per_address: Count = 100
    max_connects_per_second: Count = 2000
    max_head_bytes: Bytes = 32 * 1024
    max_headers: Count = 100
    max_publishes_in_flight: Count = 256
    max_bytes_in_flight: Bytes = 1024 * 1024
    max_open_batch_bytes: Bytes = 16 * 1024 * 1024
    max_key_bytes: Bytes = 200
    max_ref_bytes: Bytes = 200
    max_event_bytes: Bytes = 100
    max_meta_bytes: Bytes = 1024
    max_channel_keys: Count = 100_000
    max_state_bytes: Bytes = 256 * 1024 * 1024
    max_leases: Count = 100_000
    max_wait: Seconds = 30.0
    max_poll_messages: Count = 1000
    default_poll_messages: Count = 100
    crowd_polls: Count = 2000
    crowd_linger: Seconds = 0.05
    head_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    idle_timeout: Seconds = 75.0
    close_timeout: Seconds = 5.0

    @property
    def frame_bytes(self) -> int:
        """Bytes of a WebSocket message, `max_frame_bytes` worked out."""
        return self.max_frame_bytes or self.max_data_bytes * 4 // 3 + 4096
