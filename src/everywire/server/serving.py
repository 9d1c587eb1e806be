"""Running a server in a process of its own: uvicorn with our protocol, signals, an orderly stop.

SIGINT and SIGTERM stop it: it listens no more, so that the next server can, sends its clients away
one by one (`draining`), and is gone within ``stop_seconds``. A second one hurries. SIGHUP makes it
read its settings again, as is usual for servers; but where it was started in a terminal and that is
gone, the signal means what it says, and stops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, cast

import uvicorn

from everywire.core.errors import UsageError
from everywire.server.asgi import Application, ServerApplication
from everywire.server.descriptors import raise_limit
from everywire.server.draining import Drain
from everywire.server.garbage import settle_garbage
from everywire.server.http_protocol import HTTPProtocol
from everywire.server.liveness import keep_alive
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.trust import is_loopback

logger = logging.getLogger("everywire.server")

BACKLOG: Final = 4096

_MOST_OF_STOP: Final = 0.9
"""Of the time for a stop; the rest is the log's."""

_LEAST_WAIT: Final = 0.1

Reload = Callable[[], Settings | None]
"""Reads settings again: those to go by from now on, or None where everything stays as it is."""


class Server(uvicorn.Server):
    """uvicorn's server, which tells the node before it sends everybody away.

    Args:
        config: uvicorn's.
        node: The node it serves.
        started: Called once it listens.
        reload: Reads the settings again; None: there is nothing to read.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        node: Node,
        started: Callable[[], None] | None = None,
        reload: Reload | None = None,
    ) -> None:
        super().__init__(config)
        self._node = node
        self._on_started = started
        self._on_reload = reload
        self._reload_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: Drain | None = None
        self._in_terminal = _in_terminal()

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if not self.started:
            return
        self._loop = asyncio.get_running_loop()
        if self._on_started is not None:
            self._on_started()
        if self._reload_due:
            self._reload()

    def hang_up(self, number: int, frame: FrameType | None) -> None:
        """Obey a SIGHUP."""
        if self._in_terminal and not _in_terminal():
            self.handle_exit(signal.SIGTERM, frame)
        elif self._loop is None:
            self._reload_due = True
        else:
            self._loop.call_soon_threadsafe(self._reload)

    def _reload(self) -> None:
        settings = None if self._on_reload is None else self._on_reload()
        if settings is not None:
            self.config.timeout_keep_alive = _keep_alive(settings)
            self._node.reload(settings)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Obey a signal to stop: the first in an orderly way, another one at once."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry)
        else:
            super().handle_exit(sig, frame)

    def _hurry(self) -> None:
        """Whoever is left is told now, and waited for no more."""
        self.force_exit = True
        if self._drain is not None:
            self._drain.hurry()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop to listen, send everybody away, then stop the node."""
        node = self._node
        begun = node.time()
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        self._drain = Drain(node)
        if self.force_exit:
            self._drain.hurry()
        await self._drain.run()
        left = node.settings.stop_seconds * _MOST_OF_STOP - (node.time() - begun)
        # uvicorn says int, and hands it to asyncio, which takes fractions.
        self.config.timeout_graceful_shutdown = cast("int", max(_LEAST_WAIT, left))
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn leaves that out then, but the log is closed in order.
            await self.lifespan.shutdown()


def check_openness(settings: Settings) -> None:
    """Refuse to be open to others by accident.

    Raises:
        UsageError: The address is reached by others and nothing says that this is meant.
    """
    if not settings.open and not is_loopback(settings.host.strip("[]")):
        raise UsageError(
            f"{settings.host} is reached from other machines, and there are no keys yet: "
            "everybody could publish and read everything. Listen on 127.0.0.1, or say --open "
            "if that is meant"
        )


def listen(host: str, port: int) -> socket.socket:
    """Bind an address.

    Raises:
        UsageError: It cannot be bound; the message says what to do.
    """
    try:
        address, family = _resolve(host.strip("[]"), port)
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {host} port {port}: {why}. Choose another --port (0: any that is "
            "free) or --host"
        ) from None


def _resolve(host: str, port: int) -> tuple[tuple[str, int], socket.AddressFamily]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return (str(address[0]), int(address[1])), family


def configure(application: ServerApplication, settings: Settings) -> uvicorn.Config:
    """How uvicorn has to be set up for a `Server`."""
    return uvicorn.Config(
        application,
        http=HTTPProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_keep_alive(settings),
    )


def _keep_alive(settings: Settings) -> int:
    return int(settings.limits.idle_timeout)


def serve(
    settings: Settings,
    pages: Application | None = None,
    started: Callable[[Node, int], None] | None = None,
    reload: Reload | None = None,
) -> None:
    """Run a server until it is told to stop (SIGINT, SIGTERM).

    Args:
        settings: Everything that can be set.
        pages: An ASGI application for every path that is not the server's own.
        started: Called once it listens, on its loop, with the node and its port.
        reload: Called on SIGHUP, on its loop: reads the settings again. None: SIGHUP changes
            nothing.

    Raises:
        UsageError: The settings contradict themselves, there is no such log, or the address
            cannot be bound.
        LogRefused: The log cannot be opened.
    """
    check_openness(settings)
    raise_limit()
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    node = Node(settings)
    # What it accepts has it, too.
    keep_alive(listener, settings.stream_heartbeat)
    node.keeps_alive = True
    application = ServerApplication(node, pages)
    config = configure(application, settings)
    server = Server(config, node, None if started is None else lambda: started(node, port), reload)
    with listener, _quiet_signals(server), _said_by_us(application):
        settle_garbage()
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if application.failure is None:
                raise
            raise application.failure from None


@contextmanager
def _said_by_us(application: ServerApplication) -> Generator[None, None, None]:
    """Why a server does not start is raised, and so need not be logged by uvicorn as well."""
    uvicorn_logger = logging.getLogger("uvicorn.error")

    def others(record: logging.LogRecord) -> bool:
        return application.failure is None

    uvicorn_logger.addFilter(others)
    try:
        yield
    finally:
        uvicorn_logger.removeFilter(others)


class _quiet_signals:  # noqa: N801 - a context manager reads as a verb
    """uvicorn raises a signal again once it has stopped; by then it has been obeyed.

    Args:
        server: Who is told of a SIGHUP, which uvicorn leaves alone.
    """

    def __init__(self, server: Server) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: _obeyed,
            signal.SIGTERM: _obeyed,
        }
        if hasattr(signal, "SIGHUP"):
            self._handlers[signal.SIGHUP] = server.hang_up

    def __enter__(self) -> None:
        self._before = {
            number: signal.signal(number, handler) for number, handler in self._handlers.items()
        }

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _obeyed(number: int, frame: FrameType | None) -> None:
    logger.debug("stopped by signal %d", number)


def _in_terminal() -> bool:
    """Whether one of the standard streams is a terminal that is there."""
    return any(os.isatty(stream) for stream in range(3))
