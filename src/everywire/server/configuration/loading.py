"""The layers, one over the other: settings, and where each value comes from.

A plain setting is taken from the highest layer that has it. Rules come together key by key: a rule
of a higher layer changes those keys of the same pattern that it names. A pattern that no lower
layer has goes ahead of all of theirs, since the first rule that covers a channel counts.

Everything is checked in every layer, also what a higher one covers: who takes that away again must
not find a server that no longer starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path as FilePath
from typing import Any, NamedTuple, get_type_hints

from everywire.core.errors import UsageError
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.logs.base import LogSettings
from everywire.logs.memory import DEFAULT_RETENTION
from everywire.logs.opening import open_log
from everywire.server.configuration.environment import read_environment
from everywire.server.configuration.layers import Layer
from everywire.server.configuration.origins import (
    DEFAULT,
    ConfigurationError,
    Origin,
    Path,
    Problem,
)
from everywire.server.configuration.schema import (
    CHANNELS,
    SERVER,
    find,
    section_of,
    written,
)
from everywire.server.configuration.toml_file import read_file
from everywire.server.configuration.values import convert, without_password
from everywire.server.settings import Settings


class Value(NamedTuple):
    """A value of a setting.

    Attributes:
        value: As the setting's type has it.
        origin: Where it comes from.
    """

    value: Any
    origin: Origin


@dataclass(frozen=True)
class Sources:
    """Where settings are read from.

    Attributes:
        file: A TOML file; None: none.
        environment: Variables.
        flags: What the command line says.
    """

    file: FilePath | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    flags: Layer = field(default_factory=Layer)


@dataclass(frozen=True)
class Configuration:
    """Settings, and where they come from.

    Attributes:
        settings: What a server is started with.
        values: Every setting in the order of the reference, then what rules say, in their order.
        file: The file that was read; None: none was.
    """

    settings: Settings
    values: Mapping[Path, Value]
    file: FilePath | None


def load(sources: Sources) -> Configuration:
    """Read all sources and put them together.

    Raises:
        ConfigurationError: Something is wrong; it says all of it.
    """
    layers = [] if sources.file is None else [read_file(sources.file)]
    layers += [read_environment(sources.environment), sources.flags]
    problems: list[Problem] = []
    given: dict[Path, Value] = {}
    for layer in layers:
        problems += _take_layer(given, layer)
    values = _with_defaults(given)
    problems += _problems_of_log(values["log",])
    if problems:
        raise ConfigurationError(problems)
    rules = _rules(layers, given, values)
    return Configuration(build(values, rules), values, sources.file)


def _take_layer(given: dict[Path, Value], layer: Layer) -> list[Problem]:
    """Put a layer's values over those below; all that is wrong in it, a file's by its lines."""
    problems = list(layer.problems)
    for entry in layer.entries:
        setting = find(entry.path)
        if setting is None:
            continue  # a rule; only its keys have values
        try:
            value = convert(setting, entry.value, text=layer.text)
        except ValueError as error:
            problems.append(Problem(entry.origin.where, f"{written(entry.path)} {error}"))
        else:
            given[entry.path] = Value(value, entry.origin)
    return sorted(problems, key=_line)


def _line(problem: Problem) -> int:
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _with_defaults(given: Mapping[Path, Value]) -> dict[Path, Value]:
    """Every setting's value; of retention what the log's engine keeps by itself."""
    values = {setting.path: Value(setting.default, DEFAULT) for setting in SERVER}
    log = given.get(("log",), values["log",]).value
    for name, value in asdict(default_retention(log)).items():
        values["retention", name] = Value(value, DEFAULT)
    return values | {path: value for path, value in given.items() if path in values}


def default_retention(log: str) -> LogRetention:
    """What a log keeps where nothing is said of it.

    Args:
        log: Its URL.
    """
    return DEFAULT_RETENTION if log.partition(":")[0] == "memory" else LogRetention()


# Rules


def _rules(layers: list[Layer], given: Mapping[Path, Value], values: dict[Path, Value]) -> Rules:
    """The rules in order; notes their values behind the others."""
    rules: list[ChannelRule] = []
    for pattern in _in_order(layers):
        own = {path: value for path, value in given.items() if path[:2] == (CHANNELS, pattern)}
        values.update(own)
        rules.append(ChannelRule(pattern, **{path[2]: value.value for path, value in own.items()}))
    return Rules(rules)


def _in_order(layers: list[Layer]) -> list[str]:
    """The patterns of the rules. New ones of a higher layer go first."""
    order: list[str] = []
    for layer in layers:
        paths = [entry.path for entry in layer.entries if len(entry.path) == 2]
        order[:0] = [path[1] for path in paths if path[0] == CHANNELS and path[1] not in order]
    return order


# Settings


def build(values: Mapping[Path, Value], rules: Rules) -> Settings:
    """The typed object of values that have been checked.

    Args:
        values: One for every setting; those of rules are left alone.
        rules: All rules.
    """
    return _build(Settings, {path: value.value for path, value in values.items()}, (), rules)


def _build(cls: type[Any], values: Mapping[Path, Any], prefix: Path, rules: Rules) -> Any:
    types = get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for item in fields(cls):
        path = (*prefix, item.name)
        section = section_of(types[item.name])
        if section is not None:
            arguments[item.name] = _build(section, values, path, rules)
        elif types[item.name] is Rules:
            arguments[item.name] = rules
        else:
            arguments[item.name] = values[path]
    return cls(**arguments)


def _problems_of_log(log: Value) -> list[Problem]:
    """See that there is such a log, without opening it; an error must not show its password."""
    url = without_password(log.value)
    try:
        open_log(url, LogSettings(now_us=lambda: 0, soon=lambda callback: None))
    except UsageError as error:
        return [Problem(log.origin.where, f"log: {error}")]
    return []
