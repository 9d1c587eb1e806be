"""Bytes into lines, and lines held."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from everywire.client.lines import LineBuffer, LineCutter, Piece


def cut(chunks: list[bytes], limit: int = 8) -> list[Piece]:
    cutter = LineCutter(limit)
    return [piece for chunk in chunks for piece in cutter.feed(chunk)] + cutter.finish()


def test_a_line_ends_at_a_line_feed_and_nowhere_else() -> None:
    assert cut([b"a\nb\r\n\nc\rd"]) == [Piece(b"a"), Piece(b"b\r"), Piece(b""), Piece(b"c\rd")]


def test_no_input_is_no_line() -> None:
    assert cut([]) == []
    assert cut([b"\n"]) == [Piece(b"")]


def test_a_long_line_is_cut_as_it_comes() -> None:
    cutter = LineCutter(4)
    assert cutter.feed(b"abcd") == []
    assert cutter.feed(b"e") == [Piece(b"abcd", False)]
    assert cutter.feed(b"\n") == [Piece(b"e")]


def test_a_line_as_long_as_a_piece_is_one() -> None:
    assert cut([b"abcd\n"], limit=4) == [Piece(b"abcd")]


def test_a_long_line_is_cut_between_characters() -> None:
    assert cut(["aé€😀é\n".encode()], limit=4) == [
        Piece("aé".encode(), False),
        Piece("€".encode(), False),
        Piece("😀".encode(), False),
        Piece("é".encode()),
    ]


def test_what_is_not_utf_8_is_cut_at_the_limit() -> None:
    assert [piece.data for piece in cut([b"\x80" * 10])] == [b"\x80" * 8, b"\x80" * 2]


@given(st.text(max_size=300), st.integers(4, 16))
def test_pieces_of_text_are_text(text: str, limit: int) -> None:
    data = text.encode()
    pieces = cut([data], limit)
    assert all(len(piece.data) <= limit for piece in pieces)
    for piece in pieces:
        piece.data.decode()


@given(st.lists(st.binary(max_size=40)), st.integers(4, 16))
def test_nothing_is_lost_or_added(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    pieces = cut(chunks, limit)
    joined = b"".join(piece.data + b"\n" * piece.ends_line for piece in pieces)
    assert joined.removesuffix(b"\n") == whole.removesuffix(b"\n") or joined == whole + b"\n"
    assert sum(piece.ends_line for piece in pieces) == len(whole.split(b"\n")) - (
        whole.endswith(b"\n") or not whole
    )
    assert pieces == cut([whole], limit)


def test_pieces_are_taken_in_order_by_count_and_by_size() -> None:
    buffer = LineBuffer()
    buffer.feed(b"".join(b"x" * size + b"\n" for size in (1, 2, 300, 4)))
    assert [len(piece.data) for piece in buffer.take(count=2, size=1000)] == [1, 2]
    assert [len(piece.data) for piece in buffer.take(count=2, size=10)] == [300]
    assert [len(piece.data) for piece in buffer.take(count=2, size=10)] == [4]
    assert buffer.take(count=2, size=10) == []


def test_a_full_buffer_makes_the_reader_wait() -> None:
    buffer = LineBuffer(capacity=100)
    assert buffer.feed(b"x" * 100 + b"\n")
    fed = threading.Event()

    def feed() -> None:
        buffer.feed(b"y\n")
        fed.set()

    reader = threading.Thread(target=feed)
    reader.start()
    assert not fed.is_set()
    assert buffer.take(10, 1000) == [Piece(b"x" * 100)]
    assert fed.wait(10)
    reader.join()
    assert buffer.take(10, 1000) == [Piece(b"y")]


def test_a_reader_that_waits_is_let_go_at_the_end() -> None:
    buffer = LineBuffer(capacity=100)
    buffer.feed(b"x" * 100 + b"\n")
    taken: list[bool] = []
    reader = threading.Thread(target=lambda: taken.append(buffer.feed(b"y\n")))
    reader.start()
    buffer.finish()
    reader.join(10)
    assert taken == [False]


def test_empty_lines_fill_it_too() -> None:
    buffer = LineBuffer(capacity=1000)
    buffer.feed(b"\n" * 16)
    assert buffer._size >= 1000


def test_the_end_makes_a_line_of_what_has_no_line_feed() -> None:
    buffer = LineBuffer()
    buffer.feed(b"one\ntwo")
    assert buffer.take(10, 1000) == [Piece(b"one")]
    buffer.finish()
    buffer.finish()
    assert buffer.take(10, 1000) == [Piece(b"two")]


def test_it_is_drained_when_all_is_taken_and_nothing_comes() -> None:
    buffer = LineBuffer()
    assert not buffer.drained
    buffer.feed(b"a\n")
    buffer.finish()
    assert not buffer.drained
    buffer.take(1, 1)
    assert buffer.drained


def test_waits_end_when_there_is_something() -> None:
    buffer = LineBuffer()
    assert not buffer.wait(0)
    assert not buffer.settle(count=1, size=1, seconds=0)
    buffer.feed(b"a\nb\n")
    assert buffer.wait(3600)
    assert buffer.settle(count=2, size=1000, seconds=3600)
    assert buffer.settle(count=1000, size=1, seconds=3600)
    buffer.finish()
    assert not buffer.settle(count=1000, size=1000, seconds=3600)
    buffer.take(2, 10)
    assert buffer.wait(3600)
