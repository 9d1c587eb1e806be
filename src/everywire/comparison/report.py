"""A comparison on a terminal: a block for each row, with what is commonly said beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

from everywire.advice.rules import NAMES, WIRES
from everywire.comparison.results import Comparison, Row

MIN_WIDTH: Final = 72
MAX_WIDTH: Final = 132

Emphasis = Callable[[str], str]
"""Makes a title stand out."""

_NAME: Final = 20
_INDENT: Final = "  "

NOISE: Final = (
    "All of it on this machine over loopback, without TLS: what a network adds is not in it, and "
    "what else ran here is. In parentheses: the least and the greatest of the runs. Differences "
    "smaller than these spreads mean nothing."
)


def as_text(comparison: Comparison, width: int = 100, emphasis: Emphasis = str) -> str:
    """The whole comparison for a person.

    Args:
        comparison: What came of it.
        width: Columns of the terminal.
        emphasis: For the titles of rows.
    """
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    said = _said_width(comparison)
    head = f"{_INDENT}{'':{_NAME}}{'commonly said':{said}}{'here'}"
    parts = [head, *(_block(row, width, said, emphasis) for row in comparison.rows)]
    return "\n\n".join([*parts, _closing(comparison, width)])


def _said_width(comparison: Comparison) -> int:
    claims = [claim for row in comparison.rows for claim in row.claims.values()]
    return max(map(len, (*claims, "commonly said"))) + 2


def _block(row: Row, width: int, said: int, emphasis: Emphasis) -> str:
    kind = {"measured": "", "tested": " (tested)", "fact": " (a fact, not measured)"}[row.kind]
    lines = [emphasis(row.title) + kind]
    for wire in WIRES:
        claim = row.claims.get(wire, "")
        first = f"{_INDENT}{NAMES[wire]:{_NAME}}{claim:{said}}"
        lines += textwrap.wrap(
            row.cells[wire].says,
            width,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _closing(comparison: Comparison, width: int) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in comparison.machine.items())
    runs = f"{comparison.runs} runs" if comparison.runs > 1 else "1 run, so there is no spread"
    quick = "a quick one, " if comparison.quick else ""
    head = f"Measured {comparison.measured_at} in {comparison.seconds:g} s ({quick}{runs}): "
    return "\n".join(textwrap.wrap(f"{head}{machine}. {NOISE}", width))
