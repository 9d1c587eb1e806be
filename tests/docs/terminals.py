"""Terminals in which the commands of the documents run, as a reader would type them.

A terminal is a pseudo-terminal, so that programs write what they write for people. What it shows
is read by a thread; whoever waits for it waits for a condition, with a deadline.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

DEADLINE = 20.0
"""Seconds after which something that was to come has not come."""

_DONE = re.compile(r"\x1e(\d+)\x1e\n")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A shell, its standard output and error on a pseudo-terminal.

    Args:
        folder: Where it starts.
        environment: Its whole environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.ONLCR  # lines end as they were written
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._master = master
        self._shown = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # The shell passes a Ctrl-C over, the program in it does not.
        self._type("trap : INT\n")

    def run(self, command: str) -> tuple[str, int]:
        """Run a command to its end; what it showed, and its exit status."""
        self.start(command)
        return self.finish(command)

    def start(self, command: str) -> None:
        """Start a command."""
        self._type(f"{command}\nprintf '\\036%d\\036\\n' $?\n")

    def finish(self, what: str) -> tuple[str, int]:
        """Wait for the end of the command that runs; what it showed last, and its status."""
        done = self._wait(_DONE.search, f"{what} has not ended")
        shown, self._shown = self._shown[: done.start()], self._shown[done.end() :]
        return shown, int(done[1])

    def show(self, expected: re.Pattern[str], what: str) -> re.Match[str]:
        """Wait until this is shown, and look past it."""
        found = self._wait(expected.match, what)
        self._shown = self._shown[found.end() :]
        return found

    def press_ctrl_c(self) -> None:
        """Interrupt what runs."""
        os.killpg(self._shell.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill what runs, without a chance to tidy up; the shell stays."""
        for child in psutil.Process(self._shell.pid).children(recursive=True):
            child.kill()

    def close(self) -> None:
        """End everything in it."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()
        self._reader.join(DEADLINE)
        os.close(self._master)

    def _type(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _wait(self, find: Callable[[str], re.Match[str] | None], what: str) -> re.Match[str]:
        with self._changed:
            found = self._changed.wait_for(lambda: find(self._shown), DEADLINE)
            assert found, f"{what}; there is:\n{self._shown}"
            return found

    def _read(self) -> None:
        cut = b""
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return  # the last program on it has ended
            whole, cut = _whole_characters(cut + data)
            with self._changed:
                self._shown = _COLOUR.sub("", self._shown + whole)
                self._changed.notify_all()


def _whole_characters(data: bytes) -> tuple[str, bytes]:
    for end in range(len(data), max(len(data) - 4, -1), -1):
        try:
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            continue
    return data.decode(errors="replace"), b""
