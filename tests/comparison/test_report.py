"""The comparison on a terminal."""

from __future__ import annotations

import msgspec
import pytest

from everywire.advice.rules import NAMES, WIRES
from everywire.comparison.report import MAX_WIDTH, MIN_WIDTH, as_text

from .samples import ROWS, a_comparison


def test_every_row_has_a_block_with_a_line_for_each_wire() -> None:
    blocks = as_text(a_comparison()).split("\n\n")
    assert "commonly said" in blocks[0]
    for block, (name, title, kind) in zip(blocks[1:-1], ROWS, strict=True):
        head, *lines = block.split("\n")
        assert head.startswith(title)
        assert ("tested" in head) == (kind == "tested")
        assert ("not measured" in head) == (kind == "fact")
        for line, wire in zip(lines, WIRES, strict=True):
            assert line.split("  ") != []
            assert line.strip().startswith(NAMES[wire])
            assert f"claim of {wire}" in line
            assert line.endswith(f"{name} of {wire}")


@pytest.mark.parametrize("width", [0, MIN_WIDTH, 100, MAX_WIDTH, 500])
def test_no_line_is_too_long(width: int) -> None:
    allowed = min(max(width, MIN_WIDTH), MAX_WIDTH)
    assert max(map(len, as_text(a_comparison(), width).split("\n"))) <= allowed


def test_it_says_what_it_was_measured_on_and_what_it_does_not_show() -> None:
    closing = " ".join(as_text(a_comparison()).split("\n\n")[-1].split())
    assert closing.startswith(
        "Measured 2026-11-24T12:00:00Z in 61.5 s (3 runs): system Linux 6.18, processors 2."
    )
    assert "loopback" in closing


def test_a_quick_one_says_so() -> None:
    quick = msgspec.structs.replace(a_comparison(), quick=True, runs=1)
    assert "(a quick one, 1 run, so there is no spread)" in " ".join(as_text(quick).split())
