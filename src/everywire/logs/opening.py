"""From a URL to a log: ``memory:`` or ``sqlite:PATH``, the one switch of where messages live.

What comes after a ``?`` are settings of the log. The path is taken as it is written, and may be
relative. Logs that several nodes share (NATS, Redis) will be other schemes here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from everywire.core.errors import UsageError
from everywire.logs.base import Log, LogSettings
from everywire.logs.memory import MemoryLog
from everywire.logs.sqlite import SqliteLog, Synchronous

_LATER: Final = ("nats", "redis", "rediss", "valkey")
_SYNCHRONOUS: Final[dict[str, Synchronous]] = {"full": "full", "normal": "normal"}


def open_log(url: str, settings: LogSettings) -> Log:
    """Make the log that a URL names; it has to be opened.

    Args:
        url: ``memory:``, or ``sqlite:PATH``, perhaps with ``?synchronous=normal`` (faster; the
            last moments before a power cut may be gone) or ``?synchronous=full`` (the default).
        settings: Clock, scheduler, retention.

    Raises:
        UsageError: There is no such log, or no such setting.
    """
    scheme, colon, rest = url.partition(":")
    make = _MAKERS.get(scheme) if colon else None
    if make is not None:
        return make(rest, settings)
    if scheme in _LATER:
        raise UsageError(
            f"the log {scheme}: comes in a later version; use sqlite:PATH (one file) or memory:"
        )
    raise UsageError(
        f"{url!a} is no log; use sqlite:PATH (one file, as in sqlite:everywire.db) or memory: "
        "(gone when the server stops)"
    )


def _memory(rest: str, settings: LogSettings) -> Log:
    if rest:
        raise UsageError(f"memory: takes no path or setting, not {rest!a}")
    return MemoryLog(settings)


def _sqlite(rest: str, settings: LogSettings) -> Log:
    path, _, query = rest.partition("?")
    if not path or path == ":memory:":
        raise UsageError(
            "sqlite: needs the path of a file, as in sqlite:everywire.db; for a log without a "
            "file use memory:"
        )
    if path.startswith("//") and not path.startswith("///"):
        raise UsageError(
            f"sqlite:{path} has slashes of a URL before its path; write sqlite:{path[2:]} or, for "
            f"a path from the root, sqlite:/{path[2:]}"
        )
    synchronous: Synchronous = "full"
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "synchronous":
            raise UsageError(f"sqlite: has no setting {name!a}, only synchronous=full or =normal")
        if value not in _SYNCHRONOUS:
            raise UsageError(f"synchronous of sqlite: is full or normal, not {value!a}")
        synchronous = _SYNCHRONOUS[value]
    return SqliteLog(Path(path), settings, synchronous)


_MAKERS: Final[dict[str, Callable[[str, LogSettings], Log]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
}
