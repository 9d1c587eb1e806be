"""The report: one file, all rows, nothing fetched, nothing injected."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec

from everywire.advice.rules import WIRES
from everywire.comparison.html import as_html
from everywire.comparison.results import Comparison, Figure, Row, figure

from .samples import ROWS, a_comparison

VOID = {"meta", "link", "img", "br", "input", "circle", "rect", "path", "line"}


class Reader(HTMLParser):
    """Checks that elements nest, and keeps what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def read(comparison: Comparison) -> Reader:
    reader = Reader()
    reader.feed(as_html(comparison))
    reader.close()
    assert reader.open == []
    return reader


def measured() -> Comparison:
    """The sample, with the figures that are plotted."""
    plotted: dict[str, dict[str, Figure]] = {
        "latency": {
            name: figure("ms", (0.5, 1.0, 20.0))
            for name in ("p50_low_ms", "p99_low_ms", "p50_high_ms", "p99_high_ms")
        },
        "reconnection": {"whole_s": figure("s", (0.5, 1.0))},
        "memory": {"each_kib": figure("KiB", (2.0, 3.0))},
        "scalability": {"processor_us": figure("µs", (7.0,))},
    }

    def with_figures(row: Row) -> Row:
        figures = plotted.get(row.name, {})
        cells = {
            wire: msgspec.structs.replace(cell, figures=figures) for wire, cell in row.cells.items()
        }
        return msgspec.structs.replace(row, cells=cells)

    sample = a_comparison()
    return msgspec.structs.replace(sample, rows=tuple(map(with_figures, sample.rows)))


def test_every_row_stands_there_with_claims_and_how() -> None:
    reader = read(a_comparison())
    for name, title, _ in ROWS:
        assert title in reader.text
        assert f"how {name} was found out" in reader.text
        for wire in WIRES:
            assert f"{name} of {wire}" in reader.text
            assert f"said: claim of {wire}" in reader.text


def test_nothing_is_fetched_and_nothing_is_run() -> None:
    page = as_html(measured())
    reader = read(measured())
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert not [
        name for name, _ in reader.attributes if name in ("src", "href") or name[:2] == "on"
    ]
    assert not re.search(r"url\(|@import|https?://", page)


def test_what_was_measured_is_plotted_with_its_spread() -> None:
    reader = read(measured())
    assert reader.tags.count("figure") == 5
    assert "1 ms (0.5–20)" in reader.text


def test_what_was_not_measured_is_not_plotted() -> None:
    assert "figure" not in read(a_comparison()).tags


def test_what_is_said_is_text_and_not_markup() -> None:
    sample = a_comparison()
    row = sample.rows[0]
    cells = {
        wire: msgspec.structs.replace(cell, says="yes <script>alert(1)</script>")
        for wire, cell in row.cells.items()
    }
    row = msgspec.structs.replace(row, cells=cells, title="<b>")
    page = as_html(msgspec.structs.replace(sample, rows=(row,), machine={"<i>": "<u>"}))
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<u>" not in page


def test_it_is_for_light_and_dark() -> None:
    assert "color-scheme: light dark" in as_html(a_comparison())
