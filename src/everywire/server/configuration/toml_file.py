"""The layer of a file: what it says, each value with its line.

A name that is no setting is a problem here, since only here it is known how names are written in a
file; what the values are is looked at where the layers come together. No error quotes a line of the
file: a secret may stand on it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path as FilePath
from typing import Any, Final, cast

from everywire.core.channels import check_channel_or_pattern
from everywire.core.errors import RequestError
from everywire.server.configuration.layers import Layer
from everywire.server.configuration.naming import unknown_setting
from everywire.server.configuration.origins import Entry, Origin, Path, Problem
from everywire.server.configuration.quantities import unit_names
from everywire.server.configuration.schema import CHANNELS, SECTIONS, find, written
from everywire.server.configuration.toml_lines import line_of, lines_of

MAX_FILE_BYTES: Final = 1024 * 1024

_AT: Final = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_BARE_QUANTITY: Final = re.compile(r"=\s*([0-9.]+\s*([A-Za-z]+))\s*(?:#|$)")
_BARE_PATTERN: Final = re.compile(r"\s*\[\s*channels\.([^\"'\]]*)\]")


def read_file(file: FilePath) -> Layer:
    """What a file says."""
    layer = Layer()
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"a file of settings has at most {MAX_FILE_BYTES} bytes")
        text = content.decode().replace("\r\n", "\n")
    except OSError as error:
        layer.problems.append(Problem(str(file), f"cannot be read: {error.strerror or error}"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        layer.problems.append(Problem(f"{file}:{line}", "is not UTF-8, as TOML has to be"))
    except ValueError as error:
        layer.problems.append(Problem(str(file), str(error)))
    else:
        _read_toml(layer, str(file), text)
    return layer


def _read_toml(layer: Layer, file: str, text: str) -> None:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        layer.problems.append(_syntax_problem(file, text, str(error)))
    except RecursionError:
        layer.problems.append(Problem(file, "is nested too deeply"))
    else:
        _File(layer, file, lines_of(text)).read(content)


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    """Say what may have been meant, where that can be guessed."""
    lines = text.split("\n")
    at = _AT.search(message)
    number = int(at[1]) if at and at[1] else len(lines)
    line = lines[number - 1] if number <= len(lines) else ""
    hint = ""
    quantity, pattern = _BARE_QUANTITY.search(line), _BARE_PATTERN.match(line)
    if quantity and quantity[2].lower() in unit_names():
        hint = f'; a value with a unit needs quotes: "{quantity[1]}"'
    elif pattern:
        hint = f'; a pattern needs quotes: [channels."{pattern[1].strip()}"]'
    return Problem(f"{file}:{number}", f"is not TOML: {_AT.sub('', message)}{hint}")


class _File:
    def __init__(self, layer: Layer, file: str, lines: dict[Path, int]) -> None:
        self._layer = layer
        self._file = file
        self._lines = lines

    def read(self, content: dict[str, Any]) -> None:
        for name, value in content.items():
            if name == CHANNELS:
                self._read_channels(value)
            elif isinstance(value, dict) and find((name,)) is None:
                self._read_section(name, cast("dict[str, Any]", value))
            elif name in SECTIONS:
                self._wrong((name,), f"is a table: write [{name}], and its settings below")
            else:
                self._take((name,), value)

    def _read_section(self, name: str, content: dict[str, Any]) -> None:
        if not content and name not in SECTIONS:
            self._wrong((name,), "", unknown_setting((name,)))
        for key, value in content.items():
            self._take((name, key), value)

    def _read_channels(self, content: Any) -> None:
        if not isinstance(content, dict):
            self._wrong((CHANNELS,), 'is a table of patterns: write [channels."chat.**"]')
            return
        for pattern, rule in cast("dict[str, Any]", content).items():
            self._read_rule((CHANNELS, pattern), rule)

    def _read_rule(self, path: Path, rule: Any) -> None:
        if not isinstance(rule, dict):
            self._wrong(path, 'is no rule: a pattern is a table, as [channels."chat.**"]')
            return
        try:
            check_channel_or_pattern(path[1])
        except RequestError as error:
            self._wrong(path, "", error.message)
        # An empty rule counts too: it keeps others from the channels it covers.
        self._layer.entries.append(Entry(path, None, self._origin(path)))
        for key, value in cast("dict[str, Any]", rule).items():
            if isinstance(value, dict):
                name = f'[channels."{path[1]}.{key}"]'
                self._wrong((*path, key), f"is no setting; a name with dots needs quotes: {name}")
                continue
            self._take((*path, key), value)

    def _take(self, path: Path, value: Any) -> None:
        if find(path) is None:
            self._wrong(path, "", unknown_setting(path))
        else:
            self._layer.entries.append(Entry(path, value, self._origin(path)))

    def _origin(self, path: Path) -> Origin:
        line = line_of(self._lines, path)
        return Origin("file", self._file if line is None else f"{self._file}:{line}")

    def _wrong(self, path: Path, what: str, message: str = "") -> None:
        where = self._origin(path).where
        self._layer.problems.append(Problem(where, message or f"{written(path)} {what}"))
