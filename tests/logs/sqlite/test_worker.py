"""The thread that answers on the loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from everywire.core.errors import LogRefused
from everywire.logs.sqlite.worker import Worker

pytestmark = pytest.mark.anyio


async def test_jobs_are_done_in_order_on_one_other_thread() -> None:
    worker = Worker("test-worker")
    done: list[int] = []
    threads = {await worker.ask(threading.get_ident) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    for number in range(100):
        worker.put(lambda number=number: number, done.append)
    await worker.idle()
    assert done == list(range(100))
    worker.stop()


async def test_answers_come_on_the_loops_thread() -> None:
    worker = Worker("test-worker")
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    worker.put(lambda: 7, lambda _: answered.set_result(threading.get_ident()))
    assert await answered == threading.get_ident()
    worker.stop()


async def test_a_job_that_raises_is_answered_with_it(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("test-worker")
    with pytest.raises(ZeroDivisionError):
        await worker.ask(lambda: 1 / 0)
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()

    def refuse() -> None:
        raise LogRefused("as expected")

    with pytest.raises(LogRefused):
        await worker.ask(refuse)
    assert caplog.text == "", "what is raised on purpose is no news"
    assert await worker.ask(lambda: 1) == 1
    worker.stop()


async def test_an_answer_that_raises_is_logged_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker("test-worker")
    worker.put(lambda: 0, lambda _: 1 / 0)
    assert await worker.ask(lambda: 1) == 1
    assert "ZeroDivisionError" in caplog.text
    worker.stop()


async def test_it_ends_after_what_was_put_before() -> None:
    worker = Worker("test-worker")
    done = threading.Event()
    thread = await worker.ask(threading.current_thread)
    worker.put(done.set, lambda _: None)
    worker.stop()
    await asyncio.to_thread(thread.join, 5)
    assert done.is_set()
    assert not thread.is_alive()
    assert thread.daemon


async def test_it_holds_on_to_no_job_that_is_done() -> None:
    class Large:
        pass

    worker = Worker("test-worker")
    large = Large()
    gone = weakref.ref(large)
    await worker.ask(lambda large=large: None)
    del large
    await worker.idle()
    gc.collect()
    assert gone() is None
    worker.stop()


def test_a_loop_that_is_gone_ends_the_thread() -> None:
    async def leave() -> threading.Thread:
        worker = Worker("test-worker")
        thread = await worker.ask(threading.current_thread)
        blocked.append(worker)
        return thread

    blocked: list[Worker] = []
    thread = asyncio.run(leave())
    blocked[0].put(lambda: 1, lambda _: None)
    thread.join(5)
    assert not thread.is_alive()
