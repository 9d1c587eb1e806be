"""What of new settings a running server can take, and what it cannot.

Most is looked up when it is needed: such a setting holds from then on. What the log was opened
with, where the server listens, and what clients have been told cannot change under them; these need
a restart, and until then the old value stays. So a reload never leaves a server in between: each
setting is the new one or the old one, and what happened is said of each.

Connections that are open keep what they began with where that is part of how their bytes are read:
limits of frames, heads and bodies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from everywire.core.limits import Limits
from everywire.core.rules import Rules
from everywire.logs.base import LogSettings
from everywire.server.configuration.loading import Configuration, Value, build
from everywire.server.configuration.origins import ConfigurationError, Path
from everywire.server.configuration.schema import CHANNELS, SERVER, find, written
from everywire.server.configuration.values import shown
from everywire.server.settings import Settings

logger = logging.getLogger("everywire.settings")

_PLAIN: Final = {
    "allowed_hosts",
    "allowed_origins",
    "stream_heartbeat",
    "cache_seconds",
    "retry_ms",
    "drain_seconds",
    "drain_retry_ms",
    "stop_seconds",
    "deflate",
    "docs",
    "log_level",
}
_LIMITS_OF_THE_LOG: Final = {"max_open_batch_bytes"} | (
    {field.name for field in fields(Limits)} & {field.name for field in fields(LogSettings)}
)
_OF_RULES: Final = {"slow", "linger"}


def reloads(path: Path) -> bool:
    """Whether a change of a setting holds without a restart."""
    if path[0] == CHANNELS:
        return path[-1] in _OF_RULES
    if path[0] == "limits":
        return path[-1] not in _LIMITS_OF_THE_LOG
    return path[0] in _PLAIN


class Reloading:
    """Reads settings again, and says what comes of it.

    Args:
        running: What the server runs with.
        read: Reads the same sources again.
    """

    def __init__(self, running: Configuration, read: Callable[[], Configuration]) -> None:
        self._read = read
        self._values: dict[Path, Value] = dict(running.values)
        self._rules = running.settings.rules
        self._kept = _what_is_kept(running.settings.rules)

    def reload(self) -> Settings | None:
        """Read again, and log what changed and what cannot.

        Returns:
            What to run with from now on; None: everything stays as it is.
        """
        try:
            new = self._read()
        except ConfigurationError as error:
            logger.error("the settings stay as they are; read again, they are wrong:\n%s", error)
            return None
        changed = self._changed(new.values, reloads)
        rules = new.settings.rules
        if not changed and self._rules.rules != rules.rules:
            changed.append("channels: which rules there are, and their order")
        refused = self._changed(new.values, lambda path: not reloads(path))
        if self._kept != _what_is_kept(rules) and not any(CHANNELS in line for line in refused):
            refused.append("channels: which rule says what is kept")
        self._log(new, changed, refused)
        if not changed:
            return None
        for setting in SERVER:
            if reloads(setting.path):
                self._values[setting.path] = new.values[setting.path]
        self._take_rules(new)
        return build(self._values, rules)

    def _changed(self, new: Mapping[Path, Value], kind: Callable[[Path], bool]) -> list[str]:
        """What differs, of those settings that are of a kind."""
        return [
            _difference(path, self._values.get(path), new.get(path))
            for path in dict.fromkeys((*self._values, *new))
            if kind(path) and _value(path, self._values) != _value(path, new)
        ]

    def _take_rules(self, new: Configuration) -> None:
        self._rules = new.settings.rules
        gone = [path for path in self._values if path[0] == CHANNELS and reloads(path)]
        for path in gone:
            del self._values[path]
        self._values |= {p: v for p, v in new.values.items() if p[0] == CHANNELS and reloads(p)}

    def _log(self, new: Configuration, changed: list[str], refused: list[str]) -> None:
        source = f" from {new.file}" if new.file else ""
        logger.info("settings read again%s: %d changed", source, len(changed))
        for line in changed:
            logger.info("changed: %s", line)
        for line in refused:
            logger.warning("needs a restart, and stays as it was: %s", line)


def _what_is_kept(rules: Rules) -> list[tuple[Any, ...]]:
    """What the log goes by, of rules. One that limits nothing matters if one behind it does."""
    kept = [(rule.pattern, rule.max_messages, rule.max_age, rule.max_bytes) for rule in rules.rules]
    while kept and kept[-1][1:] == (None, None, None):
        kept.pop()
    return kept


def _value(path: Path, values: Mapping[Path, Value]) -> Any:
    """A value; of a key that a rule does not name, its default."""
    if path in values:
        return values[path].value
    setting = find(path)
    return setting.default if setting else None


def _difference(path: Path, old: Value | None, new: Value | None) -> str:
    setting = find(path)
    assert setting is not None
    before = shown(setting, setting.default if old is None else old.value)
    after = shown(setting, setting.default if new is None else new.value)
    origin = "" if new is None else f" ({new.origin})"
    return f"{written(path)}: {before} → {after}{origin}"
