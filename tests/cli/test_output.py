"""What is printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from everywire.cli.output import (
    as_data,
    as_json,
    as_line,
    gap_in_words,
    paint,
    printable,
    say,
    warn,
)
from everywire.client.messages import Message, gap_of, message_of

GAP = gap_of("a", 5, 9, "trimmed")


def message(**fields: Any) -> Message:
    return message_of(json.dumps({"channel": "a", "id": 7, "ts": 0, **fields}).encode())


def test_ndjson_is_the_object_as_it_came() -> None:
    raw = b'{"channel":"a","id":7,"data":185.50,"ts":0}'
    assert as_json(message_of(raw)) == raw
    assert json.loads(as_json(GAP)) == {
        "type": "gap",
        "channel": "a",
        "after": 5,
        "before": 9,
        "reason": "trimmed",
    }


def test_only_data() -> None:
    assert as_data(message_of(b'{"channel":"a","id":7,"data":{"x": 1.50}}')) == b'{"x": 1.50}'
    assert as_data(message(data="hi\nyou", encoding="text")) == b"hi\nyou"
    assert as_data(message(data="/w==", encoding="base64")) == b"\xff"
    assert as_data(message(data="!", encoding="base64")) == b'"!"'
    assert as_data(GAP) is None


def test_a_line_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    line = as_line(message(event="greet", data={"a": 1}, ts=1_763_942_400_123))
    assert line is not None
    time, rest = line.decode().split("  ", 1)
    assert time.endswith(".123")
    assert rest == 'a  greet  {"a": 1}'
    assert as_line(GAP) is None


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"data": "hi", "encoding": "text"}, "hi"),
        ({"data": "a\nb\x1b[31m", "encoding": "text"}, "a\\nb\\x1b[31m"),
        ({"data": "aGk=", "encoding": "base64"}, "hi"),
        ({"data": "/wA=", "encoding": "base64"}, "2 bytes: ff 00"),
        ({"data": "\x9b31m"}, '"\\x9b31m"'),
    ],
)
def test_a_terminal_obeys_nothing_that_others_published(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], text: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    raw = json.dumps({"channel": "a", "id": 1, "ts": 0, **fields}, ensure_ascii=False)
    line = as_line(message_of(raw.encode()))
    assert line is not None
    assert line.decode().split("  ", 3)[3] == text
    assert line.decode().isprintable()


def test_names_are_not_obeyed_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    line = as_line(message(channel="a\u202e", event="e\x07", data=1))
    assert line is not None
    assert line.decode().isprintable()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paint("x", False, fg="red") == "x"
    assert paint("x", True, fg="red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert paint("x", True, fg="red") == "x"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", True, fg="red") == "x"
    monkeypatch.setenv("NO_COLOR", "")
    assert paint("x", True, fg="red") != "x"


def test_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("hello \x1b")
    warn("beware \x1b")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "everywire: hello \\x1b\neverywire: beware \\x1b\n"


def test_printable_leaves_what_can_be_printed() -> None:
    assert printable("héllo 😀") == "héllo 😀"
    assert printable("a\tb\ud800") == "a\\tb\\ud800"


@pytest.mark.parametrize("reason", ["trimmed", "conflated", "unknown_position", "from_the_future"])
def test_a_gap_in_words(reason: str) -> None:
    words = gap_in_words(gap_of("chat", 5, 9, reason))
    assert words.startswith("chat: messages after 5 and before 9 may be missing")
    assert reason in words
