"""What a running server takes of new settings, what it does not, and what it says."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from everywire.core.rules import ChannelRule
from everywire.server.configuration import Configuration, Sources, load
from everywire.server.configuration.layers import Layer
from everywire.server.configuration.origins import Entry, Origin
from everywire.server.configuration.reloading import Reloading, reloads
from everywire.server.configuration.schema import SERVER


class Running:
    """A server's settings, and the file they come from."""

    def __init__(self, folder: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
        self.file = folder / "everywire.toml"
        self._caplog = caplog
        caplog.set_level(logging.INFO, "everywire.settings")
        self.write(text)
        running = self.read()
        self.settings = running.settings
        self.reloading = Reloading(running, self.read)

    def read(self) -> Configuration:
        flags = Layer([Entry(("retry_ms",), 1, Origin("flag", "--retry"))])
        return load(Sources(self.file, {}, flags))

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def reload(self, text: str) -> list[str]:
        """Change the file and read it again; what is said."""
        self.write(text)
        self._caplog.clear()
        settings = self.reloading.reload()
        if settings is not None:
            self.settings = settings
        folder = f"{self.file.parent}/"
        return [
            f"{record.levelname} {record.getMessage()}".replace(folder, "")
            for record in self._caplog.records
        ]


def test_what_changed_is_said_with_its_origin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path, "[limits]\nmax_wait = 20\n", caplog)
    said = running.reload('allowed_hosts = ["a.example"]\n[limits]\nmax_wait = "5s"\n')
    assert said == [
        "INFO settings read again from everywire.toml: 2 changed",
        'INFO changed: allowed_hosts: [] → ["a.example"] (everywire.toml:1)',
        'INFO changed: limits.max_wait: "20s" → "5s" (everywire.toml:3)',
    ]
    assert running.settings.limits.max_wait == 5
    assert running.settings.allowed_hosts == ("a.example",)
    assert running.reload("[limits]\n")[1:] == [
        'INFO changed: allowed_hosts: ["a.example"] → [] (default)',
        'INFO changed: limits.max_wait: "5s" → "30s" (default)',
    ]


def test_nothing_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path, "[limits]\nmax_wait = 20\n", caplog)
    said = running.reload('[limits]\n\nmax_wait = "20000ms"\n')
    assert said == ["INFO settings read again from everywire.toml: 0 changed"]
    assert running.reloading.reload() is None


def test_what_a_higher_layer_says_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path, "retry_ms = 7", caplog)
    assert running.reload("retry_ms = 8") == [
        "INFO settings read again from everywire.toml: 0 changed"
    ]
    assert running.settings.retry_ms == 1


@pytest.mark.parametrize(
    "broken", ["prot = 3", "port = = 3", '[limits]\nmax_wait = "x"', "log = 'postgres:'", "\0"]
)
def test_a_broken_file_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, errors: list[str], broken: str
) -> None:
    running = Running(tmp_path, "[limits]\nmax_wait = 20\n", caplog)
    (said,) = running.reload(f'allowed_hosts = ["a"]\n{broken}\n')
    assert said.startswith(
        "ERROR the settings stay as they are; read again, they are wrong:\neverywire.toml:"
    )
    assert running.settings.allowed_hosts == ()
    running.file.unlink()
    caplog.clear()
    assert running.reloading.reload() is None
    assert "cannot be read" in caplog.text
    errors.clear()
    # And it is read as before once it is mended.
    assert len(running.reload('allowed_hosts = ["a"]\n[limits]\nmax_wait = 20\n')) == 2


