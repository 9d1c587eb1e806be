"""Whatever is sent: an answer of the protocol or a close, never a fault, and nobody else notices.

Valid requests and frames are mangled: cut, repeated, changed, joined. The harness sees to it that
nothing is left behind and no error was logged.
"""

from __future__ import annotations

import json
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.mutation import Edit, edits, mangle

from .clients import Raw, frame
from .running import Running

REQUESTS = [
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /updates?channel=fuzz&since=5&wait=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 28\r\n\r\n"
    b'{"channel":"fuzz","data":[]}',
    b"POST /channels/fuzz HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
    b"Event: e\r\nContent-Length: 4\r\n\r\ntext",
    b"POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'1c\r\n{"channel":"fuzz","data":[]}\r\n0\r\n\r\n',
    b"OPTIONS /publish HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
    b"GET /channels/fuzz/messages?order=desc HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
]
COMMANDS: list[dict[str, object]] = [
    {"type": "ping", "ref": 1},
    {"type": "subscribe", "channel": "fuzz", "since": 0},
    {"type": "subscribe", "channels": {"fuzz": 5, "fuzz.*": None}, "history": 3},
    {"type": "unsubscribe", "channel": "fuzz"},
    {"type": "publish", "channel": "fuzz", "data": {"a": [1, "é"]}, "meta": {"m": 1}, "ttl": 1},
    {"type": "publish", "channel": "fuzz", "data": "AA==", "encoding": "base64", "echo": False},
]
FRAMES = [frame(1, json.dumps(command).encode()) for command in COMMANDS]
FRAMES += [frame(9, b"ping"), frame(10, b"pong"), frame(1, b'{"type"', final=False), frame(8)]

# Statuses that the protocol knows (docs/protocol.md, Codes), and what our answers have beside.
STATUSES = {100, 101, 200, 204, 400, 403, 404, 405, 408, 413, 426, 431}
CLOSE_CODES = {1000, 1002, 1003, 1007, 1009}

EDITS = edits([b"\r\n", b"\r\n\r\n", b":", b"\x00", b"\xff"])
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def everything(raw: Raw, sent: bytes) -> bytes:
    """Send, say that no more comes, and read to the end."""
    try:
        raw.send(sent)
        raw.half_close()
        while raw.receive():
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    raw.close()
    return raw.buffer


@FUZZ
@given(requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3), changes=EDITS)
def test_http(native: Running, requests: list[bytes], changes: list[Edit]) -> None:
    """Issue 4, bad input: every answer to a mangled request is one of the protocol."""
    raw = native.raw()
    answers = everything(raw, mangle(b"".join(requests), changes))
    rest = answers
    while rest:
        assert rest.startswith(b"HTTP/1.1 "), answers
        status = int(rest[9:12])
        assert status in STATUSES, answers
        head, _, rest = rest.partition(b"\r\n\r\n")
        if status == 101:
            return
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        body = rest[: int(lines.get(b"content-length", b"0"))]
        if body and not sent_by_head(rest):
            json.loads(body)
            rest = rest[len(body) :]


def sent_by_head(rest: bytes) -> bool:
    """Whether what follows a head is the next answer: HEAD has no body."""
    return rest.startswith(b"HTTP/1.1 ")


@FUZZ
@given(
    frames=st.lists(st.sampled_from(FRAMES), min_size=1, max_size=6),
    changes=EDITS,
    step=st.sampled_from([1, 7, 10_000]),
)
def test_frames(native: Running, frames: list[bytes], changes: list[Edit], step: int) -> None:
    """Issue 4, bad input: mangled frames get frames of the protocol, or a close with its code."""
    raw = native.raw_socket()
    sent = mangle(b"".join(frames), changes)
    try:
        for start in range(0, len(sent), step):
            raw.send(sent[start : start + step])
        raw.half_close()
        while True:
            opcode, payload = raw.next_frame()
            if opcode == 8:
                assert not payload or int.from_bytes(payload[:2], "big") in CLOSE_CODES, payload
                break
            if opcode == 1:
                assert "type" in json.loads(payload)
            else:
                assert opcode in (9, 10)
    except (AssertionError, ConnectionResetError, BrokenPipeError) as error:
        # The end of the connection is an end, too.
        assert not isinstance(error, AssertionError) or "ended after b''" in str(error)
    finally:
        raw.socket.close()


@FUZZ
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_bodies(native: Running, body: bytes) -> None:
    """Issue 4, bad input: any body is published or refused, and every browser stays whole."""
    stream = native.stream(channel="fuzz.body")
    stream.opened()
    expected = 0
    for content_type in ("application/json", "text/plain", "application/octet-stream"):
        answer = native.post("/channels/fuzz.body", body, {"Content-Type": content_type})
        assert answer.status in (200, 400), answer
        expected += answer.status == 200
    for _ in range(expected):
        stream.expect("message")
    stream.close()


def test_bystander(native: Running) -> None:
    """After all that, the server is well."""
    with socket.create_connection(("127.0.0.1", native.port)) as connection:
        connection.sendall(b"\x00" * 1000)
    native.socket().alive()
