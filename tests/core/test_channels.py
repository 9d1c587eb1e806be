"""Names, patterns, and which cover which."""

from __future__ import annotations

import re
import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everywire.core.channels import (
    MAX_NAME_BYTES,
    PatternTable,
    check_channel,
    check_channel_or_pattern,
    is_pattern,
    literal_prefix,
    matches,
)
from everywire.core.errors import RequestError

CHANNELS = [
    "a",
    "prices",
    "chat.room.1",
    "a-b_c~d!$&'()+,;=:@/?#[]%",
    "@user.1",
    "a.@b",
    "Prices",
    "ü.日本.😀",
    "e\u0301",
    "\u200d",
    "\xad",
    "<script>",
    '"\\',
    "x" * MAX_NAME_BYTES,
    "😀" * (MAX_NAME_BYTES // 4),
    ".".join("a" * 100),
]

PATTERNS = [
    "*",
    "**",
    "a.*",
    "*.a",
    "a.*.b",
    "a.**",
    "*.*",
    "*.**",
    "*.a.*.**",
    "@user.*",
    "x" * (MAX_NAME_BYTES - 2) + ".*",
]

NEITHER = [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\tb",
    "a\n",
    "\n",
    "a\x00",
    "\x1f",
    "\x7f",
    "\x80",
    "\x9f",
    "\xa0",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u3000",
    "\ud800",
    "\udfff",
    "a*",
    "*a",
    "a.b*",
    "***",
    "**.a",
    "a.**.b",
    "**.**",
    "*.",
    "x" * (MAX_NAME_BYTES + 1),
    "😀" * (MAX_NAME_BYTES // 4) + "x",
    "😀" * MAX_NAME_BYTES,
    "x" * (MAX_NAME_BYTES - 1) + ".*",
]


# Names


@pytest.mark.parametrize("name", CHANNELS, ids=ascii)
def test_a_channel_is_returned_as_it_came(name: str) -> None:
    assert check_channel(name) is name
    assert check_channel_or_pattern(name) is name
    assert not is_pattern(name)


@pytest.mark.parametrize("name", PATTERNS, ids=ascii)
def test_a_pattern_can_be_subscribed_to_but_is_no_channel(name: str) -> None:
    assert check_channel_or_pattern(name) is name
    assert is_pattern(name)
    with pytest.raises(RequestError, match="is not a channel: 1 to 200 bytes") as caught:
        check_channel(name)
    assert caught.value.code == "bad_channel"


@pytest.mark.parametrize("name", NEITHER, ids=ascii)
def test_neither_a_channel_nor_a_pattern(name: str) -> None:
    for check in (check_channel, check_channel_or_pattern):
        with pytest.raises(RequestError, match=r"segments separated by '\.'") as caught:
            check(name)
        assert caught.value.code == "bad_channel"
        assert caught.value.status == 400


def test_the_error_names_the_channel_where_that_is_harmless() -> None:
    for name, told in (
        ("a b", "a b"),
        ("a\n", None),
        ("\ud800", None),
        ("x" * 200 + ".", None),
    ):
        with pytest.raises(RequestError) as caught:
            check_channel(name)
        assert caught.value.channel == told


def test_the_error_is_short_and_in_ascii() -> None:
    with pytest.raises(RequestError) as caught:
        check_channel("\n\ud800" + "é" * 1_000_000)
    assert len(caught.value.message) < 500
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()


@given(st.characters(codec=None, exclude_characters=".*"))
def test_every_character_by_its_category(character: str) -> None:
    refused = unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp", "Cs")
    try:
        check_channel(f"a{character}b")
    except RequestError:
        assert refused
    else:
        assert not refused


def test_every_character_of_the_refused_categories() -> None:
    for point in range(0x11_0000):
        character = chr(point)
        if unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp", "Cs"):
            with pytest.raises(RequestError):
                check_channel(character)


def test_an_endless_name_is_not_kept() -> None:
    names = ["x" * 100_000 + str(number) for number in range(50)]
    tracemalloc.start()
    try:
        for name in names:
            for check in (check_channel, check_channel_or_pattern):
                with pytest.raises(RequestError):
                    check(name)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000


# Patterns

SEGMENTS = st.sampled_from(["a", "b", "ab", "@a", "+", "\u00fc"])
NAMES = st.lists(SEGMENTS, min_size=1, max_size=12).map(".".join)
SOME_PATTERNS = st.builds(
    lambda parts, last: ".".join([*parts, last]),
    st.lists(SEGMENTS | st.just("*"), max_size=11),
    SEGMENTS | st.sampled_from(["*", "**"]),
)


def covers(pattern: str, channel: str) -> bool:
    """The definition, as a regular expression."""
    parts = [
        {"*": r"[^.]+", "**": r".+"}.get(segment, re.escape(segment))
        for segment in pattern.split(".")
    ]
    ours = channel.startswith("@") and pattern.startswith("*")
    return not ours and re.fullmatch(r"\.".join(parts), channel, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("pattern", "channel", "covered"),
    [
        ("a", "a", True),
        ("a", "A", False),
        ("a", "a.b", False),
        ("*", "a", True),
        ("*", "a.b", False),
        ("**", "a", True),
        ("**", "a.b.c", True),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.*", "ab.c", False),
        ("a.**", "a", False),
        ("a.**", "a.b", True),
        ("a.**", "a.b.c", True),
        ("*.b", "a.b", True),
        ("*.b", "a.c", False),
        ("*.b", "b", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.b.c", False),
        ("a.*.**", "a.b", False),
        ("a.*.**", "a.b.c.d", True),
        ("*", "@a", False),
        ("**", "@a.b", False),
        ("*.b", "@a.b", False),
        ("@a.*", "@a.b", True),
        ("a.*", "a.@b", True),
    ],
)
def test_what_a_pattern_covers(pattern: str, channel: str, covered: bool) -> None:
    assert matches(pattern, channel) is covered
    assert covers(pattern, channel) is covered


@given(SOME_PATTERNS, NAMES)
def test_covering_by_its_definition(pattern: str, channel: str) -> None:
    assert matches(pattern, channel) is covers(pattern, channel)


@given(SOME_PATTERNS, NAMES)
def test_what_is_covered_begins_with_the_literal_prefix(pattern: str, channel: str) -> None:
    if matches(pattern, channel):
        assert channel.startswith(literal_prefix(pattern))


def test_the_literal_prefix() -> None:
    assert literal_prefix("a.b") == "a.b"
    assert literal_prefix("a.*.b.*") == "a."
    assert literal_prefix("**") == ""


# The table


class TableAsAList(RuleBasedStateMachine):
    """The table does what a list of pairs would."""

    def __init__(self) -> None:
        super().__init__()
        self.table: PatternTable[int] = PatternTable()
        self.model: dict[str, int] = {}

    @rule(pattern=SOME_PATTERNS, value=st.integers())
    def put(self, pattern: str, value: int) -> None:
        self.table.put(pattern, value)
        self.model[pattern] = value

    @rule(pattern=SOME_PATTERNS)
    def remove(self, pattern: str) -> None:
        self.table.remove(pattern)
        self.model.pop(pattern, None)

    @rule(data=st.data())
    def remove_one_there_is(self, data: st.DataObject) -> None:
        if self.model:
            self.remove(data.draw(st.sampled_from(sorted(self.model))))

    @rule(pattern=SOME_PATTERNS)
    def get(self, pattern: str) -> None:
        assert self.table.get(pattern) == self.model.get(pattern)

    @rule(channel=NAMES)
    def covering(self, channel: str) -> None:
        found = sorted(self.table.covering(channel))
        assert found == sorted(v for p, v in self.model.items() if covers(p, channel))

    @invariant()
    def as_long(self) -> None:
        assert len(self.table) == len(self.model)


TestTableAsAList = TableAsAList.TestCase


@given(st.lists(SOME_PATTERNS, max_size=8))
def test_an_emptied_table_holds_nothing(patterns: list[str]) -> None:
    table: PatternTable[int] = PatternTable()
    for number, pattern in enumerate(patterns):
        table.put(pattern, number)
    for pattern in patterns:
        table.remove(pattern)
    assert len(table) == 0
    assert not table._root.next


def test_a_long_pattern_costs_a_few_times_its_length() -> None:
    """A branch for each of a hundred segments would cost 22 KB, of 200 bytes a client sends."""
    patterns = [f"{number}." + "a." * 90 + "*" for number in range(200)]
    table: PatternTable[int] = PatternTable()
    tracemalloc.start()
    try:
        for pattern in patterns:
            table.put(pattern, 1)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(patterns) < 5_000
    assert table.covering("7." + "a." * 90 + "x") == [1]
    assert table.covering("7." + "a." * 89 + "x") == []
