"""On which line of a TOML file each key stands.

`tomllib` reads a file but keeps no places. So a file that it has read without complaint is gone
through again, a statement at a time: a table's head, or a key with its value, which may take
several lines. What a head or a key is called, quotes and dots included, is left to `tomllib` too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, cast

from everywire.server.configuration.origins import Path

_KEY: Final = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.\s-])+)=""")
_ENDS: Final = re.compile(r"[\]}]|\"\"\"|'''")
"""A line without any of these ends no value that began on a line before."""


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of each table and key of a file.

    Keys of an inline table have no entry; `line_of` finds that of the whole.

    Args:
        text: A file that is valid TOML.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = _path(statement)
            found.setdefault(table, number)
        else:
            key = _KEY.match(statement)
            if key:
                found[(*table, *_path(key[1] + "=0"))] = number
    return found


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a key, or of the innermost table around it; None: of nothing around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement, with the line on which it begins."""
    begun: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not begun:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        begun.append(line)
        if (len(begun) == 1 or _ENDS.search(line)) and _is_whole("\n".join(begun)):
            yield first, "\n".join(begun)
            begun.clear()


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _path(statement: str) -> Path:
    """The names that a head, or a key with a value, is made of."""
    names: list[str] = []
    inner: Any = tomllib.loads(statement)
    while inner:
        if isinstance(inner, list):  # [[head]]
            inner = cast("list[Any]", inner)[0]
            continue
        ((name, inner),) = cast("dict[str, Any]", inner).items()
        names.append(name)
    return tuple(names)
