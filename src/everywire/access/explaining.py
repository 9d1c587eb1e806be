"""Why something is allowed or not, for people.

What is decided, `everywire.core.access.decide` decides. Here is looked for the pattern that came
nearest, and what keeps it from covering what was asked: the questions in `_why_not`, in their
order, are those that people ask when a channel is forbidden that they thought was not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from everywire.core.access import Action, Grant, Permissions, covers, decide


class Explanation(NamedTuple):
    """What became of a question.

    Attributes:
        action: What was asked for.
        channel: Where.
        allowed: Whether it is allowed.
        by: The pattern that allows it; else the one that comes nearest; None: there is none.
        why: In words.
    """

    action: Action
    channel: str
    allowed: bool
    by: str | None
    why: str


def explain(grant: Grant, action: Action, name: str) -> Explanation:
    """Explain a decision.

    Args:
        grant: Who asks.
        action: What for.
        name: A checked channel or pattern.
    """
    refused = decide(grant, action, name)
    if refused is None:
        pattern = next((p for p in grant.allowed.of(action) if covers(p, name)), None)
        why = "it is the user's own channel" if pattern is None else f"{pattern!a} grants it"
        return Explanation(action, name, True, pattern, why)
    if name.startswith("@"):
        return Explanation(action, name, False, None, refused.message)
    by, why = _why_not(grant.allowed, action, name)
    return Explanation(action, name, False, by, why)


def _why_not(allowed: Permissions, action: Action, name: str) -> tuple[str | None, str]:
    if not allowed.patterns:
        return None, "nothing is granted"
    for pattern, actions in allowed.patterns:
        if covers(pattern, name):
            others = ", ".join(sorted(actions)) or "nothing"
            return pattern, f"{pattern!a} covers it, and grants {others}, but not {action}"
    patterns = allowed.of(action)
    if not patterns:
        return None, f"{action} is granted nowhere"
    for pattern in patterns:
        if covers(name, pattern):
            return pattern, f"{name!a} asks for more than {pattern!a}, which one grant has to cover"
    for pattern in patterns:
        if _alike(pattern) == _alike(name) or covers(_alike(pattern), _alike(name)):
            return (
                pattern,
                f"{pattern!a} is written in other letters: names are compared byte for byte",
            )
    for pattern in patterns:
        if covers(f"{pattern.removesuffix('.**').removesuffix('.*')}.**", name):
            reach = "one segment" if pattern.endswith(".*") else "that channel alone"
            return pattern, f"{pattern!a} grants {reach}; one with '.**' would cover what is below"
    nearest = _nearest(patterns, name)
    return nearest, f"no pattern covers it; {nearest!a} comes nearest"


def _alike(name: str) -> str:
    """A name without what looks alike: letters' cases, ways to write the same in Unicode."""
    return unicodedata.normalize("NFKC", name).casefold()


def _nearest(patterns: Sequence[str], name: str) -> str:
    return max(patterns, key=lambda pattern: SequenceMatcher(None, pattern, name).ratio())
