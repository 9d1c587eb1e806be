"""The server that is measured: ``everywire serve``, in a process of its own.

So what it uses is its own: its memory and its processor time are those of its process, with
nothing of ours in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from typing import Final

import psutil

from everywire.client.address import Address
from everywire.client.http import Answer, HttpClient
from everywire.core.errors import EverywireError

START_SECONDS: Final = 30.0

_STARTED: Final = re.compile(rb"serves http://127\.0\.0\.1:([0-9]+)")
_LINES: Final = 50


class ComparisonFailed(EverywireError):
    """What was to be measured did not come about."""


class LocalServer:
    """A server on loopback with a log in memory; an asynchronous context manager.

    Attributes:
        port: Where it listens.
    """

    def __init__(self) -> None:
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watched: psutil.Process | None = None

    async def __aenter__(self) -> LocalServer:
        # Not by the settings that may lie where this was started.
        serve = ("-m", "everywire", "serve", "--config", os.devnull)
        arguments = (*serve, "--port", "0", "--log", "memory:")
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            self.port = await _port(process.stderr)
            self._watched = psutil.Process(process.pid)
        except BaseException:
            await self._stop()
            raise
        self._reader = asyncio.create_task(_drain(process.stderr))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    @property
    def watched(self) -> psutil.Process:
        """The process, to be measured."""
        assert self._watched is not None
        return self._watched

    def processor_seconds(self) -> float:
        """What it has used so far, its own and the system's on its behalf."""
        times = self.watched.cpu_times()
        return times.user + times.system

    def memory_bytes(self) -> tuple[int, str]:
        """What it holds, and how that was counted: Pss where the system says it, else RSS."""
        with contextlib.suppress(psutil.AccessDenied):
            pss = getattr(self.watched.memory_full_info(), "pss", 0)
            if pss:
                return pss, "Pss"
        return self.watched.memory_info().rss, "RSS"

    async def get(self, target: str) -> Answer:
        """Ask for something, on a connection of its own."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}", target)


def _get(url: str, target: str) -> Answer:
    with HttpClient(Address(url)) as client:
        return client.request("GET", target)


async def _port(words: asyncio.StreamReader) -> int:
    """Where it listens, by what it says."""
    said: list[bytes] = []
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in words:
                found = _STARTED.search(line)
                if found:
                    return int(found[1])
                said = [*said[-_LINES:], line]
    except TimeoutError:
        pass  # what it said so far will have to explain it
    text = b"".join(said).decode(errors="replace").strip()
    raise ComparisonFailed(f"the server to be measured did not start; it said: {text or 'nothing'}")


async def _drain(words: asyncio.StreamReader) -> None:
    """Read what else it says, so that it never waits for us."""
    async for _ in words:
        pass
