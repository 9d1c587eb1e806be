"""A thread that does one thing after another, and answers on the loop.

Jobs are done in the order in which they were put; their answers come on the loop's thread in the
same order. Answers that are ready together share one wake-up of the loop. A job that raises is
answered with what it raised; the thread goes on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from everywire.core.errors import EverywireError

T = TypeVar("T")

_Job = tuple[Callable[[], Any], Callable[[Any], None]]

logger = logging.getLogger("everywire.log")


class Worker:
    """See the module. All methods are called on the loop's thread.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._answers: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._waking = False
        # A daemon: a disk that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, job: Callable[[], T], answer: Callable[[T | Exception], None]) -> None:
        """Do a job, then call ``answer`` on the loop's thread with its result or exception."""
        self._jobs.put((job, answer))

    async def ask(self, job: Callable[[], T]) -> T:
        """Do a job and wait for its result, or its exception."""
        future: asyncio.Future[T] = self._loop.create_future()

        def answer(result: T | Exception) -> None:
            if future.cancelled():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.put(job, answer)
        return await future

    async def idle(self) -> None:
        """Wait until all that was put before is done, and answered."""
        await self.ask(lambda: None)

    def stop(self) -> None:
        """End the thread once it has done what was put before."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (next_job := self._jobs.get()) is not None:
            job, answer = next_job
            try:
                result: Any = job()
            except EverywireError as error:
                result = error
            except Exception as error:
                logger.exception("unexpected: %r in %s", error, threading.current_thread().name)
                result = error
            self._answers.append((answer, result))
            # Set before the loop is woken, cleared by it before it looks: no answer is left lying.
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._answer)
                except RuntimeError:
                    return  # the loop is closed: nobody waits for answers any more
            del job, answer, next_job, result

    def _answer(self) -> None:
        self._waking = False
        while self._answers:
            answer, result = self._answers.popleft()
            try:
                answer(result)
            except Exception:
                logger.exception("an answer of the log could not be delivered")
