"""How cost grows with subscribers, channels, rate, connections, backlog and history.

    python benchmarks/growth.py             about 10 minutes; writes the plots of the docs
    python benchmarks/growth.py --short     the smallest sizes, to see that it works

Each point starts a server anew, pinned to one core, with the load client on another. The plots and
a table of their figures go to docs/explanation/performance/.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness import charts, load, processes
from harness.figures import figures, number, spread, trouble
from harness.growing import Point, Sweep, sweeps
from harness.processes import Cores
from harness.running import Running, load_options
from harness.servers import DATA, SERVERS

DOCS = load.HERE.parent / "docs" / "explanation" / "performance"
AT_ONCE = 1000


def fill(port: int, count: int) -> None:
    """Put messages into a server's log, in a hundred channels."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for begin in range(0, count, AT_ONCE):
        batch = [
            {"channel": f"filler.{n % 100}", "data": "x" * 100}
            for n in range(begin, min(begin + AT_ONCE, count))
        ]
        connection.request("POST", "/publish", json.dumps(batch))
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"a batch was refused: {said[:200]!r}")
    connection.close()


def measure(point: Point, cores: Cores) -> dict[str, float]:
    """Run one point once."""
    running = Running(SERVERS[point.cell.server], cores.server)
    try:
        fill(running.port, point.kept)
        options = load_options(point.cell, running)
        counted = load.run_client(running.process, options, cores, watch_memory=False)
    finally:
        running.stop()
    wrong = trouble(point.cell, counted)
    if wrong:
        say(f"    TROUBLE: {wrong}")
    return figures(point.cell, counted)


def sweep_lines(sweep: Sweep, cores: Cores, runs: int) -> dict[str, dict[int, list[float]]]:
    """Every point of a sweep, run by run, so that what disturbs the machine disturbs all."""
    found: dict[str, dict[int, list[float]]] = {line.name: {} for line in sweep.lines}
    for _ in range(runs):
        for line in sweep.lines:
            for point in line.points:
                value = measure(point, cores)[sweep.figure]
                found[line.name].setdefault(point.size, []).append(value)
                say(f"  {line.name:<18}{point.size:>9,}  {number(value)}")
    return found


def table(sweep: Sweep, lines: Mapping[str, Mapping[int, list[float]]]) -> str:
    """A sweep's figures in Markdown."""
    sizes = sorted({size for runs in lines.values() for size in runs})
    rows = [
        f"### {sweep.title}: {sweep.up}",
        "",
        f"| {sweep.across} | " + " | ".join(lines) + " |",
        "|---:|" + "---:|" * len(lines),
    ]
    for size in sizes:
        cells = [spread(runs[size]) if size in runs else "" for runs in lines.values()]
        rows.append(f"| {size:,} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def say(text: str) -> None:
    """Progress, at once."""
    print(text, flush=True)


def main() -> None:
    """Run the sweeps that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="the smallest sizes, one run")
    parser.add_argument("--only", metavar="rate,history", help="some of the sweeps")
    parser.add_argument("--runs", type=int, default=3, help="runs of each point (3)")
    parser.add_argument("--write", type=Path, help="the folder that the plots go to")
    asked = parser.parse_args()
    every = {sweep.name: sweep for sweep in sweeps(short=asked.short)}
    names = asked.only.split(",") if asked.only else list(every)
    unknown = set(names) - set(every)
    if unknown:
        parser.error(f"there is no sweep {sorted(unknown)[0]!r}; choose among {', '.join(every)}")
    folder = asked.write or (load.BUILD / "growth" if asked.short or asked.only else DOCS)
    load.compile_client()
    cores = Cores.choose()
    processes.raise_open_files()
    os.sched_setaffinity(0, {cores.load})
    shutil.rmtree(DATA, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[str] = []
    for name in names:
        sweep = every[name]
        say(f"\n{name}: {sweep.title}; {sweep.up} by {sweep.across}")
        lines = sweep_lines(sweep, cores, 1 if asked.short else asked.runs)
        svg = charts.chart(sweep.title, sweep.across, sweep.up, lines)
        (folder / f"{name}.svg").write_text(svg)
        tables.append(table(sweep, lines))
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    head = (
        "# The figures behind the plots\n\n"
        f"Measured {today} by `python benchmarks/growth.py`: medians, (least–greatest) of the runs."
    )
    (folder / "figures.md").write_text("\n\n".join([head, *tables]) + "\n")
    say(f"\nwritten to {os.path.relpath(folder)}")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, load.LoadFailed) as error:
        sys.exit(str(error))
