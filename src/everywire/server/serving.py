"""Running a server in a process of its own: uvicorn with our protocol, signals, an orderly stop."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import uvicorn

from everywire.core.errors import UsageError
from everywire.server.asgi import Application, ServerApplication
from everywire.server.http_protocol import HTTPProtocol
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.trust import is_loopback

logger = logging.getLogger("everywire.server")

BACKLOG: Final = 4096


class Server(uvicorn.Server):
    """uvicorn's server, which tells the node before it sends everybody away.

    Args:
        config: uvicorn's.
        node: The node it serves.
        started: Called once it listens.
    """

    def __init__(
        self, config: uvicorn.Config, node: Node, started: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self._node = node
        self._on_started = started

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop to listen, send everybody away, then stop the node."""
        self._node.draining = True
        await super().shutdown(sockets)


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
        timeout_keep_alive=int(settings.limits.idle_timeout),
        timeout_graceful_shutdown=max(1, int(settings.stop_seconds)),
    )


def serve(
    settings: Settings,
    pages: Application | None = None,
    started: Callable[[Node, int], None] | None = None,
) -> None:
    """Run a server until it is told to stop (SIGINT, SIGTERM).

    Args:
        settings: Everything that can be set.
        pages: An ASGI application for every path that is not the server's own.
        started: Called once it listens, on its loop, with the node and its port.

    Raises:
        UsageError: The settings contradict themselves, there is no such log, or the address
            cannot be bound.
        LogRefused: The log cannot be opened.
    """
    check_openness(settings)
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    node = Node(settings)
    application = ServerApplication(node, pages)
    config = configure(application, settings)
    server = Server(config, node, None if started is None else lambda: started(node, port))
    with listener, _quiet_signals(), _said_by_us(application):
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
    """uvicorn raises a signal again once it has stopped; by then it has been obeyed."""

    def __enter__(self) -> None:
        self._before = {
            number: signal.signal(number, _obeyed) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _obeyed(number: int, frame: FrameType | None) -> None:
    logger.debug("stopped by signal %d", number)
