"""Plots: well-formed, and what is plotted is inside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.advice.rules import WIRES
from everywire.comparison.plots import LEFT, RIGHT, WIDTH, Line, plot
from everywire.comparison.results import figure

values = st.floats(1e-6, 1e9)
figures = st.lists(values, min_size=1, max_size=5).map(lambda runs: figure("ms", runs))
lines = st.lists(
    st.builds(Line, st.text("ab<&\"'", max_size=9), st.sampled_from(WIRES), figures),
    min_size=1,
    max_size=8,
)


@given(lines=lines, logarithmic=st.booleans())
def test_every_run_and_every_tick_is_inside(lines: list[Line], logarithmic: bool) -> None:
    root = ElementTree.fromstring(plot("A < B", "ms", lines, logarithmic=logarithmic))
    runs = [float(circle.attrib["cx"]) for circle in root.iter("circle")]
    ticks = [float(line.attrib["x1"]) for line in root.iter("line")]
    assert len(runs) >= sum(len(line.figure.runs) for line in lines)
    for place in runs + ticks:
        assert LEFT - 0.1 <= place <= WIDTH - RIGHT + 0.1
    grid = [line for line in root.iter("line") if line.attrib["class"] == "grid"]
    assert 2 <= len(grid) <= 40


def test_a_tick_is_at_the_place_of_its_value() -> None:
    drawn = plot("t", "ms", [Line("a", "sse", figure("ms", (0.0, 10.0)))])
    ticks = re.findall(r'class="tick" x="([\d.]+)" y="\d+">([\d.]+)<', drawn)
    assert [text for _, text in ticks] == ["0", "2", "4", "6", "8", "10"]
    places = [float(place) for place, _ in ticks]
    assert places[0] == LEFT
    assert places[-1] == WIDTH - RIGHT
    run = re.findall(r'class="run" cx="([\d.]+)"', drawn)
    assert [float(place) for place in run] == [LEFT, WIDTH - RIGHT]


@pytest.mark.parametrize("runs", [(0.0,), (0.0, 0.0)])
def test_nought_can_be_plotted(runs: tuple[float, ...]) -> None:
    lines = [Line("a", "sse", figure("", runs))]
    for logarithmic in (False, True):
        ElementTree.fromstring(plot("t", "", lines, logarithmic=logarithmic))


def test_it_says_in_words_what_it_shows() -> None:
    drawn = plot("Latency", "ms", [Line("SSE", "sse", figure("ms", (1.0, 2.0, 3.0)))])
    assert "<title>Latency. SSE: 2 ms (1–3)</title>" in drawn


def test_each_wire_has_a_mark_of_its_own() -> None:
    shapes = set()
    for wire in WIRES:
        root = ElementTree.fromstring(plot("t", "", [Line("a", wire, figure("", (1.0,)))]))
        shapes |= {element.tag for element in root.iter() if element.get("class") == "mark"}
    assert shapes == {"circle", "rect", "path"}
