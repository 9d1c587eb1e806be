"""The server of a schedule: a real one, on our loop, our log and our network.

Two things a server makes for itself where it is the only one to know how: its log, from a URL, and
its timing wheel. While it starts it is given ours instead (`_instead`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import Log, LogSettings
from everywire.logs.sqlite import log as sqlite_log
from everywire.server import node as node_module
from everywire.server.http_protocol import HTTPProtocol
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.uvicorn_handover import NODE
from everywire.simulation.logs import (
    Files,
    SlowMemoryLog,
    SteppedSqliteLog,
    Witness,
    stepped_worker,
)
from everywire.simulation.loop import OrderedWheel, SimulatedLoop
from everywire.simulation.network import SimulatedTransport
from everywire.simulation.plan import Plan

RULES: Final = Rules(
    [
        ChannelRule("few.*", max_messages=3),
        ChannelRule("old.*", max_age=20.0),
        ChannelRule("new.*", slow="latest"),
        ChannelRule("out.*", slow="disconnect"),
    ]
)
HEARTBEAT: Final = 5.0

SteppedLog = SlowMemoryLog | SteppedSqliteLog


class Machine:
    """A server that can be started and stopped.

    Args:
        loop: Its loop.
        plan: What kind of log it has, and how small its sockets are.
        folder: Where a SQLite log's file is.
        witness: Learns all that the log takes.

    Attributes:
        node: The running server's.
        log: Its log.
    """

    node: Node
    log: SteppedLog

    def __init__(self, loop: SimulatedLoop, plan: Plan, folder: Path, witness: Witness) -> None:
        self._loop = loop
        self._plan = plan
        self._path = folder / "log.db"
        self._witness = witness
        self._state = ServerState()
        self._connections = 0
        self._files: Files | None = None

    async def start(self) -> None:
        """Start a server, with what the log has kept."""
        plan = self._plan
        settings = Settings(
            log="memory:",
            rules=RULES,
            retention=LogRetention(max_age=3600, max_bytes=plan.kept_bytes),
            limits=Limits(max_connections_per_address=1_000_000),
            socket_heartbeat=HEARTBEAT,
            stream_heartbeat=HEARTBEAT,
        )
        self._state = ServerState()
        node = Node(settings, self._loop.clock.now_us)
        with (
            _instead(node_module, "open_log", self._open_log),
            _instead(node_module, "Wheel", OrderedWheel),
            _instead(sqlite_log, "Worker", stepped_worker),
        ):
            await node.start()
        self.node = node

    def _open_log(self, url: str, settings: LogSettings) -> Log:
        plan = self._plan
        if plan.log == "sqlite":
            self.log = SteppedSqliteLog(self._path, settings, self._witness, plan.tail)
        else:
            self.log = SlowMemoryLog(settings, self._witness, plan.gathers)
        return self.log

    async def stop(self) -> None:
        """Stop it. What waits for the log is answered before; the connections are cut already."""
        await self.node.stop()

    def send_away(self) -> None:
        """Drain: everybody is told to come back later."""
        self.node.draining = True
        for connection in list(self._state.connections):
            connection.shutdown()  # pyright: ignore[reportAttributeAccessIssue]

    def connect(self) -> SimulatedTransport:
        """Accept a connection."""
        self._connections += 1
        transport = SimulatedTransport(self._loop, self._plan.high_water, self._connections)
        app_state: dict[str, Any] = {NODE: self.node}
        transport.open(HTTPProtocol(_config(), self._state, app_state, self._loop))
        return transport

    # What a power cut takes

    def sync(self) -> None:
        """What the log has now outlives the power."""
        if self._plan.log == "sqlite":
            self._files = Files(self._path)

    def lose_power(self) -> bool:
        """Take away what came after the last `sync`; whether there was one."""
        files = self._files
        if files is not None:
            files.restore()
        return files is not None


@lru_cache(1)
def _config() -> uvicorn.Config:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the simulation asks for nothing that uvicorn would serve")

    return uvicorn.Config(nothing, log_config=None, lifespan="off")


@contextmanager
def _instead(module: ModuleType, name: str, ours: object) -> Generator[None]:
    """For a while a module's name stands for something of ours."""
    own = getattr(module, name)
    setattr(module, name, ours)
    try:
        yield
    finally:
        setattr(module, name, own)


async def turns(count: int) -> None:
    """Let the loop turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)
