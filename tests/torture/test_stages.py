"""What the middle boxes do to bytes, cut anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everywire.torture.stages import BAD_GATEWAY, MAX_HEAD, ResponseHolder, Stage, UpgradeStripper

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\nrest Upgrade: websocket\r\n"
)
STRIPPED = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\n\r\nrest Upgrade: websocket\r\n"
)
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

cuts = st.lists(st.integers(1, 40), max_size=20)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [part for part in [*parts, data] if part]


def through(stage: Stage, data: bytes, sizes: list[int]) -> bytes:
    return b"".join(stage.feed(part) for part in cut(data, sizes)) + stage.finish()


@given(cuts)
def test_the_upgrade_is_taken_out_of_the_head_and_of_nothing_else(sizes: list[int]) -> None:
    assert through(UpgradeStripper(), UPGRADE, sizes) == STRIPPED


@given(cuts)
def test_a_head_that_never_ends_goes_on_as_it_is(sizes: list[int]) -> None:
    endless = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n" + b"a" * MAX_HEAD
    stage = UpgradeStripper()
    assert b"".join(stage.feed(part) for part in cut(endless, sizes)) == endless


@given(cuts, st.integers(1, 200))
def test_whatever_is_held_back_arrives_in_the_end(sizes: list[int], limit: int) -> None:
    answers = SIZED + EMPTY + CHUNKED + SIZED
    assert through(ResponseHolder(limit), answers, sizes) == answers


def test_an_answer_is_held_until_it_is_whole() -> None:
    for answer in (SIZED, CHUNKED):
        holder = ResponseHolder(1000)
        assert holder.feed(answer[:-1]) == b""
        assert holder.feed(answer[-1:]) == answer
    assert ResponseHolder(1000).feed(EMPTY + SIZED) == EMPTY + SIZED


def test_a_stream_is_held_until_there_is_enough_of_it() -> None:
    holder = ResponseHolder(len(ENDLESS) + 10)
    assert holder.feed(ENDLESS + b"123456789") == b""
    assert holder.feed(b"0") == ENDLESS + b"1234567890"
    assert holder.feed(b"more") == b""
    assert holder.finish() == b"more"


def test_what_follows_a_partly_released_answer_is_still_told_apart() -> None:
    holder = ResponseHolder(60)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n" + b"x" * 60
    assert holder.feed(long[:70]) == long[:70]
    assert holder.feed(long[70:]) == long[70:]
    assert holder.feed(SIZED[:-1]) == b""


def test_a_websocket_passes() -> None:
    holder = ResponseHolder(1000)
    assert holder.feed(b"HTTP/1.1 101 Switching Protocols\r\n\r\nab") != b""
    assert holder.feed(b"c") == b"c"


def test_the_answer_of_a_bad_gateway_is_one() -> None:
    head, _, body = BAD_GATEWAY.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
