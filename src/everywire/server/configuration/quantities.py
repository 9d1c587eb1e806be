"""Numbers with units: durations and sizes, as people write them and as settings hold them.

A number without a unit counts in the setting's own: seconds, milliseconds or bytes. Case does not
matter, since nobody means a megabit or a minute of bytes; a kilobyte has 1024 bytes however it is
written. Written out, a value gets the largest unit in which it is a whole number, and reading it
again gives the very same value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

from everywire.core.units import Unit

_QUANTITY: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z]*)")

_MILLISECONDS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_BYTES: Final = {"b": 1} | {
    f"{letter}{rest}": 1024**power
    for power, letter in enumerate("kmgt", 1)
    for rest in ("", "b", "ib")
}

_FACTORS: Final[dict[Unit, dict[str, Fraction]]] = {
    "seconds": {unit: Fraction(ms, 1000) for unit, ms in _MILLISECONDS.items()},
    "milliseconds": {unit: Fraction(ms) for unit, ms in _MILLISECONDS.items()},
    "bytes": {unit: Fraction(size) for unit, size in _BYTES.items()},
}

_WRITTEN: Final[dict[Unit, tuple[str, ...]]] = {
    "seconds": ("d", "h", "m", "s", "ms"),
    "milliseconds": ("d", "h", "m", "s", "ms"),
    "bytes": ("GiB", "MiB", "KiB"),
}

KINDS: Final[dict[Unit, str]] = {
    "seconds": "a duration",
    "milliseconds": "a duration",
    "bytes": "a size",
}
EXAMPLES: Final[dict[Unit, str]] = {
    "seconds": '"250ms", "90s", "15m", "12h" or "7d"',
    "milliseconds": '"250ms", "90s" or "15m"',
    "bytes": '"64KiB", "256MiB" or "1GiB"',
}
ALLOWED: Final[dict[Unit, str]] = {
    unit: f"{kind}, such as {EXAMPLES[unit]} (a bare number counts {unit})"
    for unit, kind in KINDS.items()
}
"""What may be written, for errors."""


def unit_names() -> set[str]:
    """Every unit, in small letters."""
    return set(_MILLISECONDS) | set(_BYTES)


def parse_quantity(text: str, unit: Unit) -> int | float | None:
    """What a number with a unit comes to.

    Args:
        text: As it was written, ``15m`` say.
        unit: What the answer is in.

    Returns:
        Whole numbers as int; None: it is no such quantity.
    """
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    factor = _FACTORS[unit].get(found[2].lower()) if found[2] else Fraction(1)
    if factor is None:
        return None
    amount = Fraction(found[1]) * factor
    return amount.numerator if amount.denominator == 1 else float(amount)


def write_quantity(value: float, unit: Unit) -> str:
    """A value as a person would write it, without loss; 0 and odd ones are plain numbers."""
    exact = Fraction(Decimal(repr(value)))
    for name in _WRITTEN[unit]:
        count = exact / _FACTORS[unit][name.lower()]
        if count.denominator == 1 and count:
            return f"{count.numerator}{name}"
    return str(exact.numerator) if exact.denominator == 1 else repr(value)
