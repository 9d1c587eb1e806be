"""Many schedules, on every core, until the time is up or one breaks a promise.

Each process is started with the same seed for Python's own hashing, so that sets of names come in
one order, and a seed gives the same schedule in every run on every core.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing import get_context
from typing import Final

from everywire.simulation.plan import LogKind, draw_plan
from everywire.simulation.playing import play
from everywire.simulation.shrinking import shrink
from everywire.torture.facts import Broken

_AT_ONCE: Final = 8
"""Schedules that a process is given at a time."""

_PROGRESS: Final = 5.0
_STORY: Final = 24


@dataclass(frozen=True, slots=True)
class Ordered:
    """What to run.

    Attributes:
        seed: Of the first schedule; those that follow count up from it.
        schedules: How many; None: as many as there is time for.
        seconds: How long; None: as long as it takes.
        log: Which log; None: both, every fourth schedule the SQLite one.
        jobs: Processes.
    """

    seed: int
    schedules: int | None
    seconds: float | None
    log: LogKind | None = None
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A schedule that breaks a promise, made short.

    Attributes:
        seed: It repeats the schedule, as it was before it was made short.
        log: Its log.
        broken: What is broken, the first promise first.
        steps: What happens in the short one, in words.
        story: What was told to the one who saw it.
    """

    seed: int
    log: LogKind
    broken: Sequence[Broken]
    steps: Sequence[str]
    story: Sequence[str]


@dataclass(slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        ordered: What was run.
        schedules: How many were played.
        seconds: How long that took.
        counts: What has happened, and how often.
        failure: The first schedule that broke a promise; None: none did.
    """

    ordered: Ordered
    schedules: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter[str])
    failure: Failure | None = None

    @property
    def a_minute(self) -> float:
        """Schedules a minute."""
        return 60 * self.schedules / max(self.seconds, 1e-9)


def log_of(seed: int, wanted: LogKind | None) -> LogKind:
    """The log of a seed."""
    if wanted is not None:
        return wanted
    return "memory" if seed % 4 else "sqlite"


def simulate(ordered: Ordered, say: Callable[[str], object] = lambda words: None) -> Verdict:
    """Play schedules.

    Args:
        ordered: What to run.
        say: Told in words how it goes.
    """
    verdict = Verdict(ordered)
    began = told = time.monotonic()
    chunks = _chunks(ordered)
    failed: int | None = None
    with _processes(ordered.jobs) as pool:
        running = {pool.submit(_play, chunk, ordered.log) for chunk in islice(chunks, ordered.jobs)}
        while running:
            done, running = wait(running, _PROGRESS, FIRST_COMPLETED)
            verdict.seconds = time.monotonic() - began
            for future in done:
                failed = _least(failed, _count(future, verdict))
            in_time = ordered.seconds is None or verdict.seconds < ordered.seconds
            if failed is None and in_time:
                more = islice(chunks, len(done))
                running |= {pool.submit(_play, chunk, ordered.log) for chunk in more}
            if time.monotonic() - told >= _PROGRESS:
                told = time.monotonic()
                say(_progress(verdict))
        if failed is not None:
            say(f"seed {failed} breaks a promise; looking for what matters in it")
            verdict.failure = pool.submit(_explain, failed, ordered.log).result()
    return verdict


def _chunks(ordered: Ordered) -> Iterator[Sequence[int]]:
    seeds = count(ordered.seed)
    limited = seeds if ordered.schedules is None else islice(seeds, ordered.schedules)
    while chunk := tuple(islice(limited, _AT_ONCE)):
        yield chunk


@contextmanager
def _processes(jobs: int) -> Generator[ProcessPoolExecutor]:
    before = os.environ.get("PYTHONHASHSEED")
    # Read by a process as it starts.
    os.environ["PYTHONHASHSEED"] = "0"
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _begin() -> None:
    """Ctrl-C is for the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_Played = tuple[int, Counter[str], int | None]


def _play(seeds: Sequence[int], log: LogKind | None) -> _Played:
    """Play schedules, up to the first that breaks a promise: how many, what happened, which."""
    counts: Counter[str] = Counter()
    for number, seed in enumerate(seeds, 1):
        outcome = play(draw_plan(seed, log_of(seed, log)))
        counts.update(outcome.counts)
        if outcome.broken:
            return number, counts, seed
    return len(seeds), counts, None


def _count(future: Future[_Played], verdict: Verdict) -> int | None:
    played, counts, failed = future.result()
    verdict.schedules += played
    verdict.counts.update(counts)
    return failed


def _least(one: int | None, other: int | None) -> int | None:
    return min((seed for seed in (one, other) if seed is not None), default=None)


def _explain(seed: int, log: LogKind | None) -> Failure:
    kind = log_of(seed, log)
    shorter = shrink(play(draw_plan(seed, kind)))
    who = shorter.broken[0].who.partition(",")[0]
    story = [
        str(event)
        for event in shorter.events
        if who in (getattr(event, "client", None), getattr(event, "publisher", None))
    ]
    return Failure(seed, kind, shorter.broken, shorter.done, story[-_STORY:])


def _progress(verdict: Verdict) -> str:
    return (
        f"{verdict.seconds:.0f} s: {verdict.schedules:,} schedules, "
        f"{verdict.counts['received']:,} messages received"
    )
