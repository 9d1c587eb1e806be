"""Numbers with units are read as people mean them, and written so that nothing is lost."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.units import MAX_BYTES, MAX_SECONDS, Unit
from everywire.server.configuration.quantities import (
    ALLOWED,
    parse_quantity,
    unit_names,
    write_quantity,
)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("7d", "seconds", 604_800),
        ("250ms", "seconds", 0.25),
        ("57ms", "seconds", 0.057),
        ("1.5h", "seconds", 5400),
        ("2 W", "seconds", 1_209_600),
        ("90", "seconds", 90),
        ("10m", "milliseconds", 600_000),
        ("1.5", "milliseconds", 1.5),
        ("1GiB", "bytes", 1024**3),
        ("1gb", "bytes", 1024**3),
        ("64k", "bytes", 65_536),
        (" 0.5M ", "bytes", 524_288),
        ("7B", "bytes", 7),
        ("0", "bytes", 0),
    ],
)
def test_what_is_read(text: str, unit: Unit, value: float) -> None:
    read = parse_quantity(text, unit)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize(
    "text", ["", "d", "-1s", "1e3", "1,5s", "1s2s", "inf", "nan", "0x10", "٣s", "1.s", "9" * 21]
)
def test_what_is_none(text: str, unit: Unit) -> None:
    assert parse_quantity(text, unit) is None


@pytest.mark.parametrize(
    ("text", "unit"), [("1GiB", "seconds"), ("1d", "bytes"), ("1y", "seconds")]
)
def test_a_unit_of_something_else_is_none(text: str, unit: Unit) -> None:
    assert parse_quantity(text, unit) is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "seconds", "0"),
        (604_800.0, "seconds", "7d"),
        (75.0, "seconds", "75s"),
        (0.05, "seconds", "50ms"),
        (0.0001, "seconds", "0.0001"),
        (2000, "milliseconds", "2s"),
        (1024**4, "bytes", "1024GiB"),
        (1536, "bytes", "1536"),
    ],
)
def test_what_is_written(value: float, unit: Unit, text: str) -> None:
    assert write_quantity(value, unit) == text


@given(st.floats(0, MAX_SECONDS))
def test_a_duration_comes_back(value: float) -> None:
    written = write_quantity(value, "seconds")
    read = parse_quantity(written, "seconds")
    # What no unit makes whole is written as TOML has numbers, with an exponent if need be.
    assert (float(written) if read is None else read) == value


@given(st.integers(0, MAX_BYTES), st.sampled_from(["bytes", "milliseconds"]))
def test_a_whole_number_comes_back(value: int, unit: Unit) -> None:
    assert parse_quantity(write_quantity(value, unit), unit) == value


def test_every_unit_that_is_named_as_allowed_is() -> None:
    for unit, words in ALLOWED.items():
        examples = words.split('"')[1::2]
        assert examples
        assert None not in [parse_quantity(example, unit) for example in examples]
    assert {"ms", "w", "gib", "t"} <= unit_names()
