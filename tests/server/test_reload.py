"""A running server reads its settings again: what holds from then on, and who notices nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules
from everywire.server.asgi import ServerApplication
from everywire.server.node import Node
from everywire.server.serving import Server, configure, listen
from everywire.server.settings import Settings
from support.processes import ServerProcess

from .clients import Clients
from .conftest import QUICK, settings_with
from .running import Running
from .test_slow_readers import COUNT, SIZE, socket_frames, stalled_socket

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")

FIRST = "[limits]\nmax_data_bytes = 10\n"


class Configured:
    """``everywire serve`` with a file."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "everywire.toml"
        self.file.write_text(text)
        self.server = ServerProcess("--log", "memory:", "--config", str(self.file)).start()
        self.clients = Clients(self.server.port)

    def reload(self, last: str, text: str) -> list[str]:
        """Change the file, send the signal; what is said, until a line has this."""
        self.file.write_text(text)
        process = self.server.process
        assert process is not None
        assert process.stderr is not None
        process.send_signal(signal.SIGHUP)
        said: list[str] = []
        for line in process.stderr:
            said.append(line.replace(f"{self.file.parent}/", "").rstrip("\n"))
            if last in line:
                return said
        raise AssertionError(f"it has ended, and said {said}")


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Callable[[str], Configured]]:
    started: list[Configured] = []

    def start(text: str) -> Configured:
        started.append(Configured(tmp_path, text))
        return started[-1]

    yield start
    for one in started:
        one.clients.close_clients()
        assert one.server.stop() == 0


def test_a_signal_changes_what_can_change_and_nobody_is_cut(
    configured: Callable[[str], Configured],
) -> None:
    running = configured(FIRST)
    clients = running.clients
    socket, stream = clients.socket(channel="a"), clients.stream(channel="a")
    socket.expect("subscribed")
    stream.opened()
    assert clients.post("/channels/a", b"x" * 11).status == 413
    assert clients.get("/health", {"Host": "push.example"}).status == 403
    assert clients.get("/health", {"Origin": "https://app.example"}).status == 403

    said = running.reload(
        "needs a restart",
        'allowed_hosts = ["push.example"]\nallowed_origins = ["https://app.example"]\nopen = true\n'
        '[limits]\nmax_data_bytes = "1KiB"\n',
    )
    assert "  settings everywire.toml" in said
    assert [
        words.partition("everywire.settings: ")[2] for words in said if "settings: " in words
    ] == [
        "settings read again from everywire.toml: 3 changed",
        'changed: allowed_hosts: [] → ["push.example"] (everywire.toml:1)',
        'changed: allowed_origins: [] → ["https://app.example"] (everywire.toml:2)',
        'changed: limits.max_data_bytes: 10 → "1KiB" (everywire.toml:5)',
        "needs a restart, and stays as it was: open: false → true (everywire.toml:3)",
    ]
    assert clients.post("/channels/a", b"x" * 11).status == 200
    assert clients.get("/health", {"Host": "push.example"}).status == 200
    assert clients.get("/health", {"Origin": "https://app.example"}).status == 200
    assert socket.expect("message")["channel"] == "a"
    assert stream.expect("message").data


def test_a_broken_file_changes_nothing(configured: Callable[[str], Configured]) -> None:
    running = configured(FIRST)
    said = running.reload("max_wiat", 'allowed_hosts = ["push.example"]\nmax_wiat = 1\n')
    assert "ERROR everywire.settings: the settings stay as they are" in said[-2]
    assert (
        said[-1] == "everywire.toml:2: there is no setting max_wiat: did you mean limits.max_wait?"
    )
    assert running.clients.get("/health", {"Host": "push.example"}).status == 403
    assert running.clients.post("/channels/a", b"x" * 11).status == 413
    # Mended, it is taken.
    running.reload("changed: allowed_hosts", f'allowed_hosts = ["push.example"]\n{FIRST}')
    assert running.clients.get("/health", {"Host": "push.example"}).status == 200


