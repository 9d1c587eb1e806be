"""HTTP/1.1 as our protocol reads it: heads, bodies, keep-alive, time, and what smuggles.

Only the native server: under others, HTTP is theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from .clients import Answer, Raw
from .conftest import QUICK
from .running import Running, eventually


def body_of(channel: str, data: object = 1) -> bytes:
    return json.dumps({"channel": channel, "data": data}).encode()


def post(channel: str, headers: bytes = b"") -> bytes:
    body = body_of(channel)
    return (
        b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%b\r\n"
        % (len(body), headers)
    ) + body


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def refused(raw: Raw, status: int = 400) -> Answer:
    """The next answer refuses, and the connection ends."""
    answer = raw.answer()
    assert answer.status == status, answer
    assert answer.headers["connection"] == "close"
    assert answer.code
    raw.ended()
    return answer


# Keep-alive and pipelining


def test_keep_alive(native: Running, channel: str) -> None:
    """RFC 9112, 9.3: a connection serves one request after the other, ours and uvicorn's."""
    raw = native.raw()
    for _ in range(3):
        for request, status in (
            (post(channel), 200),
            (HEALTH, 200),
            (b"GET /updates?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"DELETE /publish HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
            (b"GET /channels/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{", 400),
        ):
            raw.send(request)
            answer = raw.answer()
            assert answer.status == status
            assert answer.headers.get("connection") in (None, "keep-alive")


def test_pipelining(native: Running, channel: str) -> None:
    """RFC 9112, 9.3.2: pipelined requests are answered in order, whoever serves them."""
    raw = native.raw()
    requests = [post(channel), HEALTH, post(channel), post(channel), HEALTH, HEALTH, post(channel)]
    raw.send(b"".join(requests))
    bodies = [raw.answer().json for _ in requests]
    assert ["id" in body for body in bodies] == [request is not HEALTH for request in requests]
    ids = [body["id"] for body in bodies if "id" in body]
    assert ids == sorted(ids)


@pytest.mark.parametrize("step", [1, 2, 7, 50, 150])
def test_pipelined_requests_cut_anywhere(native: Running, channel: str, step: int) -> None:
    """RFC 9112: where reads cut requests makes no difference, over every hand-over."""
    raw = native.raw()
    requests = [post(channel), HEALTH, HEALTH, post(channel), HEALTH, post(channel)]
    sent = b"".join(requests)
    for start in range(0, len(sent), step):
        raw.send(sent[start : start + step])
    for request in requests:
        assert ("id" in raw.answer().json) == (request is not HEALTH)


HEADS = [
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: 0%d\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: +%d\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d, 5\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nContent-Length: 5\r\n"),
    ("POST", b"Host: localhost\r\ncontent-length: %d\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nX: 1\r\n"),
    ("POST", b"Content-Length: %d\r\nHost: localhost\r\n"),
    ("POST", b"Host: evil.example\r\nContent-Length: %d\r\n"),
    ("POST", b"Content-Length: %d\r\nHost: localhost\r\nHost: localhost\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nOrigin: http://localhost:1\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nOrigin: http://evil.example\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nIdempotency-Key: k\r\n"),
    ("POST", b"Host: localhost\r\nContent-Length: %d\r\nConnection: close\r\n"),
    ("PUT", b"Host: localhost\r\nContent-Length: %d\r\n"),
]


@pytest.mark.parametrize("first", [0, 5, 6, 7, 10, 13])
def test_what_came_before_makes_no_difference(native: Running, channel: str, first: int) -> None:
    """A head that resembles the last one is decided on as if it were the first."""

    def request(number: int, data: str) -> bytes:
        method, headers = HEADS[number]
        body = body_of(channel, data)
        head = f"{method} /publish HTTP/1.1\r\n".encode() + headers % len(body)
        return head + b"\r\n" + body

    for number in range(len(HEADS)):
        fresh, used = native.raw(), native.raw()
        used.send(request(first, "x"))
        assert used.answer().status == 200
        answers = []
        for raw in (fresh, used):
            raw.send(request(number, "x" * 50))
            answer = raw.answer()
            answer.headers.pop("content-length")
            answers.append((answer.status, {**answer.headers, "date": ""}))
            raw.close()
        assert answers[0] == answers[1], HEADS[number]


def test_many_pipelined_requests(native: Running, channel: str) -> None:
    """Pipelined requests are bounded in memory, and all answered."""
    raw = native.raw()
    request = post(channel)
    for _ in range(20):
        raw.send(request * 200)
    ids = [raw.answer().json["id"] for _ in range(4000)]
    assert ids == sorted(set(ids))


def test_client_that_does_not_read_its_answers(native: Running, channel: str) -> None:
    """Promises: who does not read is not read from either; memory stays bounded."""
    native.publish(channel, "x" * 60_000)
    raw = native.raw(receive_buffer=4096)
    raw.socket.settimeout(0.5)
    request = f"GET /updates?channel={channel}&since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with pytest.raises(TimeoutError):
        for _ in range(2000):
            raw.send(request.encode() * 500)
    answers = 0
    (connection,) = native.call(lambda: list(native._sockets))
    held = native.call(
        lambda: connection._transport.get_write_buffer_size() + connection._reader.buffered
    )
    assert held < 512 * 1024
    raw.socket.settimeout(10)
    while answers < 100:
        assert len(raw.answer().json["data"]) == 1
        answers += 1


def test_connection_close(native: Running, channel: str) -> None:
    """RFC 9112, 9.6: Connection: close is obeyed, on our paths and on uvicorn's."""
    for path in ("/updates?channel=a", "/health"):
        for value in ("close", "Close", "foo, close"):
            raw = native.raw()
            raw.send_request("GET", path, f"Connection: {value}\r\n")
            answer = raw.answer()
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
            raw.ended()


def test_http_1_0(native: Running) -> None:
    """RFC 9112, 9.3: HTTP/1.0 closes unless it asks to keep the connection."""
    for path in ("/updates?channel=a", "/health"):
        raw = native.raw()
        raw.send(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert raw.answer().headers["connection"] == "close"
        raw.ended()
    raw = native.raw()
    for _ in range(2):
        raw.send(
            b"GET /updates?channel=a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
        )
        assert raw.answer().headers["connection"] == "keep-alive"


def test_http_1_0_without_host(native: Running) -> None:
    """Who may connect: no Host is 400, in HTTP/1.0 too."""
    raw = native.raw()
    raw.send(b"GET /updates?channel=a HTTP/1.0\r\n\r\n")
    assert raw.answer().status == 400
    raw.ended()


def test_empty_lines_before_a_request(native: Running) -> None:
    """RFC 9112, 2.2: empty lines before a request line are passed over."""
    raw = native.raw()
    raw.send(b"\r\n\r\n" + HEALTH + b"\r\n" + HEALTH + b"\r\n\r\n" + HEALTH)
    assert [raw.answer().status for _ in range(3)] == [200] * 3


def test_half_closed(native: Running, channel: str) -> None:
    """RFC 9112, 9.6: a client that sends no more still gets all its answers."""
    for requests in ([post(channel)], [HEALTH], [post(channel), HEALTH, post(channel)]):
        raw = native.raw()
        raw.send(b"".join(requests))
        raw.half_close()
        for request in requests:
            assert ("id" in raw.answer().json) == (request is not HEALTH)
        raw.ended()


def test_half_closed_in_the_middle(native: Running, channel: str) -> None:
    """What is cut in the middle is not served, and the connection ends."""
    for sent in (post(channel)[:-1], HEALTH[:-2], b"GET"):
        raw = native.raw()
        raw.send(sent)
        raw.half_close()
        raw.ended()
    assert native.poll(channel=channel, since=0)["data"] == []


# Hand-over to uvicorn and back


def test_stream_after_a_page(native: Running, channel: str) -> None:
    """A browser gets its stream on the connection that brought a page, at full speed."""
    raw = native.raw()
    raw.send(HEALTH)
    assert raw.answer().status == 200
    raw.send_request("GET", f"/events?channel={channel}")
    head = raw.take_until(b"\r\n\r\n")
    assert b"chunked" not in head
    raw.take_until(b'event: everywire.position\ndata: {"last_id":')
    kinds = native.call(lambda: {type(c).__name__ for c in native._sockets})
    assert "EventStreamProtocol" in kinds


def test_websocket_after_a_page(native: Running) -> None:
    """A WebSocket as well."""
    raw = native.raw()
    raw.send(
        HEALTH + b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert raw.answer().status == 200
    assert raw.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    raw.take_until(b'"type":"welcome"')


def test_body_for_uvicorn(native: Running, channel: str) -> None:
    """Bodies of requests that uvicorn serves end where they end, sized and chunked."""
    raw = native.raw()
    sized = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    chunked = (
        b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\nTrailer: t\r\n\r\n"
    )
    sent = sized + post(channel) + chunked + post(channel) + sized + HEALTH
    for start in range(0, len(sent), 11):
        raw.send(sent[start : start + 11])
    assert [raw.answer().status for _ in range(6)] == [404, 200, 404, 200, 404, 200]


def test_large_body_for_uvicorn(native: Running, channel: str) -> None:
    """A body that nobody wants is passed over, and not held."""
    raw = native.raw()
    raw.send(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n")
    for _ in range(300):
        raw.send(b"x" * 100_000)
    raw.send(post(channel))
    assert [raw.answer().status for _ in range(2)] == [404, 200]


def test_upgrade_that_is_not_ours(native: Running, channel: str) -> None:
    """RFC 9110, 7.8: an upgrade that is not offered is passed over (curl --http2)."""
    h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    raw = native.raw()
    raw.send_request("GET", "/updates?channel=a", h2c)
    assert raw.answer().status == 200
    raw.send_request("POST", "/publish", h2c, body_of(channel))
    assert raw.answer().status == 200
    raw.send_request("GET", "/health", h2c)
    assert raw.answer().status == 200


def test_head_requests(native: Running) -> None:
    """RFC 9110, 9.3.2: no body ever answers a HEAD, errors of every kind included."""
    raw = native.raw()
    for path, status in (("/health", 200), ("/publish", 405), ("/nothing", 404), ("/ready", 200)):
        raw.send_request("HEAD", path)
        assert raw.answer("HEAD").status == status
    raw.send(b"HEAD /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert raw.answer("HEAD").status == 403
    raw.send(HEALTH)
    assert raw.answer().json["status"] == "ok"


# Bodies


@pytest.mark.parametrize("step", [1, 3, 64, 100_000])
def test_chunks_cut_anywhere(native: Running, channel: str, step: int) -> None:
    """RFC 9112, 7.1: chunks, extensions and trailers, wherever reads cut them."""
    body = body_of(channel, "é" * 20)
    chunks = b"".join(
        b'%X;ext=1;q="v"\r\n%b\r\n' % (len(body[n : n + 9]), body[n : n + 9])
        for n in range(0, len(body), 9)
    )
    sent = (
        b"POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks
        + b"000\r\nChecksum: 1\r\n\r\n"
    ) * 2
    raw = native.raw()
    for start in range(0, len(sent), step):
        raw.send(sent[start : start + step])
    ids = [raw.answer().json["id"] for _ in range(2)]
    assert [m["id"] for m in native.poll(channel=channel, since=0)["data"]] == ids


def test_expect_continue(native: Running, channel: str) -> None:
    """RFC 9110, 10.1.1: who waits to be told to go on is told so."""
    raw = native.raw()
    request, body = post(channel, b"Expect: 100-continue\r\n"), body_of(channel)
    for _ in range(2):
        raw.send(request[: -len(body)])
        assert raw.answer().status == 100
        raw.send(body)
        assert "id" in raw.answer().json
    # Not where the body is there already.
    raw.send(request)
    assert "id" in raw.answer().json
    chunked = b"Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n"
    raw.send(b"POST /publish HTTP/1.1\r\nHost: localhost\r\n" + chunked)
    assert raw.answer().status == 100
    raw.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert "id" in raw.answer().json


@pytest.mark.parametrize(
    ("target", "host", "length", "status"),
    [
        ("/publish", "localhost", 10**9, 413),
        ("/publish", "evil.example", 5, 403),
        ("/health", "localhost", 5, 405),
    ],
)
def test_refused_before_the_body(
    native: Running, target: str, host: str, length: int, status: int
) -> None:
    """RFC 9110, 10.1.1: who waits to be told to go on may be refused instead."""
    raw = native.raw()
    raw.send(
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        "Expect: 100-continue\r\n\r\n".encode()
    )
    refused(raw, status)


def test_refusal_is_heard_while_the_body_is_sent(native: Running) -> None:
    """RFC 9112, 9.6: the answer is not lost to a reset, whatever the client still sends."""
    for headers in ("Content-Length: 20000000\r\n", "Host: evil.example\r\nContent-Length: 200000"):
        raw = native.raw()
        raw.send(f"POST /publish HTTP/1.1\r\nHost: localhost\r\n{headers.strip()}\r\n\r\n".encode())
        for _ in range(20):
            raw.send(b"x" * 10_000)
        answer = raw.answer()
        assert answer.status in (400, 413)
        raw.half_close()
        raw.ended()


# Limits of heads


def test_head_at_its_limit(native: Running) -> None:
    """Limits: request line and headers 32 KiB; over it 431 too_large."""
    fixed = len(HEALTH) + len("X-Fill: \r\n")
    for path in ("/updates?channel=a", "/health"):
        raw = native.raw()
        fill = 32 * 1024 - fixed - len(path) + len("/health")
        raw.send_request("GET", path, f"X-Fill: {'x' * fill}\r\n")
        assert raw.answer().status == 200
        raw.send_request("GET", path, f"X-Fill: {'x' * (fill + 1)}\r\n")
        assert refused(raw, 431).code == "too_large"


def test_endless_head(native: Running) -> None:
    """Limits: a head without end is refused when it passes the limit, not later."""
    for endless in (b"GET /" + b"a" * 40_000, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000):
        raw = native.raw()
        raw.send(endless)
        assert refused(raw, 431).code == "too_large"


def test_hundred_headers(native: Running) -> None:
    """Limits: 100 headers; more is 431 too_large."""
    for path in ("/updates?channel=a", "/health"):
        raw = native.raw()
        raw.send_request("GET", path, "".join(f"X-{n}: 1\r\n" for n in range(99)))
        assert raw.answer().status == 200
        raw.send_request("GET", path, "".join(f"X-{n}: 1\r\n" for n in range(100)))
        assert refused(raw, 431).code == "too_large"
        raw = native.raw()
        raw.send_request("GET", path, "".join(f"X-{n}: 1\r\n" for n in range(2000)))
        assert refused(raw, 431).code == "too_large"


def test_limits_hold_for_pipelined_requests(native: Running) -> None:
    """Limits: behind a request that uvicorn serves, heads are ours to judge again."""
    raw = native.raw()
    raw.send(HEALTH + b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 40_000)
    assert raw.answer().status == 200
    assert refused(raw, 431).code == "too_large"


def test_limits_are_settings(start_native: Callable[..., Running]) -> None:
    """Limits: each is a setting."""
    server = start_native(limits=replace(QUICK, max_head_bytes=200, max_headers=3))
    raw = server.raw()
    raw.send_request("GET", "/health", "A: 1\r\nB: 2\r\n")
    assert raw.answer().status == 200
    raw.send_request("GET", "/health", "A: 1\r\nB: 2\r\nC: 3\r\n")
    refused(raw, 431)
    raw = server.raw()
    raw.send_request("GET", "/health", f"A: {'x' * 200}\r\n")
    refused(raw, 431)


# What is no HTTP, and what smuggles

GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"\x00\x00\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / ICE/1.0\r\nHost: localhost\r\n\r\n",
    b"get /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GE(T /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nNo colon\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n: no name\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nA B: c\r\n\r\n",
    b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
]


@pytest.mark.parametrize("sent", GARBAGE)
def test_garbage(native: Running, sent: bytes) -> None:
    """Codes: what is no HTTP is bad_request, in the shape of every error."""
    raw = native.raw()
    bystander = native.socket()
    raw.send(sent)
    assert refused(raw).code == "bad_request"
    bystander.alive()


SMUGGLED = b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 26\r\n\r\n"
HEADERS_THAT_SMUGGLE = [
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 0x5",
    b"Content-Length: 5 5",
    b"Content-Length: five",
    b"Content-Length: ",
    b"Content-Length: 99999999999999999999999999",
    b"Content-Length : 5",
    b"Content-Length\t: 5",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding:\r\n chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\r\n\x00Transfer-Encoding: chunked",
]


@pytest.mark.parametrize("headers", HEADERS_THAT_SMUGGLE)
@pytest.mark.parametrize("path", [b"/publish", b"/nothing"])
def test_smuggling(native: Running, channel: str, headers: bytes, path: bytes) -> None:
    """What two servers might read in two ways is refused, and nothing behind it is read."""
    hidden = body_of(channel)
    raw = native.raw()
    raw.send(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n0\r\n\r\n" % (path, headers)
        + b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
        % (len(hidden), hidden)
    )
    answer = raw.answer()
    assert answer.status in (400, 413)
    assert answer.headers["connection"] == "close"
    raw.half_close()
    raw.ended()
    assert native.poll(channel=channel, since=0)["data"] == []


CHUNKS_THAT_SMUGGLE = [
    b"5\r\nhello6\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhell\r\n0\r\n\r\n",
    b"-1\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 5\r\nhello\r\n0\r\n\r\n",
    b"g\r\n",
    b"\r\n",
    b"ffffffffffffffffff\r\n",
    b"fffffffffffffff0\r\n",
    b"5;\x00\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"x" * 5000,
    b"5" * 5000,
    b"0\r\nTrailer\r\n\r\n",
    b"0\r\nA: b\nC: d\r\n\r\n",
    b"0\r\n" + b"A: b\r\n" * 5000,
]


@pytest.mark.parametrize("chunks", CHUNKS_THAT_SMUGGLE)
@pytest.mark.parametrize("path", [b"/publish", b"/nothing"])
def test_chunks_that_smuggle(native: Running, channel: str, chunks: bytes, path: bytes) -> None:
    """Chunks are read strictly, for us and for uvicorn (RFC 9112, 7.1)."""
    hidden = post(channel)
    raw = native.raw()
    raw.send(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path
        + chunks
        + hidden
    )
    status = raw.take_until(b" ") and int(raw.take(3))
    assert status in (400, 404, 413)
    if path == b"/publish":
        assert status in (400, 413)
    raw.half_close()
    while raw.receive():
        pass
    assert native.poll(channel=channel, since=0)["data"] == []


def test_every_byte_in_a_header_value(native: Running) -> None:
    """Bytes 0–255 in a header value: passed over or refused, on every path, never a fault."""
    for path in ("/updates?channel=a", "/health"):
        found: dict[int, int] = {}
        for byte in range(256):
            raw = native.raw()
            raw.send(
                b"GET %b HTTP/1.1\r\nHost: localhost\r\nX: a%cb\r\nAccept: %c\r\n\r\n"
                % (path.encode(), byte, byte)
            )
            answer = raw.answer()
            found[byte] = answer.status
            raw.close()
        fine = {9, *range(32, 127), *range(128, 256)}
        assert found == {byte: 200 if byte in fine else 400 for byte in range(256)}


@pytest.mark.parametrize(
    "name", ["Origin", "Host", "Last-Event-ID", "Prefer", "Connection", "Expect", "Cookie"]
)
def test_every_byte_in_headers_that_are_read(native: Running, name: str) -> None:
    """The same in the headers that are looked at: an answer of the protocol, never a fault."""
    for byte in range(256):
        raw = native.raw()
        host = b"" if name == "Host" else b"Host: localhost\r\n"
        raw.send(
            b"GET /updates?channel=a HTTP/1.1\r\n%b%b: %c\r\n\r\n" % (host, name.encode(), byte)
        )
        assert raw.answer().status in (200, 400, 403)
        raw.close()


def test_every_byte_in_headers_of_a_raw_publish(native: Running, channel: str) -> None:
    """And in Event, Idempotency-Key and Content-Type, which go into messages."""
    for name in (b"Event", b"Idempotency-Key", b"Content-Type"):
        for byte in range(256):
            raw = native.raw()
            raw.send(
                b"POST /channels/%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                b"%b: a%cb\r\n\r\n1" % (channel.encode(), name, byte)
            )
            assert raw.answer().status in (200, 400)
            raw.close()
    stream = native.stream(channel=channel, since=0)
    stream.opened()
    while (event := stream.next()) and event.event != "everywire.position":
        assert not any(ord(character) < 32 for character in event.event)


# Time


def test_slow_head(start_native: Callable[..., Running]) -> None:
    """A head has its time to arrive whole: 408 (RFC 9110, 15.5.9)."""
    server = start_native(limits=replace(QUICK, head_timeout=0.2))
    raw = server.raw()
    raw.send(b"GET /health HTT")
    assert refused(raw, 408).code == "bad_request"
    # Also the second head of a connection, and it is not prolonged by what trickles in.
    raw = server.raw()
    raw.send(HEALTH)
    raw.answer()
    raw.send(b"GET /updates?channel=a HTTP/1.1\r\n")

    def trickle() -> bool:
        raw.socket.setblocking(False)
        try:
            raw.send(b"X: y\r\n")
            return bool(raw.receive())
        except BlockingIOError:
            return False
        finally:
            raw.socket.settimeout(10)

    eventually(trickle, "the head has run out of time")
    assert raw.answer().status == 408


def test_silent_connection(start_native: Callable[..., Running]) -> None:
    """A connection on which nothing is ever said is closed without a word."""
    server = start_native(limits=replace(QUICK, head_timeout=0.2))
    raw = server.raw()
    raw.ended()


@pytest.mark.parametrize("path", ["/publish", "/nothing"])
@pytest.mark.parametrize("headers", ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"])
def test_slow_body(start_native: Callable[..., Running], path: str, headers: str) -> None:
    """A body has its time, too, whoever serves it; its connection is closed."""
    server = start_native(limits=replace(QUICK, body_timeout=0.2))
    raw = server.raw()
    raw.send_request("POST", path, headers)
    status = raw.take_until(b" ") and int(raw.take(3))
    assert status in (404, 408)
    while raw.receive():
        pass


def test_idle_connection(start_native: Callable[..., Running]) -> None:
    """A connection without a request is closed after a while, silently."""
    server = start_native(limits=replace(QUICK, idle_timeout=0.3))
    raw = server.raw()
    raw.send(post("a"))
    assert raw.answer().status == 200
    raw.ended()


def test_waiting_poll_is_not_idle(start_native: Callable[..., Running]) -> None:
    """A connection whose poll waits is not idle, however short a time idle ones have."""
    limits = replace(QUICK, idle_timeout=0.1, head_timeout=0.1, body_timeout=0.1)
    server = start_native(limits=limits)
    since = server.head()
    raw = server.raw()
    raw.send_request("GET", f"/updates?channel=a&since={since}&wait=0.6")
    assert raw.answer().json == {"data": [], "last_id": since}


def test_stalled_client_of_a_large_answer(start_native: Callable[..., Running]) -> None:
    """A connection that ends while its client does not read is cut, not kept for ever."""
    server = start_native(limits=replace(QUICK, close_timeout=0.2, idle_timeout=0.3))
    server.publish_all([{"channel": "a", "data": "x" * 60_000} for _ in range(17)])
    raw = server.raw(receive_buffer=4096)
    for _ in range(20):
        raw.send_request("GET", "/updates?channel=a&since=0")
    eventually(lambda: not server.call(lambda: server._sockets), "the connection is cut")


def test_slow_client_of_a_large_answer(start_native: Callable[..., Running]) -> None:
    """But one that reads on, however slowly, gets everything."""
    server = start_native(limits=replace(QUICK, close_timeout=0.2))
    server.publish_all([{"channel": "a", "data": "x" * 60_000} for _ in range(17)])
    raw = server.raw(receive_buffer=4096)
    raw.send_request("GET", "/updates?channel=a&since=0", "Connection: close\r\n")
    assert len(raw.answer().json["data"]) == 17
    raw.ended()
