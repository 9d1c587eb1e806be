"""Whether a peer is still there, by what its operating system acknowledges.

A peer that has vanished (a cable, a phone in a lift, a firewall that forgot) says nothing, and what
is written to it goes nowhere; left to itself, the system goes on trying for a quarter of an hour.
Each wire notices it within two of its heartbeats:

- An event stream is written to at each heartbeat. Where a write was repeated in vain, and nothing
  at all was acknowledged for a whole heartbeat, the next heartbeat finds the peer gone. One passes
  at most until the first write that goes nowhere, and one until that is found.
- A WebSocket is pinged at each heartbeat, and once more half a heartbeat later where it did not
  answer; at the next heartbeat it is gone (`websocket_connection`). It is looked at like a stream
  as well: while its socket is full or not read, its answers tell nothing.
- A waiting poll, and a connection without a request, is sent nothing: there the system itself asks,
  by TCP keepalive (`keep_alive`), and ends the connection.

A reader that is slow, or stands still, acknowledges and keeps its connection: its system answers
the probes of a window that is closed. So only probes without an answer count. They come ever more
rarely, up to two minutes apart; who vanishes while its window is closed is noticed by them.

TCP_INFO is Linux's. Elsewhere, and where the socket is none of TCP, nobody is taken for gone; what
the system itself notices remains. Behind a proxy it is the proxy that acknowledges.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from everywire.server.node import Node

_IN_VAIN: Final = 2
"""One repetition may be of what was lost a moment ago, and so may one probe be on its way."""

_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
# struct tcp_info of <linux/tcp.h>, as far as it is needed: tcpi_retransmits, tcpi_probes,
# tcpi_last_ack_recv (milliseconds).
_LAYOUT: Final = struct.Struct("=2xBB52xI")


class Heard(NamedTuple):
    """What the system knows of a peer.

    Attributes:
        repeated: How often what it has not acknowledged was sent again.
        probes: Probes of a closed window that it did not answer.
        silence: Seconds since it acknowledged anything.
    """

    repeated: int
    probes: int
    silence: float


def heard(transport: asyncio.BaseTransport) -> Heard | None:
    """What the system knows of a transport's peer; None where it does not say."""
    if _TCP_INFO is None:
        return None
    connection: Any = transport.get_extra_info("socket")
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAYOUT.size)
        repeated, probes, silence = _LAYOUT.unpack(info)
    except (OSError, struct.error, AttributeError):
        # It is closed already, no TCP, or of a system that means something else by this name.
        return None
    return Heard(repeated, probes, silence / 1000)


def is_gone(peer: Heard | None, heartbeat: float) -> bool:
    """Whether a peer that is sent something each heartbeat has vanished.

    Args:
        peer: What is known of it.
        heartbeat: Seconds between two writes.
    """
    if peer is None or peer.silence < heartbeat:
        return False
    return peer.repeated >= _IN_VAIN or peer.probes >= _IN_VAIN


def cut_if_gone(node: Node, transport: asyncio.Transport, heartbeat: float) -> bool:
    """Cut a connection whose peer has vanished, and count it; False where it has not."""
    if not is_gone(heard(transport), heartbeat):
        return False
    node.counters.peers_gone += 1
    transport.abort()
    return True


def keep_alive(connection: Any, heartbeat: float) -> None:
    """Let the system ask a silent peer whether it is there, and end the connection if not.

    Set on a socket that listens, it holds for what that accepts.

    Args:
        connection: A socket.
        heartbeat: Seconds; a peer is gone after two of them, in whole seconds, but at least two.
    """
    first = max(1, math.floor(heartbeat))
    left = max(1, math.floor(heartbeat * 2) - first)
    asked = min(3, left)
    options = (("TCP_KEEPIDLE", first), ("TCP_KEEPINTVL", left // asked), ("TCP_KEEPCNT", asked))
    # A socket of another kind has no such thing, and no system has to have all of it.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options:
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
