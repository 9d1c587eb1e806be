"""``everywire config``: written, checked, shown, described; and which file `serve` takes."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from everywire.cli import config as module
from everywire.cli.config import config
from everywire.cli.serve import serve
from everywire.cli.serving_options import FLAGS, flags_of, option_of, settings_of, sources_of
from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule
from everywire.server.configuration import load
from everywire.server.configuration.loading import Value
from everywire.server.configuration.origins import Origin
from everywire.server.configuration.schema import SERVER
from everywire.server.settings import Settings

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("EVERYWIRE_"):
            monkeypatch.delenv(name)
    return tmp_path


def shown(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("config", "show", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def value_of(run: Run, name: str, *arguments: str) -> tuple[Any, str, str]:
    setting = shown(run, *arguments)["settings"][name]
    return setting["value"], setting["origin"], setting["where"]


# init


def test_init_writes_a_file_that_changes_nothing(run: Run, folder: Path) -> None:
    result = run("config", "init")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "wrote everywire.toml" in result.stderr
    assert load(sources_of(None, typed())).settings.limits == Limits()
    assert run("config", "check").exit_code == 0


def test_init_makes_a_file_of_a_command_line(run: Run, folder: Path) -> None:
    arguments = ("--port", "9000", "--keep-age", "2d", "--rule", "a.*:slow=latest", "--open")
    assert run("config", "init", "made.toml", *arguments).exit_code == 0
    assert tomllib.loads((folder / "made.toml").read_text()) == {
        "port": 9000,
        "open": True,
        "retention": {"max_age": "2d"},
        "limits": {},
        "channels": {"a.*": {"slow": "latest"}},
    }


def test_init_overwrites_nothing_unless_told_so(run: Run, folder: Path) -> None:
    file = folder / "everywire.toml"
    file.write_text("mine")
    result = run("config", "init")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert file.read_text() == "mine"
    assert run("config", "init", "--force").exit_code == 0
    assert file.read_text() != "mine"


def test_init_prints_where_there_is_to_be_no_file(run: Run, folder: Path) -> None:
    result = run("config", "init", "-", "--port", "1")
    assert tomllib.loads(result.stdout)["port"] == 1
    assert list(folder.iterdir()) == []


def test_init_says_where_it_cannot_write(run: Run) -> None:
    result = run("config", "init", "no/such/folder.toml")
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


# check


def test_check_says_all_that_is_wrong_with_its_line(run: Run, folder: Path) -> None:
    (folder / "everywire.toml").write_text('prot = 1\n\n[limits]\nmax_wait = "x"\n')
    result = run("config", "check")
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first == "everywire.toml:1: there is no setting prot: did you mean port?"
    assert second.startswith("everywire.toml:4: limits.max_wait has to be a duration")


def test_check_sees_what_a_server_would_refuse(run: Run, folder: Path) -> None:
    (folder / "everywire.toml").write_text('\nhost = "192.0.2.1"\n')
    result = run("config", "check")
    assert result.exit_code == 1
    assert result.stdout.startswith("everywire.toml:2: 192.0.2.1 is reached from other machines")
    assert run("config", "check", "--open").exit_code == 0
    assert run("config", "check", "--host", "::1").exit_code == 0


def test_check_shows_no_escape_of_a_file(run: Run, folder: Path) -> None:
    (folder / "everywire.toml").write_text('"\\u001b[31m" = 1\n')
    result = run("config", "check")
    assert "\x1b" not in result.stdout
    assert "\\x1b[31m" in result.stdout


def test_a_file_that_is_named_has_to_be_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("config", "check").exit_code == 0
    result = run("config", "check", "--config", "gone.toml")
    assert (result.exit_code, result.stdout) == (
        1,
        "gone.toml: cannot be read: No such file or directory\n",
    )
    monkeypatch.setenv("EVERYWIRE_CONFIG", "away.toml")
    assert run("config", "check").stdout.startswith("away.toml: cannot be read")
    # An empty variable is none, and a device without content says nothing.
    monkeypatch.setenv("EVERYWIRE_CONFIG", "")
    assert run("config", "check").exit_code == 0
    assert run("config", "check", "--config", os.devnull).exit_code == 0


# show


def test_show_says_where_each_value_comes_from(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "everywire.toml").write_text("port = 1\nretry_ms = 1\ncache_seconds = 1\n")
    monkeypatch.setenv("EVERYWIRE_PORT", "2")
    monkeypatch.setenv("EVERYWIRE_RETRY_MS", "2")
    assert value_of(run, "port", "--port", "3") == (3, "flag", "--port")
    assert value_of(run, "retry_ms") == (2, "environment", "EVERYWIRE_RETRY_MS")
    assert value_of(run, "cache_seconds") == (1, "file", "everywire.toml:3")
    assert value_of(run, "host") == ("127.0.0.1", "default", "")
    assert shown(run)["file"] == "everywire.toml"
    assert list(shown(run)["settings"]) == [setting.name for setting in SERVER]


def test_show_is_read_by_people_too(run: Run, folder: Path) -> None:
    (folder / "everywire.toml").write_text('[channels."a.*"]\nmax_age = "7d"\n')
    lines = run("config", "show", "--limit", "max_wait=90s").stdout.splitlines()
    fields = {line.split()[0]: line.split()[1:] for line in lines}
    assert fields['channels."a.*".max_age'] == ['"7d"', "everywire.toml:2"]
    assert fields["limits.max_wait"] == ['"90s"', "--limit"]
    assert fields["retention.max_bytes"] == ['"1GiB"', "default"]


def test_show_names_units(run: Run) -> None:
    settings = shown(run, "--keep-age", "1d")["settings"]
    assert settings["retention.max_age"]["value"] == 86_400
    assert settings["retention.max_age"]["unit"] == "seconds"
    assert settings["retry_ms"]["unit"] == "milliseconds"
    assert settings["limits.max_data_bytes"]["unit"] == "bytes"
    assert "unit" not in settings["port"]


def test_show_says_what_is_wrong(run: Run, folder: Path) -> None:
    (folder / "everywire.toml").write_text("prot = 1\n")
    for command in (("config", "show"), ("serve",)):
        result = run(*command)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr == (
            "everywire: everywire.toml:1: there is no setting prot: did you mean port?\n"
        )


@pytest.mark.parametrize("command", [("config", "show"), ("config", "check"), ("serve",)])
def test_a_password_is_nowhere(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    secret = "nats://u:hunter2@h"
    (folder / "everywire.toml").write_text(f'log = "{secret}"\n')
    for arguments in ((), ("--json",), ("--log", secret), ("--log", f"x{secret}")):
        result = run(*command, *arguments)
        assert result.exit_code != 0
        assert "hunter2" not in result.output


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_password_of_a_log_that_is_taken_is_hidden(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """There is no such log yet."""
    found = load(sources_of(None, typed()))
    values = {**found.values, ("log",): Value("redis://u:hunter2@h", Origin("flag", "--log"))}
    monkeypatch.setattr(module, "load", lambda sources: replace(found, values=values))
    output = run("config", "show", *arguments).output
    assert "redis://***@h" in output
    assert "hunter2" not in output


# docs


def test_docs_has_every_setting_and_the_option_that_sets_it(run: Run) -> None:
    text = run("config", "docs").stdout
    for setting in SERVER:
        assert f"| `{setting.path[-1]}` |" in text
    for _, flag in FLAGS.values():
        assert f"| `{flag}` |" in text


# Options


HELP = ["-h", "--help"]
"""As the whole command line has it: click keeps what a command's first context says."""


