"""From a URL to a log."""

from __future__ import annotations

from everywire.core.errors import UsageError
from everywire.logs.base import Log, LogSettings
from everywire.logs.memory import MemoryLog


def open_log(url: str, settings: LogSettings) -> Log:
    """Make the log that a URL names; it has to be opened."""
    if url == "memory:":
        return MemoryLog(settings)
    raise UsageError(url)
