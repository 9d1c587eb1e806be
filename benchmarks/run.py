"""The comparison: our server, the floor and its peers, side by side on one machine.

    python benchmarks/run.py                                  everything, under 25 minutes
    python benchmarks/run.py --quick                          ours and the floor, under 2 minutes
    python benchmarks/run.py --only S1,S3 --servers ours,floor,nchan

Each scenario starts its servers, pinned to one core, and runs its cells in turn until each has had
its runs, with the load client on another core. A full run writes RESULTS.md; any other writes
.build/results.md. README.md says what the scenarios mean and how to read the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import installing, load, processes, report
from harness.budgets import BUDGETS
from harness.figures import DISTURBED, Results, number
from harness.processes import Cores
from harness.profiling import Profile
from harness.running import Running, load_options
from harness.scenarios import QUICK, SCENARIOS, Cell, Plan
from harness.servers import DATA, SERVERS

RESULTS = load.HERE / "RESULTS.md"
PARTIAL = load.BUILD / "results.md"
RAW = load.BUILD / "results.json"
MOST_REPEATS = 2


class Comparison:
    """A run of some scenarios.

    Args:
        plan: How long everything takes.
        cores: Which core is whose.
        chosen: The servers that take part.
        repeats_seconds: For how long disturbed runs are repeated.
        profile: Sample where the servers' time goes.
    """

    def __init__(
        self,
        plan: Plan,
        cores: Cores,
        chosen: Sequence[str],
        *,
        repeats_seconds: float,
        profile: bool = False,
    ) -> None:
        self._repeats_end = time.monotonic() + repeats_seconds
        self._profile = profile
        self.results = Results()
        self.missing: dict[str, str] = {}
        self._plan = plan
        self._cores = cores
        self._chosen = chosen

    def run(self, scenario: str) -> None:
        """Run a scenario's cells in turn, again and again."""
        cells = [cell for cell in SCENARIOS[scenario].cells(self._plan) if self._available(cell)]
        if not cells:
            return
        say(f"\n{scenario}: {SCENARIOS[scenario].title}")
        running: dict[str, Running] = {}
        try:
            for turn in range(self._plan.runs):
                for cell in cells:
                    if cell.runs is None or turn < cell.runs:
                        self._measure(cell, running, turn)
        finally:
            for each in running.values():
                each.stop()

    def _available(self, cell: Cell) -> bool:
        """Whether a cell's server takes part; what it needs is installed now."""
        server = SERVERS[cell.server]
        # Settings of ours, such as ours-normal, come with ours.
        family = "ours" if cell.server.startswith("ours") else cell.server
        if not {cell.server, family} & set(self._chosen) or cell.server in self.missing:
            return False
        if server.needs is None:
            return True
        try:
            installing.install(server.needs)
        except installing.CannotInstall as error:
            self.missing[cell.server] = str(error)
            say(f"\nMISSING: {server.title}: {error}")
            return False
        return True

    def _measure(self, cell: Cell, running: dict[str, Running], turn: int) -> None:
        try:
            target = None if cell.fresh else running.get(cell.server)
            if target is None:
                target = Running(SERVERS[cell.server], self._cores.server)
                if not cell.fresh:
                    running[cell.server] = target
            try:
                counted = self._load_steadily(cell, target)
            finally:
                if cell.fresh:
                    target.stop()
        except (RuntimeError, load.LoadFailed) as error:
            self.results.fail(cell, " ".join(str(error).split()))
            say(f"  {label(cell)}  FAILED: {error}")
            return
        found = self.results.add(cell, counted)
        shown = "  ".join(f"{name} {number(value)}" for name, value in found.items())
        wrong = self.results.troubles.get(cell.key, [])
        say(f"  {turn + 1}  {label(cell)}  {shown}" + (f"  TROUBLE: {wrong[-1]}" if wrong else ""))

    def _load_steadily(self, cell: Cell, target: Running) -> load.Counted:
        """Run the load; again, while time is left, if somebody else was on the cores.

        Whether a run is kept depends on what others used, never on its figures.
        """
        best = self._load(cell, target)
        for _ in range(MOST_REPEATS):
            late = time.monotonic() > self._repeats_end
            if cell.fresh or late or best["others_busy"] <= DISTURBED:
                break
            again = self._load(cell, target)
            best = min(best, again, key=lambda run: run["others_busy"])
        return best

    def _load(self, cell: Cell, target: Running) -> load.Counted:
        options = load_options(cell, target)
        sampler = Profile(target.process.pid) if self._profile else None
        try:
            return load.run_client(
                target.process, options, self._cores, watch_memory=cell.watch_memory
            )
        finally:
            if sampler is not None:
                say(f"  {label(cell)}  {sampler.finish()}")