def typed(*arguments: str) -> dict[str, Any]:
    options = serve.make_context("serve", list(arguments), help_option_names=HELP).params
    options.pop("file")
    return options


def test_each_option_is_that_of_its_setting() -> None:
    options = {param.name: param for param in serve.params if isinstance(param, click.Option)}
    for path, (destination, flag) in FLAGS.items():
        assert flag in options[destination].opts
        assert option_of(path) == flag
    others = {"file", "rules", "limits", "help"}
    assert {destination for destination, _ in FLAGS.values()} | others >= set(options)


def test_what_is_not_typed_says_nothing() -> None:
    assert flags_of(typed()).entries == []


def test_what_is_typed_is_a_layer() -> None:
    arguments = ["--port=0", "--no-open", "-v", "--keep-size=unlimited", "--limit=max_wait=1m"]
    arguments += ["--allowed-host=a", "--allowed-host=b", "--rule=a:b:count=1"]
    settings = load(sources_of(None, typed(*arguments))).settings
    assert (settings.port, settings.open, settings.log_level) == (0, False, "debug")
    assert settings.allowed_hosts == ("a", "b")
    assert settings.limits == Limits(max_wait=60)
    assert settings.rules.rules[0] == ChannelRule("a:b", max_messages=1)
    assert settings.retention is not None
    assert settings.retention.max_bytes is None


