"""Playing one schedule: a loop, a folder and the luck of the server of its own, and nothing else.

The server draws a few things from Python's own random numbers (how long a poll waits, when a
heartbeat comes). For a schedule they are seeded, and put back after it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Final

from everywire.simulation.loop import SimulatedLoop
from everywire.simulation.outcome import Outcome
from everywire.simulation.plan import Plan
from everywire.simulation.world import World
from everywire.torture.facts import Broken

_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made there


def play(plan: Plan) -> Outcome:
    """Carry a schedule out, and judge it. The same plan gives the same outcome."""
    if plan.log == "memory":
        return _play(plan, Path())
    place = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="everywire-simulation-", dir=place) as folder:
        return _play(plan, Path(folder))


def _play(plan: Plan, folder: Path) -> Outcome:
    luck = random.getstate()
    random.seed(plan.seed)
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(_all_of_it(loop, plan, folder))
    except Exception as error:
        # It went wrong where nobody looked for it; the seed has to be told all the same.
        words = f"{type(error).__name__}: {error}"
        return Outcome(plan, [Broken("fault", "the simulation", words)])
    finally:
        loop.close()
        random.setstate(luck)


async def _all_of_it(loop: SimulatedLoop, plan: Plan, folder: Path) -> Outcome:
    outcome = await World(loop, plan, folder).run()
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not own]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    return outcome
