"""Channel names and patterns.

A channel is a name of 1 to 200 bytes of UTF-8: segments separated by ``.``, none empty, without
control characters, spaces or ``*``. A pattern is such a name in which a whole segment may be
``*`` (any one segment) or the last may be ``**`` (one or more). Names are compared byte for byte;
nothing is normalised or folded, so two names that look alike are two channels.

Names that begin with ``@`` are the server's; `everywire.core.access` decides on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Generic, TypeVar

from everywire.core.errors import RequestError

T = TypeVar("T")

MAX_NAME_BYTES: Final = 200
_MAX_CACHED: Final = 16_384
_BRANCHES: Final = 8
"""Segments of a pattern that `PatternTable` branches at."""

# Cc, Zs, Zl and Zp of Unicode 15, and the two characters with a meaning of their own.
_EXCLUDED = (
    "\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff"
    r".*"
)
_SEGMENT = f"[^{_EXCLUDED}]+"
_CHANNEL = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT})*")
_PATTERN = re.compile(rf"(?:(?:{_SEGMENT}|\*)\.)*(?:{_SEGMENT}|\*\*?)")


def _refuse(name: str, allowed: str) -> RequestError:
    shown = name if len(name) <= 60 else name[:57] + "..."
    return RequestError("bad_channel", f"{shown!a} is not {allowed}", channel=_sayable(name))


def _sayable(name: str) -> str | None:
    """The name, where it can be repeated in an answer without harm."""
    return name if len(name) <= MAX_NAME_BYTES and name.isprintable() else None


@lru_cache(_MAX_CACHED)
def _known_channel(name: str) -> bool:
    return _CHANNEL.fullmatch(name) is not None and len(name.encode()) <= MAX_NAME_BYTES


@lru_cache(_MAX_CACHED)
def _known_pattern(name: str) -> bool:
    return _PATTERN.fullmatch(name) is not None and len(name.encode()) <= MAX_NAME_BYTES


def check_channel(name: str) -> str:
    """Return the name if it is a channel's.

    Raises:
        RequestError: ``bad_channel``.
    """
    # The length is looked at first so that no long name enters the cache.
    if len(name) > MAX_NAME_BYTES or not _known_channel(name):
        raise _refuse(
            name,
            "a channel: 1 to 200 bytes of UTF-8, segments separated by '.', none empty, "
            "without control characters, spaces or '*'",
        )
    return name


def check_channel_or_pattern(name: str) -> str:
    """Return the name if one can subscribe to it.

    Raises:
        RequestError: ``bad_channel``.
    """
    if len(name) > MAX_NAME_BYTES or not _known_pattern(name):
        raise _refuse(
            name,
            "a channel or pattern: 1 to 200 bytes of UTF-8, segments separated by '.', none "
            "empty, without control characters or spaces; a whole segment may be '*', "
            "the last may be '**'",
        )
    return name


def is_pattern(name: str) -> bool:
    """Whether a checked name is a pattern. (In a channel there is no ``*``.)"""
    return "*" in name


def matches(pattern: str, channel: str) -> bool:
    """Whether a channel is covered by a pattern. The server's own (``@``) never are by a ``*``.

    Args:
        pattern: A checked pattern, or a channel, which covers itself.
        channel: A checked channel.
    """
    return _covers(pattern, channel) and not (pattern[0] == "*" and channel[0] == "@")


def _covers(pattern: str, channel: str) -> bool:
    # Clients choose patterns: not made into regular expressions, for each would take long to
    # compile, and half a millisecond at worst.
    prefix, star, tail = pattern.partition("*")
    if not star:
        return pattern == channel
    if not channel.startswith(prefix):
        return False
    rest = channel[len(prefix) :]
    if not tail:
        return "." not in rest
    return tail == "*" or _tail_covers(tail.split("."), rest.split("."))


def _tail_covers(tail: list[str], rest: list[str]) -> bool:
    """The first of each is the segment with the pattern's first ``*``, and fits."""
    if len(rest) != len(tail) and (tail[-1] != "**" or len(rest) < len(tail)):
        return False
    return all(
        part in (segment, "*", "**") for part, segment in zip(tail[1:], rest[1:], strict=False)
    )


def literal_prefix(pattern: str) -> str:
    """The part of a pattern before its first ``*``: every channel it covers begins with it."""
    return pattern.partition("*")[0]


class PatternTable(Generic[T]):
    """Which of many patterns cover a channel.

    A trie over segments: the cost of a look-up grows with the segments of the channel and the
    patterns that really match, not with the number of patterns. Only the first segments are
    branches; what follows them is kept whole, and patterns that differ only there are tried one by
    one. Else a pattern of a hundred segments, which is 200 bytes to a client, would cost 22 KB.
    """

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Branch[T] = _Branch()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, pattern: str) -> T | None:
        """What is kept under exactly this pattern."""
        branch = self._root
        for segment in _split(pattern):
            found = branch.next.get(segment)
            if found is None:
                return None
            branch = found
        return branch.value

    def put(self, pattern: str, value: T) -> None:
        """Keep a value under a pattern, in place of what was there."""
        branch = self._root
        for segment in _split(pattern):
            branch = branch.next.setdefault(segment, _Branch())
        self._size += branch.value is None
        branch.value = value

    def remove(self, pattern: str) -> None:
        """Forget a pattern, and the branches that only led to it."""
        path = [self._root]
        segments = _split(pattern)
        for segment in segments:
            found = path[-1].next.get(segment)
            if found is None:
                return
            path.append(found)
        self._size -= path[-1].value is not None
        path[-1].value = None
        for parent, segment in zip(reversed(path[:-1]), reversed(segments), strict=True):
            child = parent.next[segment]
            if child.value is not None or child.next:
                return
            del parent.next[segment]

    def values(self) -> Iterator[T]:
        """Everything that is kept."""
        branches = [self._root]
        while branches:
            branch = branches.pop()
            if branch.value is not None:
                yield branch.value
            branches.extend(branch.next.values())

    def covering(self, channel: str) -> list[T]:
        """The values of every pattern that covers the channel."""
        found: list[T] = []
        level: Iterable[_Branch[T]] = (self._root,)
        for number, segment in enumerate(_split(channel)):
            if number == _BRANCHES:
                ends = [end for branch in level for end in branch.next.items()]
                return found + [
                    end.value
                    for rest, end in ends
                    if end.value is not None and _covers(rest, segment)
                ]
            below: list[_Branch[T]] = []
            wild = number > 0 or not channel.startswith("@")
            for branch in level:
                if wild:
                    rest = branch.next.get("**")
                    if rest is not None and rest.value is not None:
                        found.append(rest.value)
                    one = branch.next.get("*")
                    if one is not None:
                        below.append(one)
                exact = branch.next.get(segment)
                if exact is not None:
                    below.append(exact)
            level = below
        found.extend(branch.value for branch in level if branch.value is not None)
        return found


class _Branch(Generic[T]):
    __slots__ = ("next", "value")

    def __init__(self) -> None:
        self.next: dict[str, _Branch[T]] = {}
        self.value: T | None = None


def _split(name: str) -> list[str]:
    """The segments to branch at, and all the others in one."""
    return name.split(".", _BRANCHES)
