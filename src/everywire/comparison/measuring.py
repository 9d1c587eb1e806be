"""The whole comparison: what is measured when.

Wires take turns within each run, so that what else the machine does meets all of them. What mostly
waits (cuts, what passes) runs at once; what is timed runs alone.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import everywire
from everywire.advice.rules import NAMES, WIRES, Wire
from everywire.comparison import footprint, passing, speed
from everywire.comparison.cuts import cut
from everywire.comparison.results import Comparison
from everywire.comparison.rows import rows
from everywire.comparison.samples import Plan, Samples, WireSamples
from everywire.comparison.servers import ComparisonFailed, LocalServer

Progress = Callable[[float, str], object]
"""Told what part is done, 0 to 1, and what comes now."""

_CUTS_SECONDS = 6.0
_START_SECONDS = 1.0


class _Step(NamedTuple):
    words: str
    seconds: float  # roughly, for the progress
    work: Callable[[], Awaitable[None]]


async def compare(plan: Plan, progress: Progress) -> Comparison:
    """Measure the three wires on this machine.

    Args:
        plan: How much.
        progress: Told how far it is.

    Raises:
        ComparisonFailed: A server did not start, or what had to come did not.
    """
    began = time.perf_counter()
    samples = Samples(plan, idle=footprint.connections_allowed(plan.idle))
    async with LocalServer() as server:
        steps = [*_steps(server, samples)]
        total, done = sum(step.seconds for step in steps), 0.0
        for step in steps:
            progress(done / total, step.words)
            try:
                await step.work()
            except OSError as error:
                words = str(error) or "no answer in time"
                raise ComparisonFailed(f"while measuring {step.words}: {words}") from error
            done += step.seconds
    progress(1.0, "done")
    return Comparison(
        rows(samples),
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        round(time.perf_counter() - began, 1),
        plan.runs,
        plan.quick,
        machine(),
    )


def machine() -> dict[str, str]:
    """What it is measured on, in words."""
    return {
        "Everywire": everywire.__version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processors": str(os.cpu_count() or "unknown"),
        "architecture": platform.machine(),
    }


def _steps(server: LocalServer, samples: Samples) -> list[_Step]:
    plan = samples.plan
    steps: list[_Step] = []
    for run in range(plan.runs):
        for wire in WIRES:
            of, where = samples.wires[wire], f"{NAMES[wire]}, run {run + 1} of {plan.runs}"
            steps += (
                _Step(
                    f"{where}: latency",
                    plan.low_seconds + plan.high_seconds + 0.3,
                    partial(_speed, server.port, wire, of, plan),
                ),
                _Step(
                    f"{where}: processor time",
                    plan.processor_seconds + 0.3,
                    partial(_processor, server, wire, of, plan),
                ),
                _Step(
                    f"{where}: memory",
                    _START_SECONDS + plan.idle / 1000,
                    partial(_memory, wire, of, samples),
                ),
            )
    steps.append(
        _Step(
            "cuts and proxies, all wires at once",
            _CUTS_SECONDS,
            partial(_waiting, server, samples),
        )
    )
    return steps


async def _speed(port: int, wire: Wire, of: WireSamples, plan: Plan) -> None:
    of.set_up.append(await speed.set_up(port, wire, plan.connects))
    of.low.append(await speed.speed(port, wire, plan.low, plan.low_seconds))
    of.high.append(await speed.speed(port, wire, plan.high, plan.high_seconds))
    if wire != "longpoll":
        # A poll has no bare form.
        of.bare.append(await speed.bare_bytes(port, wire, plan.connects))


async def _processor(server: LocalServer, wire: Wire, of: WireSamples, plan: Plan) -> None:
    of.processor.append(
        await footprint.processor(server, wire, plan.audience, plan.processor_seconds)
    )
    of.held.append(await footprint.held_between(server, wire))


async def _memory(wire: Wire, of: WireSamples, samples: Samples) -> None:
    each, samples.counted = await footprint.memory(wire, samples.idle)
    of.memory.append(each)


async def _waiting(server: LocalServer, samples: Samples) -> None:
    """Cuts of all wires and runs at once; beside them what passes, one run after the other."""
    runs = range(samples.plan.runs)
    cuts = [_cuts(server.port, samples) for _ in runs]
    await asyncio.gather(_passing(server.port, samples), *cuts)


async def _cuts(port: int, samples: Samples) -> None:
    naive, *others = await asyncio.gather(cut(port, "naive"), *(cut(port, wire) for wire in WIRES))
    samples.naive.append(naive)
    for wire, recovery in zip(WIRES, others, strict=True):
        samples.wires[wire].cuts.append(recovery)


async def _passing(port: int, samples: Samples) -> None:
    for _ in range(samples.plan.runs):
        samples.http2.append(await passing.speaks_http2(port))
        samples.beside.append(await passing.up_beside(port))
        await asyncio.gather(*(_passes(port, wire, samples.wires[wire]) for wire in WIRES))


async def _passes(port: int, wire: Wire, of: WireSamples) -> None:
    of.up.append(await passing.up(port, wire))
    of.carried.append(await passing.carries_bytes(port, wire))
    of.buffering.append(await passing.through(port, wire, passing.BUFFERING))
    of.stripping.append(await passing.through(port, wire, passing.STRIPPING))
    of.heads.append(await passing.heads(port, wire))
