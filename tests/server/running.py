"""Servers to test against: the real ones, each on a loop and a thread of its own.

``native`` is what ``everywire serve`` runs: uvicorn with our HTTP protocol, on uvloop. ``asgi`` is
the same application under hypercorn, which knows nothing of us. A test that takes the fixture
``server`` runs against all of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import hypercorn.asyncio
import hypercorn.config
import uvloop

from everywire.server.asgi import Application, ServerApplication
from everywire.server.node import Node
from everywire.server.polling import Poll
from everywire.server.serving import Server, configure, listen
from everywire.server.settings import Settings

from .clients import Answer, Clients

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds after which a condition that has not come true is taken for one that never does."""


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + DEADLINE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.002)


class Running(Clients):
    """A server that runs, and clients of it.

    Attributes:
        carrier: ``native`` or ``asgi``.
        node: The server's; touch it by `call` only.
    """

    def __init__(self, carrier: str, settings: Settings, pages: Application | None = None) -> None:
        self.carrier = carrier
        self.settings = settings
        self.node = Node(settings)
        self._application = ServerApplication(self.node, pages)
        self._listener = listen("127.0.0.1", 0)
        super().__init__(self._listener.getsockname()[1])
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"everywire-{carrier}")
        self._thread.start()
        self._started.wait(DEADLINE)
        if self._failure is not None:
            raise self._failure
        # hypercorn does not say when it has started; whoever connects waits until then.
        assert self.get("/health", {"Host": "localhost"}).status == 200

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._native() if self.carrier == "native" else self._asgi())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _native(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = configure(self._application, self.settings)
        server = Server(config, self.node, self._started.set)
        self._sockets = server.server_state.connections
        self._end = lambda: setattr(server, "should_exit", True)
        with closing(self._listener):
            await server.serve(sockets=[self._listener])

    async def _asgi(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets: set[Any] = set()
        config = hypercorn.config.Config()
        # Hypercorn closes what it is given.
        config.bind = [f"fd://{self._listener.detach()}"]
        config.graceful_timeout = 1
        config.errorlog = config.accesslog = None
        stop = asyncio.Event()
        self._end = stop.set
        self._loop.call_soon(self._started.set)
        await hypercorn.asyncio.serve(self._application, config, shutdown_trigger=stop.wait)

    def call(self, work: Callable[[], T]) -> T:
        """Do something on the server's loop, and return what came of it."""

        async def answer() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(DEADLINE)

    @contextmanager
    def waiting(self, *queries: dict[str, Any]) -> Iterator[list[Future[Answer]]]:
        """Polls that are held by the server, each on a thread of its own."""
        before = self.call(self.polls_waiting)
        with ThreadPoolExecutor(len(queries)) as pool:
            futures = [pool.submit(self.get, "/updates", **{"wait": 20, **q}) for q in queries]
            wanted = before + len(queries)
            eventually(lambda: self.call(self.polls_waiting) == wanted, "the polls wait")
            yield futures

    def polls_waiting(self) -> int:
        """How many polls are held; to be called on the server's loop."""
        polls = [s for s in self.node._sessions if isinstance(s, Poll)]
        return sum(poll.subscriber is not None for poll in polls)

    def begin_stop(self) -> None:
        """Ask the server to stop in an orderly way."""
        self._loop.call_soon_threadsafe(self._end)

    def stop(self) -> None:
        """Stop the server, if it has not stopped, and wait for it."""
        self.close_clients()
        if self._thread.is_alive():
            self.begin_stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the server does not stop"
        if self._failure is not None:
            raise self._failure

    @property
    def running(self) -> bool:
        """Whether it has not stopped yet."""
        return self._thread.is_alive()

    def left_behind(self) -> str:
        """What the server still holds of clients; empty where it is nothing."""
        return self.call(self._left_behind)

    def _left_behind(self) -> str:
        node, hub = self.node, self.node.hub
        held = {
            "sessions": node.connections,
            "addresses": len(node._addresses),
            "channels": len(hub._audiences),
            "patterns": len(hub._patterns),
            "names": len(hub._names),
            "connections": len(self._sockets),
            # The log's own tick is always there.
            "timers": len(node.wheel) - 1,
            "questions": len(node._asking),
            "readers": len(node.catch_up._waiting) + len(node.catch_up._failed),
        }
        return ", ".join(f"{count} {what}" for what, count in held.items() if count)

    def check_nothing_left(self) -> None:
        """Close all clients; nothing of them may stay in the server."""
        self.close_clients()
        if self._thread.is_alive():
            held = ""

            def empty() -> bool:
                nonlocal held
                held = self.left_behind()
                return not held

            try:
                eventually(empty, "the server is empty once its clients are gone")
            except AssertionError as error:
                raise AssertionError(f"{error}: it holds {held}") from None
