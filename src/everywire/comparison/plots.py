"""Plots as SVG: for each thing a line, on it every run as a dot, and the median as a mark.

Colour says which wire it is, and so does the label; the shape of the mark too. Nothing is hidden in
a bar that begins at nought: what one sees is where the runs were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

from everywire.advice.rules import Wire
from everywire.comparison.results import Figure, number

WIDTH: Final = 600
LINE: Final = 30
LEFT: Final = 152
RIGHT: Final = 176
TOP: Final = 8
BOTTOM: Final = 30

_TICKS: Final = 5
_NICE: Final = (1, 2, 2.5, 5, 10)
_DECADES: Final = 3


class Line(NamedTuple):
    """What is plotted on one line.

    Attributes:
        label: Before it.
        wire: Gives it its colour and its mark.
        figure: What was measured.
    """

    label: str
    wire: Wire
    figure: Figure


def plot(title: str, unit: str, lines: Sequence[Line], *, logarithmic: bool = False) -> str:
    """One plot.

    Args:
        title: For those who do not see it.
        unit: Of the axis.
        lines: From top to bottom, at least one.
        logarithmic: Where values lie far apart.
    """
    lowest = min(line.figure.low for line in lines)
    highest = max(line.figure.high for line in lines)
    logarithmic = logarithmic and lowest > 0
    scale = _Scale(lowest, highest) if logarithmic else _Scale(0.0, highest, linear=True)
    bottom = TOP + LINE * len(lines)
    height = bottom + BOTTOM
    summary = "; ".join(f"{line.label}: {line.figure}" for line in lines)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(f'{title}. {summary}')}</title>",
        *(_tick(scale, value, bottom) for value in scale.ticks),
        *(_line(scale, line, TOP + LINE * n + LINE / 2) for n, line in enumerate(lines)),
        f'<text class="unit" x="{WIDTH - RIGHT + 28}" y="{bottom + 19}">{escape(unit)}</text>',
        "</svg>",
    ]
    return "\n".join(parts)


class _Scale:
    """Values to places, left to right."""

    def __init__(self, low: float, high: float, *, linear: bool = False) -> None:
        self._linear = linear
        if linear:
            step = _nice(high / _TICKS) if high > 0 else 1.0
            count = max(1, math.ceil(high / step - 1e-9))
            self.ticks = [step * n for n in range(count + 1)]
        else:
            self.ticks = _log_ticks(low, high)
        self._low, self._high = self._of(self.ticks[0]), self._of(self.ticks[-1])

    def __call__(self, value: float) -> float:
        part = (self._of(value) - self._low) / (self._high - self._low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def _of(self, value: float) -> float:
        return value if self._linear else math.log10(value)


def _nice(step: float) -> float:
    """A round number that is not below."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * nice for nice in _NICE if power * nice >= step * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers around both; fewer where they are far apart."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1,) if last - first > _DECADES else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    start = max((n for n, tick in enumerate(ticks) if tick <= low), default=0)
    end = min(n for n, tick in enumerate(ticks) if tick >= high)
    return ticks[start : max(end, start + 1) + 1]


def _tick(scale: _Scale, value: float, bottom: float) -> str:
    x = f"{scale(value):.1f}"
    return (
        f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>'
        f'<text class="tick" x="{x}" y="{bottom + 19}">{number(value)}</text>'
    )


def _line(scale: _Scale, line: Line, y: float) -> str:
    low, high, middle = (
        scale(value) for value in (line.figure.low, line.figure.high, line.figure.median)
    )
    runs = "".join(
        f'<circle class="run" cx="{scale(value):.1f}" cy="{y}" r="3.5"/>'
        for value in line.figure.runs
    )
    return (
        f'<g class="{line.wire}">'
        f'<text class="label" x="{LEFT - 14}" y="{y + 4}">{escape(line.label)}</text>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        f"{runs}{_mark(line.wire, middle, y)}"
        f'<text class="value" x="{WIDTH - RIGHT + 12}" y="{y + 4}">'
        f"{escape(str(line.figure))}</text></g>"
    )


def _mark(wire: Wire, x: float, y: float) -> str:
    """The median: a circle, a square or a diamond."""
    if wire == "websocket":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y}" r="6"/>'
    if wire == "sse":
        return f'<rect class="mark" x="{x - 5.5:.1f}" y="{y - 5.5}" width="11" height="11"/>'
    return f'<path class="mark" d="M {x:.1f} {y - 7.5} l 7.5 7.5 l -7.5 7.5 l -7.5 -7.5 z"/>'
