"""What a comparison comes to, and where the last one is kept.

A `Comparison` is rows; a row has a cell for each wire; a cell has a sentence and the figures that
the sentence was made of, each with all its runs. ``everywire compare`` writes it,
``everywire advise`` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec

from everywire.advice.rules import Wire

VERSION: Final = 1

MAX_STORED: Final = 4 * 1024 * 1024
"""Bytes of a stored comparison that are read; one has some 20 KiB."""

Kind = Literal["measured", "tested", "fact"]


class Figure(msgspec.Struct, frozen=True):
    """Something measured, several times.

    Attributes:
        unit: ``ms``, ``bytes``, ``KiB``, ``µs`` or nothing, for a count.
        runs: Each run's value, in order.
    """

    unit: str
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.runs)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.runs)

    @property
    def high(self) -> float:
        """The greatest."""
        return max(self.runs)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        shown, low, high = map(number, (self.median, self.low, self.high))
        spread = "" if low == high else f" ({low}–{high})"
        return f"{shown}{unit}{spread}"


class Cell(msgspec.Struct, frozen=True):
    """What a row says of a wire.

    Attributes:
        says: A short sentence, with figures and their spread.
        figures: By name, what it was made of.
        tested: How a yes or no came out: of so many tries, so many said yes. None: it is none.
    """

    says: str
    figures: dict[str, Figure] = {}
    tested: tuple[int, int] | None = None


class Row(msgspec.Struct, frozen=True):
    """One thing compared.

    Attributes:
        name: For programs.
        title: For people.
        kind: ``measured``, ``tested``, or a ``fact`` that has a source instead.
        how: How it was found out.
        cells: By wire.
        claims: What is commonly said, by wire; empty where it is nothing.
    """

    name: str
    title: str
    kind: Kind
    how: str
    cells: dict[Wire, Cell]
    claims: dict[Wire, str] = {}


class Comparison(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        rows: In the order in which they are shown.
        measured_at: When, as RFC 3339.
        seconds: How long it took.
        runs: How often each measurement was made.
        quick: Whether it was a quick one, with fewer and shorter runs.
        machine: What it was measured on, by name.
        version: Of this format.
    """

    rows: tuple[Row, ...]
    measured_at: str
    seconds: float
    runs: int
    quick: bool
    machine: dict[str, str]
    version: int = VERSION

    def row(self, name: str) -> Row | None:
        """A row by its name."""
        return next((row for row in self.rows if row.name == name), None)


def number(value: float) -> str:
    """A figure with as many digits as mean something: three."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def figure(unit: str, runs: Sequence[float]) -> Figure:
    """A figure of its runs, without digits that mean nothing."""
    return Figure(unit, tuple(float(f"{value:.5g}") for value in runs))


def stored_at() -> Path:
    """Where the last comparison is kept (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "everywire" / "compare.json"


def save(comparison: Comparison) -> Path:
    """Keep a comparison as the last one.

    Raises:
        OSError: It could not be written.
    """
    path = stored_at()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(encode(comparison))
    unfinished.replace(path)
    return path


def last() -> Comparison | None:
    """The last comparison; None where there is none that can be read."""
    try:
        with stored_at().open("rb") as file:
            return decode(file.read(MAX_STORED))
    except (OSError, RuntimeError, ValueError):
        # No home, no file, or one of another version.
        return None


def encode(comparison: Comparison) -> bytes:
    """A comparison as JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=2)


def decode(text: bytes) -> Comparison:
    """A comparison of its JSON.

    Raises:
        ValueError: It is none, or one of another version.
    """
    comparison = _decode(text)
    if comparison.version != VERSION:
        raise ValueError(f"a comparison of version {comparison.version}; this is {VERSION}")
    return comparison


_decode = msgspec.json.Decoder(Comparison).decode