def label(cell: Cell) -> str:
    """A cell's name in a column."""
    return f"{cell.server:<16}{cell.wire:<5}{cell.setting:<18}"


def say(text: str) -> None:
    """Progress, at once."""
    print(text, flush=True)


def summarise(results: Results) -> None:
    """Print the budgets."""
    say("\nbudgets (further aim)")
    for budget in BUDGETS:
        judged = budget.judge(results)
        if judged is not None:
            value, verdict = judged
            say(f"  {budget.name:<58}{number(value):>9}   {budget.aim():<24}{verdict}")


def choose(text: str, known: Sequence[str], what: str) -> list[str]:
    """A comma-separated choice of names."""
    chosen = [name.strip() for name in text.split(",")]
    for name in chosen:
        if name not in known:
            raise SystemExit(f"there is no {what} {name!r}; choose among {', '.join(known)}")
    return chosen


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ours and the floor, short windows")
    parser.add_argument("--only", metavar="S1,S3", help=f"among {', '.join(SCENARIOS)}")
    parser.add_argument("--servers", metavar="ours,floor", help=f"among {', '.join(SERVERS)}")
    parser.add_argument("--runs", type=int, help="runs of each cell")
    parser.add_argument("--seconds", type=float, help="length of a window")
    parser.add_argument(
        "--repeat",
        type=float,
        metavar="SECONDS",
        help="for how long runs are repeated in which others used the cores (900; --quick: 0)",
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--write", type=Path, help="where the report goes")
    return parser.parse_args()


def main() -> None:
    """Run what the command line asks for."""
    asked = arguments()
    plan = QUICK if asked.quick else Plan()
    if asked.runs:
        plan = replace(plan, runs=asked.runs, heavy_runs=asked.runs)
    if asked.seconds:
        plan = replace(plan, seconds=asked.seconds)
    everybody = [name for name, server in SERVERS.items() if plan.peers or not server.peer]
    chosen = choose(asked.servers, list(SERVERS), "server") if asked.servers else everybody
    scenarios = choose(asked.only, list(SCENARIOS), "scenario") if asked.only else list(SCENARIOS)
    whole = not (asked.quick or asked.only or asked.servers)
    began = time.monotonic()
    load.compile_client()
    cores = Cores.choose()
    # Beside its connections, a process has a few files of its own.
    plan = replace(plan, crowd=min(plan.crowd, processes.raise_open_files() - 200))
    os.sched_setaffinity(0, {cores.load})
    shutil.rmtree(DATA, ignore_errors=True)
    comparison = Comparison(
        plan,
        cores,
        chosen,
        repeats_seconds=asked.repeat if asked.repeat is not None else 0 if asked.quick else 900,
        profile=asked.profile,
    )
    with contextlib.suppress(KeyboardInterrupt):
        for scenario in scenarios:
            comparison.run(scenario)
        path = asked.write or (RESULTS if whole else PARTIAL)
        finish(comparison, plan, path, time.monotonic() - began)
        return
    say("\nstopped; nothing was written")
    sys.exit(130)


def finish(comparison: Comparison, plan: Plan, path: Path, seconds: float) -> None:
    """Print the budgets, write the report and the raw figures."""
    results = comparison.results
    summarise(results)
    for name, why in comparison.missing.items():
        say(f"MISSING: {SERVERS[name].title}: {why}")
    report.write(path, results, plan, comparison.missing, seconds)
    RAW.write_text(json.dumps([[*key, runs] for key, runs in results.counted.items()], indent=1))
    say(f"\n{seconds:.0f} s; written to {os.path.relpath(path)}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{error.cmd[0]} failed with code {error.returncode}") from None
