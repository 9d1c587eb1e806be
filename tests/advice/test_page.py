"""docs/explanation/which-wire.md says what the command says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everywire.advice.rules import ALWAYS, HIGH_RATE, NAMES, NOTES, RARE_RATE, RULES


@pytest.fixture
def page(repository: Path) -> str:
    text = (repository / "docs" / "explanation" / "which-wire.md").read_text(encoding="utf-8")
    return " ".join(text.split())


def test_the_rules_stand_there_in_order_with_their_wires(page: str) -> None:
    listed = re.findall(
        r"(?:\A| )(\d+)\. \*\*(.+?)\*\*\. (.+?)(?= \d+\. \*\*| A rate is high)", page
    )
    assert [(wire.lower(), because) for _, wire, because in listed] == [
        (NAMES[rule.wire].lower(), rule.because) for rule in RULES
    ]
    assert [int(number) for number, _, _ in listed] == list(range(1, len(RULES) + 1))


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.says[:30])
def test_each_note_stands_there(page: str, note: object) -> None:
    assert f"- {getattr(note, 'says', None)}" in page


def test_the_rest_stands_there(page: str) -> None:
    assert ALWAYS in page
    assert f"A rate is high from {HIGH_RATE:.0f} messages a second" in page
    assert f"one in {1 / RARE_RATE:.0f} seconds" in page
