"""Thousands of clients on bare sockets, in one loop: they listen, are sent away, and come back.

Each does what the protocol says and no more: it goes on from the last id it had, after the time it
was told. So what a server does to its clients shows in when they come and what they have.
"""

from __future__ import annotations

import base64
import heapq
import random
import re
import selectors
import socket
import time
from typing import Final

IDS: Final = re.compile(rb'"channel":"[^"]*","id":(\d+)')
BYE: Final = re.compile(rb'"type":"bye","reason":"shutdown","retry_ms":(\d+)')
RETRY: Final = re.compile(rb"(?:^|\n)retry: (\d+)\n\n\Z")
ANSWER: Final = re.compile(rb'\{"data":\[\],"last_id":\d+\}\Z')
_KEY: Final = base64.b64encode(b"0123456789abcdef").decode()
_AGAIN: Final = 2.0


class Member:
    """One client.

    Attributes:
        ids: The messages it has, in the order in which they came.
        told: What it was told to wait, in milliseconds, each time it was sent away.
        due: When it was to come back, by the monotonic clock.
        in_vain: How often it came where nobody listened.
        farewells: How often it was let go as the protocol says: with 1001, an end of the stream
            behind its ``retry:``, or an answer.
        visits: How often it was let in.
    """

    __slots__ = (
        "due",
        "farewells",
        "ids",
        "in_vain",
        "ready",
        "since",
        "socket",
        "tail",
        "told",
        "visits",
        "wire",
    )

    def __init__(self, wire: str, since: int) -> None:
        self.wire = wire
        self.since = since
        self.ids: list[int] = []
        self.told: list[int] = []
        self.due: list[float] = []
        self.in_vain = 0
        self.visits = 0
        self.farewells = 0
        self.tail = b""
        self.ready = False
        self.socket: socket.socket | None = None


class Crowd:
    """See the module.

    Args:
        port: Of the server.
        channel: What WebSockets and streams listen to; polls wait for something that never comes.
        members: How many there are of each wire.
        since: Where they start.
    """

    def __init__(self, port: int, channel: str, members: dict[str, int], since: int) -> None:
        self._port = port
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._returning: list[tuple[float, int]] = []
        self.members = [
            Member(wire, since) for wire, count in members.items() for _ in range(count)
        ]

    def come(self, number: int) -> None:
        """Connect, and ask for what comes after the last id."""
        member = self.members[number]
        connection = socket.socket()
        try:
            connection.connect(("127.0.0.1", self._port))
        except OSError:
            connection.close()
            member.in_vain += 1
            self._return_at(number, time.monotonic() + random.uniform(0, _AGAIN))
            return
        connection.sendall(self._request(member))
        connection.setblocking(False)
        member.socket, member.tail, member.ready = connection, b"", False
        self._selector.register(connection, selectors.EVENT_READ, number)

    def _request(self, member: Member) -> bytes:
        since = member.ids[-1] if member.ids else member.since
        query = f"channel={self._channel}&since={since}"
        headers = "Host: localhost\r\n"
        if member.wire == "ws":
            headers += (
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {_KEY}\r\n"
            )
            target = f"/ws?{query}"
        elif member.wire == "sse":
            target = f"/events?{query}&format=envelope"
        else:
            target = f"/updates?channel=quiet&since={member.since}"
        return f"GET {target} HTTP/1.1\r\n{headers}\r\n".encode()

    def pass_time(self, seconds: float) -> None:
        """Read what comes, and let return whose time has come."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            while self._returning and self._returning[0][0] <= now:
                self.come(heapq.heappop(self._returning)[1])
            for key, _ in self._selector.select(0.01):
                self._hear(key.data)

    def _hear(self, number: int) -> None:
        member = self.members[number]
        assert member.socket is not None
        try:
            data = member.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if data:
            self._take(member, data)
        else:
            self._gone(number)

    def _take(self, member: Member, data: bytes) -> None:
        if not member.ready:
            member.ready = True
            member.visits += 1
        text = member.tail + data
        # What was cut in two is found whole with the next; what was whole is not found again.
        whole = text.rfind(b"\n" if member.wire == "sse" else b"}") + 1
        for found in IDS.finditer(text, 0, whole):
            member.ids.append(int(found[1]))
        if member.wire == "ws":
            bye = BYE.search(text)
            if bye is not None:
                member.told.append(int(bye[1]))
            # The close frame, with 1001, may come by itself.
            closes = b"\x03\xe9" in text[0 if bye is None else bye.end() :]
            member.farewells += closes and len(member.told) > member.farewells
        elif member.wire == "sse":
            bye = RETRY.search(data)
            if bye is not None:
                member.told.append(int(bye[1]))
                member.farewells += 1
        elif ANSWER.search(data):
            member.farewells += 1
        member.tail = text[whole:] if whole else text

    def _gone(self, number: int) -> None:
        member = self.members[number]
        assert member.socket is not None
        self._selector.unregister(member.socket)
        member.socket.close()
        member.socket = None
        now = time.monotonic()
        if member.told and len(member.told) > len(member.due):
            member.due.append(now + member.told[-1] / 1000)
            self._return_at(number, member.due[-1])
        else:
            self._return_at(number, now + random.uniform(0, _AGAIN))

    def _return_at(self, number: int, when: float) -> None:
        heapq.heappush(self._returning, (when, number))

    @property
    def listening(self) -> int:
        """How many are connected and have heard something."""
        return sum(member.socket is not None and member.ready for member in self.members)

    def close(self) -> None:
        """All go."""
        for member in self.members:
            if member.socket is not None:
                member.socket.close()
        self._selector.close()
