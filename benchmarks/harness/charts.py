"""Line charts as SVG: both axes by powers of ten, each run a dot, a line through the medians.

A file of its own that follows the reader's light or dark; lines are told apart by colour, by the
shape of their marks, and by their names at their ends.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from harness.figures import number

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 128, 34, 48
_APART = 15

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333; }
.title { font-size: 14px; font-weight: 600; }
.grid { stroke: #ddd; } .c0 { --c: #0b62c4; } .c1 { --c: #b4540a; } .c2 { --c: #1a7f4b; }
polyline { fill: none; stroke: var(--c); stroke-width: 2; }
.run { fill: var(--c); opacity: .35; } .mark { fill: var(--c); } .name { fill: var(--c); }
@media (prefers-color-scheme: dark) {
  .paper { fill: #16181d; } text { fill: #d6d8dc; } .grid { stroke: #363a42; }
  .c0 { --c: #6cb0ff; } .c1 { --c: #ffab66; } .c2 { --c: #62d39a; }
}
.paper { fill: #fff; }
@media (prefers-color-scheme: dark) { .paper { fill: #16181d; } }
"""

Runs = Mapping[int, Sequence[float]]
"""The figure of each run, by size."""


class Axis(NamedTuple):
    """Values by powers of ten, to places."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        part = math.log10(value / self.low) / math.log10(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers from end to end."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if self.high / self.low < 200 else (1,)
        values = [step * 10.0**power for power in decades for step in steps]
        return [
            value for value in values if self.low <= value * 1.0001 and value <= self.high * 1.0001
        ]


def chart(title: str, across: str, up: str, lines: Mapping[str, Runs]) -> str:
    """One chart.

    Args:
        title: What is shown.
        across: Name of the horizontal axis.
        up: Name and unit of the vertical one.
        lines: At most three, by name.
    """
    sizes = [size for runs in lines.values() for size in runs]
    values = [value for runs in lines.values() for each in runs.values() for value in each]
    x = Axis(min(sizes), max(sizes), LEFT, WIDTH - RIGHT)
    y = Axis(_below(min(values)), _above(max(values)), HEIGHT - BOTTOM, TOP)
    ends = {name: y.place(statistics.median(runs[max(runs)])) for name, runs in lines.items()}
    names = _apart(ends)
    summary = f"{title}: {up} by {across}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(summary)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        *(_across(x, value) for value in x.ticks()),
        *(_up(y, value) for value in y.ticks()),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
        f"{escape(across)}</text>",
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(up)}</text>',
        *(_line(x, y, n, name, runs, names[name]) for n, (name, runs) in enumerate(lines.items())),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _below(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(value / 1.15) * 3) / 3)


def _above(value: float) -> float:
    return 10.0 ** (math.ceil(math.log10(value * 1.15) * 3) / 3)


def _apart(ends: Mapping[str, float]) -> dict[str, float]:
    """Names beside the ends of their lines, none upon another."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for name, place in sorted(ends.items(), key=lambda end: end[1]):
        lowest = max(place, lowest + _APART)
        placed[name] = lowest
    return placed


def _across(x: Axis, value: float) -> str:
    at = f"{x.place(value):.1f}"
    return (
        f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{at}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{number(value)}</text>'
    )


def _up(y: Axis, value: float) -> str:
    at = y.place(value)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>'
    )


def _line(x: Axis, y: Axis, n: int, name: str, runs: Runs, name_at: float) -> str:
    medians = {size: statistics.median(each) for size, each in sorted(runs.items())}
    points = " ".join(f"{x.place(s):.1f},{y.place(v):.1f}" for s, v in medians.items())
    dots = "".join(
        f'<circle class="run" cx="{x.place(size):.1f}" cy="{y.place(value):.1f}" r="2.5"/>'
        for size, each in runs.items()
        for value in each
    )
    marks = "".join(_mark(n, x.place(size), y.place(value)) for size, value in medians.items())
    said = (
        f'<text class="name" x="{WIDTH - RIGHT + 10}" y="{name_at + 4:.1f}">{escape(name)}</text>'
    )
    return f'<g class="c{n}"><polyline points="{points}"/>{dots}{marks}{said}</g>'


def _mark(n: int, x: float, y: float) -> str:
    if n == 0:
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if n == 1:
        return f'<rect class="mark" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="mark" d="M {x:.1f} {y - 6:.1f} l 6 6 l -6 6 l -6 -6 z"/>'
