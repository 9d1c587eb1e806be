"""``everywire simulate``: schedules of a server and 100 clients, each replayable by a seed."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec

from everywire.cli.frame import REFUSED, ExampleCommand
from everywire.cli.output import say, write

if TYPE_CHECKING:
    from everywire.simulation.run import Failure, Verdict

_SHOWN: Final = 10
_SECONDS: Final = 30.0

_EXAMPLES: Final = (
    "everywire simulate                               # half a minute, on every core",
    "everywire simulate --seconds 600                 # look harder",
    "everywire simulate --seed 42 --schedules 1       # one schedule again, the same in all",
    "everywire simulate --log sqlite                  # only on the SQLite log",
)


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Play a server and 100 clients through schedules by seed.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**53 - 1),
    metavar="N",
    help="Of the first schedule; the next ones count up from it. Default: another each time.",
)
@click.option(
    "--schedules",
    type=click.IntRange(1),
    metavar="N",
    help="How many schedules. Default: as many as there is time for.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    help=f"How long to go on. Default: {_SECONDS:.0f}, or as long as --schedules takes.",
)
@click.option(
    "--log",
    type=click.Choice(["memory", "sqlite"]),
    help="Only with this log. Default: every fourth schedule with SQLite, the others in memory.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes. Default: one for each core.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as a JSON object.")
def simulate(
    seed: int | None,
    schedules: int | None,
    seconds: float | None,
    log: Literal["memory", "sqlite"] | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Play a server and 100 clients through schedules by seed.

    The real server, from its HTTP protocol to its log, runs in one thread on a clock and a network
    that are simulated. A seed decides what happens next: publishes, bytes that arrive, cuts,
    stalls, hand-overs to another wire, commits, pages that come late, trims, restarts, lost power.
    Each client checks order, repeats, gaps and positions; each schedule ends when all have come to
    the end.

    It stops at the first schedule that breaks a promise: that is printed, made as short as it
    goes, with the seed that repeats it, and the exit code is 1. `everywire torture` does the like
    to real processes, sockets and disks.
    """
    from everywire.simulation.run import Ordered
    from everywire.simulation.run import simulate as run

    drawn = secrets.randbelow(2**32) if seed is None else seed
    if seconds is None and schedules is None:
        seconds = _SECONDS
    say(f"seed {drawn}")
    ordered = Ordered(drawn, schedules, seconds, log, jobs or os.cpu_count() or 1)
    verdict = run(ordered, say)
    for line in [msgspec.json.encode(_fields(verdict))] if as_json else _words(verdict):
        write(line)
    if verdict.failure is not None:
        raise click.exceptions.Exit(REFUSED)


def _fields(verdict: Verdict) -> dict[str, Any]:
    failure = verdict.failure
    fields: dict[str, Any] = {
        "good": failure is None,
        "seed": verdict.ordered.seed,
        "schedules": verdict.schedules,
        "seconds": round(verdict.seconds, 3),
        "counts": dict(verdict.counts),
    }
    if failure is not None:
        fields["failure"] = {
            "seed": failure.seed,
            "log": failure.log,
            "broken": [str(broken) for broken in failure.broken],
            "steps": failure.steps,
            "story": failure.story,
        }
    return fields


def _words(verdict: Verdict) -> list[bytes]:
    counts = verdict.counts
    lines = [
        f"{verdict.schedules:,} schedules in {verdict.seconds:.1f} s "
        f"({verdict.a_minute:,.0f} a minute): {counts['published']:,} messages published, "
        f"{counts['received']:,} received"
    ]
    failure = verdict.failure
    if failure is None:
        last = verdict.ordered.seed + verdict.schedules - 1
        lines.append(f"every promise was kept, seeds {verdict.ordered.seed} to {last}")
    else:
        lines += _of_failure(failure)
    return [line.encode() for line in lines]


def _of_failure(failure: Failure) -> list[str]:
    lines = ["", f"seed {failure.seed} breaks a promise; what is left of it:"]
    lines += failure.steps
    lines += ["", "what was told to the one who saw it:", *failure.story, ""]
    lines += [f"BROKEN  {broken}" for broken in failure.broken[:_SHOWN]]
    again = f"everywire simulate --seed {failure.seed} --schedules 1 --log {failure.log}"
    return [*lines, f"the same schedule again: {again}"]
