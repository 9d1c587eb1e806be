"""The decision framework: a `Situation` in, a `Verdict` out.

The questions are those of the dialogue and the flags of ``everywire advise``; the rules are in
``rules``. What would change the answer is not written down but found: each question is answered
otherwise and the rules are asked again. So it cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Final, NamedTuple

from everywire.advice.rules import (
    ALWAYS,
    HIGH_RATE,
    NAMES,
    NOTES,
    RARE_RATE,
    RULES,
    Situation,
    Wire,
    choose,
)


class Reason(NamedTuple):
    """Why.

    Attributes:
        text: The rule, as sentences.
        figure: The row of a comparison that measures it; empty: none does.
    """

    text: str
    figure: str = ""


class Verdict(NamedTuple):
    """The answer.

    Attributes:
        wire: The one to take.
        reasons: Why, the deciding one first, at least two.
        would_change: What would make it another wire, as sentences.
    """

    wire: Wire
    reasons: tuple[Reason, ...]
    would_change: tuple[str, ...]


def advise_on(situation: Situation) -> Verdict:
    """Say which wire, why, and what would change the answer."""
    wire = choose(situation)
    reasons = [
        Reason(rule.because, rule.figure)
        for rule in RULES
        if rule.wire == wire and rule.applies(situation)
    ]
    reasons += [Reason(note.says, note.figure) for note in NOTES if note.applies(situation, wire)]
    reasons.append(Reason(ALWAYS))
    return Verdict(wire, tuple(reasons), tuple(_changes(situation, wire)))


class Question(NamedTuple):
    """What is asked, in the dialogue and as flags.

    Attributes:
        field: Of `Situation`.
        flag: On the command line.
        asks: The question to a person.
        answers: Other values that change something, each with words for "if …".
    """

    field: str
    flag: str
    asks: str
    answers: tuple[tuple[Any, str], ...] = ()


QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        "two_way",
        "--two-way",
        "Do clients send too, and often (chat, games, editing together)?",
        ((True, "clients sent often too"), (False, "clients did not send, or seldom")),
    ),
    Question(
        "binary",
        "--binary",
        "Is the data bytes (files, audio, pictures) and not text or JSON?",
        ((True, "the data were bytes"), (False, "the data were text or JSON")),
    ),
    Question(
        "llm",
        "--llm",
        "Does it stream the answers of a language model?",
        ((True, "it streamed a language model's answers"), (False, "no language model streamed")),
    ),
    Question(
        "rate",
        "--rate",
        "How many messages a second does one client get (0.02: one in 50 s)?",
        (
            (HIGH_RATE, f"one client got {HIGH_RATE:.0f} messages a second or more"),
            (1.0, "one client got about a message a second"),
            (RARE_RATE, "messages came 30 s or more apart"),
        ),
    ),
    Question("clients", "--clients", "How many clients are connected at once?"),
    Question(
        "network",
        "--network",
        "What is between? open: only what you set up; proxied: proxies of others; hostile: they "
        "strip Upgrade and buffer",
        (
            ("open", "nothing were between that you do not set up yourself"),
            ("proxied", "proxies of others were between"),
            ("hostile", "the network stripped Upgrade and buffered answers"),
        ),
    ),
    Question(
        "cdn",
        "--cdn",
        "Does it go through a CDN?",
        ((True, "it went through a CDN"), (False, "no CDN were between")),
    ),
    Question(
        "browser",
        "--browser",
        "Are the clients web pages?",
        ((True, "clients were web pages"), (False, "clients were no web pages")),
    ),
    Question(
        "http1",
        "--http1",
        "Do they reach you by HTTP/1.1 only, without HTTP/2?",
        ((True, "browsers came by HTTP/1.1 only"), (False, "browsers came by HTTP/2")),
    ),
)
"""In the order of the dialogue."""

_FACTS: Final = {field.field: field for field in QUESTIONS}


class _Change(NamedTuple):
    field: str
    value: Any
    words: str


def _changes(situation: Situation, wire: Wire) -> Iterator[str]:
    """What would change the answer: one thing, or two where no single one would."""
    single = list(_possible(situation))
    found = False
    for size in (1, 2):
        for changes in combinations(single, size):
            sentence = _sentence(situation, wire, changes)
            if sentence:
                found = True
                yield sentence
        if found:
            return


def _possible(situation: Situation) -> Iterator[_Change]:
    for question in QUESTIONS:
        for value, words in question.answers:
            if not _same(question.field, getattr(situation, question.field), value):
                yield _Change(question.field, value, words)


def _same(field: str, now: Any, other: Any) -> bool:
    """Whether another answer says what the one there is says."""
    if field != "rate":
        return now == other
    a, b = Situation(rate=now), Situation(rate=other)
    return (a.high, a.rare) == (b.high, b.rare)


def _sentence(situation: Situation, wire: Wire, changes: Sequence[_Change]) -> str:
    fields = [change.field for change in changes]
    if len(set(fields)) < len(fields):
        return ""
    other = choose(replace(situation, **{change.field: change.value for change in changes}))
    if other == wire:
        return ""
    flags = " ".join(_as_flag(change) for change in changes)
    words = " and ".join(change.words for change in changes)
    return f"If {words}, it would be {NAMES[other]} ({flags})."


def _as_flag(change: _Change) -> str:
    flag = _FACTS[change.field].flag
    if change.value is True:
        return flag
    if change.value is False:
        return f"without {flag}"
    if change.field == "rate":
        return f"{flag} {round(change.value, 2):g}"
    return f"{flag} {change.value}"
