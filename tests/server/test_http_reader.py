"""The requests of a connection: however bytes are cut, the same requests come out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.server.http_reader import RequestReader

HOST = b"Host: localhost\r\n"
REQUESTS = [
    b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /b?c=d HTTP/1.1\r\nX: " + b"y" * 50 + b"\r\n\r\n",
    b"POST /publish HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST /publish HTTP/1.1\r\n" + HOST + b"Content-Length: 12\r\n\r\nhello, world",
    b"POST /publish HTTP/1.1\r\n" + HOST + b"content-length: 0\r\n\r\n",
    b"POST /publish HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nX: 1\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n"
    b"0\r\n\r\n",
]

Read = list[tuple[str, str, str | None, bytes]]


def read(data: bytes, cuts: list[int], limits: Limits | None = None) -> tuple[Read, str]:
    """The requests in some bytes, and how it ends: the code of what was refused, or nothing."""
    reader = RequestReader(limits or Limits(), "192.0.2.1")
    found: Read = []
    request = None
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    try:
        for start, stop in itertools.pairwise(edges):
            reader.feed(data[start:stop])
            while True:
                request = request or reader.head()
                body = None if request is None else reader.body()
                if request is None or body is None:
                    break
                found.append((request.method, request.path, request.header(b"x"), body))
                request = None
    except RequestError as error:
        return found, error.code
    return found, ""


@given(
    requests=st.lists(st.sampled_from(REQUESTS), max_size=5),
    between=st.sampled_from([b"", b"\r\n", b"\r\n\r\n\n"]),
    cuts=st.lists(st.integers(0, 1000), max_size=12),
)
def test_requests(requests: list[bytes], between: bytes, cuts: list[int]) -> None:
    """Each request comes out whole, once and in order, whatever came before it."""
    found, code = read(b"".join(between + request for request in requests), cuts)
    assert code == ""
    alone = [read(request, [])[0][0] for request in requests]
    assert found == alone


@given(
    request=st.sampled_from(REQUESTS),
    at=st.integers(0, 200),
    new=st.binary(min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 1000), max_size=6),
)
def test_mangled_requests(request: bytes, at: int, new: bytes, cuts: list[int]) -> None:
    """What is refused is refused however it is cut, and so is what is not."""
    data = request + request[:at] + new + request[at:]
    assert read(data, cuts) == read(data, [])


def test_limits() -> None:
    """A head or a body over its limit is refused before it is held."""
    limits = Limits(max_head_bytes=60, max_headers=2, max_body_bytes=10)
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n"
    for data, code in (
        (head % (b"y" * 15), ""),
        (head % (b"y" * 30), "too_large"),
        (b"y" * 61, "too_large"),
        (b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", "too_large"),
        (b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", "too_large"),
        (b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n" + b"x" * 10, ""),
    ):
        assert read(data, [], limits)[1] == code, data


def test_body_due() -> None:
    """Whether the client has something of a body still to send."""
    reader = RequestReader(Limits(), "")
    for request, due in ((REQUESTS[0], False), (REQUESTS[2], False), (REQUESTS[2][:-1], True)):
        reader.feed(request)
        assert reader.head() is not None
        assert reader.body_due == due
        reader.body()
        assert reader.buffered == (4 if due else 0)


@pytest.mark.parametrize("request_", REQUESTS)
def test_release(request_: bytes) -> None:
    """A request is given away with all its bytes, and with what tells where it ends."""
    reader = RequestReader(Limits(), "")
    reader.feed(request_ + b"next")
    assert reader.head() is not None
    head, rest, body = reader.release()
    assert head + rest == request_ + b"next"
    assert rest[body.take(rest) :] == b"next"
    assert body.done
