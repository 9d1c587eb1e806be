"""The pages about codes and docs/reference/errors.md say the same of every code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everywire.core.errors import STATUS
from everywire.server.description.codes import CODES, example, page_of

DOCUMENT = (Path(__file__).parents[3] / "docs" / "reference" / "errors.md").read_text("utf-8")


def section(code: str) -> str:
    """What stands under a code's heading, on one line."""
    found = re.search(rf"^## {code}\n(.*?)(?=^## )", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None
    return " ".join(found[1].split())


def test_every_code_is_told_of_in_order() -> None:
    assert list(CODES) == list(STATUS)


@pytest.mark.parametrize("code", CODES)
def test_the_reference_says_the_same(code: str) -> None:
    said = CODES[code]
    assert section(code) == f"{said.means} {said.do}"
    assert f"| `{code}` | {STATUS[code]} | {said.again} |" in DOCUMENT


@pytest.mark.parametrize("code", CODES)
def test_an_example_is_a_problem_of_its_code(code: str) -> None:
    problem = example(code)
    assert problem["code"] == code
    assert problem["status"] == STATUS[code]
    assert problem["type"] == page_of(code) == f"/docs/errors/{code}"
    assert problem["title"]