def test_the_level_of_what_is_said_changes_too(configured: Callable[[str], Configured]) -> None:
    """Which does not keep it from saying so."""
    running = configured('log_level = "error"\n')
    said = running.reload("changed: ", 'log_level = "debug"\n')
    assert said[-1].endswith('log_level: "error" → "debug" (everywire.toml:1)')
    assert running.server.stop() == 0
    assert "DEBUG everywire.server: stopped by signal 15\n" in running.server.words[-1]


def test_without_a_file_there_is_nothing_to_read_and_it_lives(tmp_path: Path) -> None:
    server = ServerProcess("--log", "memory:", "--config", os.devnull).start()
    assert server.process is not None
    assert server.process.stderr is not None
    server.process.send_signal(signal.SIGHUP)
    assert any("0 changed" in line for line in server.process.stderr)
    assert json.loads(server.get("/health"))
    assert server.stop() == 0


# What a node goes by


def reload(server: Running, **changes: Any) -> None:
    settings = replace(server.settings, **changes)
    server.call(lambda: server.node.reload(settings))


def test_rules_that_are_looked_up_hold_at_once(start: Callable[..., Running]) -> None:
    server = start()
    raw = stalled_socket(server, "channel=a")
    reload(server, rules=Rules([ChannelRule("a", slow="disconnect")]))
    # What the log was opened with is as it was.
    assert server.settings.rules.of("a").slow == "lossless"
    ids: list[int] = []
    while server.call(lambda: server.node.connections):
        ids += server.publish_all([{"channel": "a", "data": "x" * SIZE}] * 10)
        assert len(ids) < COUNT, "it is not disconnected"
    assert list(socket_frames(raw))[-1] == {"type": "close", "code": 4413}


def test_limits_hold_for_who_is_connected(start: Callable[..., Running]) -> None:
    server = start()
    socket = server.socket()
    socket.subscribe("a")
    assert server.get("/updates?channel=a&channel=b").status == 200
    reload(server, limits=replace(QUICK, max_channels=1, max_data_bytes=5))
    assert socket.ask("subscribe", channel="b")["code"] == "too_many_channels"
    assert socket.ask("publish", channel="a", data="123456")["code"] == "too_large"
    answer = server.get("/updates?channel=a&channel=b")
    assert (answer.status, answer.code) == (400, "too_many_channels")


# Signals


def serve_until_started(
    reload: Callable[[], Settings | None], early: Callable[[Server], None]
) -> Node:
    """Serve with this, and stop as soon as it has started."""
    settings = settings_with()
    node = Node(settings)
    config = configure(ServerApplication(node, None), settings)

    async def run() -> None:
        server = Server(config, node, lambda: setattr(server, "should_exit", True), reload)
        early(server)
        with closing(listen("127.0.0.1", 0)) as listener:
            await server.serve(sockets=[listener])

    asyncio.run(run())
    return node


def test_a_signal_before_it_has_started_counts_once_it_has() -> None:
    other = settings_with(retry_ms=7)
    node = serve_until_started(lambda: other, lambda server: server.hang_up(signal.SIGHUP, None))
    assert node.settings is other


def test_without_a_signal_nothing_is_read() -> None:
    calls: list[Any] = []
    node = serve_until_started(lambda: calls.append(1), lambda server: None)
    assert calls == []
    assert node.settings.retry_ms == 2000


_IN_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "everywire", *sys.argv[1:]])
"""


def test_a_server_whose_terminal_is_gone_stops_in_an_orderly_way() -> None:
    """It does not stay behind on its port, as one that only reads its settings would."""
    master, slave = pty.openpty()
    arguments = ("serve", "--port", "0", "--log", "memory:", "-v")
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_TERMINAL, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    os.close(slave)
    try:
        assert process.stderr is not None
        assert any("publish chat.lobby" in line for line in process.stderr)
        os.close(master)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()