def test_a_no_wins_over_the_file(folder: Path) -> None:
    (folder / "everywire.toml").write_text("open = true\ndeflate = true\n")
    settings = load(sources_of(None, typed("--no-open"))).settings
    assert (settings.open, settings.deflate) == (False, True)


def test_options_alone_look_at_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "everywire.toml").write_text("port = 1\n")
    monkeypatch.setenv("EVERYWIRE_HOST", "::1")
    settings = settings_of("memory:", typed("--stop-seconds", "2"))
    assert (settings.host, settings.port, settings.log) == ("127.0.0.1", 8000, "memory:")
    assert settings.stop_seconds == 2
    assert settings_of("memory:", typed("--log", "sqlite:x.db")).log == "sqlite:x.db"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "65536"), "'--port': has to be a whole number from 0 to 65535, not '65536'"),
        (("--stop-seconds", "0"), "has to be a duration from 1s"),
        (("--keep-age", "-1"), "has to be a duration above 0"),
        (("--keep-size", "1parsec"), "has to be a size"),
        (("--limit", "max_wiat=1"), "'max_wiat' is no limit: did you mean max_wait?"),
        (("--limit", "zzz=1"), "'zzz' is no limit: there are max_data_bytes, "),
        (("--limit", "max_wait=x"), "max_wait has to be a duration"),
        (("--limit", "max_wait"), "max_wait has to be a duration"),
        (("--rule", "a:cuont=1"), "a rule is PATTERN:KEY=VALUE,… with the keys count, age"),
        (("--allowed-host", "a:1/"), "has to be a list, each a host name or address"),
        (("--allowed-origin", "app.example"), "the origin of a page"),
    ],
)
def test_what_cannot_be_typed(run: Run, arguments: tuple[str, ...], words: str) -> None:
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_two_rules_of_one_pattern_are_refused(run: Run) -> None:
    result = run("serve", "--rule", "a:count=1", "--rule", "a:age=1")
    assert result.exit_code == 1
    assert "--rule: 'a' has two rules" in result.stderr


def test_every_command_has_help_with_examples(run: Run) -> None:
    context = click.Context(config, help_option_names=HELP)
    names = config.list_commands(context)
    assert names == ["init", "check", "show", "docs"]
    overview = run("config", "--help").output
    for name in names:
        command = config.get_command(context, name)
        assert command is not None
        assert command.short_help is not None
        assert command.short_help in overview
        text = run("config", name, "--help").output
        assert text.index("Usage:") < text.index("Examples:") < text.index("Options:")


def test_the_defaults_in_the_help_are_those_of_the_settings(run: Run) -> None:
    text = " ".join(run("serve", "--help").output.split())
    assert f"[default: {Settings().host}]" in text
    assert f"[default: {Settings().port}]" in text
    assert f"[default: {Settings().stop_seconds:.0f}s]" in text
