"""The programs that `everywire advise` prints run, and do what they say."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from everywire.advice.examples import Code, code_for
from everywire.advice.rules import Situation, Wire
from support.processes import ServerProcess

CASES: list[tuple[Wire, Situation]] = [
    ("websocket", Situation()),
    ("websocket", Situation(two_way=True)),
    ("websocket", Situation(binary=True)),
    ("websocket", Situation(two_way=True, binary=True)),
    ("sse", Situation()),
    ("sse", Situation(llm=True)),
    ("longpoll", Situation()),
    ("longpoll", Situation(two_way=True)),
    ("longpoll", Situation(binary=True)),
    ("longpoll", Situation(llm=True)),
]

PRELUDE = """
import {{ EventSource }} from "{modules}/eventsource/dist/index.js";
globalThis.EventSource ??= EventSource;
"""


class Program:
    """A program that runs; its lines are read as they come."""

    def __init__(self, *command: str, cwd: Path) -> None:
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, "PATH": path, "NODE_NO_WARNINGS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def shows(self, wanted: str) -> None:
        """Wait for a line that has this in it."""
        seen: list[str] = []
        while not seen or wanted not in seen[-1]:
            try:
                seen.append(self._lines.get(timeout=20))
            except queue.Empty:
                raise AssertionError(f"{wanted!r} was not shown; but {seen}") from None
            if not seen[-1]:
                assert self.process.stderr is not None
                raise AssertionError(f"it ended: {seen} {self.process.stderr.read()}")

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self._reader.join()
        self.process.communicate()


@pytest.fixture
def programs(tmp_path: Path, repository: Path) -> Iterator[Callable[[str, str], Program]]:
    """Starts a program of a language."""
    started: list[Program] = []

    def start(language: str, code: str) -> Program:
        if language == "shell":
            command = ["bash", "-c", code]
        elif language == "python":
            command = [sys.executable, "-W", "error", "-c", code]
        else:
            node = shutil.which("node")
            assert node, "node is needed for these tests: install Node 20 or later"
            prelude, script = tmp_path / "prelude.mjs", tmp_path / "script.mjs"
            modules = repository / "tests" / "node" / "node_modules"
            prelude.write_text(PRELUDE.format(modules=modules), encoding="utf-8")
            script.write_text(code, encoding="utf-8")
            command = [node, "--experimental-websocket", "--import", prelude.as_uri(), str(script)]
        started.append(Program(*command, cwd=tmp_path))
        return started[-1]

    yield start
    for program in started:
        program.close()


def client_of(code: Code, language: str) -> str:
    return {"javascript": code.javascript, "python": code.python, "shell": code.shell}[language]


def shown(case: Situation, wire: Wire, language: str) -> str:
    """What a client shows of one of the messages that the server's program publishes."""
    if case.llm:
        return "channel"
    if not case.binary:
        return "AAPL"
    # Bytes 5, 0, 255, each client as its language shows them; the shell as the wire brought them.
    python = r"b'\x05\x00\xff'"
    return {"javascript": "5 0 255", "python": python, "shell": "BQD/"}[language]


@pytest.mark.parametrize("language", ["javascript", "python", "shell"])
@pytest.mark.parametrize(
    ("wire", "case"), CASES, ids=lambda value: "" if isinstance(value, Situation) else value
)
def test_a_client_shows_what_the_server_publishes(
    serve: Callable[..., ServerProcess],
    programs: Callable[[str, str], Program],
    wire: Wire,
    case: Situation,
    language: str,
) -> None:
    server = serve("--log", "memory:")
    code = Code(
        *(
            part.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace(
                "everywire tail", f"everywire tail --url {server.url}"
            )
            for part in code_for(wire, case)
        )
    )
    client = programs(language, client_of(code, language))
    channel = "answer.42" if case.llm and wire != "websocket" else "prices"
    while b'"subscribers":1}' not in server.get(f"/channels/{channel}"):
        assert client.process.poll() is None, client.process.communicate()
    if case.two_way and language != "shell" and not (wire == "longpoll" and language == "python"):
        client.shows(
            r"\x01\xff"
            if language == "python" and case.binary
            else "1 2 255"
            if case.binary
            else "from a client"
        )
    programs("python", code.server)
    client.shows(shown(case, wire, language))


def test_a_streamed_answer_ends_by_itself(
    serve: Callable[..., ServerProcess], programs: Callable[[str, str], Program]
) -> None:
    """The final message closes the page's EventSource and ends the poll loop."""
    server = serve("--log", "memory:")
    for wire in ("sse", "longpoll"):
        code = Code(
            *(
                part.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("42", wire)
                for part in code_for(wire, Situation(llm=True))
            )
        )
        client = programs("javascript", code.javascript)
        publisher = programs("python", code.server)
        assert publisher.process.wait(20) == 0
        assert client.process.wait(20) == 0
