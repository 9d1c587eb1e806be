"""Where a value comes from, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from everywire.core.errors import EverywireError

LayerName = Literal["default", "file", "environment", "flag"]
Path = tuple[str, ...]
"""A setting's name in parts: ``("limits", "max_wait")``, ``("channels", "chat.**", "slow")``."""


class Origin(NamedTuple):
    """Where a value comes from.

    Attributes:
        layer: Which layer gave it.
        where: The file and its line, the variable or the flag; empty for a default.
    """

    layer: LayerName
    where: str = ""

    def __str__(self) -> str:
        return self.where or self.layer


DEFAULT = Origin("default")


class Entry(NamedTuple):
    """A value that a layer gives, as it was written.

    Attributes:
        path: The setting it is for.
        value: What stands there.
        origin: Where.
    """

    path: Path
    value: Any
    origin: Origin


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        where: Where it stands, as an origin says it.
        message: What is wrong, and what is allowed.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigurationError(EverywireError):
    """Settings that cannot be used.

    Args:
        problems: All that is wrong; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = [str(problem) for problem in problems]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} things are wrong with the settings:")
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)
