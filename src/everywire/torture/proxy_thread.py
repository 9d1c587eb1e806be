"""The proxy on a loop and a thread of its own, for callers that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from everywire.torture.chaos import ChaosProxy
from everywire.torture.links import CLEAN, Link, Plan

T = TypeVar("T")


class ProxyThread:
    """A running `ChaosProxy`; a context manager.

    Args:
        port: Of the server.
        plan: What happens to each connection, by its number; called on the proxy's thread.
        host: Of the server.

    Attributes:
        proxy: Touch it by `call` only.
        port: Where it listens.
        loop: The proxy's.
    """

    def __init__(
        self, port: int, plan: Callable[[int], Plan] = lambda number: CLEAN, host: str = "127.0.0.1"
    ) -> None:
        self.proxy = ChaosProxy(port, plan, host)
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, as a server's URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ProxyThread:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.proxy.start(), self.loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.proxy.close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def call(self, work: Callable[[ChaosProxy], T]) -> T:
        """Do something on the proxy's loop, and return what came of it."""

        async def answer() -> T:
            return work(self.proxy)

        return asyncio.run_coroutine_threadsafe(answer(), self.loop).result()

    def each(self, deed: Callable[[Link], None]) -> None:
        """Do something to every running connection."""
        self.call(lambda proxy: proxy.each(deed))
