"""A server in a process of its own, to be killed and started again on the same log and port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from everywire.core.errors import EverywireError

_STARTED: Final = re.compile(r"serves http://\S*:([0-9]+)\b")
_STOP_SECONDS: Final = 30.0
_LINES: Final = 100


class ServerFailed(EverywireError):
    """The server that was to be tormented did not even start, or did not stop."""


class TorturedServer:
    """``everywire serve`` as a user starts it, on loopback; a context manager.

    Args:
        arguments: Of the command line, beside the port.

    Attributes:
        port: Where it listens; the same after each start.
        words: The last lines that it wrote to stderr.
        complaints: Of those, the ones that speak of an error of its own.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.port = 0
        self.words: deque[str] = deque(maxlen=_LINES)
        self.complaints: deque[str] = deque(maxlen=_LINES)
        self._arguments = arguments
        self._complaining = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._listens = threading.Event()

    def __enter__(self) -> TorturedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; returns when it listens.

        Raises:
            ServerFailed: It does not.
        """
        self._listens.clear()
        # Not by the settings that may lie where this was started.
        command = [sys.executable, "-m", "everywire", "serve", "--config", os.devnull]
        command += ["--port", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [*command, *self._arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._listens.wait(_STOP_SECONDS) or not self.port:
            self.kill()
            said = "".join(self.words)
            raise ServerFailed(f"the server did not start; it said: {said or 'nothing'}")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.words.append(line)
                self._note(line)
                found = _STARTED.search(line)
                if found:
                    self.port = int(found[1])
                    self._listens.set()
        self._listens.set()

    def _note(self, line: str) -> None:
        """Keep an error's line, and of a traceback what it ends with."""
        if " ERROR " in line or line.startswith("Traceback"):
            self._complaining = True
            self.complaints.append(line.strip())
        elif self._complaining and line.strip() and not line.startswith(" "):
            self._complaining = False
            self.complaints.append(line.strip())

    def kill(self) -> None:
        """SIGKILL: it has no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: an orderly stop.

        Raises:
            ServerFailed: It does not stop.
        """
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: it stands still, its connections stay."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerFailed(f"the server did not stop in {_STOP_SECONDS:.0f} s") from None
        finally:
            if self._reader is not None:
                self._reader.join()
