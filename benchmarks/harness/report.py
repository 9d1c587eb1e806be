"""RESULTS.md, written by the runner alone."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from harness.budgets import BUDGETS
from harness.figures import Results, number, spread
from harness.scenarios import SCENARIOS, Cell, Plan
from harness.servers import SERVERS, versions

_HOW_TO_READ = """\
A cell is a median over the runs, with the least and the greatest. "× base" is the median of the
ratios run by run to the base beside which it ran: the Python floor on the same wire (for polls its
WebSocket), in S3-logs our memory log, in S6 the same with readers that read, in the last two our
SSE. CPU is the server's user and system time, its children's included. "client busy" near 1.00
means that the load client was the limit, not the server: trust CPU there, not the rate. The machine
is shared, so take the ratios, not the absolute figures; "others" is how much of a core, the worse
of the two, somebody else used meanwhile. On the loopback interface the receiver's kernel work runs
inside the sender's call, which makes each write dearer than with a network card, for everybody. In
S6 "MB then" is when all was published, "MB peak" over the whole run, reading included.
"""


def write(
    path: Path, results: Results, plan: Plan, missing: Mapping[str, str], seconds: float
) -> None:
    """Write the report.

    Args:
        path: Where.
        results: Every run.
        plan: How they were run.
        missing: Servers that could not take part, and why.
        seconds: How long it took.
    """
    parts = [_head(results, plan, seconds), _missing(missing), _budgets(results)]
    parts.extend(_scenario(results, name) for name in SCENARIOS)
    parts.append(_promises(results))
    path.write_text("\n".join(part for part in parts if part))


def _head(results: Results, plan: Plan, seconds: float) -> str:
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    now = datetime.now().astimezone()
    return (
        "# What the benchmarks measured\n\n"
        "Written by `benchmarks/run.py`; README.md beside it says what each scenario means.\n\n"
        f"- {now:%d %B %Y, %H:%M %Z}, in {seconds / 60:.0f} minutes\n"
        f"- {_processor()}, {os.cpu_count()} cores; the server on one, the load on another\n"
        f"- {named}\n"
        f"- {plan.runs} runs of each cell, alternating; windows of {plan.seconds:g} s; data of 120 "
        "bytes (S6: 2,000); no TLS, no compression, no access log\n"
        f"- others on the two cores (the worse one): {_others(results)}\n\n"
        f"## How to read it\n\n{_HOW_TO_READ}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "an unnamed processor"


def _others(results: Results) -> str:
    shares = [
        run["others_busy"]
        for runs in results.counted.values()
        for run in runs
        if "others_busy" in run
    ]
    if not shares:
        return "not measured"
    return f"{statistics.median(shares):.0%} in the median, {max(shares):.0%} at worst"


def _missing(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    lines = [
        f"- **{SERVERS[name].title} did not take part**: {why}" for name, why in missing.items()
    ]
    return "\n".join(["## MISSING", "", *lines, ""])


def _budgets(results: Results) -> str:
    rows = []
    for budget in BUDGETS:
        judged = budget.judge(results)
        if judged is not None:
            rows.append((budget.name, budget.aim(), number(judged[0]), judged[1]))
    head = ("budget", "aim (further aim)", "measured", "")
    return "## Budgets\n\n" + table(head, rows) if rows else ""


def _scenario(results: Results, name: str) -> str:
    scenario = SCENARIOS[name]
    cells = [cell for cell in results.cells.values() if cell.scenario == name]
    if not cells:
        return ""
    columns = _columns(results, cells)
    rows = [_row(results, cell, columns, scenario.primary) for cell in cells]
    head = ("server", "wire", *columns, f"{scenario.primary} × base", "trouble")
    return f"## {name}: {scenario.title}\n\n" + table(head, rows)


def _columns(results: Results, cells: Sequence[Cell]) -> list[str]:
    for cell in cells:
        if results.runs.get(cell.key):
            return list(results.runs[cell.key][0])
    return []


def _row(results: Results, cell: Cell, columns: Sequence[str], primary: str) -> tuple[str, ...]:
    values = [results.values(cell.key, column) for column in columns]
    base = results.baseline(cell)
    ratio = None if base is None else results.ratio(cell.key, base, primary)
    name = SERVERS[cell.server].title
    return (
        f"{name}, {cell.setting}" if cell.setting else name,
        cell.wire,
        *(spread(each) if each else "–" for each in values),
        "–" if ratio is None else f"{ratio:.2f}",
        "; ".join(results.troubles.get(cell.key, ["none"])),
    )


def _promises(results: Results) -> str:
    seen = {cell.server for cell in results.cells.values()}
    rows = [(s.title, s.promises) for s in SERVERS.values() if s.name in seen]
    return "## What each promises\n\n" + table(("server", "promises"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines.extend("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join(lines) + "\n"
