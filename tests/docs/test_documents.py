"""The documents hold together: links, names of files, and no example that is not run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .markdown import ROOT, Block, Document, documents, read

EVERY = documents()
SOURCE = ROOT / "src" / "everywire"

_PATH = re.compile(r"`([\w./-]+\.(?:py|toml|in|txt|js|md|css))`")
_MACHINE = re.compile(r"(?<![\w.])/(?:work|tmp|root|home|Users)/|\bfile://|\bsite-packages\b")
_MAKE = re.compile(r"\bmake ([a-z]+)\b(?=`| {2}|$)")
_RUN_BEFORE = ("in ", "file ", "not run: ", "goes on in ")

every_document = pytest.mark.parametrize("document", EVERY, ids=lambda document: document.name)


@every_document
def test_every_link_leads_somewhere(document: Document) -> None:
    for line, target in document.links:
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.path.parent / path).resolve() if path else document.path
        assert file.exists(), f"{document.name}:{line}: {target}"
        if anchor:
            assert anchor in read(file).anchors, f"{document.name}:{line}: {target}"


def test_every_document_is_found_from_the_overview() -> None:
    found: set[Path] = set()
    todo = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while todo:
        path = todo.pop()
        if path in found or path.suffix != ".md":
            continue
        found.add(path)
        targets = [
            target.partition("#")[0] for _, target in read(path).links if "://" not in target
        ]
        todo += [(path.parent / target).resolve() for target in targets if target]
    assert {document.path for document in EVERY} - found == set()


@every_document
def test_every_file_it_names_is_there(document: Document) -> None:
    own = {
        block.text.removeprefix("file ").rpartition("/")[2]
        for block in document.blocks
        if block.text.startswith("file ")
    }
    for line, text in document.prose:
        for name in _PATH.findall(text):
            places = (ROOT, SOURCE, SOURCE / "server", document.path.parent)
            assert name in own or any((place / name).exists() for place in places), (
                f"{document.name}:{line}: there is no {name}"
            )


@every_document
def test_it_names_no_place_of_a_machine(document: Document) -> None:
    for line, text in enumerate(document.path.read_text(encoding="utf-8").splitlines(), 1):
        assert not _MACHINE.search(text), f"{document.name}:{line}: {text}"


@every_document
def test_every_make_target_it_names_is_there(document: Document) -> None:
    targets = re.findall(
        r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    text = document.path.read_text(encoding="utf-8")
    for name in _MAKE.findall(text):
        assert name in targets, f"{document.name}: make {name}"


@every_document
def test_every_block_that_could_be_run_is(document: Document) -> None:
    """A console block always is; of others a directive says how, or why not."""
    before: Block | None = None
    for block in document.blocks:
        if block.language in ("js", "python", "html", "nginx", "make"):
            assert before is not None, f"{document.name}:{block.line}"
            assert before.directive, f"{document.name}:{block.line}: nothing says how it is run"
            assert before.text.startswith(_RUN_BEFORE), f"{document.name}:{block.line}"
        before = block


@every_document
def test_every_json_block_is_json(document: Document) -> None:
    for block in document.blocks:
        if block.language == "json":
            for line in block.text.splitlines():
                json.loads(line)


@every_document
def test_lines_are_short_enough_to_be_read_in_a_diff(document: Document) -> None:
    for line, text in document.prose:
        if not text.startswith(("|", "<!--")) and "http" not in text:
            assert len(text) <= 120, f"{document.name}:{line}"
