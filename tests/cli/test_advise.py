"""`everywire advise`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from comparison.samples import a_comparison
from everywire.cli import advise
from everywire.comparison import results

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No comparison that somebody made on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_it_says_which_and_why_and_prints_code(run: Run) -> None:
    result = run("advise", "--two-way")
    assert result.exit_code == 0
    assert result.stdout.startswith("Take WebSocket.\n\nWhy\n- Clients send often.")
    assert "- If clients did not send, or seldom," in result.stdout
    assert "publisher.publish(" in result.stdout
    assert "new WebSocket(" in result.stdout
    assert "everywire compare" in result.stderr


def test_json(run: Run) -> None:
    result = run("advise", "--network", "hostile", "--json")
    answer = json.loads(result.stdout)
    assert list(answer) == ["wire", "reasons", "would_change", "code"]
    assert answer["wire"] == "longpoll"
    assert len(answer["reasons"]) >= 2
    assert all(isinstance(reason, str) for reason in answer["reasons"])
    assert answer["would_change"]
    assert "/updates" in answer["code"]["client"]
    assert "publish" in answer["code"]["server"]
    assert result.stderr == ""


def test_figures_of_the_last_comparison_stand_behind_the_reasons(run: Run) -> None:
    results.save(a_comparison())
    answer = json.loads(run("advise", "--two-way", "--json").stdout)
    assert answer["reasons"][0].endswith(
        " Measured here on 2026-11-24. WebSocket: direction of websocket. Server-Sent Events: "
        "direction of sse. long polling: direction of longpoll."
    )


def test_a_fact_is_not_said_to_be_measured(run: Run) -> None:
    results.save(a_comparison())
    answer = json.loads(run("advise", "--browser", "--http1", "--json").stdout)
    assert " By its sources. WebSocket: browser_connections of websocket." in answer["reasons"][0]


def test_the_figures_of_a_row_are_said_once(run: Run) -> None:
    results.save(a_comparison())
    reasons = json.loads(run("advise", "--cdn", "--json").stdout)["reasons"]
    assert sum("CDN" in reason for reason in reasons) == 2
    assert sum("cdn of websocket" in reason for reason in reasons) == 1


def test_a_stored_comparison_that_cannot_be_read_is_none(run: Run) -> None:
    results.save(a_comparison())
    results.stored_at().write_bytes(b"{")
    answer = json.loads(run("advise", "--two-way", "--json").stdout)
    assert "Measured" not in answer["reasons"][0]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_off_a_terminal_it_needs_flags(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("advise", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "everywire advise --two-way" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--rate", "-1"), ("--clients", "0"), ("--network", "fast"), ("--rate", "x")]
)
def test_what_cannot_be_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("advise", *arguments).exit_code == 2


def test_a_rate_of_nought_is_an_answer(run: Run) -> None:
    assert json.loads(run("advise", "--rate", "0", "--json").stdout)["wire"] == "longpoll"


def test_it_asks_at_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advise, "at_a_terminal", lambda: True)
    typed = "\n".join(("n", "n", "n", "fast", "0.5", "", "proxied", "n", "y", "n", ""))
    result = run("advise", "--json", input=typed.encode())
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["wire"] == "sse"
    assert "Do clients send too" in result.stderr
    assert "'fast' is not a valid float range" in result.stderr


def test_what_only_web_pages_are_asked_is_not_asked_of_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advise, "at_a_terminal", lambda: True)
    result = run("advise", input=b"y\n\n\n\n\n\n\n\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Take WebSocket.")
    assert "HTTP/1.1" not in result.stderr


def test_what_is_typed_ends_early(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advise, "at_a_terminal", lambda: True)
    assert run("advise", input=b"y\n").exit_code == 130
