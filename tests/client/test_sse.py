"""`everywire.client.sse` against the HTML standard, section 9.2.6."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.client.sse import StreamEvent, StreamParser, StreamTooLarge


def parsed(stream: bytes) -> list[StreamEvent]:
    return StreamParser().feed(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", "a", "")]),
        (b"data:a\n\n", [("message", "a", "")]),
        (b"data:  a\n\n", [("message", " a", "")]),
        (b"data: a\ndata: b\n\n", [("message", "a\nb", "")]),
        (b"data: a\rdata: b\r\r", [("message", "a\nb", "")]),
        (b"data: a\r\ndata: b\r\n\r\n", [("message", "a\nb", "")]),
        (b"event: price\ndata: 1\n\n", [("price", "1", "")]),
        (b"event: price\n\ndata: 1\n\n", [("message", "1", "")]),
        (b": comment\n\ndata: 1\n\n", [("message", "1", "")]),
        (b"data\n\n", [("message", "", "")]),
        (b"data:\n\n", [("message", "", "")]),
        (b"data\ndata\n\n", [("message", "\n", "")]),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "7")]),
        (b"id: 7\n\ndata: b\n\n", [("message", "b", "7")]),
        (b"id: 7\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "")]),
        (b"id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "7")]),
        (b"Data: a\nfoo: b\ndata : c\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a", "")]),
        (b"data: \xff\n\n", [("message", "\ufffd", "")]),
        (b"data: a\x0b\x0c\xc2\x85\xe2\x80\xa8b\n\n", [("message", "a\x0b\x0c\x85\u2028b", "")]),
        (b"data: cut off", []),
        (b"data: cut off\n", []),
    ],
)
def test_events(stream: bytes, events: list[tuple[str, str, str]]) -> None:
    assert parsed(stream) == events


def test_the_last_id_moves_without_an_event() -> None:
    parser = StreamParser()
    assert parser.feed(b"id: 12\n\n") == []
    assert parser.last_id == "12"


def test_the_last_id_of_an_unfinished_event_does_not_count() -> None:
    parser = StreamParser()
    parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    assert parser.last_id == "1"


@pytest.mark.parametrize(
    ("line", "retry"),
    [
        (b"retry: 2000", 2000),
        (b"retry:0", 0),
        (b"retry: -1", None),
        (b"retry: 1.5", None),
        (b"retry: 1e3", None),
        (b"retry: \xd9\xa1", None),
        (b"retry:", None),
        (b"retry: " + b"9" * 5000, None),
    ],
)
def test_retry_takes_digits_only(line: bytes, retry: int | None) -> None:
    parser = StreamParser()
    parser.feed(line + b"\n\n")
    assert parser.retry_ms == retry


_FIELDS = [b"data: a", b"data:", b"id: 1", b"event: x", b":", b"retry: 5", b" "]
_ENDS = [b"\n", b"\r", b"\r\n"]
_CHARACTERS = ["é€😀".encode(), b"\xef\xbb\xbf", b"\xff", b"\xe2\x82"]
_PIECES = st.sampled_from(_FIELDS + _ENDS + _CHARACTERS)


@given(st.lists(_PIECES, max_size=30).map(b"".join), st.data())
def test_it_does_not_matter_where_the_stream_is_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parser = StreamParser()
    events: list[StreamEvent] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += parser.feed(stream[begin:end])
    whole = StreamParser()
    assert events == whole.feed(stream)
    assert (parser.last_id, parser.retry_ms) == (whole.last_id, whole.retry_ms)


@given(st.text(), st.text(st.characters(exclude_characters="\r\n\0")))
def test_what_was_sent_is_what_is_read(data: str, event: str) -> None:
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    stream = f"event:  {event}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
    (read,) = parsed(stream.encode(errors="replace"))
    shown = "\n".join(lines).encode(errors="replace").decode()
    assert read.data == shown
    assert read.event == f" {event}".encode(errors="replace").decode()


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    parser = StreamParser(limit=1000)
    with pytest.raises(StreamTooLarge, match="a line of the stream is over 1000"):
        for _ in range(20):
            parser.feed(b"x" * 100)


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    parser = StreamParser(limit=1000)
    with pytest.raises(StreamTooLarge, match="an event of the stream is over 1000"):
        for _ in range(1001):
            parser.feed(b"data\n")


def test_the_limit_is_of_one_event_not_of_the_stream() -> None:
    parser = StreamParser(limit=1000)
    events = [event for _ in range(50) for event in parser.feed(b"data: " + b"x" * 900 + b"\n\n")]
    assert len(events) == 50


def test_reading_a_line_in_many_parts_takes_each_part_once() -> None:
    """Twice the line in parts is at most about twice the work: nothing is joined over and over."""
    from everywire.client import sse

    looked_at = 0
    split = sse._LINE_END.split

    class Counting:
        def split(self, text: str) -> list[str]:
            nonlocal looked_at
            looked_at += len(text)
            return split(text)

    original, sse._LINE_END = sse._LINE_END, Counting()  # type: ignore[assignment,misc]
    try:
        parser = StreamParser()
        for _ in range(10_000):
            parser.feed(b"xxxxxxxxxx")
        (event,) = parser.feed(b"\ndata: " + json.dumps(str(Path())).encode() + b"\n\n")
    finally:
        sse._LINE_END = original  # type: ignore[misc]
    assert event.data == '"."'
    assert looked_at < 110_000
