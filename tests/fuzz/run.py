"""``make fuzz``: every target in turn, with inputs that are new each time, until the time is up.

    python tests/fuzz/run.py --seconds 600
    python tests/fuzz/run.py --seed 7 frames          # again what a run printed

A failure is printed with its smallest input and the seed of its round, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz.mutation import inputs
from fuzz.targets import TARGETS, Target

ROUND = 400
"""Inputs of a target before it is the next one's turn."""


def play(target: Target, number: int) -> BaseException | None:
    """One round of a target; what it failed with."""

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target.corpus, target.words), st.lists(st.integers(0, 400), max_size=6))
    def check(data: bytes, cuts: Sequence[int]) -> None:
        target.check(data, cuts)

    try:
        check()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return error
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every parser.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, help="of the first round; default: another each time")
    parser.add_argument("names", nargs="*", help="targets, by the beginning of their names")
    options = parser.parse_args()
    targets = [t for t in TARGETS if not options.names or t.name.startswith(tuple(options.names))]
    if not targets:
        parser.error(f"there is no such target; there are {', '.join(map(str, TARGETS))}")
    first = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {first}", flush=True)
    began = time.monotonic()
    for number in count(first):
        for target in targets:
            error = play(target, number)
            if error is not None:
                traceback.print_exception(error)
                print(f"FAILED  {target}: python tests/fuzz/run.py --seed {number} '{target}'")
                return 1
            spent = time.monotonic() - began
            # A round of a seed that was given is played whole.
            if spent >= options.seconds and (options.seed is None or number > first):
                print(f"nothing found in {spent:.0f} s, seeds {first} to {number}")
                return 0
        if options.seed is None:
            rounds = number - first + 1
            print(f"{spent:.0f} s: {rounds * ROUND * len(targets):,} inputs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
