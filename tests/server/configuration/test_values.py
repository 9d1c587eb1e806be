"""A value is what its type wants, or the error says what that is; secrets are nowhere."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.units import Secret, Url
from everywire.server.configuration.schema import RULE, SERVER, Setting, find, settings_of
from everywire.server.configuration.values import (
    HIDDEN,
    allowed,
    convert,
    plain,
    redact,
    shown,
    without_password,
)


def setting(*path: str) -> Setting:
    found = find(path)
    assert found is not None, path
    return found


AGE = ("retention", "max_age")


@pytest.mark.parametrize(
    ("path", "written", "value"),
    [
        (("port",), 9000, 9000),
        (("host",), "::1", "::1"),
        (("open",), True, True),
        (("allowed_hosts",), ["a.example", "::1", "*"], ("a.example", "::1", "*")),
        (("allowed_origins",), ["https://a.example:8443"], ("https://a.example:8443",)),
        (("limits", "max_wait"), "250ms", 0.25),
        (("limits", "max_wait"), 7, 7.0),
        (("limits", "max_data_bytes"), "1MiB", 1024**2),
        (("cache_seconds",), "1m", 60),
        (("key_window_ms",), "10m", 600_000),
        (AGE, "unlimited", None),
        (("channels", "a.**", "slow"), "latest", "latest"),
    ],
)
def test_what_a_file_may_hold(path: tuple[str, ...], written: Any, value: Any) -> None:
    assert convert(setting(*path), written, text=False) == value


@pytest.mark.parametrize(
    ("path", "written", "value"),
    [
        (("port",), "9000", 9000),
        (("open",), "true", True),
        (("open",), "0", False),
        (("allowed_hosts",), "a.example, b.example,", ("a.example", "b.example")),
        (("allowed_hosts",), "", ()),
        (("limits", "max_wait"), "7", 7.0),
        (("limits", "max_batch"), "7", 7),
        (AGE, "unlimited", None),
        (("log_level",), "debug", "debug"),
    ],
)
def test_what_a_variable_may_hold(path: tuple[str, ...], written: str, value: Any) -> None:
    assert convert(setting(*path), written, text=True) == value


@pytest.mark.parametrize(
    ("path", "written", "words"),
    [
        (("port",), 65_536, "has to be a whole number from 0 to 65535, not 65536"),
        (("port",), "8000", "has to be a whole number from 0 to 65535, not '8000'"),
        (("port",), 1.5, "not 1.5"),
        (("port",), True, "not true"),
        (("port",), {"a": 1}, "not {'a': 1}"),
        (("port",), datetime.date(2026, 1, 2), "not 2026-01-02"),
        (("host",), "", "has to be a text that is not empty, not ''"),
        (("open",), "yes", "has to be true or false, not 'yes'"),
        (("open",), 1, "has to be true or false, not 1"),
        (("limits", "max_wait"), "7 parsecs", 'a duration from 0 to 36500d, such as "250ms"'),
        (("limits", "max_wait"), "1GiB", "(a bare number counts seconds), not '1GiB'"),
        (("limits", "max_wait"), float("nan"), "not nan"),
        (("limits", "max_wait"), float("inf"), "not inf"),
        (("limits", "max_wait"), -1, "not -1"),
        (("limits", "max_data_bytes"), "0.3B", 'a size from 0 to 1048576GiB, such as "64KiB"'),
        (("limits", "max_data_bytes"), 10**30, "not 1000000000000000000000000000000"),
        (("limits", "max_data_bytes"), "unlimited", "not 'unlimited'"),
        (("socket_heartbeat",), 0, "a duration above 0 to 36500d"),
        (("stop_seconds",), "1ms", "a duration from 1s"),
        (("retry_ms",), 0.5, "(a bare number counts milliseconds), not 0.5"),
        (AGE, 0, ', or "unlimited", not 0'),
        (("allowed_hosts",), "a", "has to be a list, each a host name or address without a port"),
        (("allowed_hosts",), ["a:80/"], 'not ["a:80/"]'),
        (("allowed_hosts",), [1], "not [1]"),
        (("allowed_origins",), ["app.example"], "the origin of a page, such as https://"),
        (("allowed_origins",), ["https://a.example/path"], "the origin of a page"),
        (("channels", "a", "slow"), "fast", "one of lossless, latest, disconnect, not 'fast'"),
        (("log_level",), "INFO", "one of debug, info, warning, error, not 'INFO'"),
        (("host",), ["x" * 100], '["' + "x" * 58 + "…"),
    ],
)
def test_what_it_must_not(path: tuple[str, ...], written: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r"^has to be ") as caught:
        convert(setting(*path), written, text=False)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", [True, False])
@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.lists(st.integers())))
def test_any_value_is_taken_or_refused_in_words(text: bool, value: Any) -> None:
    for one in (*SERVER, *RULE):
        try:
            taken = convert(one, value, text=text)
        except ValueError as error:
            assert str(error).startswith("has to be ")
        else:
            assert convert(one, taken, text=False) == taken


def test_each_default_is_allowed() -> None:
    for one in (*SERVER, *RULE):
        assert convert(one, one.default, text=False) == one.default
        assert allowed(one)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a"b\\c\n\x00\x7fé😀', '"a\\"b\\\\c\\n\\u0000\\u007fé😀"'),
        (("a", "b"), '["a", "b"]'),
        (True, "true"),
        (1.5, "1.5"),
    ],
)
def test_as_a_file_holds_it(value: Any, written: str) -> None:
    assert plain(value) == written


# Secrets


@dataclass(frozen=True)
class Keys:
    """Something with secrets.

    Attributes:
        key: Never shown.
        store: Shown without its password.
    """

    key: Secret = ""
    store: Url = "memory:"


KEY, STORE = settings_of(Keys)


def test_a_secret_is_never_shown() -> None:
    assert shown(KEY, "hunter2") == f'"{HIDDEN}"'
    assert redact(KEY, "hunter2") == HIDDEN
    assert redact(KEY, "") == ""
    for wrong in (["hunter2"], 22222, {"hunter2": 1}):
        with pytest.raises(ValueError, match="not shown") as caught:
            convert(KEY, wrong, text=False)
        assert "hunter2" not in str(caught.value)
        assert "22222" not in str(caught.value)
    with pytest.raises(ValueError, match="not shown") as caught:
        convert(STORE, "redis://u:hunter2@h/" + "x" * 5000, text=False)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("sqlite:everywire.db?synchronous=normal", "sqlite:everywire.db?synchronous=normal"),
        ("sqlite:/data/a@b/x.db", "sqlite:/data/a@b/x.db"),
        ("memory:", "memory:"),
        ("redis://u:hunter2@h:6379/0", "redis://***@h:6379/0"),
        ("redis://:hunter2@h", "redis://***@h"),
        ("nats://hunter2@h", "nats://***@h"),
        ("redis://u:hun@ter2@h", "redis://***@h"),
        ("redis:u:hunter2@h", "redis:***@h"),
        ("redis://h?password=hunter2&db=1", "redis://h?password=***&db=1"),
        ("nats://h?auth_token=hunter2", "nats://h?auth_token=***"),
    ],
)
def test_a_url_loses_its_password(url: str, hidden: str) -> None:
    assert without_password(url) == hidden
    assert shown(STORE, url) == f'"{hidden}"'
