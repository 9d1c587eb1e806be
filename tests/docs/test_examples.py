"""Every example in the documents runs, and shows what the document says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .examples import Examples
from .markdown import Document, documents

RUN = [
    document
    for document in documents()
    if any(block.language == "console" for block in document.blocks)
]


def parameters() -> list[object]:
    return [
        pytest.param(
            document,
            id=document.name,
            marks=[pytest.mark.browser] if browses(document) else [],
        )
        for document in RUN
    ]


def browses(document: Document) -> bool:
    return any(block.text.startswith("browser: ") for block in document.blocks)


@pytest.mark.parametrize("document", parameters())
def test_its_examples_show_what_it_says(document: Document, tmp_path: Path) -> None:
    examples = Examples(tmp_path)
    try:
        examples.run(document)
    finally:
        examples.close()


def test_there_are_documents_with_examples() -> None:
    assert {"README.md", "docs/tutorial.md"} <= {document.name for document in RUN}
