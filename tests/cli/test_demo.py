"""``everywire demo`` as a user starts it: bare, and on a taken port."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from everywire.cli import demo
from everywire.cli.demo import banner, page_url
from everywire.core.errors import UsageError
from everywire.server.settings import Settings

Start = Callable[..., "subprocess.Popen[bytes]"]


def words_of(process: subprocess.Popen[bytes]) -> str:
    """The whole banner."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.decode())
        if "Ctrl-C" in lines[-1]:
            return "".join(lines)
    raise AssertionError("it did not start: " + "".join(lines))


def page_of(words: str) -> str:
    found = re.search(r"Open\s+(http://\S+/)$", words, re.MULTILINE)
    assert found, words
    return found[1]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=20)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_bare_it_shows_this_machine_and_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    """No flag at all: a page, readings, a file that goes, an exit code of 0."""
    process = start("demo", TMPDIR=str(tmp_path))
    words = words_of(process)
    page = page_of(words)
    with urllib.request.urlopen(page, timeout=20) as answer:
        assert b"<title>Everywire" in answer.read()
    assert [entry.name[:15] for entry in tmp_path.iterdir()] == ["everywire-demo-"]
    head = get(f"{page}updates?channel=machine")["last_id"]
    first = get(f"{page}updates?channel=machine&since={head}")
    second = get(f"{page}updates?channel=machine&since={first['last_id']}")
    message, following = first["data"][-1], second["data"][0]
    assert message["event"] == "load"
    assert following["data"]["n"] == message["data"]["n"] + 1
    assert stop(process) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_was_asked_for_stays(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "kept.db"
    process = start("demo", "--port", "0", "--log", f"sqlite:{log}")
    assert str(log) in words_of(process)
    assert stop(process) == 0
    assert log.exists()


def test_its_first_words_are_the_address_and_the_rest_can_be_pasted(start: Start) -> None:
    process = start("demo", "--port", "0", "--log", "memory:")
    words = words_of(process)
    page = page_of(words.splitlines()[0])
    curl = shutil.which("curl")
    assert curl, "curl is needed for this test: install curl"
    commands = re.findall(r"^    (curl (?:.*\\\n)*.*)$", words, re.MULTILINE)
    assert len(commands) == 4
    answers = [first_answer(command, page) for command in commands]
    websocket, stream, poll, publish = answers
    assert b'{"type":"welcome"' in websocket
    assert stream.startswith(b"retry: ")
    assert json.loads(poll)["data"] == []
    assert json.loads(publish)["id"] > json.loads(poll)["last_id"]


def first_answer(command: str, page: str) -> bytes:
    """What comes first; the wires that never end are let go then."""
    assert page in command
    words = shlex.split(command.replace("\\\n", " "))
    with subprocess.Popen(words, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        answer = curl.stdout.read1()
        curl.kill()
    return answer


def test_a_taken_port_is_an_error_where_it_was_asked_for(start: Start, taken: int) -> None:
    process = start("demo", "--port", str(taken), "--log", "memory:")
    assert process.stderr is not None
    assert f"port {taken}" in process.stderr.read().decode()
    assert process.wait(timeout=20) == 2


def test_the_usual_port_gives_way(taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(port=taken, log="memory:")
    other = demo._with_a_free_port(settings)
    assert other.port not in (0, taken)
    assert replace(other, port=taken) == settings
    said = capsys.readouterr()
    assert said.out == ""
    assert f"port {taken} is taken" in said.err
    assert str(other.port) in said.err


def test_a_free_port_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = Settings(port=port, log="memory:")
    assert demo._with_a_free_port(settings) == settings
    assert capsys.readouterr().err == ""


def test_a_host_that_is_none_is_no_matter_of_ports() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        demo._with_a_free_port(Settings(host="192.0.2.1", log="memory:"))


@pytest.mark.parametrize(
    ("host", "page"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("localhost", "http://localhost:8000/"),
        ("::1", "http://[::1]:8000/"),
        ("[::1]", "http://[::1]:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
    ],
)
def test_the_page_has_an_address_that_a_browser_here_can_open(host: str, page: str) -> None:
    assert page_url(host, 8000) == page


def test_the_banner_says_to_whom_it_is_open() -> None:
    here = banner("http://127.0.0.1:1/", Settings(), "memory")
    everywhere = banner("http://127.0.0.1:1/", Settings(host="0.0.0.0", open=True), "memory")
    assert "everybody on this machine" in here
    assert "EVERYBODY who reaches it" in everywhere


def test_other_machines_are_not_let_in_by_accident(run: Callable[..., Result]) -> None:
    result = run("demo", "--host", "0.0.0.0", "--port", "0", "--log", "memory:")
    assert result.exit_code == 2
    assert "--open" in result.stderr


def test_its_help_has_the_options_of_serve_but_for_the_file_and_one_more(
    run: Callable[..., Result],
) -> None:
    def flags(command: str) -> set[str]:
        return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", run(command, "--help").stdout, re.M))

    assert flags("demo") - flags("serve") == {"--open-browser"}
    assert flags("serve") - flags("demo") == {"--config"}


def test_it_opens_the_browser_when_asked(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    class Now:
        def __init__(self, target: Callable[..., Any], args: tuple[str], daemon: bool) -> None:
            assert daemon
            self.start = lambda: target(*args)

    class Log:
        where = "memory"

    class Node:
        log = Log()
        draining = True

    def served(settings: Settings, pages: Any, started: Callable[[Any, int], None]) -> None:
        async def loop() -> None:
            started(Node(), 4321)

        demo.asyncio.run(loop())

    monkeypatch.setattr("everywire.server.serving.serve", served)
    monkeypatch.setattr(demo.threading, "Thread", Now)
    monkeypatch.setattr(demo.webbrowser, "open", opened.append)
    assert run("demo", "--port", "0", "--log", "memory:").exit_code == 0
    assert opened == []
    assert run("demo", "--port", "0", "--log", "memory:", "--open-browser").exit_code == 0
    assert opened == ["http://127.0.0.1:4321/"]
