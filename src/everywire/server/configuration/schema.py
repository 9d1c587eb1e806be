"""What can be set, read off the code: the fields of `Settings` and of what it holds.

A field whose type is a dataclass of settings is a section: its own fields are settings in a table
of that name. `Rules` are the table ``channels``, whose keys are patterns, each with the fields of a
`ChannelRule`. What a setting is for stands in the ``Attributes`` of the class's docstring, and what
may be written in the type of its field (`core.units`).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

import msgspec.inspect

from everywire.core.rules import ChannelRule, Rules
from everywire.core.units import Unit
from everywire.server.configuration.origins import Path
from everywire.server.settings import Settings

CHANNELS: Final = "channels"
"""The table of rules; in it a table for each pattern."""

PATTERN: Final = "PATTERN"
"""Stands for a pattern in the name of a rule's setting."""

VARIABLE_PREFIX: Final = "EVERYWIRE_"

UNLIMITED: Final = "unlimited"
"""Written where there is to be no limit; TOML has no word for None."""

_ENTRY: Final = re.compile(r"^ {4}(\w+): ")


@dataclass(frozen=True)
class Setting:
    """Something that can be set.

    Attributes:
        path: Its name in parts.
        type: What its value is.
        default: Its value where nothing is said. Of `LogRetention` it is the log's own to say.
        about: What it is for, as Markdown.
        unit: What a number counts; None: just itself.
        hidden: What of it is never shown: the ``whole``, or the ``password`` in it.
        optional: Whether there may be none, written ``"unlimited"``.
    """

    path: Path
    type: Any
    default: Any
    about: str
    unit: Unit | None
    hidden: str | None
    optional: bool

    @property
    def name(self) -> str:
        """As people write it: ``limits.max_wait``."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return VARIABLE_PREFIX + "_".join(self.path).upper()


def settings_of(cls: type[Any], prefix: Path = ()) -> Iterator[Setting]:
    """The settings that the fields of a dataclass are, sections included, rules not.

    Args:
        cls: The dataclass. Each field has a default.
        prefix: The names of the tables it stands in.
    """
    types, abouts = get_type_hints(cls, include_extras=True), descriptions(cls)
    for field in fields(cls):
        kind = types[field.name]
        section = section_of(kind)
        if section is not None:
            yield from settings_of(section, (*prefix, field.name))
        elif kind is not Rules:
            yield _setting((*prefix, field.name), kind, _default(field), abouts.get(field.name, ""))


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def section_of(kind: Any) -> type[Any] | None:
    """The dataclass that a field's type is, or may be; None: it is a plain value."""
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((cls for cls in choices if isinstance(cls, type) and is_dataclass(cls)), None)


def _setting(path: Path, kind: Any, default: Any, about: str) -> Setting:
    found = msgspec.inspect.type_info(kind)
    choices = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    extra: dict[str, Any] = {}
    for choice in choices:
        extra |= extra_of(choice)
    optional = any(isinstance(choice, msgspec.inspect.NoneType) for choice in choices)
    if optional:
        about = about.replace("None:", f'`"{UNLIMITED}"`:')
    return Setting(path, kind, default, about, extra.get("unit"), extra.get("hidden"), optional)


def extra_of(kind: Any) -> dict[str, Any]:
    """What a type says beside what msgspec checks: ``unit``, ``hidden``, ``allowed``."""
    extra = getattr(kind, "extra", None)
    return cast("dict[str, Any]", extra) if extra else {}


def descriptions(cls: type[Any]) -> dict[str, str]:
    """What a docstring says of each attribute, on one line, as Markdown."""
    text = inspect.cleandoc(cls.__doc__ or "")
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:\n")[2].splitlines():
        entry = _ENTRY.match(line)
        if entry:
            name = entry[1]
            found[name] = line[entry.end() :]
        elif line.startswith(" " * 8) and name:
            found[name] += " " + line.strip()
        elif line.strip():
            break
    return {name: about.replace("``", "`") for name, about in found.items()}


SERVER: Final = tuple(sorted(settings_of(Settings), key=lambda setting: len(setting.path)))
"""Everything but rules: what stands in no table, then table by table, as the fields are."""

RULE: Final = tuple(
    setting
    for setting in settings_of(ChannelRule, (CHANNELS, PATTERN))
    if setting.path[-1] != "pattern"
)
"""What a rule says of the channels that its pattern covers."""

_BY_PATH: Final = {setting.path: setting for setting in SERVER}
_BY_FIELD: Final = {setting.path[-1]: setting for setting in RULE}
SECTIONS: Final = {
    name: inspect.cleandoc(section.__doc__ or "").partition("\n")[0].removesuffix(".")
    for name, kind in get_type_hints(Settings).items()
    if (section := section_of(kind)) is not None
}
"""The tables that hold plain settings, each with what it is about."""


def find(path: Path) -> Setting | None:
    """The setting of a name; of a rule's, whatever its pattern."""
    if len(path) == 3 and path[0] == CHANNELS:
        return _BY_FIELD.get(path[2])
    return _BY_PATH.get(path)


def written(path: Path) -> str:
    """A name as it would be written in a file: ``channels."chat.**".slow``."""
    if len(path) > 1 and path[0] == CHANNELS:
        return ".".join((CHANNELS, json.dumps(path[1], ensure_ascii=False), *path[2:]))
    return ".".join(path)
