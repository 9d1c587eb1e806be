"""The command line as a process of its own, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from click.testing import CliRunner, Result

from client.fakes import FakeHttp, FakeTime, http_server, time, unused_port
from everywire.cli import cli

__all__ = ["FakeHttp", "FakeTime", "http_server", "time", "unused_port"]

Process = subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment shall matter but what a test sets."""
    for name in ("EVERYWIRE_URL", "EVERYWIRE_TOKEN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run a command in this process."""

    def run(*arguments: str, input: bytes | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=input, prog_name="everywire")

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command as a process; what still runs at the end of the test is ended."""
    started: list[Process] = []

    def start(
        *arguments: str,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        **env: str,
    ) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "everywire", *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **env},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