def test_what_needs_a_restart_stays_and_is_said_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path, "port = 8001\n", caplog)
    text = 'port = 8002\nlog = "memory:"\ndeflate = true\n[limits]\nmax_open_batch_bytes = "1MiB"\n'
    refused = [
        "WARNING needs a restart, and stays as it was: port: 8001 → 8002 (everywire.toml:1)",
        "WARNING needs a restart, and stays as it was: log: "
        '"sqlite:everywire.db" → "memory:" (everywire.toml:2)',
        'WARNING needs a restart, and stays as it was: retention.max_age: "7d" → "1h" (default)',
        "WARNING needs a restart, and stays as it was: "
        'retention.max_bytes: "1GiB" → "256MiB" (default)',
        "WARNING needs a restart, and stays as it was: "
        'limits.max_open_batch_bytes: "16MiB" → "1MiB" (everywire.toml:5)',
    ]
    said = running.reload(text)
    assert said[:2] == [
        "INFO settings read again from everywire.toml: 1 changed",
        "INFO changed: deflate: false → true (everywire.toml:3)",
    ]
    assert said[2:] == refused
    settings = running.settings
    assert (settings.port, settings.log, settings.deflate) == (8001, "sqlite:everywire.db", True)
    assert settings.limits.max_open_batch_bytes == 16 * 1024**2
    assert running.reload(text)[1:] == refused
    assert running.reload("port = 8001\n")[1:] == [
        "INFO changed: deflate: true → false (default)",
    ]


def test_no_secret_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, errors: list[str]
) -> None:
    running = Running(tmp_path, 'log = "sqlite:a.db"\n', caplog)
    said = running.reload('log = "redis://u:hunter2@h"\n')
    assert said
    assert "hunter2" not in "".join(said)
    errors.clear()


# Rules


def test_a_rule_changes_where_it_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path, '[channels."a.*"]\nslow = "latest"\nmax_messages = 5\n', caplog)
    said = running.reload('[channels."a.*"]\nlinger = "1s"\nmax_messages = 6\n')
    assert said[1:] == [
        'INFO changed: channels."a.*".slow: "latest" → "lossless"',
        'INFO changed: channels."a.*".linger: 0 → "1s" (everywire.toml:2)',
        "WARNING needs a restart, and stays as it was: "
        'channels."a.*".max_messages: 5 → 6 (everywire.toml:3)',
    ]
    rule = running.settings.rules.of("a.b")
    assert (rule.slow, rule.linger) == ("lossless", 1.0)
    # Back to what runs: nothing is left that needs a restart.
    said = running.reload('[channels."a.*"]\nlinger = "1s"\nmax_messages = 5\n')
    assert [line for line in said if "restart" in line] == []


def test_new_rules_and_another_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = '[channels."a"]\nslow = "latest"\n', '[channels."*"]\nslow = "disconnect"\n'
    running = Running(tmp_path, one, caplog)
    assert running.reload(one + two)[1] == (
        'INFO changed: channels."*".slow: "lossless" → "disconnect" (everywire.toml:4)'
    )
    assert running.settings.rules.of("a").slow == "latest"
    assert (
        running.reload(two + one)[1]
        == "INFO changed: channels: which rules there are, and their order"
    )
    assert running.settings.rules.of("a").slow == "disconnect"
    assert running.reload("")[1:] == [
        'INFO changed: channels."*".slow: "disconnect" → "lossless"',
        'INFO changed: channels."a".slow: "latest" → "lossless"',
    ]
    assert running.settings.rules.rules == (ChannelRule(),)


def test_which_rule_says_what_is_kept_needs_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = '[channels."a"]\nmax_messages = 1\n', '[channels."*"]\nmax_messages = 2\n'
    running = Running(tmp_path, one + two, caplog)
    assert running.reload(two + one)[1:] == [
        "INFO changed: channels: which rules there are, and their order",
        "WARNING needs a restart, and stays as it was: channels: which rule says what is kept",
    ]


def test_what_the_log_and_the_listener_were_given_needs_a_restart() -> None:
    """A setting that nobody thought of needs one too: only what is looked up each time does not."""
    fixed = {setting.name for setting in SERVER if not reloads(setting.path)}
    assert fixed >= {"host", "port", "log", "open", "key_window_ms", "socket_heartbeat"}
    assert {"retention.max_age", "limits.max_open_batch_bytes"} <= fixed
    assert not reloads(("something_new",))
    assert reloads(("limits", "max_wait"))
