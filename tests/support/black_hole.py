"""A black hole without privileges: a socket whose system acknowledges nothing any more.

A filter that lets no packet through is attached to the socket itself. It stands before TCP, so
what is sent to the socket is neither heard nor acknowledged, as if its cable were cut. Linux only.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from typing import Final

import pytest

needs_black_hole = pytest.mark.skipif(sys.platform != "linux", reason="filters of sockets: Linux")

_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27

# One instruction of struct sock_filter: BPF_RET | BPF_K, 0: nothing of the packet is kept.
_NOTHING: Final = struct.pack("HBBI", 0x06, 0, 0, 0)


def open_hole(connection: socket.socket) -> None:
    """Let nothing through to a socket; what it sends still leaves it."""
    program = ctypes.create_string_buffer(_NOTHING)
    # struct sock_fprog: how many instructions, and where they are.
    where = struct.pack("@HP", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


def close_hole(connection: socket.socket) -> None:
    """Let everything through again."""
    connection.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
