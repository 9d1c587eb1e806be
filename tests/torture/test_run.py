"""Short runs against real servers: a good one passes, and one that forgets does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from everywire.cli.torture import torture as command
from everywire.core.errors import UsageError
from everywire.torture.history import load
from everywire.torture.run import torture
from everywire.torture.verdict import Ordered
from support.processes import ServerProcess


@pytest.mark.timeout(120)
def test_a_server_keeps_its_promises(tmp_path: Path) -> None:
    """Seed 46 kills it, stops it, and has a fault of each kind for connections."""
    path = tmp_path / "history.ndjson"
    result = CliRunner().invoke(
        command, ["--seed", "46", "--seconds", "7", "--json", "--history", str(path)]
    )
    assert result.exit_code == 0, result.output
    verdict = json.loads(result.stdout)
    assert verdict["good"] is True
    assert verdict["broken"] == verdict["complaints"] == []
    counts = verdict["counts"]
    for done in ("acknowledged", "received", "ws", "sse", "poll", "gaps", "kill", "cut", "reset"):
        assert counts[done] > 0, (done, counts)
    assert len(load(path)) > counts["acknowledged"] + counts["received"]


@pytest.mark.timeout(120)
def test_a_log_that_forgets_is_found_out() -> None:
    """The check can fail end to end: killed with its messages in memory, a server loses them."""
    result = CliRunner().invoke(command, ["--seed", "46", "--seconds", "3", "--log", "memory:"])
    assert result.exit_code == 1, result.output
    assert "BROKEN  lost: publisher" in result.stdout
    assert "everywire torture --seed 46 --seconds 3 --log memory:" in result.stdout


@pytest.mark.timeout(120)
def test_a_server_that_is_there_already(serve: Callable[..., ServerProcess]) -> None:
    server = serve("--log", "memory:")
    assert server.process is not None
    verdict = torture(Ordered(seed=3, seconds=2, url=server.url))
    assert verdict.broken == []
    assert verdict.counts["kill"] == verdict.counts["stop"] == verdict.counts["freeze"] == 0
    assert verdict.counts["received"] > verdict.counts["acknowledged"] > 0
    assert server.process.poll() is None


def test_https_is_refused() -> None:
    with pytest.raises(UsageError, match="give http"):
        torture(Ordered(seed=1, seconds=1, url="https://127.0.0.1:1"))


def test_two_servers_are_one_too_many() -> None:
    result = CliRunner().invoke(command, ["--url", "http://127.0.0.1:1", "--log", "memory:"])
    assert result.exit_code == 2
    assert "--url names another" in result.output
