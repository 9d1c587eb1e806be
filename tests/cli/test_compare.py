"""`everywire compare`: what it prints, keeps and writes; measuring itself is tested elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from comparison.samples import a_comparison
from everywire.cli import compare
from everywire.comparison import results
from everywire.comparison.measuring import Progress
from everywire.comparison.samples import FULL, QUICK, Plan
from everywire.comparison.servers import ComparisonFailed

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """By which it was measured; nothing is."""
    asked: list[Plan] = []

    async def measure(plan: Plan, progress: Progress) -> results.Comparison:
        asked.append(plan)
        for part in (0.0, 0.05, 0.5, 1.0):
            progress(part, f"step at {part}")
        return a_comparison()

    monkeypatch.setattr(compare, "measure", measure)
    return asked


def test_data_on_stdout_words_on_stderr(run: Run, plans: list[Plan]) -> None:
    result = run("compare")
    assert result.exit_code == 0
    assert "Latency" in result.stdout
    assert "step at" not in result.stdout
    assert result.stderr.splitlines() == [
        "everywire: 0%: step at 0.0",
        "everywire: 50%: step at 0.5",
        "everywire: 100%: step at 1.0",
    ]
    assert plans == [FULL]


def test_quick(run: Run, plans: list[Plan]) -> None:
    assert run("compare", "--quick").exit_code == 0
    assert plans == [QUICK]


def test_json_is_the_whole_comparison(run: Run) -> None:
    result = run("compare", "--json")
    assert results.decode(result.stdout.encode()) == a_comparison()
    assert len(json.loads(result.stdout)["rows"]) == 11


def test_it_is_kept_unless_it_shall_not(run: Run) -> None:
    assert run("compare", "--no-save").exit_code == 0
    assert results.last() is None
    assert run("compare").exit_code == 0
    assert results.last() == a_comparison()


def test_the_last_one_can_be_shown_again(run: Run, plans: list[Plan]) -> None:
    missing = run("compare", "--last")
    assert missing.exit_code == 1
    assert "everywire compare" in missing.stderr
    results.save(a_comparison())
    again = run("compare", "--last", "--json")
    assert results.decode(again.stdout.encode()) == a_comparison()
    assert plans == []


def test_html(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = run("compare", "--html", str(path))
    assert result.exit_code == 0
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert f"the report is in {path}" in result.stderr
    assert "Latency" in result.stdout


def test_a_report_that_has_no_place_is_noticed_before_a_minute_is_spent(
    run: Run, tmp_path: Path, plans: list[Plan]
) -> None:
    result = run("compare", "--html", str(tmp_path / "missing" / "report.html"))
    assert result.exit_code == 2
    assert plans == []


def test_where_it_cannot_be_kept_it_is_shown_all_the_same(run: Run, state: Path) -> None:
    state.write_text("in the way")
    result = run("compare")
    assert result.exit_code == 0
    assert "Latency" in result.stdout
    assert "not kept" in result.stderr


def test_a_failure_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(plan: Plan, progress: Progress) -> results.Comparison:
        raise ComparisonFailed("the server to be measured did not start; it said: no")

    monkeypatch.setattr(compare, "measure", fail)
    result = run("compare")
    assert result.exit_code == 1
    assert "did not start; it said: no" in result.stderr


def test_progress_on_a_terminal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show = compare.bar()
    show(0.5, "half")
    show(1.0, "done")
    said = capsys.readouterr().err
    assert "\n" not in said
    assert "\r\033[K████████████░░░░░░░░░░░░  50%  half" in said
    assert said.endswith("\r\033[K")
