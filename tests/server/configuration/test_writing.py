"""A file that is written says the same when it is read."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec.inspect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, LogRetention, Rules
from everywire.server.configuration import Sources, load
from everywire.server.configuration.loading import default_retention
from everywire.server.configuration.schema import RULE, SERVER, Setting, find
from everywire.server.configuration.writing import write_settings
from everywire.server.settings import Settings

SEGMENT = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=".*@"), min_size=1, max_size=6
)
PATTERNS = st.builds(
    ".".join, st.lists(st.one_of(SEGMENT, st.just("*")), min_size=1, max_size=3)
) | st.builds("{}.**".format, SEGMENT)

LOGS = st.one_of(
    st.just("memory:"),
    st.builds("sqlite:{}.db".format, st.text("abc é\"\\'#=\t\x7f", min_size=1)),
    st.just("sqlite:x.db?synchronous=normal"),
)
HOSTS = st.sampled_from(["*", "a.example", "::1", "127.0.0.1"])
ORIGINS = st.sampled_from(["*", "https://a.example", "capacitor://localhost", "http://[::1]:8080"])
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "log": LOGS,
    "host": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    "allowed_hosts": st.lists(HOSTS, max_size=3).map(tuple),
    "allowed_origins": st.lists(ORIGINS, max_size=3).map(tuple),
}


def value_of(setting: Setting) -> st.SearchStrategy[Any]:
    """Any value that a setting allows, by its type alone where that is enough."""
    if setting.path[-1] in BY_NAME:
        return BY_NAME[setting.path[-1]]
    return _of(msgspec.inspect.type_info(setting.type))


def _of(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _of(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return st.one_of(*[_of(choice) for choice in kind.types])
    if isinstance(kind, msgspec.inspect.NoneType):
        return st.none()
    if isinstance(kind, msgspec.inspect.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, msgspec.inspect.IntType):
        return st.integers(kind.ge or 0, kind.le)
    if isinstance(kind, msgspec.inspect.FloatType):
        least = kind.gt if kind.ge is None else kind.ge
        return st.floats(least, kind.le, exclude_min=kind.gt is not None)
    assert isinstance(kind, msgspec.inspect.BoolType), kind
    return st.booleans()


def _fields_of(cls: type[Any], *prefix: str) -> dict[str, st.SearchStrategy[Any]]:
    found = {item.name: find((*prefix, item.name)) for item in fields(cls)}
    return {name: value_of(setting) for name, setting in found.items() if setting is not None}


RULE_STRATEGY = st.builds(
    lambda pattern, values: ChannelRule(pattern, **values),
    PATTERNS,
    st.fixed_dictionaries({}, optional=_fields_of(ChannelRule, "channels", "PATTERN")),
)
RULES = st.lists(RULE_STRATEGY, max_size=4, unique_by=lambda rule: rule.pattern)
ANY = st.builds(
    lambda plain, limits, retention, rules: Settings(
        **plain,
        limits=Limits(**limits),
        retention=replace(default_retention(plain.get("log", Settings().log)), **retention),
        rules=Rules(rules),
    ),
    st.fixed_dictionaries({}, optional=_fields_of(Settings)),
    st.fixed_dictionaries({}, optional=_fields_of(Limits, "limits")),
    st.fixed_dictionaries({}, optional=_fields_of(LogRetention, "retention")),
    RULES,
)


def read(folder: Path, text: str) -> Settings:
    file = folder / "written.toml"
    file.write_text(text, encoding="utf-8")
    return load(Sources(file)).settings


def same(a: Settings, b: Settings) -> bool:
    return a.rules.rules == b.rules.rules and replace(a, rules=b.rules) == b


@settings(max_examples=150)
@given(ANY)
def test_any_settings_come_back(tmp_path_factory: pytest.TempPathFactory, wanted: Settings) -> None:
    assert same(read(tmp_path_factory.getbasetemp(), write_settings(wanted)), wanted)


def test_what_is_as_usual_is_commented_out() -> None:
    text = write_settings(Settings())
    assert tomllib.loads(text) == {"retention": {}, "limits": {}}
    for setting in SERVER:
        assert re.search(rf"^#{setting.path[-1]} = ", text, re.MULTILINE), setting.name
    for setting in RULE:
        assert f"# {setting.path[-1]}: " in text


def test_with_its_marks_taken_away_it_says_the_defaults(tmp_path: Path) -> None:
    """So that a line can be uncommented and changed."""
    text = re.sub(r"(?m)^#(?=\S)", "", write_settings(Settings()))
    assert len(tomllib.loads(text)["limits"]) == len(fields(Limits))
    wanted = Settings(
        retention=LogRetention(),
        rules=Rules([ChannelRule("prices.**", slow="latest", max_messages=100)]),
    )
    assert same(read(tmp_path, text), wanted)


def test_what_is_not_as_usual_stands_out() -> None:
    wanted = Settings(
        port=9000, limits=Limits(max_wait=5), rules=Rules([ChannelRule("a"), ChannelRule("b.*", 3)])
    )
    assert tomllib.loads(write_settings(wanted)) == {
        "port": 9000,
        "retention": {},
        "limits": {"max_wait": "5s"},
        "channels": {"a": {}, "b.*": {"max_messages": 3}},
    }


def test_a_log_keeps_what_it_keeps_by_itself() -> None:
    text = write_settings(Settings(log="memory:"))
    assert '#max_age = "1h"' in text
    assert '#max_bytes = "256MiB"' in text


def test_no_line_is_too_long_to_be_read() -> None:
    assert max(map(len, write_settings(Settings()).splitlines())) <= 100
