"""``everywire torture``: a server tormented, and held to its promises."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from everywire.cli.frame import REFUSED, ExampleCommand
from everywire.cli.output import say, write

if TYPE_CHECKING:
    from everywire.torture.verdict import Verdict

_SHOWN: Final = 10
"""Broken promises that are printed; the history has them all."""

_FAULTS: Final = {
    "kill": "kills",
    "stop": "stops",
    "freeze": "freezes",
    "cut": "cuts",
    "reset": "resets",
    "stall": "stalls",
    "half_close_up": "half-closes up",
    "half_close_down": "half-closes down",
}

_EXAMPLES: Final = (
    "everywire torture                                # a server of its own, about a minute",
    "everywire torture --seed 7 --seconds 10          # the same faults again, for a short while",
    "everywire torture --url http://127.0.0.1:8000    # a server that runs; it is not killed",
    "everywire torture --log memory:                  # see what a promise that breaks looks like",
    "everywire torture --history run.ndjson           # keep all that happened",
)


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Torment a server and check that it keeps its promises.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**53 - 1),
    metavar="N",
    help="Draws all that goes wrong; the same seed, the same faults. Default: another each time.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=45.0,
    show_default=True,
    help="How long things go wrong. Then everybody has half a minute to come to the end.",
)
@click.option(
    "--url",
    metavar="URL",
    help="Torment the connections of a server that runs, by http, rather than a server of its own.",
)
@click.option(
    "--log",
    metavar="URL",
    help="Where the server of its own keeps messages. Default: in a file that is thrown away.",
)
@click.option(
    "--history",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="PATH",
    help="Write all that happened to a file, as NDJSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as a JSON object.")
def torture(
    seed: int | None,
    seconds: float,
    url: str | None,
    log: str | None,
    history: Path | None,
    as_json: bool,
) -> None:
    """Torment a server and check that it keeps its promises.

    Publishers publish and clients hop between WebSocket, Server-Sent Events and long polling,
    through a proxy that cuts, resets, stalls, trickles, half-closes, swallows and buffers their
    connections. The server is killed, stopped, frozen and started again, and trims what it keeps.
    All that everybody was told is then checked: order, nothing twice, nothing acknowledged lost,
    no hole without a gap.

    The verdict is printed on stdout, with the seed that repeats the faults; the exit code is 1
    where a promise was broken.
    """
    from everywire.torture.history import save
    from everywire.torture.run import torture as run
    from everywire.torture.verdict import Ordered

    if url is not None and log is not None:
        raise click.UsageError("--log is for a server of its own, and --url names another")
    drawn = secrets.randbelow(2**32) if seed is None else seed
    say(f"seed {drawn}")
    verdict = run(Ordered(drawn, seconds, url, log), say)
    if history is not None:
        save(verdict.history.events, history)
    lines = [msgspec.json.encode(_fields(verdict))] if as_json else _words(verdict)
    for line in lines:
        write(line)
    if not verdict.good:
        raise click.exceptions.Exit(REFUSED)


def _fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "good": verdict.good,
        "seed": verdict.ordered.seed,
        "seconds": verdict.ordered.seconds,
        "counts": dict(verdict.counts),
        "broken": [str(broken) for broken in verdict.broken],
        "complaints": verdict.complaints,
    }


def _words(verdict: Verdict) -> list[bytes]:
    counts = verdict.counts
    done = ", ".join(f"{counts[act]} {name}" for act, name in _FAULTS.items() if counts[act])
    lines = [
        f"{counts['acknowledged']:,} publishes acknowledged, {counts['received']:,} messages "
        f"received, {counts['gaps']:,} gaps told",
        f"{counts['connections']:,} connections: {counts['ws']:,} WebSocket, {counts['sse']:,} "
        f"Server-Sent Events, {counts['poll']:,} long polling; faults: {done}",
    ]
    for broken in verdict.broken[:_SHOWN]:
        lines.append(f"BROKEN  {broken}")
    if len(verdict.broken) > _SHOWN:
        lines.append(f"        and {len(verdict.broken) - _SHOWN:,} more")
    lines += [f"SERVER  {complaint}" for complaint in verdict.complaints[:_SHOWN]]
    ordered = verdict.ordered
    again = f"everywire torture --seed {ordered.seed} --seconds {ordered.seconds:g}"
    again += f" --url {ordered.url}" if ordered.url else ""
    again += f" --log {ordered.log}" if ordered.log else ""
    outcome = "every promise was kept" if verdict.good else "promises were BROKEN"
    lines.append(f"{outcome}; the same faults again: {again}")
    return [line.encode() for line in lines]
