"""Filters over event, meta and the top-level scalars of data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import RequestError
from everywire.core.filters import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_FILTER_BYTES,
    parse_filter,
)
from everywire.core.messages import Kind, Message

TRADE = {"price": 101.5, "symbol": "AAPL", "open": True, "none": None, "deep": {"price": 1}, "n": 7}


def message(data: Any = TRADE, event: str = "trade", meta: dict[str, Any] | None = None) -> Message:
    encoded = None if meta is None else json.dumps(meta).encode()
    return Message(1, "prices", event, json.dumps(data).encode(), Kind.JSON, 0, meta=encoded)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('event = "trade"', True),
        ('event != "trade"', False),
        ("data.price > 100", True),
        ("data.price>=101.5 and data.price<=101.5", True),
        ("data.price < 1e2", False),
        ("data.n = 7.0", True),
        ('data.symbol in ("MSFT", "AAPL")', True),
        ('data.symbol not in ("MSFT", "AAPL")', False),
        ('not data.symbol = "MSFT"', True),
        ("data.open = true", True),
        ("data.open = 1", False),
        ("data.open != 1", True),
        ("data.open > false", False),
        ("data.none = null", True),
        ("data.absent = null", True),
        ("data.deep = null", True),
        ("data.absent > 0 or data.absent <= 0", False),
        ('data.price > "100"', False),
        ('data.symbol > "AAA"', True),
        ('data."symbol" = "AAPL"', True),
        ('meta.region = "eu"', True),
        ("meta.2fa = true", True),
        ('meta.region = "us" or meta.region = "eu" and event = "trade"', True),
        ('(meta.region = "us" or meta.region = "eu") and event = "quote"', False),
        ("data.price = null", False),
        ("not (not (data.open = true))", True),
    ],
)
def test_what_it_shows(text: str, shown: bool) -> None:
    meta = {"region": "eu", "2fa": True}
    assert parse_filter(text).shows(message(meta=meta)) is shown


@pytest.mark.parametrize("data", [[1, 2], "price", 3, None, True])
def test_data_that_is_no_object_has_no_fields(data: Any) -> None:
    assert parse_filter("data.price = null").shows(message(data))


def test_text_and_bytes_have_no_fields() -> None:
    for kind in (Kind.TEXT, Kind.BYTES):
        text = Message(1, "prices", "trade", b'{"price": 101}', kind, 0)
        assert parse_filter("data.price = null").shows(text)
        assert parse_filter('event = "trade"').shows(text)


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("", 1, "a field"),
        ("   ", 4, "a field"),
        ("price > 3", 1, "a field"),
        ("data > 3", 6, "data.NAME"),
        ("data. > 3", 7, "a field's name"),
        ("data.price", 11, "one of = !="),
        ("data.price ~ 3", 12, "an operator"),
        ("data.price = ", 14, "a value"),
        ("data.price = yes", 14, "a value"),
        ("data.price = 3 4", 16, "'and', 'or' or the end"),
        ("(data.price = 3", 16, "')'"),
        ("data.price in 3", 15, "'('"),
        ("data.price in ()", 16, "a value"),
        ("data.price not 3", 16, "'in'"),
        ('event = "a', 9, "a value"),
        ('event = "\\q"', 9, "a string as in JSON"),
        ("data.price = 03", 14, "a value"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, where: int, expected: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_filter(text)
    assert caught.value.code == "bad_request"
    assert expected in caught.value.message
    assert f"at character {where}:" in caught.value.message


def test_its_size_is_bounded() -> None:
    many = " or ".join(["data.a = 1"] * MAX_COMPARISONS)
    assert not parse_filter(many).shows(message())
    for text, said in (
        (many + " or data.a = 1", f"at most {MAX_COMPARISONS} comparisons"),
        ('event = "' + "x" * MAX_FILTER_BYTES + '"', f"at most {MAX_FILTER_BYTES} bytes"),
        ("(" * (MAX_DEPTH + 1), f"{MAX_DEPTH} deep"),
        ("not " * (MAX_DEPTH + 1), f"{MAX_DEPTH} deep"),
    ):
        with pytest.raises(RequestError, match=said):
            parse_filter(text)


def test_equal_texts_are_one_filter_that_decides_once_a_message() -> None:
    one = parse_filter("data.price > 100")
    assert parse_filter("data.price > 100") is one
    seen = message()
    assert one.shows(seen)
    seen.data = b"{}"
    assert one.shows(seen), "it was not decided again"
    assert not one.shows(message({}))


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5)


@given(scalars, scalars)
def test_equality_is_that_of_json(a: Any, b: Any) -> None:
    literal = json.dumps(b, ensure_ascii=False)
    if any(ord(c) < 0x20 or 0xD800 <= ord(c) <= 0xDFFF for c in literal):
        literal = json.dumps(b)
    shown = parse_filter(f"data.x = {literal}").shows(message({"x": a}))
    assert shown is (type(a) is type(b) and a == b)
    assert parse_filter(f"data.x != {literal}").shows(message({"x": a})) is not shown


@given(st.text(alphabet='datme.vn x123"\\=<>!(),or\n{}', max_size=60))
def test_any_text_is_a_filter_or_bad_request(text: str) -> None:
    try:
        filtered = parse_filter(text)
    except RequestError as error:
        assert error.code == "bad_request"
    else:
        assert filtered.shows(message()) in (True, False)
