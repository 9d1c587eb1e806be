"""``everywire compare``: the three wires, measured on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from everywire.cli.frame import ExampleCommand, Failure
from everywire.cli.output import paint, say, warn
from everywire.comparison import results
from everywire.comparison.html import as_html
from everywire.comparison.measuring import compare as measure
from everywire.comparison.report import as_text
from everywire.comparison.samples import FULL, QUICK, Plan

_EXAMPLES: Final = (
    "everywire compare                        # about a minute",
    "everywire compare --quick                # a quarter of it, with more noise",
    "everywire compare --html wires.html      # a report with plots, for a design review",
    "everywire compare --json | jq '.rows[] | {title, ws: .cells.websocket.says}'",
    "everywire compare --last --html wires.html  # of the last one, without measuring",
)

_BAR: Final = 24


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Measure the three wires on this machine.",
)
@click.option("--quick", is_flag=True, help="Fewer and shorter runs: some 15 seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every run.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path, writable=True),
    metavar="FILE",
    help="Write a report too: one file with plots, which needs nothing else.",
)
@click.option("--no-save", is_flag=True, help="Do not keep it for everywire advise.")
@click.option("--last", is_flag=True, help="Show the last one again, without measuring.")
def compare(quick: bool, as_json: bool, html: Path | None, no_save: bool, last: bool) -> None:
    """Measure WebSocket, Server-Sent Events and long polling on this machine.

    It starts servers of its own on loopback and measures or tests what is commonly said of the
    three: latency, reconnection, bytes, proxies, caches, memory and the rest. Each figure comes
    with the spread of its runs.

    The result is kept for everywire advise, in $XDG_STATE_HOME or ~/.local/state.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {html.parent}", param_hint="--html")
    comparison = _last() if last else _measured(QUICK if quick else FULL)
    if not (last or no_save):
        _keep(comparison)
    # First what took a minute to get; that a file cannot be written comes after.
    if as_json:
        click.echo(results.encode(comparison))
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size((100, 24)).columns
        click.echo(as_text(comparison, width, lambda title: paint(title, terminal, bold=True)))
    if html is not None:
        _write(html, as_html(comparison))


def _last() -> results.Comparison:
    comparison = results.last()
    if comparison is None:
        raise Failure("there is no last comparison here", "Make one with: everywire compare")
    return comparison


def _measured(plan: Plan) -> results.Comparison:
    smart = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    progress = bar() if smart else steps()
    return asyncio.run(measure(plan, progress))


def _keep(comparison: results.Comparison) -> None:
    try:
        results.save(comparison)
    except (OSError, RuntimeError) as error:
        warn(f"it is not kept for everywire advise: {error}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"the report could not be written: {error}") from None
    say(f"the report is in {path}")


def bar() -> Callable[[float, str], None]:
    """Progress on a terminal: one line that is written again and again."""

    def show(part: float, words: str) -> None:
        done = round(part * _BAR)
        line = "" if part >= 1 else f"{'█' * done}{'░' * (_BAR - done)} {part:4.0%}  {words}"
        click.echo(f"\r\033[K{line}", nl=False, err=True, color=True)

    return show


def steps() -> Callable[[float, str], None]:
    """Progress off a terminal: a line for each tenth."""
    told = -1

    def show(part: float, words: str) -> None:
        nonlocal told
        if int(part * 10) > told:
            told = int(part * 10)
            say(f"{part:.0%}: {words}")

    return show
