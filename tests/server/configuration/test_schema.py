"""What can be set is what the classes say, and nothing else has to know it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import pytest

from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.core.units import Bytes, Seconds
from everywire.server.configuration.environment import CHANNELS_VARIABLE, OTHER_VARIABLES
from everywire.server.configuration.schema import (
    RULE,
    SECTIONS,
    SERVER,
    descriptions,
    find,
    settings_of,
    written,
)
from everywire.server.settings import Settings


def test_every_field_is_a_setting() -> None:
    names = {setting.name for setting in SERVER}
    sections = {"retention": LogRetention, "limits": Limits}
    for name, cls in sections.items():
        assert name in SECTIONS
        names -= {f"{name}.{item.name}" for item in fields(cls)}
    assert names == {item.name for item in fields(Settings)} - {*sections, "rules"}
    assert {s.path[2] for s in RULE} == {item.name for item in fields(ChannelRule)} - {"pattern"}


def test_every_setting_says_what_it_is_for() -> None:
    for setting in (*SERVER, *RULE):
        assert len(setting.about) > 5, setting.name
        assert setting.about.endswith("."), setting.name


def test_every_number_of_bytes_or_time_says_its_unit() -> None:
    """A name or type that speaks of a unit has it: else `"1MiB"` would be refused there."""
    for setting in (*SERVER, *RULE):
        name = setting.path[-1]
        if isinstance(setting.default, float):
            assert setting.unit == "seconds", setting.name
        if "bytes" in name:
            assert setting.unit == "bytes", setting.name
        if name.endswith("_ms"):
            assert setting.unit == "milliseconds", setting.name


def test_every_setting_has_a_variable_of_its_own() -> None:
    variables = [setting.variable for setting in SERVER]
    taken = {*OTHER_VARIABLES, CHANNELS_VARIABLE}
    assert len({*variables} | taken) == len(variables) + len(taken)
    assert "EVERYWIRE_LIMITS_MAX_WAIT" in variables


def test_a_rule_is_found_whatever_its_pattern() -> None:
    assert find(("channels", "a.**", "slow")) == find(("channels", "b", "slow"))
    assert find(("channels", "a.**", "pattern")) is None
    assert find(("channels", "a.**")) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("limits", "max_wait"), "limits.max_wait"),
        (("channels", 'a"\n.*', "slow"), 'channels."a\\"\\n.*".slow'),
        (("channels", "a"), 'channels."a"'),
    ],
)
def test_how_a_name_is_written(path: tuple[str, ...], name: str) -> None:
    assert written(path) == name


@dataclass(frozen=True)
class Inner:
    """What is inside.

    Attributes:
        size: How much; this takes
            two lines.
    """

    size: Bytes = 3


@dataclass(frozen=True)
class Outer:
    """Something with a section.

    Attributes:
        age: How old; None: any.
        inner: A section.

    More that is no attribute:
        size: This one.
    """

    age: Seconds | None = None
    inner: Inner | None = None
    rules: Rules = field(default_factory=Rules)
    other: Inner = field(default_factory=Inner)


def test_a_new_field_is_a_new_setting() -> None:
    age, size, other = settings_of(Outer)
    assert (age.path, age.default, age.unit, age.optional) == (("age",), None, "seconds", True)
    assert age.about == 'How old; `"unlimited"`: any.'
    assert (size.path, size.unit, size.about) == (
        ("inner", "size"),
        "bytes",
        "How much; this takes two lines.",
    )
    assert other.variable == "EVERYWIRE_OTHER_SIZE"
    assert descriptions(Outer).keys() == {"age", "inner"}
