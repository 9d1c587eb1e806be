"""What is typed, and whose token it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from everywire.cli.options import CHANNEL, CHANNEL_OR_PATTERN, POSITION, read_token


def test_channels_are_checked_here() -> None:
    assert CHANNEL.convert("chat.lobby", None, None) == "chat.lobby"
    assert CHANNEL_OR_PATTERN.convert("chat.**", None, None) == "chat.**"
    with pytest.raises(click.BadParameter, match="is not a channel"):
        CHANNEL.convert("chat.*", None, None)
    with pytest.raises(click.BadParameter, match="is not a channel or pattern"):
        CHANNEL_OR_PATTERN.convert("a b", None, None)


@pytest.mark.parametrize(("text", "position"), [("0", 0), ("9007199254740991", 2**53 - 1)])
def test_a_position(text: str, position: int) -> None:
    assert POSITION.convert(text, None, None) == position


@pytest.mark.parametrize(
    "text", ["", "-1", "1.0", "x", "9007199254740992", "9" * 5000, "٣", "0x1", " 1"]
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a position"):
        POSITION.convert(text, None, None)


def test_a_token_comes_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read_token(None) is None
    monkeypatch.setenv("EVERYWIRE_TOKEN", " from.the.environment \n")
    assert read_token(None) == "from.the.environment"
    file = tmp_path / "token"
    file.write_text("from.a.file\n")
    assert read_token(file) == "from.a.file"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"a\0b", b"\xff", b"x" * 20_000])
def test_what_is_no_token(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(click.BadParameter, match="holds no token"):
        read_token(file)


@pytest.mark.parametrize("command", ["publish", "tail", "pipe"])
def test_no_flag_takes_a_token(run: Any, command: str) -> None:
    result = run(command, "a", "--token", "secret")
    assert result.exit_code == 2
    assert "--token-file" in result.stderr
