"""A fault of ours while a batch is delivered is no silent hole.

DESIGN.md, promises: every hole is a gap; nothing acknowledged is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .running import Running, eventually


def fail_once(server: Running, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one call of the hub fail, in the middle of its work."""
    hub = server.node.hub
    works: Callable[..., Any] = getattr(hub, name)
    calls = iter((True,))

    def fails(*arguments: Any) -> Any:
        if next(calls, False):
            works(*arguments)
            raise RuntimeError("a fault of ours")
        return works(*arguments)

    monkeypatch.setattr(hub, name, fails)


def told(errors: list[str]) -> None:
    """The server's log tells of the fault, and of nothing else."""
    eventually(lambda: errors, "the fault is logged")
    assert all("could not be delivered" in error for error in errors)
    errors.clear()


def test_streams_and_sockets_read_it_from_the_log(
    start_native: Callable[..., Running],
    channel: str,
    errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_native()
    one, several = server.socket(), server.socket()
    one.subscribe(channel)
    several.subscribe(channel)
    several.subscribe(f"{channel}.*")
    stream = server.stream(channel=channel)
    stream.opened()
    server.publish(channel, 1)
    server.call(lambda: fail_once(server, "deliver", monkeypatch))
    server.publish(channel, 2)
    server.publish(channel, 3)
    for socket in (one, several):
        frames = [*socket.messages(2), socket.expect("position"), *socket.messages(1)]
        assert [frame["data"] for frame in frames if frame["type"] == "message"] == [1, 2, 3]
    names = ("message", "message", "everywire.position", "message")
    events = [stream.expect(name).json for name in names]
    assert [event for event in events if isinstance(event, int)] == [1, 2, 3]
    told(errors)


def test_a_waiting_poll_reads_it_from_the_log(
    start_native: Callable[..., Running],
    channel: str,
    errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_native()
    with server.waiting({"channel": channel, "since": server.head()}) as (poll,):
        server.call(lambda: fail_once(server, "deliver", monkeypatch))
        server.publish(channel, 1)
        assert [message["data"] for message in poll.result(10).json["data"]] == [1]
    told(errors)
