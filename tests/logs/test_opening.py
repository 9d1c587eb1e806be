"""From a URL to a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from everywire.core.errors import UsageError
from everywire.logs.base import LogSettings
from everywire.logs.memory import MemoryLog
from everywire.logs.opening import open_log
from everywire.logs.sqlite import SqliteLog

SETTINGS = LogSettings(now_us=lambda: 1, soon=lambda _: None)


def test_memory() -> None:
    assert isinstance(open_log("memory:", SETTINGS), MemoryLog)


@pytest.mark.parametrize(
    ("url", "path", "synchronous"),
    [
        ("sqlite:everywire.db", "everywire.db", "full"),
        ("sqlite:./dir/x.db?synchronous=normal", "dir/x.db", "normal"),
        ("sqlite:/abs/x.db?synchronous=full", "/abs/x.db", "full"),
        ("sqlite:///abs/x.db", "/abs/x.db", "full"),
        ("sqlite:with space%20.db", "with space%20.db", "full"),
    ],
)
def test_sqlite(url: str, path: str, synchronous: str) -> None:
    log = open_log(url, SETTINGS)
    assert isinstance(log, SqliteLog)
    assert log.path == Path(path).resolve()
    assert log.synchronous == synchronous


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "sqlite:PATH"),
        ("memory", "memory:"),
        ("memory:x", "takes no path"),
        ("file.db", "sqlite:everywire.db"),
        ("postgres://x", "sqlite:PATH"),
        ("nats://localhost", "later version"),
        ("redis://localhost", "later version"),
        ("sqlite:", "path of a file"),
        ("sqlite::memory:", "memory:"),
        ("sqlite:?synchronous=normal", "path of a file"),
        ("sqlite://x.db", "sqlite:x.db"),
        ("sqlite:x.db?synchronous=off", "full or normal"),
        ("sqlite:x.db?journal=wal", "'journal'"),
        ("sqlite:x.db?synchronous", "full or normal"),
    ],
)
def test_what_is_no_log_is_told_what_is(url: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_log(url, SETTINGS)
    assert said in str(raised.value)
