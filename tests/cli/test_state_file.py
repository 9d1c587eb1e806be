"""cli.state_file: how far a command has come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from everywire.cli.state_file import StateFile, StateRefused

CHANNELS = ("orders.**", "prices")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.state"


def position(path: Path, channels: tuple[str, ...] = CHANNELS) -> int | None:
    state = StateFile(path, channels)
    state.close()
    return state.position


def save(path: Path, *positions: int) -> None:
    state = StateFile(path, CHANNELS)
    for number in positions:
        state.save(number)
    state.close()


def test_it_begins_with_nothing_and_keeps_the_last(path: Path) -> None:
    assert position(path) is None
    save(path, 5, 7)
    assert position(path) == 7
    # A log that was replaced leads downwards, too.
    save(path, 3)
    assert position(path) == 3


def test_the_order_of_channels_is_no_matter_but_which_they_are_is(path: Path) -> None:
    save(path, 5)
    assert position(path, ("prices", "orders.**", "prices")) == 5
    with pytest.raises(StateRefused, match=r"is for orders\.\*\* prices"):
        position(path, ("prices",))


def test_two_at_a_time_are_refused(path: Path) -> None:
    first = StateFile(path, CHANNELS)
    with pytest.raises(StateRefused, match="another process's"):
        StateFile(path, CHANNELS)
    first.close()
    assert position(path) is None


def test_the_file_is_whole_whenever_one_looks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, 5)

    def crash(self: Path, target: Path) -> Path:
        raise OSError("the machine is gone")

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(StateRefused, match="cannot be written: the machine is gone"):
        save(path, 7)
    assert position(path) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no state file"),
        ("{", "is no state file"),
        ('{"position": 5}', "is no state file"),
        ('{"channels": ["a"], "position": "5"}', "is no state file"),
        ('{"channels": [], "position": 5, "version": 2}', "another version"),
        ('{"channels": [], "position": -5}', "another version"),
    ],
)
def test_what_is_no_state_is_refused_and_left(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    with pytest.raises(StateRefused, match=words):
        position(path)
    assert path.read_text() == text
    # And is not locked afterwards.
    path.write_text(json.dumps({"channels": sorted(CHANNELS), "position": 5}))
    assert position(path) == 5


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateRefused, match="cannot be locked"):
        save(tmp_path / "file" / "x.state", 5)
