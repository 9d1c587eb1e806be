"""core.access: one decision, which everything asks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.access import (
    ACTIONS,
    MAX_GRANT_PATTERNS,
    NOTHING,
    OPEN,
    Action,
    Grant,
    both,
    covers,
    decide,
    permissions,
)
from everywire.core.channels import matches
from everywire.core.errors import RequestError

SEGMENTS = ("a", "b", "ab")
CHANNELS = [
    ".".join(parts)
    for length in range(1, 6)
    for parts in itertools.product(("a", "b", "ab", "z"), repeat=length)
]
"""Every channel of up to five segments; ``z`` stands for all that no pattern here writes out."""


def patterns(longest: int) -> st.SearchStrategy[str]:
    middle = st.lists(st.sampled_from((*SEGMENTS, "*")), max_size=longest - 1)
    last = st.sampled_from((*SEGMENTS, "*", "**"))
    return st.builds(lambda parts, end: ".".join((*parts, end)), middle, last)


def holder(pattern: str, *actions: Action, user: str | None = None) -> Grant:
    return Grant(user, permissions({pattern: actions or ACTIONS}))


def code(refused: RequestError | None) -> str | None:
    return None if refused is None else refused.code


# An open server


def test_an_open_server_lets_everybody_do_everything() -> None:
    for action in ACTIONS:
        assert decide(OPEN, action, "a.b") is None
        assert decide(OPEN, action, "**") is None


def test_names_that_begin_with_an_at_are_the_server_s() -> None:
    """PROTOCOL.md, channel."""
    for action in ACTIONS:
        for name in ("@user.1", "@", "@**"):
            refused = decide(OPEN, action, name)
            assert refused is not None
            assert refused.code == "forbidden"
            assert refused.status == 403


def test_an_at_elsewhere_is_a_letter_like_others() -> None:
    assert decide(OPEN, "publish", "a.@b") is None


# Which pattern covers which


@pytest.mark.parametrize(
    ("granted", "asked"),
    [
        ("chat.a", "chat.a"),
        ("chat.*", "chat.a"),
        ("chat.*", "chat.*"),
        ("chat.**", "chat.a.b.c"),
        ("chat.**", "chat.*"),
        ("chat.**", "chat.*.x"),
        ("chat.**", "chat.**"),
        ("**", "*.a.**"),
        ("*.a", "*.a"),
        ("a.*.**", "a.b.*"),
    ],
)
def test_a_pattern_covers_what_lies_within_it(granted: str, asked: str) -> None:
    assert covers(granted, asked)
    assert decide(holder(granted), "subscribe", asked) is None


@pytest.mark.parametrize(
    ("granted", "asked"),
    [
        ("chat.a", "chat.ab"),
        ("chat.a", "chat"),
        ("chat.a", "chat.a.b"),
        ("chat.a", "chat.*"),
        ("chat.ab", "chat.a"),
        ("chat.a", "chat.A"),
        ("chat.a", "Chat.a"),
        ("chat.a", "chat.\u0430"),  # a Cyrillic letter that looks like an a
        ("chat.\u00e9", "chat.e\u0301"),  # two ways to write é
        ("chat.\u212a", "chat.K"),  # the sign for kelvin
        ("chat.a", "chat.a\u200d"),  # a joiner that is not seen
        ("chat.*", "chat"),
        ("chat.*", "chat.a.b"),
        ("chat.*", "chat.**"),
        ("chat.*", "*"),
        ("chat.*", "*.a"),
        ("chat.**", "chat"),
        ("chat.**", "**"),
        ("*", "**"),
        ("*.**", "**"),
        ("a.*.**", "a.**"),
        ("a.*.b", "a.**"),
        ("a.**", "a*.b"),
    ],
)
def test_and_nothing_beyond_it(granted: str, asked: str) -> None:
    assert not covers(granted, asked)
    assert code(decide(holder(granted), "subscribe", asked)) == "forbidden"


@pytest.mark.parametrize("granted", ["*", "**", "*.ada", "*.*", "*.**"])
@pytest.mark.parametrize("asked", ["@user.ada", "@user.*", "@user.**", "@connection.x"])
def test_no_wildcard_covers_the_server_s_own_names(granted: str, asked: str) -> None:
    assert not covers(granted, asked)


@given(granted=patterns(3), asked=patterns(3))
def test_covering_is_covering_every_channel(granted: str, asked: str) -> None:
    """Against the meaning of it: all channels that the one matches are matched by the other."""
    every = all(matches(granted, channel) for channel in CHANNELS if matches(asked, channel))
    assert covers(granted, asked) == every


@given(granted=patterns(4), asked=patterns(4), channel=st.sampled_from(CHANNELS))
def test_who_may_hear_a_pattern_may_hear_all_it_matches(
    granted: str, asked: str, channel: str
) -> None:
    if covers(granted, asked) and matches(asked, channel):
        assert covers(granted, channel)


def test_two_patterns_that_cover_it_together_do_not() -> None:
    both_halves = Grant(allowed=permissions({"a.*": ["subscribe"], "a.*.**": ["subscribe"]}))
    assert code(decide(both_halves, "subscribe", "a.**")) == "forbidden"


# Actions


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_granted_alone(action: Action) -> None:
    only = holder("chat.*", action)
    for other in ACTIONS:
        assert code(decide(only, other, "chat.a")) == (None if other == action else "forbidden")


@pytest.mark.parametrize("missing", ACTIONS)
def test_all_channels_are_not_all_actions(missing: Action) -> None:
    most = holder("**", *(action for action in ACTIONS if action != missing))
    assert not most.allowed.everything
    assert code(decide(most, missing, "a")) == "forbidden"


def test_an_error_names_what_is_granted() -> None:
    allowed = permissions({name: ["publish"] for name in ("a", "b.*", "c", "d", "e")})
    refused = decide(Grant(allowed=allowed), "publish", "f")
    assert refused is not None
    assert refused.message == "publish on 'f' is not granted; it is on 'a', 'b.*', 'c' and 2 more"
    assert refused.channel == "f"
    nothing = decide(Grant(), "publish", "f")
    assert nothing is not None
    assert nothing.message == "publish on 'f' is not granted; it is on nothing"


def test_who_showed_nothing_is_told_that_a_token_may_help() -> None:
    public = Grant(allowed=permissions({"news.*": ["subscribe"]}), anonymous=True)
    assert decide(public, "subscribe", "news.1") is None
    refused = decide(public, "publish", "news.1")
    assert refused is not None
    assert (refused.code, refused.status) == ("no_token", 401)


# The server's own names


@pytest.mark.parametrize("action", ["subscribe", "history", "presence"])
def test_a_user_hears_their_own_channel_without_a_grant(action: Action) -> None:
    """PROTOCOL.md, channel: heard by their owner only."""
    ada = Grant("ada")
    assert decide(ada, action, "@user.ada") is None
    for other in ("@user.bob", "@user.Ada", "@user.ada.b", "@user", "@users.ada", "@user.*"):
        assert code(decide(ada, action, other)) == "forbidden"


@pytest.mark.parametrize("user", ["*", "**", "a.*", "a.**"])
def test_a_user_whose_name_is_a_pattern_hears_nobody_else(user: str) -> None:
    assert code(decide(Grant(user), "subscribe", f"@user.{user}")) == "forbidden"


@pytest.mark.parametrize("user", ["a.b", "auth0|7", "ada@example.org", "日本"])
def test_a_user_s_name_may_have_segments(user: str) -> None:
    assert decide(Grant(user), "subscribe", f"@user.{user}") is None


def test_nobody_hears_the_channel_of_no_user() -> None:
    for name in ("@user.", "@user.None", "@user", "@connection.None"):
        assert code(decide(Grant(), "subscribe", name)) == "forbidden"


@pytest.mark.parametrize("action", ["subscribe", "history"])
@pytest.mark.parametrize("pattern", ["@user.bob", "@user.*", "@user.**", "**"])
def test_no_grant_makes_somebody_hear_another_s(action: Action, pattern: str) -> None:
    assert code(decide(holder(pattern, user="ada"), action, "@user.bob")) == "forbidden"


def test_publishing_to_a_user_is_granted_by_writing_it_out() -> None:
    for pattern in ("@user.ada", "@user.*", "@user.**"):
        assert decide(holder(pattern, "publish"), "publish", "@user.ada") is None
    for pattern in ("**", "*.ada", "@user.bob", "@connection.*"):
        assert code(decide(holder(pattern, "publish"), "publish", "@user.ada")) == "forbidden"
    assert code(decide(Grant("ada"), "publish", "@user.ada")) == "forbidden"
    assert code(decide(holder("@user.*", "subscribe"), "publish", "@user.ada")) == "forbidden"


def test_a_connection_s_channel_is_heard_by_that_connection() -> None:
    ada = Grant("ada")
    assert decide(ada, "subscribe", "@connection.x1", "x1") is None
    assert code(decide(ada, "subscribe", "@connection.x1", "x2")) == "forbidden"
    assert code(decide(ada, "subscribe", "@connection.x1")) == "forbidden"
    assert decide(holder("@connection.*", "publish"), "publish", "@connection.x1") is None


@pytest.mark.parametrize("name", ["@", "@other", "@other.a", "@user2.ada", "@**"])
def test_other_names_of_the_server_are_nobody_s(name: str) -> None:
    for action in ACTIONS:
        assert code(decide(holder("**", user="ada"), action, name)) == "forbidden"


# Sets of patterns


def test_what_is_no_grant_is_refused() -> None:
    for grants, words in (
        ({"chat..a": ["subscribe"]}, "'chat..a' is not a channel or pattern"),
        ({"a": ["read"]}, "'read' is no action; there are subscribe, publish, history, presence"),
        ({"@server": ["subscribe"]}, "nothing can be granted on '@server'"),
        ({"@user": ["publish"]}, "nothing can be granted on '@user'"),
    ):
        with pytest.raises(RequestError) as caught:
            permissions(grants)
        assert words in caught.value.message


def test_the_number_of_patterns_is_bounded() -> None:
    grants = {f"a.{number}": ["subscribe"] for number in range(MAX_GRANT_PATTERNS)}
    assert len(permissions(grants).patterns) == MAX_GRANT_PATTERNS
    with pytest.raises(RequestError, match=f"{MAX_GRANT_PATTERNS} are allowed"):
        permissions({**grants, "b": ["subscribe"]})


def test_who_hold_the_same_share_it() -> None:
    assert permissions({"a.*": ["publish"]}) is permissions({"a.*": ("publish", "publish")})


def test_both_allow_what_either_does() -> None:
    one, other = permissions({"a": ["publish"]}), permissions({"a": ["history"], "b": ["publish"]})
    assert dict(both(one, other).patterns) == {
        "a": frozenset(("publish", "history")),
        "b": frozenset(("publish",)),
    }
    assert both(one, NOTHING) is one


@given(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(CHANNELS[:400])), max_size=400),
    st.dictionaries(patterns(3), st.lists(st.sampled_from(ACTIONS)), max_size=3),
)
def test_a_decision_is_the_same_whatever_was_asked_before(
    asked: list[tuple[Action, str]], grants: dict[str, list[str]]
) -> None:
    allowed = permissions(grants)
    for action, name in asked:
        fresh = any(covers(pattern, name) for pattern in allowed.of(action))
        assert allowed.allows(action, name) is fresh


def test_what_is_remembered_is_bounded() -> None:
    allowed = permissions({"bounded.**": ["publish"]})
    for number in range(10_000):
        assert allowed.allows("publish", f"bounded.{number}")
        assert not allowed.allows("publish", f"elsewhere.{number}")
    assert len(allowed._known["publish"]) <= 128


# Whose idempotency keys


def test_a_user_a_key_and_all_others_are_different_publishers() -> None:
    publishers = {Grant("x").publisher, Grant(key="x").publisher, Grant().publisher}
    assert publishers == {"user:x", "key:x", ""}
    assert OPEN.publisher == ""
