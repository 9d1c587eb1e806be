"""Figures, and where the last comparison is kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from everywire.comparison import results
from everywire.comparison.results import decode, encode, figure, last, number, save, stored_at

from .samples import a_comparison


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.12345, "0.123"), (1.5, "1.5"), (12.34, "12.3"), (123.4, "123"), (1e6, "1000000")],
)
def test_a_number_has_three_digits_that_mean_something(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_figure_says_its_median_and_its_spread() -> None:
    assert str(figure("ms", (3.0, 1.0, 1.25))) == "1.25 ms (1–3)"
    assert str(figure("", (7,))) == "7"
    assert str(figure("ms", (2.0, 2.0))) == "2 ms"


def test_a_comparison_survives_its_json() -> None:
    assert decode(encode(a_comparison())) == a_comparison()


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_the_last_one_is_kept(state: Path) -> None:
    assert last() is None
    assert save(a_comparison()) == state / "everywire" / "compare.json"
    assert last() == a_comparison()
    assert [path.name for path in (state / "everywire").iterdir()] == ["compare.json"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"rows": 1}', b"\xff"])
def test_what_cannot_be_read_is_none(state: Path, text: bytes) -> None:
    save(a_comparison())
    stored_at().write_bytes(text)
    assert last() is None


def test_one_of_another_version_is_none(state: Path) -> None:
    save(msgspec.structs.replace(a_comparison(), version=results.VERSION + 1))
    assert last() is None


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_without_an_absolute_state_folder_it_is_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stored_at() == tmp_path / ".local" / "state" / "everywire" / "compare.json"
