"""`everywire key`: the API keys of back ends."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from everywire.access.api_keys import name_of
from everywire.access.key_file import KeyFile
from everywire.core.access import Grant
from everywire.core.errors import RequestError

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVERYWIRE_KEYS", raising=False)
    monkeypatch.chdir(tmp_path)


def create(run: Run, *arguments: str) -> str:
    result = run("key", "create", "backend", "--grant", "**=publish", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


def check(text: str, path: str = "everywire.keys") -> Grant:
    file = KeyFile(Path(path))
    file.load()
    return file.ring.check(text, time.time_ns() // 1_000_000)


def listed(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("key", "list", "--json").stdout.splitlines()]


def test_a_key_and_nothing_else_goes_to_stdout(run: Run) -> None:
    result = run("key", "create", "backend", "--grant", "**=publish", "--grant", "a=history")
    assert result.exit_code == 0
    text = result.stdout.removesuffix("\n")
    assert name_of(text) == "backend"
    grant = check(text)
    assert (grant.allowed.of("publish"), grant.allowed.of("history")) == (("**",), ("a",))
    assert (grant.admin, grant.expires_ms) == (False, None)
    assert "the only time" in result.stderr
    assert text not in Path("everywire.keys").read_text()
    assert stat.S_IMODE(Path("everywire.keys").stat().st_mode) == 0o600


def test_a_key_may_be_for_the_admin_api_and_may_expire(run: Run) -> None:
    result = run("key", "create", "ops", "--admin", "--expires", "1d", "--json")
    answer = json.loads(result.stdout)
    grant = check(answer["key"])
    assert (answer["name"], grant.admin, grant.allowed.patterns) == ("ops", True, ())
    assert grant.expires_ms is not None
    assert 86_000 < grant.expires_ms / 1000 - time.time() <= 86_400


def test_a_key_that_is_good_for_nothing_is_not_made(run: Run) -> None:
    result = run("key", "create", "backend")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give --grant, or --admin" in result.stderr
    assert not Path("everywire.keys").exists()


def test_which_keys_there_are(run: Run) -> None:
    assert run("key", "list").stderr.startswith("everywire: there are no API keys")
    text = create(run)
    run("key", "create", "aaa", "--admin")
    (first, second) = listed(run)
    assert (first["name"], first["admin"]) == ("aaa", True)
    assert second["grants"] == {"**": ["publish"]}
    assert len(second["secrets"]) == 1
    shown = run("key", "list").stdout
    assert "key        backend" in shown
    assert "grants     **: publish" in shown
    assert text not in shown
    assert "sha256" not in shown


def test_a_key_is_rotated_without_a_moment_in_which_none_counts(run: Run) -> None:
    old = create(run)
    new = run("key", "rotate", "backend", "--keep-old", "1h").stdout.strip()
    assert check(old).key == check(new).key == "backend"
    assert check(old).expires_ms is not None
    assert check(new).expires_ms is None
    assert "counts until" in run("key", "list").stdout
    result = run("key", "revoke", "backend", "--old")
    assert (result.exit_code, result.stdout) == (0, "")
    with pytest.raises(RequestError):
        check(old)
    assert check(new)


def test_without_a_time_the_last_secret_counts_until_it_is_revoked(run: Run) -> None:
    old = create(run)
    result = run("key", "rotate", "backend", "--json")
    assert json.loads(result.stdout)["name"] == "backend"
    assert "key revoke backend --old" in result.stderr
    assert check(old).expires_ms is None


def test_a_key_is_revoked(run: Run) -> None:
    text = create(run)
    assert run("key", "revoke", "backend").exit_code == 0
    with pytest.raises(RequestError):
        check(text)
    assert listed(run) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "backend", "--admin"], "there is an API key 'backend' already"),
        (["create", "Back_End", "--admin"], "is no name for an API key"),
        (["rotate", "other"], "there is no API key 'other'; there are: backend"),
        (["revoke", "other"], "there is no API key 'other'; there are: backend"),
        (["revoke", "backend", "--old"], "has no older secret"),
        (["revoke", "backend", "--file", "nowhere/keys"], "there is no nowhere"),
        (["creat", "x"], "Did you mean create?"),
    ],
)
def test_what_cannot_be_is_a_usage_error(run: Run, arguments: list[str], words: str) -> None:
    create(run)
    before = Path("everywire.keys").read_bytes()
    result = run("key", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert Path("everywire.keys").read_bytes() == before


def test_the_file_may_be_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = create(run, "--file", "one.keys")
    assert check(text, "one.keys")
    monkeypatch.setenv("EVERYWIRE_KEYS", "two.keys")
    text = create(run)
    assert check(text, "two.keys")
    assert not Path("everywire.keys").exists()


@pytest.mark.parametrize("name", ["create", "list", "rotate", "revoke"])
def test_each_has_help_that_begins_with_examples(run: Run, name: str) -> None:
    text = run("key", name, "--help").output
    assert text.index("Usage:") < text.index("Examples:") < text.index("Options:")
    assert text.index("Options:") < text.index("Exit codes:")
