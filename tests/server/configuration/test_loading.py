"""Which layer wins, and where each value comes from."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, LogRetention
from everywire.logs.memory import DEFAULT_RETENTION
from everywire.server.configuration import Configuration, ConfigurationError, Sources, load
from everywire.server.configuration.layers import Layer
from everywire.server.configuration.origins import Entry, Origin
from everywire.server.configuration.schema import SERVER
from everywire.server.settings import Settings


def flags(*rules: str, **values: Any) -> Layer:
    layer = Layer(text=True)
    for name, value in values.items():
        layer.entries.append(Entry(tuple(name.split("__")), value, Origin("flag", f"--{name}")))
    layer.add_rules(rules, Origin("flag", "--rule"))
    return layer


def read(
    tmp_path: Path, text: str | None = None, typed: Layer | None = None, **environment: str
) -> Configuration:
    file = None
    if text is not None:
        file = tmp_path / "everywire.toml"
        file.write_text(text)
    variables = {f"EVERYWIRE_{name}": value for name, value in environment.items()}
    return load(Sources(file, variables, typed or Layer()))


def origin(found: Configuration, *path: str) -> str:
    where = found.values[path].origin
    return str(where).rpartition("/")[2]


def problems(tmp_path: Path, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, *args, **kwargs)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_without_anything_there_are_the_defaults(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.file is None
    settings = found.settings
    assert settings.rules.rules == Settings().rules.rules
    assert settings.retention == LogRetention()
    for setting in SERVER:
        assert str(found.values[setting.path].origin) == "default"
        if len(setting.path) == 1:
            assert getattr(settings, setting.path[0]) == getattr(Settings(), setting.path[0])


@pytest.mark.parametrize("given", list(product([False, True], repeat=3)))
def test_the_highest_layer_wins(tmp_path: Path, given: tuple[bool, bool, bool]) -> None:
    """Each of the eight ways in which three layers may have something to say."""
    in_file, in_environment, typed = given
    found = read(
        tmp_path,
        "port = 1\n[limits]\nmax_wait = 1\n" if in_file else None,
        flags(port="3", limits__max_wait="3") if typed else None,
        **({"PORT": "2", "LIMITS_MAX_WAIT": "2"} if in_environment else {}),
    )
    if typed:
        expected, port, wait = 3, "--port", "--limits__max_wait"
    elif in_environment:
        expected, port, wait = 2, "EVERYWIRE_PORT", "EVERYWIRE_LIMITS_MAX_WAIT"
    elif in_file:
        expected, port, wait = 1, "everywire.toml:1", "everywire.toml:3"
    else:
        assert (found.settings.port, found.settings.limits.max_wait) == (8000, 30.0)
        assert origin(found, "port") == origin(found, "limits", "max_wait") == "default"
        return
    assert (found.settings.port, found.settings.limits.max_wait) == (expected, expected)
    assert (origin(found, "port"), origin(found, "limits", "max_wait")) == (port, wait)


@pytest.mark.parametrize("setting", SERVER, ids=lambda setting: setting.name)
def test_every_setting_can_be_set_by_a_variable_and_in_a_file(tmp_path: Path, setting: Any) -> None:
    other: dict[str, tuple[str, str]] = {
        "host": ('"::1"', "::1"),
        "log": ('"memory:"', "memory:"),
        "allowed_hosts": ('["a.example"]', "a.example"),
        "allowed_origins": ('["https://a.example"]', "https://a.example"),
        "log_level": ('"debug"', "debug"),
    }
    if isinstance(setting.default, bool):
        written = variable = "false" if setting.default else "true"
    else:
        written, variable = other.get(setting.path[-1], ("7", "7"))
    table = f"[{setting.path[0]}]\n" if len(setting.path) > 1 else ""
    in_file = read(tmp_path, f"{table}{setting.path[-1]} = {written}\n")
    in_environment = read(tmp_path, **{setting.variable.removeprefix("EVERYWIRE_"): variable})
    assert in_file.values[setting.path].value == in_environment.values[setting.path].value
    assert in_file.values[setting.path].value != setting.default
    assert in_file.values[setting.path].origin.layer == "file"
    assert in_environment.values[setting.path].origin.layer == "environment"
    value: Any = in_file.settings
    for name in setting.path:
        value = getattr(value, name)
    assert value == in_file.values[setting.path].value


def test_what_a_log_keeps_by_itself_depends_on_the_log(tmp_path: Path) -> None:
    memory = read(tmp_path, LOG="memory:")
    assert memory.settings.retention == DEFAULT_RETENTION
    assert origin(memory, "retention", "max_age") == "default"
    mixed = read(tmp_path, '[retention]\nmax_age = "2d"\n', LOG="memory:")
    assert mixed.settings.retention == LogRetention(172_800, DEFAULT_RETENTION.max_bytes)
    ever = read(tmp_path, '[retention]\nmax_age = "unlimited"\n')
    assert ever.settings.retention == LogRetention(None, LogRetention().max_bytes)


# Rules


RULES = """\
[channels."chat.**"]
max_age = "7d"
slow = "latest"

