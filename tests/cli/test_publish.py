"""`everywire publish`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from client.fakes import answer_json, hang_up, problem

from .conftest import FakeHttp, Start

Run = Callable[..., Result]


@pytest.fixture
def publish(run: Run, http_server: FakeHttp) -> Callable[..., Result]:
    def publish(*arguments: str, **options: Any) -> Result:
        return run("publish", *arguments, "--url", http_server.url, **options)

    return publish


def sent(http_server: FakeHttp) -> dict[str, Any]:
    body: dict[str, Any] = http_server.heard[-1].json
    body.pop("idempotency_key", None)
    return body


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ('{"a": 1}', {"data": {"a": 1}}),
        ("42", {"data": 42}),
        ('"quoted"', {"data": "quoted"}),
        ("hello", {"data": "hello", "encoding": "text"}),
        ("", {"data": "", "encoding": "text"}),
        ("NaN", {"data": "NaN", "encoding": "text"}),
        ('{"a": 1', {"data": '{"a": 1', "encoding": "text"}),
        ("[" * 200 + "]" * 200, {"data": "[" * 200 + "]" * 200, "encoding": "text"}),
    ],
)
def test_data_is_json_if_it_is_valid_json_else_text(
    publish: Run, http_server: FakeHttp, data: str, fields: dict[str, Any]
) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    result = publish("chat.lobby", data)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "7\n", "")
    assert sent(http_server) == {"channel": "chat.lobby", **fields}


def test_json_is_sent_byte_for_byte(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    publish("a", '{"price": 185.50, "n": 12345678901234567890123}')
    assert b'{"price": 185.50, "n": 12345678901234567890123}' in http_server.heard[0].body


@pytest.mark.parametrize(
    ("kind", "data", "fields"),
    [
        ("text", "42", {"data": "42", "encoding": "text"}),
        ("bytes", "42", {"data": "NDI=", "encoding": "base64"}),
        ("json", "42", {"data": 42}),
    ],
)
def test_what_it_is_can_be_said(
    publish: Run, http_server: FakeHttp, kind: str, data: str, fields: dict[str, Any]
) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    assert publish("a", data, "--as", kind).exit_code == 0
    assert sent(http_server) == {"channel": "a", **fields}


def test_a_file_is_bytes(publish: Run, http_server: FakeHttp, tmp_path: Path) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    file = tmp_path / "frame.jpg"
    file.write_bytes(b"\xff\xd8\n")
    publish("a", "--file", str(file))
    assert base64.b64decode(sent(http_server)["data"]) == b"\xff\xd8\n"


def test_a_file_can_be_stdin(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    publish("a", "--file", "-", "--as", "text", input=b"from stdin\n")
    assert sent(http_server) == {"channel": "a", "data": "from stdin\n", "encoding": "text"}


def test_every_field(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    result = publish(
        *("a", "1", "--event", "price", "--ttl", "1.5", "--final", "--idempotency-key", "k"),
        *("--meta", "n=1", "--meta", "t=true", "--meta", "s=hi=ho", "--meta", "l=[1]"),
    )
    assert result.exit_code == 0
    assert http_server.heard[0].json == {
        "channel": "a",
        "data": 1,
        "event": "price",
        "ttl": 1.5,
        "final": True,
        "idempotency_key": "k",
        "meta": {"n": 1, "t": True, "s": "hi=ho", "l": "[1]"},
    }


def test_an_end_needs_no_data(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    assert publish("a", "--final").exit_code == 0
    assert sent(http_server) == {"channel": "a", "data": "", "encoding": "text", "final": True}


def test_an_ephemeral_message_has_no_position(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(answer_json(200, {"id": None}), answer_json(200, {"id": None}))
    assert publish("a", "1", "--ephemeral").stdout == ""
    assert publish("a", "1", "--ephemeral", "--json").stdout == '{"id":null}\n'


def test_json_output(publish: Run, http_server: FakeHttp) -> None:
    known = {"id": 7, "duplicate": True}
    http_server.play(answer_json(200, {"id": 7}), answer_json(200, known), answer_json(200, known))
    assert publish("a", "1", "--json").stdout == '{"id":7}\n'
    assert json.loads(publish("a", "1", "--json").stdout) == known
    result = publish("a", "1")
    assert result.stdout == "7\n"
    assert "already" in result.stderr


def test_it_is_repeated_with_its_key(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(hang_up, hang_up, answer_json(200, {"id": 7}))
    result = publish("a", "1")
    assert (result.exit_code, result.stdout) == (0, "7\n")
    assert result.stderr.count("trying again") == 1
    assert len({heard.json["idempotency_key"] for heard in http_server.heard}) == 1


def test_a_refusal_is_told(publish: Run, http_server: FakeHttp) -> None:
    http_server.play(problem(413, "too_large", "data is 99999 bytes; at most 65536 are allowed"))
    result = publish("a", "1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "refused: data is 99999 bytes; at most 65536 are allowed (too_large)" in result.stderr
    assert "raise the server's limit" in result.stderr


def test_the_token_is_sent(
    publish: Run, http_server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    monkeypatch.setenv("EVERYWIRE_TOKEN", "secret")
    publish("a", "1")
    assert http_server.heard[0].headers["Authorization"] == "Bearer secret"


def test_the_url_may_come_from_the_environment(
    run: Run, http_server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_server.play(answer_json(200, {"id": 7}))
    monkeypatch.setenv("EVERYWIRE_URL", http_server.url)
    assert run("publish", "a", "1").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "give DATA, or --file"),
        (["a b", "1"], "is not a channel"),
        (["a.*", "1"], "is not a channel"),
        (["a", "1", "--file", "-"], "give one"),
        (["a", "{", "--as", "json"], "not valid JSON"),
        (["a", "1", "--meta", "x"], "is not NAME=VALUE"),
        (["a", "1", "--meta", "=x"], "is not NAME=VALUE"),
        (["a", "1", "--ttl", "0"], "0.0"),
        (["a", "1", "--final", "--ephemeral"], "not kept"),
        (["a", "1", "--url", "example.org"], "not the URL of a server"),
        (["a", "--file", "/does/not/exist"], "No such file"),
        (["a", "--file", "-", "--as", "text"], "not UTF-8"),
    ],
)
def test_usage(run: Run, arguments: list[str], words: str) -> None:
    result = run("publish", *arguments, input=b"\xff")
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_an_argument_that_is_not_utf_8(start: Start, http_server: FakeHttp) -> None:
    process = start("publish", "a", "caf\udce9", "--url", http_server.url)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert b"not UTF-8 text" in err
