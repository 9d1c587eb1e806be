"""Sentences, made of samples."""

from __future__ import annotations

import pytest

from everywire.advice.rules import NOTES, RULES, WIRES, Wire
from everywire.comparison.cuts import Recovery
from everywire.comparison.passing import Carried, Heads, Passed
from everywire.comparison.results import Row
from everywire.comparison.rows import rows
from everywire.comparison.samples import FULL, Samples
from everywire.comparison.speed import Speed

ARTICLE = {
    "direction": ("both", "server → client", "server → client"),
    "protocol": ("WebSocket (TCP)", "HTTP", "HTTP"),
    "latency": ("lowest", "low", "medium"),
    "reconnection": ("manual", "automatic", "manual"),
    "binary": ("yes", "no", "no"),
    "http2": ("no", "yes", "yes"),
    "cdn": ("no", "yes", "yes"),
    "proxy": ("sometimes", "yes", "yes"),
    "browser_connections": ("unlimited", "6 a domain (HTTP/1.1)", "6 a domain"),
    "memory": ("~2–10 KB", "~1–5 KB", "minimal"),
    "scalability": ("stateful", "stateful", "stateless"),
}
"""The eleven rows of the table that is measured, in its order."""


def samples() -> Samples:
    """Two runs, as they may come out."""
    made = Samples(FULL, counted="Pss", idle=1000)
    for wire in WIRES:
        of = made.wires[wire]
        socket, poll = wire == "websocket", wire == "longpoll"
        of.low += [Speed(0.5, 2, 274), Speed(0.7, 4, 276)]
        of.high += [Speed(0.2, 1, 274), Speed(0.2, 3, 274)]
        of.set_up += [0.5, 0.6]
        of.processor += [5, 7]
        of.memory += [3.0, 3.5]
        of.held += [0, 0] if poll else [1, 1]
        of.up += [Passed(socket, 0.25)] * 2
        of.carried += [Carried(socket, 256 if socket else 344)] * 2
        of.buffering += [Passed(wire != "sse", 0.5)] * 2
        of.stripping += [Passed(not socket, 0.5)] * 2
        of.heads += [Heads(200, "text/html", "public, max-age=60" if poll else "no-store")] * 2
        of.cuts += [Recovery(0.5, 9, 0, 0), Recovery(1.5, 20, 0, 0)]
        if not poll:
            of.bare += [122, 122]
    made.naive += [Recovery(None, 9, 9, 0), Recovery(None, 4, 3, 0)]
    made.beside += [0.2, 0.3]
    made.http2 += [False, False]
    return made


@pytest.fixture
def by_name() -> dict[str, Row]:
    return {row.name: row for row in rows(samples())}


def test_all_eleven_rows_with_what_is_commonly_said_and_two_more(by_name: dict[str, Row]) -> None:
    assert list(by_name) == [*ARTICLE, "bytes", "set_up"]
    for name, claims in ARTICLE.items():
        assert tuple(by_name[name].claims[wire] for wire in WIRES) == claims


def test_each_cell_has_a_figure_with_its_runs_or_a_tested_yes_or_no(
    by_name: dict[str, Row],
) -> None:
    for row in by_name.values():
        assert row.how
        for cell in row.cells.values():
            assert cell.says
            if row.kind == "measured":
                assert cell.figures
                assert all(len(figure.runs) == 2 for figure in cell.figures.values())
            if row.kind == "tested":
                assert cell.tested is not None


@pytest.mark.parametrize(
    ("name", "wire", "says"),
    [
        ("direction", "websocket", "both ways: yes (2 of 2 runs), in 0.25 ms there and back"),
        (
            "direction",
            "sse",
            "server → client; up the same connection: no (0 of 2 runs); by a POST beside it in "
            "0.25 ms (0.2–0.3)",
        ),
        (
            "latency",
            "sse",
            "at 20/s p50 0.6 ms (0.5–0.7), p99 3 ms (2–4); at 500/s p50 0.2 ms, p99 2 ms (1–3)",
        ),
        (
            "reconnection",
            "websocket",
            "by hand, with since: whole again in 1 s (0.5–1.5), lost 0 of 29, repeated 0; "
            "without: lost 12 of 13",
        ),
        ("binary", "websocket", "yes (2 of 2 runs): 256 bytes come as they are"),
        ("binary", "longpoll", "no (0 of 2 runs): 256 bytes come as base64, 344 characters"),
        ("cdn", "longpoll", "yes (2 of 2 runs): Cache-Control: public, max-age=60"),
        ("memory", "longpoll", "3.25 KiB (3–3.5) for a waiting poll"),
        (
            "scalability",
            "longpoll",
            "stateless: between polls the server holds nothing of a client; 6 µs (5–7) of "
            "processor time a delivery, its request included",
        ),
        ("bytes", "longpoll", "275 bytes (274–276) at the low rate, 274 bytes at the high one"),
        ("set_up", "sse", "0.55 ms (0.5–0.6)"),
    ],
)
def test_what_is_said(by_name: dict[str, Row], name: str, wire: Wire, says: str) -> None:
    assert by_name[name].cells[wire].says == says


def test_what_came_out_now_so_now_so_is_neither_yes_nor_no() -> None:
    made = samples()
    made.wires["sse"].carried[0] = Carried(True, 256)
    binary = next(row for row in rows(made) if row.name == "binary")
    assert binary.cells["sse"].says.startswith("at times (1 of 2 runs)")
    assert binary.cells["sse"].tested == (1, 2)


def test_one_that_lost_something_is_never_whole() -> None:
    made = samples()
    made.wires["sse"].cuts[0] = Recovery(None, 9, 2, 1)
    row = next(row for row in rows(made) if row.name == "reconnection")
    assert row.cells["sse"].says == "by itself: never whole again, lost 2 of 29, repeated 1"
    assert "whole_s" not in row.cells["sse"].figures


def test_what_advice_refers_to_is_there(by_name: dict[str, Row]) -> None:
    figures = {rule.figure for rule in RULES} | {note.figure for note in NOTES}
    assert figures - {""} <= set(by_name)
