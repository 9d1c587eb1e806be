"""Markdown, as far as the documents use it: fenced blocks, directives, links and headings.

A directive is an HTML comment on a line of its own, so that readers do not see it. It says how the
next block is run, or does something between two blocks; `examples` says what there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_DIRECTIVE = re.compile(r"<!-- (.+) -->")
_FENCE = re.compile(r"( *)```(\S*)")
_HEADING = re.compile(r"#{1,6} (.+)")
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
_INLINE_CODE = re.compile(r"`[^`]*`")


@dataclass
class Block:
    """A fenced block, or a directive.

    Attributes:
        line: Where it begins, from 1.
        language: What stands behind the fence; empty for a directive.
        text: What is between the fences, or in the comment.
    """

    line: int
    language: str
    text: str
    directive: bool = False


@dataclass
class Document:
    """A document.

    Attributes:
        prose: Its lines without the fenced blocks, numbered.
        blocks: Blocks and directives, in order.
    """

    path: Path
    prose: list[tuple[int, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def headings(self) -> list[str]:
        found = (_HEADING.fullmatch(line) for _, line in self.prose)
        return [heading[1] for heading in found if heading]

    @property
    def anchors(self) -> set[str]:
        """What links within the document may point at, as GitHub makes them."""
        return {anchor_of(heading) for heading in self.headings}

    @property
    def links(self) -> list[tuple[int, str]]:
        return [
            (number, target)
            for number, line in self.prose
            for target in _LINK.findall(_INLINE_CODE.sub("", line))
        ]

    def table_under(self, heading: str) -> list[list[str]]:
        """The rows of the tables of a section, without their heads."""
        rows: list[list[str]] = []
        inside = False
        for _, line in self.prose:
            found = _HEADING.fullmatch(line)
            if found:
                inside = found[1] == heading
            elif inside and line.startswith("|"):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
                rows.append([cell.strip().replace("\\|", "|") for cell in cells])
            elif inside and rows and not line.startswith("|"):
                inside = False
        return [row for row in rows[1:] if set("".join(row)) - set("-: ")]


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def read(path: Path) -> Document:
    """Take a document apart."""
    document = Document(path)
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        directive = _DIRECTIVE.fullmatch(line.strip())
        if fence:
            document.blocks.append(Block(number, fence[2], _content(lines, len(fence[1]), path)))
        elif directive:
            document.blocks.append(Block(number, "", directive[1], directive=True))
        else:
            document.prose.append((number, line))
    return document


def _content(lines: enumerate[str], indent: int, path: Path) -> str:
    content: list[str] = []
    for _, line in lines:
        if line.strip() == "```":
            return "\n".join(content)
        assert not line[:indent].strip(), f"{path}: a line in a block is indented less than it"
        content.append(line[indent:])
    raise AssertionError(f"{path}: a block has no end")


def documents() -> list[Document]:
    """Every document of the repository."""
    beside = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
    paths = [ROOT / name for name in beside] + sorted((ROOT / "docs").rglob("*.md"))
    return [read(path) for path in paths]
