"""core.rules: what holds for which channel."""

from __future__ import annotations

import pytest

from everywire.core.errors import RequestError, UsageError
from everywire.core.rules import ChannelRule, LogRetention, Rules


def test_the_first_rule_that_covers_a_channel_counts() -> None:
    first = ChannelRule("chat.vip", max_messages=5)
    second = ChannelRule("chat.*", max_messages=10)
    third = ChannelRule("**", slow="latest")
    rules = Rules([first, second, third])
    assert rules.of("chat.vip") is first
    assert rules.of("chat.other") is second
    assert rules.of("chat.other.deep") is third
    assert rules.of("prices") is third


def test_what_no_rule_covers_has_the_default() -> None:
    rules = Rules([ChannelRule("chat.*", max_messages=10)])
    assert rules.of("prices") == ChannelRule()
    assert Rules().of("anything") == ChannelRule()


def test_a_pattern_has_the_rule_of_a_channel_named_like_it() -> None:
    rules = Rules([ChannelRule("chat.*", slow="disconnect")])
    assert rules.of("chat.*").slow == "disconnect"
    assert rules.of("**").slow == "lossless"


def test_the_default_keeps_and_says_everything() -> None:
    rule = ChannelRule()
    assert (rule.max_messages, rule.max_age, rule.max_bytes) == (None, None, None)
    assert (rule.slow, rule.linger) == ("lossless", 0.0)


@pytest.mark.parametrize("name", ["max_messages", "max_age", "max_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_above_0(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=rf"{name} of the rule for 'x' must be above 0"):
        ChannelRule("x", **{name: value})


def test_a_policy_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="lossless, latest, disconnect"):
        ChannelRule("x", slow="drop")  # type: ignore[arg-type]


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(RequestError):
        ChannelRule("a..b")


def test_the_whole_log_keeps_a_week_and_a_gibibyte() -> None:
    assert LogRetention() == LogRetention(max_age=7 * 86_400, max_bytes=1024**3)
