"""Lines into messages, each once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from everywire.client.errors import GaveUp, Refused
from everywire.client.lines import CAPACITY, LineBuffer
from everywire.client.piping import MAX_LINES, Pipe
from everywire.client.retry import Backoff

from .fakes import FakeHttp, FakeTime, Play, answer, answer_json, hang_up, problem


class Piped:
    """A pipe whose input is written down."""

    def __init__(self, http_server: FakeHttp, **options: Any) -> None:
        self.server = http_server
        self.words: list[str] = []
        self.pipe = Pipe(
            http_server.url,
            "build.1",
            notify=self.words.append,
            backoff=Backoff(random=lambda: 0.0),
            **options,
        )

    def of(self, *chunks: bytes) -> Piped:
        """Everything was read before anything is sent."""
        left = list(chunks)
        self.pipe.feed(lambda: left.pop(0) if left else b"")
        self.pipe.run()
        return self

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [message for heard in self.server.heard for message in heard.json]


def taken(*ids: int) -> Play:
    """Take a list."""
    return answer_json(200, {"ids": list(ids)})


def take_all(http_server: FakeHttp, lists: int) -> None:
    """Take any lists, counting from 1."""
    counter = iter(range(1, 10**9))

    def play(handler: Any) -> None:
        ids = [next(counter) for _ in http_server.heard[-1].json]
        answer_json(200, {"ids": ids})(handler)

    http_server.play(*[play] * lists)


def line(data: str, **fields: Any) -> dict[str, Any]:
    return {"channel": "build.1", "event": "line", "data": data, "encoding": "text", **fields}


def test_lines_become_messages_and_the_last_is_final(http_server: FakeHttp) -> None:
    http_server.play(taken(7, 8, 9))
    piped = Piped(http_server).of(b"one\ntw", b"o\nthree")
    assert piped.sent == [line("one"), line("two"), line("three", final=True)]
    assert (piped.pipe.lines, piped.pipe.last_id) == (3, 9)


def test_an_empty_input_is_an_end(http_server: FakeHttp) -> None:
    http_server.play(taken(7))
    piped = Piped(http_server).of()
    assert piped.sent == [line("", event="end", final=True)]
    assert (piped.pipe.lines, piped.pipe.last_id) == (0, 7)


def test_a_channel_may_be_left_open(http_server: FakeHttp) -> None:
    http_server.play(taken(7))
    assert Piped(http_server, final=False).of(b"one\n").sent == [line("one")]
    assert len(Piped(http_server, final=False).of().sent) == 1


def test_lines_keep_what_is_in_them(http_server: FakeHttp) -> None:
    http_server.play(taken(7, 8, 9, 10))
    piped = Piped(http_server, event="log").of(b"\n\r\n\x00\x1b[31m\n\xff\xfe\n")
    assert [(m["data"], m["encoding"], m["event"]) for m in piped.sent] == [
        ("", "text", "log"),
        ("\r", "text", "log"),
        ("\x00\x1b[31m", "text", "log"),
        ("//4=", "base64", "log"),
    ]


def test_a_long_line_is_one_line_in_pieces(http_server: FakeHttp) -> None:
    http_server.play(taken(7, 8, 9))
    piped = Piped(http_server).of("é".encode() * 70_000 + b"\n")
    assert [len(m["data"].encode()) for m in piped.sent] == [65536, 65536, 8928]
    assert "".join(m["data"] for m in piped.sent) == "é" * 70_000
    assert piped.pipe.lines == 1


def test_lists_are_bounded_and_in_order(http_server: FakeHttp) -> None:
    take_all(http_server, 10)
    numbers = [str(number) for number in range(3 * MAX_LINES + 1)]
    piped = Piped(http_server).of("\n".join(numbers).encode())
    assert [m["data"] for m in piped.sent] == numbers
    assert max(len(heard.json) for heard in http_server.heard) == MAX_LINES
    assert [m["data"] for m in piped.sent if m.get("final")] == [numbers[-1]]


def test_large_lines_make_short_lists(http_server: FakeHttp) -> None:
    take_all(http_server, 10)
    piped = Piped(http_server).of(b"\n".join([b"x" * 60_000] * 20))
    assert len(piped.sent) == 20
    assert max(len(heard.json) for heard in http_server.heard) == 4


def test_each_list_has_a_key_of_its_own_and_keeps_it(http_server: FakeHttp) -> None:
    counter = iter(range(1, 1000))
    taken_: dict[str, list[int]] = {}
    trouble = [hang_up, answer(502), problem(503, "unavailable", "disk full")]

    def play(handler: Any) -> None:
        heard = http_server.heard[-1]
        key = heard.headers["Idempotency-Key"]
        known = key in taken_
        if not known:
            taken_[key] = [next(counter) for _ in heard.json]
        # The first time its answer is lost.
        (answer_json(200, {"ids": taken_[key]}) if known else hang_up)(handler)

    http_server.play(*trouble, *[play] * 12)
    data = b"\n".join(b"%d" % number for number in range(600))
    piped = Piped(http_server).of(data)
    keys = {heard.headers["Idempotency-Key"] for heard in http_server.heard}
    assert len(keys) == len(taken_) == 3
    assert all(key.isascii() and len(key) >= 22 for key in keys)
    assert (piped.pipe.lines, piped.pipe.last_id) == (600, 600)
    bodies = {heard.headers["Idempotency-Key"]: heard.body for heard in http_server.heard}
    assert all(
        heard.body == bodies[heard.headers["Idempotency-Key"]] for heard in http_server.heard
    )


def test_two_runs_have_different_keys(http_server: FakeHttp) -> None:
    take_all(http_server, 2)
    Piped(http_server).of(b"x")
    Piped(http_server).of(b"x")
    first, second = (heard.headers["Idempotency-Key"] for heard in http_server.heard)
    assert first != second


def test_an_outage_is_told_once(http_server: FakeHttp) -> None:
    http_server.play(hang_up, hang_up, hang_up, taken(7))
    words = Piped(http_server).of(b"one").words
    assert len(words) == 2
    assert "lines are held, trying again" in words[0]
    assert words[1].startswith("connected again after")


def test_a_channel_that_has_ended_is_an_error(http_server: FakeHttp) -> None:
    http_server.play(problem(409, "conflict", "the channel has ended"))
    piped = Piped(http_server)
    with pytest.raises(Refused, match="conflict"):
        piped.of(b"one\ntwo\n")
    assert piped.pipe.lines == 0


def test_it_gives_up_while_the_server_still_knows_the_key(unused_port: int, time: FakeTime) -> None:
    pipe = Pipe(
        f"http://127.0.0.1:{unused_port}",
        "build.1",
        backoff=Backoff(cap=100, random=lambda: 1.0),
        buffer=LineBuffer(),
        clock=time.clock,
        sleep=time.sleep,
    )
    pipe.feed(iter([b"one\n", b""]).__next__)
    with pytest.raises(GaveUp):
        pipe.run()
    assert 570 <= time.now - 1000 < 600


def test_when_sending_fails_the_reader_is_let_go(http_server: FakeHttp) -> None:
    http_server.play(problem(403, "forbidden", "no"))
    piped = Piped(http_server, buffer=LineBuffer(capacity=1))
    reader = threading.Thread(target=piped.pipe.feed, args=(lambda: b"x\n",))
    reader.start()
    with pytest.raises(Refused):
        piped.pipe.run()
    reader.join(10)
    assert not reader.is_alive()


def test_while_the_server_is_away_no_more_is_read(unused_port: int) -> None:
    """The reader reads until the buffer is full; the producer feels it."""
    refused = threading.Semaphore(0)
    pipe = Pipe(
        f"http://127.0.0.1:{unused_port}",
        "build.1",
        patience=30,
        backoff=Backoff(base=0.001, cap=0.001, random=lambda: 1.0),
        sleep=lambda seconds: refused.release(),
    )
    read = 0

    def endless() -> bytes:
        nonlocal read
        read += 65_536
        return b"x" * 65_535 + b"\n"

    reader = threading.Thread(target=pipe.feed, args=(endless,))
    gave_up = threading.Event()

    def send() -> None:
        try:
            pipe.run()
        except GaveUp:
            gave_up.set()

    sender = threading.Thread(target=send)
    reader.start()
    sender.start()
    # Many tries after the first: the reader had all the time it could want.
    for _ in range(300):
        refused.acquire()
    assert read <= CAPACITY + 2 * 262_144 + 65_536
    pipe.interrupt()
    pipe._current.shorten(0)  # type: ignore[union-attr]
    sender.join(30)
    reader.join(30)
    assert gave_up.is_set()
    assert not reader.is_alive()


class Input:
    """An input that is open until it is told."""

    def __init__(self) -> None:
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.write: Callable[[bytes], None] = self._chunks.put
        self.read: Callable[[], bytes] = self._chunks.get

    def close(self) -> None:
        self.write(b"")


def test_a_line_is_not_held_until_the_next_one_comes(http_server: FakeHttp) -> None:
    take_all(http_server, 3)
    given = Input()
    piped = Piped(http_server)
    reader = threading.Thread(target=piped.pipe.feed, args=(given.read,))
    sender = threading.Thread(target=piped.pipe.run)
    reader.start()
    sender.start()
    given.write(b"one\n")
    while piped.pipe.last_id is None:
        sender.join(0.01)
    given.close()
    reader.join(10)
    sender.join(10)
    assert piped.sent == [line("one"), line("", event="end", final=True)]
    assert piped.pipe.lines == 1


def test_an_interrupt_sends_what_is_held_and_ends_the_channel(http_server: FakeHttp) -> None:
    take_all(http_server, 3)
    given = Input()
    piped = Piped(http_server)
    reader = threading.Thread(target=piped.pipe.feed, args=(given.read,))
    reader.start()
    given.write(b"one\ntwo\npart of the third")
    assert piped.pipe._buffer.wait(10)
    piped.pipe.interrupt()
    piped.pipe.run()
    given.close()
    reader.join(10)
    assert piped.sent == [line("one"), line("two"), line("part of the third", final=True)]
    assert piped.pipe.interrupted


def test_an_interrupt_does_not_wait_long_for_a_server_that_is_away(
    unused_port: int, time: FakeTime
) -> None:
    pipe = Pipe(
        f"http://127.0.0.1:{unused_port}",
        "build.1",
        buffer=LineBuffer(),
        clock=time.clock,
        sleep=lambda seconds: (time.sleep(seconds), time.now < 1005 or pipe.interrupt()),
    )
    pipe.feed(iter([b"one\n", b""]).__next__)
    with pytest.raises(GaveUp):
        pipe.run()
    assert time.now - 1000 < 15


def test_a_producer_that_goes_on_after_an_interrupt_is_left(http_server: FakeHttp) -> None:
    take_all(http_server, 10_000)
    piped = Piped(http_server)
    reader = threading.Thread(target=piped.pipe.feed, args=(lambda: b"more\n",))
    reader.start()
    piped.pipe.interrupt()
    piped.pipe._read_until = 0
    piped.pipe.run()
    reader.join(10)
    assert not reader.is_alive()
    assert piped.sent[-1]["final"] is True
