"""Clients of the three wires and of HTTP, each with a deadline for everything it waits for.

HTTP and event streams are read by the standard library, WebSockets by ``websockets``: none shares
a line with the server. For what a decent client would not send there are raw sockets.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

TIMEOUT = 10.0


class _Closable(Protocol):
    def close(self) -> None: ...


@dataclass
class Answer:
    """An HTTP answer. Header names are in lower case; of several, all values, joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem, which has to look like one (RFC 9457)."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status, problem
        assert set(problem) - {"channel"} == {"type", "title", "status", "code", "detail"}, problem
        assert len(problem["detail"]) > 5, problem
        assert self.headers["cache-control"] == "no-store"
        return problem["code"]


def query(path: str, **parameters: Any) -> str:
    """A path with a query; a list is a parameter that is repeated, None is one left out."""
    given = {key: value for key, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


class Clients:
    """Makes clients of one server, and closes them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open: list[_Closable] = []

    def close_clients(self) -> None:
        clients, self._open = self._open, []
        for client in clients:
            client.close()

    def request(
        self,
        method: str,
        target: str,
        body: bytes | str | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            fields = dict(headers or {})
            chunked = "Transfer-Encoding" in fields
            address = query(target, **parameters)
            connection.request(method, address, body, fields, encode_chunked=chunked)
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, target: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.request("GET", target, None, headers, **query)

    def post(
        self, target: str, body: Any, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        """Post JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.request("POST", target, data, headers, **query)

    def publish(self, channel: str, data: Any = None, **fields: Any) -> int:
        """Publish one message over HTTP, and return its id."""
        answer = self.post("/publish", {"channel": channel, "data": data, **fields})
        assert answer.status == 200, answer
        return answer.json["id"]

    def publish_all(self, messages: list[dict[str, Any]]) -> list[int]:
        """Publish a list over HTTP, and return the ids."""
        answer = self.post("/publish", messages)
        assert answer.status == 200, answer
        return answer.json["ids"]

    def poll(self, headers: Mapping[str, str] | None = None, **query: Any) -> dict[str, Any]:
        """A poll that is answered at once, unless it says otherwise."""
        answer = self.get("/updates", headers, **{"wait": 0, **query})
        assert answer.status == 200, answer
        return answer.json

    def head(self) -> int:
        """Where the log stands."""
        return self.poll(channel="head")["last_id"]

    def channel_path(self, channel: str, rest: str = "") -> str:
        return f"/channels/{quote(channel, safe='')}{rest}"

    def socket(self, **parameters: Any) -> Socket:
        """A WebSocket, and its welcome."""
        client = Socket(self.port, **parameters)
        self._open.append(client)
        return client

    def stream(self, headers: Mapping[str, str] | None = None, **parameters: Any) -> Stream:
        """An event stream."""
        client = Stream(self.port, headers or {}, **parameters)
        self._open.append(client)
        return client

    def raw(self, receive_buffer: int | None = None) -> Raw:
        """A bare connection."""
        client = Raw(self.port, receive_buffer)
        self._open.append(client)
        return client

    def raw_socket(self, target: str = "/ws", headers: str = "", **options: Any) -> RawSocket:
        """A WebSocket of which every byte is the test's own."""
        client = RawSocket(self.port, target, headers, **options)
        self._open.append(client)
        return client


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Answer(response.status, headers, response.read())


class Socket:
    """A WebSocket over ``websockets``.

    Attributes:
        welcome: The first frame; None with ``format=data``, where there is none.
    """

    def __init__(
        self,
        port: int,
        *,
        msgpack: bool = False,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        compression: str | None = None,
        path: str = "/ws",
        **parameters: Any,
    ) -> None:
        protocol = "everywire.v1.msgpack" if msgpack else subprotocol
        self.msgpack = msgpack
        self.bare = parameters.get("format") == "data"
        self.connection = websockets.sync.client.connect(
            f"ws://127.0.0.1:{port}{query(path, **parameters)}",
            subprotocols=None if protocol is None else [websockets.Subprotocol(protocol)],
            additional_headers=dict(headers or {}),
            compression=compression,
            proxy=None,
            open_timeout=TIMEOUT,
            close_timeout=TIMEOUT,
            ping_interval=None,
            max_size=None,
            legacy=True,
        )
        self.welcome: dict[str, Any] = {}
        if not self.bare:
            self.welcome = self.next()
            assert self.welcome["type"] == "welcome"

    def receive(self) -> str | bytes:
        """The next message as it came."""
        return self.connection.recv(TIMEOUT)

    def next(self) -> dict[str, Any]:
        """The next frame."""
        message = self.receive()
        if self.msgpack and not self.bare:
            assert isinstance(message, bytes)
            return msgspec.msgpack.decode(message)
        assert isinstance(message, str), message
        return json.loads(message)

    def expect(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next frame, which has to be of this type and hold these fields."""
        frame = self.next()
        assert frame["type"] == type, frame
        assert fields.items() <= frame.items(), frame
        return frame

    def messages(self, count: int) -> list[dict[str, Any]]:
        """The next frames, which have to be messages."""
        return [self.expect("message") for _ in range(count)]

    def until(self, type: str) -> list[dict[str, Any]]:
        """All frames up to one of this type, and with it."""
        frames = [self.next()]
        while frames[-1]["type"] != type:
            frames.append(self.next())
        return frames

    def send(self, type: str, **frame: Any) -> None:
        """Send a frame."""
        frame["type"] = type
        if self.msgpack:
            self.connection.send(msgspec.msgpack.encode(frame))
        else:
            self.connection.send(json.dumps(frame))

    def send_text(self, text: str | bytes) -> None:
        """Send a message as it is."""
        self.connection.send(text)

    def ask(self, type: str, **frame: Any) -> dict[str, Any]:
        """Send a frame, and return the next one."""
        self.send(type, **frame)
        return self.next()

    def subscribe(self, channel: str, **fields: Any) -> int:
        """Subscribe from now on, and return where that is."""
        self.send("subscribe", channel=channel, **fields)
        return self.expect("subscribed", channel=channel)["last_id"]

    def publish(self, channel: str, data: Any = None, **fields: Any) -> int:
        """Publish a message, and return its id."""
        self.send("publish", channel=channel, data=data, **fields)
        return self.expect("published")["id"]

    def alive(self) -> None:
        """The connection answers, and nothing else was under way."""
        assert self.ask("ping", ref="alive") == {"type": "pong", "ref": "alive"}

    def closed(self) -> tuple[int, str]:
        """Wait for the server's close; its code and reason."""
        try:
            message = self.receive()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "no close frame came"
            return closed.rcvd.code, closed.rcvd.reason
        raise AssertionError(f"not closed: {message!r}")

    def close(self) -> None:
        self.connection.close()


@dataclass
class Event:
    """A block of an event stream, as the standard reads it."""

    id: str | None
    event: str
    data: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


_LINE = re.compile(r"(?:(id|event|data|retry)(?:: (.*))?|:(.*))", re.DOTALL)


class Stream:
    """An event stream, read strictly: every line has to be one that our server would write.

    Attributes:
        status: Of the answer.
        headers: Of the answer; names in lower case.
        retry: The last ``retry:`` that came.
        comments: How many came.
        last_id: What a browser would send as Last-Event-ID.
    """

    def __init__(self, port: int, headers: Mapping[str, str], **parameters: Any) -> None:
        self.retry: int | None = None
        self.comments = 0
        self.last_id = ""
        self._buffer = b""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._connection.request("GET", query("/events", **parameters), headers=dict(headers))
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}

    @property
    def answer(self) -> Answer:
        """The answer where it is no stream."""
        return _answer(self._response)

    def block(self) -> list[str] | None:
        """The lines up to the next empty one; None at the end of the stream."""
        while b"\n\n" not in self._buffer:
            more = self._response.read1(65_536)
            if not more:
                assert self._buffer == b"", f"cut in the middle of a block: {self._buffer!r}"
                return None
            self._buffer += more
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        assert b"\r" not in block
        return block.decode().split("\n")

    def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        while (lines := self.block()) is not None:
            fields: dict[str, list[str]] = {}
            for line in lines:
                found = _LINE.fullmatch(line)
                assert found is not None, f"no line of an event stream: {line!r}"
                if found[1] is None:
                    self.comments += 1
                else:
                    fields.setdefault(found[1], []).append(found[2] or "")
            if "retry" in fields:
                self.retry = int(fields["retry"][-1])
            if "id" in fields:
                assert re.fullmatch(r"[0-9]+", fields["id"][0]), lines
                self.last_id = fields["id"][0]
            if "data" in fields:
                event = fields.get("event", ["message"])
                assert len(event) == 1
                id = fields.get("id")
                return Event(id[0] if id else None, event[0], "\n".join(fields["data"]))
        return None

    def expect(self, event: str) -> Event:
        """The next event, which has to be this."""
        found = self.next()
        assert found is not None, "the stream has ended"
        assert found.event == event, found
        return found

    def opened(self) -> int:
        """The event that every stream begins with; the position it says."""
        assert self.status == 200, self.answer
        return self.position()

    def position(self) -> int:
        """The next event, which has to be a position."""
        event = self.expect("everywire.position")
        position = event.json["last_id"]
        assert event.json == {"last_id": position}
        assert event.id == str(position)
        return position

    def ended(self) -> None:
        """The stream ends here."""
        event = self.next()
        assert event is None, event

    def close(self) -> None:
        self._response.close()
        self._connection.close()


class Raw:
    """A bare connection."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_request(self, method: str, target: str, headers: str = "", body: bytes = b"") -> None:
        """Send a request; ``headers`` is lines of their own."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{headers}\r\n"
        self.send(head.encode("latin-1") + body)

    def send_until_full(self, pieces: Iterable[bytes]) -> int:
        """Send until nothing more is taken; the bytes that were."""
        sent = 0
        self.socket.settimeout(0.3)
        try:
            for piece in pieces:
                offset = 0
                while offset < len(piece):
                    offset += (count := self.socket.send(piece[offset:]))
                    sent += count
        except TimeoutError:
            self.socket.settimeout(TIMEOUT)
            return sent
        raise AssertionError(f"all {sent} bytes were taken")

    def reset(self) -> None:
        """End the connection without a word: a reset, as of a machine that vanished."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self) -> bytes:
        """What comes next; empty at the end."""
        data = self.socket.recv(65_536)
        self.buffer += data
        return data

    def take(self, count: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < count:
            assert self.receive(), f"the connection ended after {self.buffer!r}"
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def take_until(self, end: bytes) -> bytes:
        """Everything up to some bytes, and with them."""
        while end not in self.buffer:
            assert self.receive(), f"the connection ended after {self.buffer!r}"
        return self.take(self.buffer.index(end) + len(end))

    def answer(self, method: str = "GET") -> Answer:
        """The next HTTP answer."""
        head = self.take_until(b"\r\n\r\n").decode("latin-1")
        line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if method == "HEAD" or status in ("100", "204"):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            body = self.take(int(headers["content-length"]))
        return Answer(int(status), headers, body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.take_until(b"\r\n"), 16):
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        assert self.take(2) == b"\r\n"
        return body

    def ended(self) -> None:
        """The server closes here."""
        try:
            rest = self.buffer or self.socket.recv(65_536)
        except ConnectionResetError:
            rest = b""
        assert rest == b"", rest

    def close(self) -> None:
        self.socket.close()


class RawSocket(Raw):
    """A WebSocket of which every byte is the test's own.

    Attributes:
        upgrade: The answer to the handshake.
    """

    def __init__(
        self,
        port: int,
        target: str = "/ws",
        headers: str = "",
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(port, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"{headers}\r\n".encode("latin-1")
        )
        self.upgrade = self.take_until(b"\r\n\r\n")
        assert self.upgrade.startswith(b"HTTP/1.1 101 "), self.upgrade

    def send_frame(
        self, opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0
    ) -> None:
        self.send(frame(opcode, payload, final=final, reserved=reserved))

    def send_json(self, **fields: Any) -> None:
        self.send_frame(1, json.dumps(fields).encode())

    def next_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which has to be whole and not masked."""
        first, length = self.take(2)
        assert first & 0x80 and not first & 0x30, first
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
        payload = self.take(length)
        if first & 0x40:
            # Each message is compressed by itself (RFC 7692 7.2.2).
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        return first & 0x0F, payload

    def next(self) -> dict[str, Any]:
        """The next frame, which has to be JSON."""
        opcode, payload = self.next_frame()
        assert opcode == 1, (opcode, payload)
        return json.loads(payload)

    def closed(self) -> tuple[int, str]:
        """Wait for the close frame; text frames before it are passed over."""
        while True:
            opcode, payload = self.next_frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\x01\x02\x03\x04",
    length: bytes | None = None,
) -> bytes:
    """A client's frame; ``length`` in place of the right one, ``mask`` None for none."""
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    bit = 0 if mask is None else 0x80
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        elif size < 65_536:
            length = b"\x7e" + struct.pack("!H", size)
        else:
            length = b"\x7f" + struct.pack("!Q", size)
    head += bytes([length[0] | bit]) + length[1:]
    if mask is None:
        return head + payload
    if not any(mask):
        return head + mask + payload
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked
