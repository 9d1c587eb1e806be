"""Where a body ends: by a length, or by chunks (RFC 9112, 6 and 7.1)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.server.http_body import Body, ChunkedBody, SizedBody


def feed(body: Body, data: bytes, cuts: list[int]) -> int:
    """Give a body bytes in pieces; how many it took."""
    taken = 0
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in itertools.pairwise(edges):
        end = body.take(data[start:stop])
        taken += end
        if end < stop - start:
            break
    return taken


@given(size=st.integers(0, 50), more=st.binary(max_size=20), cuts=st.lists(st.integers(0, 99)))
def test_sized(size: int, more: bytes, cuts: list[int]) -> None:
    """A body with a length takes so many bytes, however they are cut."""
    body = SizedBody(size)
    assert body.done == (size == 0)
    assert feed(body, b"x" * size + more, cuts) == size
    assert body.done


def test_sized_in_the_middle() -> None:
    """It may begin anywhere in what came."""
    body = SizedBody(3)
    assert body.take(b"headabc rest", 4) == 7
    assert body.done


def chunked(parts: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = [b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part]
    return b"".join(chunks) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


@given(
    parts=st.lists(st.binary(max_size=40), max_size=5),
    extension=st.sampled_from([b"", b";a", b' ; a="b;c"', b";\xff"]),
    trailers=st.sampled_from([b"", b"A: b\r\n", b"A:\r\nB: c\r\n"]),
    more=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 500)),
)
def test_chunked(
    parts: list[bytes], extension: bytes, trailers: bytes, more: bytes, cuts: list[int]
) -> None:
    """Chunks give their content and end where they end, however they are cut."""
    data = chunked(parts, extension, trailers)
    for most in (1000, None):
        body = ChunkedBody(most)
        assert feed(body, data + more, cuts) == len(data)
        assert body.done
        assert bytes(body.content) == (b"" if most is None else b"".join(parts))


@given(parts=st.lists(st.binary(min_size=1, max_size=40), min_size=1), cuts=st.lists(st.integers()))
def test_chunked_over_the_limit(parts: list[bytes], cuts: list[int]) -> None:
    """A chunk that would go over the limit is refused by its size, before it comes."""
    size = sum(len(part) for part in parts)
    with pytest.raises(RequestError) as caught:
        feed(ChunkedBody(size - 1), chunked(parts), cuts)
    assert caught.value.code == "too_large"
    body = ChunkedBody(size)
    feed(body, chunked(parts), cuts)
    assert body.done


@given(data=st.binary(max_size=100), cuts=st.lists(st.integers(0, 100)))
def test_anything(data: bytes, cuts: list[int]) -> None:
    """Whatever comes is taken, ends, or is refused; how it was cut makes no difference."""

    def outcome(cuts: list[int]) -> tuple[object, ...]:
        body = ChunkedBody(1000)
        try:
            taken = feed(body, data, cuts)
        except RequestError as error:
            return (error.code,)
        return (taken, body.done, bytes(body.content))

    assert outcome(cuts) == outcome([])
