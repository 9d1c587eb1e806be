"""A real server in a process of its own, as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from typing import Self


class ServerProcess:
    """``everywire serve`` as a user starts it.

    Args:
        arguments: Of the command line.

    Attributes:
        command: Of ``everywire``.
        launcher: What it is started by: a program that runs its arguments.
        started: Finds the address in what it says once it listens.
        url: Where it listens.
    """

    command = "serve"
    launcher: tuple[str, ...] = ()
    started = re.compile(r"serves (http://\S+)")

    def __init__(self, *arguments: str, port: int = 0) -> None:
        self.arguments = arguments
        self.port = port
        self.words: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> Self:
        """Start it, or start it again on the same port; returns when it listens."""
        self.process = subprocess.Popen(
            [
                *self.launcher,
                sys.executable,
                "-m",
                "everywire",
                self.command,
                f"--port={self.port}",
                *self.arguments,
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.words.append(line)
            found = self.started.search(line)
            if found:
                self.url = found[1]
                self.port = int(self.url.rpartition(":")[2])
                return self
        raise AssertionError("the server did not start: " + "".join(self.words))

    def get(self, path: str) -> bytes:
        """The body of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read()

    def post(self, path: str, body: bytes, **headers: str) -> bytes:
        """The body of a POST's answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, named)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM: an orderly stop; returns its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        assert process.stderr is not None
        self.words.extend(process.stderr)
        process.stderr.close()
        return process.wait(timeout=30)
