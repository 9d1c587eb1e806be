"""A rule on one line."""

from __future__ import annotations

from typing import Any

import pytest

from everywire.server.configuration.rule_text import SHORT, parse_rule, rule_keys
from everywire.server.configuration.schema import RULE


@pytest.mark.parametrize(
    ("text", "pattern", "fields"),
    [
        (
            "chat.**:count=3,age=30d,size=1M,slow=latest,linger=200ms",
            "chat.**",
            {
                "max_messages": 3,
                "max_age": 2_592_000.0,
                "max_bytes": 1024**2,
                "slow": "latest",
                "linger": 0.2,
            },
        ),
        ("a: slow=latest , count=1", "a", {"slow": "latest", "max_messages": 1}),
        ("a:b:count=1", "a:b", {"max_messages": 1}),
        ("a:max_messages=1", "a", {"max_messages": 1}),
        ("a:age=unlimited", "a", {"max_age": None}),
    ],
)
def test_what_a_rule_is(text: str, pattern: str, fields: dict[str, Any]) -> None:
    assert parse_rule(text) == (pattern, fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a rule is PATTERN:KEY=VALUE,… with the keys count, age, size, slow, linger"),
        ("count=1", "a rule is PATTERN:KEY=VALUE,…"),
        (":count=1", "a rule is PATTERN:KEY=VALUE,…"),
        ("a:", "a rule is PATTERN:KEY=VALUE,…"),
        ("a:cuont=1", "a rule is PATTERN:KEY=VALUE,…"),
        ("a:count=0", "count of 'a' has to be a whole number from 1"),
        ("a:count=x", "not 'x'"),
        ("a:age=-1", "age of 'a' has to be a duration above 0"),
        ("a:slow=fast", "one of lossless, latest, disconnect"),
        ("a..b:count=1", "is not a channel or pattern"),
        ("*a:count=1", "is not a channel or pattern"),
    ],
)
def test_what_is_no_rule(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rule(text)
    assert words in str(caught.value)


def test_each_key_of_a_rule_can_be_typed() -> None:
    assert [SHORT.get(key, key) for key in rule_keys()] == [setting.path[2] for setting in RULE]