[channels."**"]
max_messages = 10
"""


def test_rules_keep_the_order_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, RULES)
    assert found.settings.rules.rules[:-1] == (
        ChannelRule("chat.**", max_age=604_800, slow="latest"),
        ChannelRule("**", max_messages=10),
    )
    assert [path for path in found.values if path[0] == "channels"] == [
        ("channels", "chat.**", "max_age"),
        ("channels", "chat.**", "slow"),
        ("channels", "**", "max_messages"),
    ]


def test_a_higher_layer_changes_a_rule_key_by_key_in_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, RULES, flags("**:count=20,linger=1s"), CHANNELS="chat.**:age=1d")
    assert found.settings.rules.rules[:-1] == (
        ChannelRule("chat.**", max_age=86_400, slow="latest"),
        ChannelRule("**", max_messages=20, linger=1.0),
    )
    assert origin(found, "channels", "chat.**", "max_age") == "EVERYWIRE_CHANNELS"
    assert origin(found, "channels", "chat.**", "slow") == "everywire.toml:3"
    assert origin(found, "channels", "**", "linger") == "--rule"


def test_a_new_rule_of_a_higher_layer_goes_ahead(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        RULES,
        flags("chat.lobby:count=1", "chat.*:count=2"),
        CHANNELS="chat.a:count=3 chat.b:count=4",
    )
    assert [rule.pattern for rule in found.settings.rules.rules] == [
        "chat.lobby",
        "chat.*",
        "chat.a",
        "chat.b",
        "chat.**",
        "**",
        "**",
    ]
    assert found.settings.rules.of("chat.a").max_messages == 2


def test_a_rule_without_keys_keeps_others_away(tmp_path: Path) -> None:
    found = read(tmp_path, '[channels."a"]\n[channels."*"]\nmax_messages = 1\n')
    assert found.settings.rules.of("a").max_messages is None
    assert found.settings.rules.of("b").max_messages == 1


# What is wrong


def test_everything_wrong_is_said_layer_by_layer(tmp_path: Path) -> None:
    text = 'port = "x"\n[limits]\nmax_wait = -1\nmax_wiat = 3\n[channels."a..b"]\nslow = "fast"\n'
    found = problems(tmp_path, text, flags(stop_seconds="0"), OPEN="maybe", PROT="1")
    assert [problem.partition(": ")[0] for problem in found] == [
        "everywire.toml:1",
        "everywire.toml:3",
        "everywire.toml:4",
        "everywire.toml:5",
        "everywire.toml:6",
        "EVERYWIRE_PROT",
        "EVERYWIRE_OPEN",
        "--stop_seconds",
    ]
    assert "'a..b' is not a channel or pattern" in found[3]


def test_what_a_higher_layer_covers_is_checked_too(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, "port = -1\n", flags(port="9000"))
    assert only.startswith("everywire.toml:1: port has to be")


def test_what_a_pattern_is_stands_with_its_line(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, '\n[channels."a b"]\n')
    assert only.startswith("everywire.toml:2: 'a b' is not a channel or pattern")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("postgres://u:hunter2@h/db", "is no log; use sqlite:PATH"),
        ("redis://u:hunter2@h", "comes in a later version"),
        ("sqlite:x.db?password=hunter2", "has no setting 'password'"),
        ("memory:hunter2@x", "memory: takes no path"),
    ],
)
def test_there_is_such_a_log_and_no_error_shows_its_password(
    tmp_path: Path, log: str, words: str
) -> None:
    (only,) = problems(tmp_path, f'log = "{log}"\n')
    assert only.startswith("everywire.toml:1: log: ")
    assert words in only
    assert "hunter2" not in only


def test_an_error_is_a_sentence_or_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as one:
        read(tmp_path, PORT="x")
    assert str(one.value).startswith("EVERYWIRE_PORT: port has to be")
    with pytest.raises(ConfigurationError) as two:
        read(tmp_path, PORT="x", HOST="")
    assert str(two.value).startswith("2 things are wrong with the settings:\nEVERYWIRE_PORT: ")
