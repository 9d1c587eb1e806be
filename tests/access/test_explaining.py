"""access.explaining: why not, in words; and never another answer than the decision's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.access.explaining import explain
from everywire.core.access import ACTIONS, Action, Grant, decide, permissions

NAMES = ("chat.a", "chat.*", "chat.**", "**", "Chat.A", "news", "@user.ada", "@user.*", "*.a", "@x")


@pytest.mark.parametrize(
    ("grants", "name", "by", "words"),
    [
        ({"chat.*": ["subscribe"]}, "chat.a", "chat.*", "'chat.*' grants it"),
        ({}, "chat.a", None, "nothing is granted"),
        ({"a": ["publish"]}, "b", None, "subscribe is granted nowhere"),
        (
            {"chat.*": ["publish", "history"]},
            "chat.a",
            "chat.*",
            "'chat.*' covers it, and grants history, publish, but not subscribe",
        ),
        ({"chat.*": []}, "chat.a", "chat.*", "'chat.*' covers it, and grants nothing, but not"),
        ({"chat.a": ["subscribe"]}, "chat.*", "chat.a", "asks for more than 'chat.a'"),
        ({"chat.*": ["subscribe"]}, "chat.**", "chat.*", "asks for more than 'chat.*'"),
        ({"chat.A": ["subscribe"]}, "chat.a", "chat.A", "in other letters"),
        ({"chat.*": ["subscribe"]}, "Chat.a", "chat.*", "in other letters"),
        ({"chat.\u00e9": ["subscribe"]}, "chat.e\u0301", "chat.\u00e9", "in other letters"),
        ({"chat.*": ["subscribe"]}, "chat.a.b", "chat.*", "grants one segment"),
        ({"chat": ["subscribe"]}, "chat.a", "chat", "grants that channel alone"),
        ({"chat.a": ["subscribe"], "x": ["subscribe"]}, "chat.ab", "chat.a", "comes nearest"),
        ({"**": ["subscribe"]}, "@user.bob", None, "heard by its owner only"),
    ],
)
def test_what_it_says(grants: dict[str, list[str]], name: str, by: str | None, words: str) -> None:
    said = explain(Grant("ada", permissions(grants)), "subscribe", name)
    assert said.by == by
    assert words in said.why


def test_a_user_s_own_channel_needs_no_grant() -> None:
    said = explain(Grant("ada"), "subscribe", "@user.ada")
    assert said == ("subscribe", "@user.ada", True, None, "it is the user's own channel")


@given(
    st.dictionaries(
        st.sampled_from(("chat.a", "chat.*", "**", "*.a", "news", "@user.*")),
        st.lists(st.sampled_from(ACTIONS)),
    ),
    st.sampled_from(ACTIONS),
    st.sampled_from(NAMES),
)
def test_it_says_what_is_decided(grants: dict[str, list[str]], action: Action, name: str) -> None:
    grant = Grant("ada", permissions(grants))
    said = explain(grant, action, name)
    assert said.allowed is (decide(grant, action, name) is None)
    assert said.by is None or said.by in grants
    assert said.why
