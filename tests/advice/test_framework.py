"""The verdict: reasons, and what would change it."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from everywire.advice.framework import QUESTIONS, advise_on
from everywire.advice.rules import ALWAYS, NAMES, RULES, Situation, choose

from .test_rules import every_case


def test_every_case_gets_two_reasons_at_least_and_what_would_change_it() -> None:
    for case in every_case():
        verdict = advise_on(case)
        texts = [reason.text for reason in verdict.reasons]
        assert len(texts) >= 2, case
        assert len(set(texts)) == len(texts), case
        assert verdict.would_change, case


def test_the_first_reason_is_what_decided() -> None:
    for case in every_case():
        verdict = advise_on(case)
        decided = next(rule for rule in RULES if rule.applies(case))
        assert verdict.wire == choose(case) == decided.wire
        assert verdict.reasons[0].text == decided.because
        assert verdict.reasons[-1].text == ALWAYS


def test_what_would_change_it_names_another_wire() -> None:
    for case in every_case():
        verdict = advise_on(case)
        for sentence in verdict.would_change:
            found = re.search(r"it would be (.+) \(.+\)\.$", sentence)
            assert found, sentence
            assert found[1] in set(NAMES.values()) - {NAMES[verdict.wire]}, sentence


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (Situation(), "If clients sent often too, it would be WebSocket (--two-way)."),
        (
            Situation(two_way=True),
            "If clients did not send, or seldom, it would be Server-Sent Events (without "
            "--two-way).",
        ),
        (
            Situation(network="hostile"),
            "If proxies of others were between, it would be Server-Sent Events (--network "
            "proxied).",
        ),
        (
            Situation(rate=0.01),
            "If one client got about a message a second, it would be Server-Sent Events "
            "(--rate 1).",
        ),
    ],
)
def test_one_thing_changes_it(case: Situation, sentence: str) -> None:
    assert sentence in advise_on(case).would_change


def test_two_things_change_it_where_one_does_not() -> None:
    verdict = advise_on(Situation(rate=0.01, network="hostile"))
    assert verdict.wire == "longpoll"
    single = [sentence for sentence in verdict.would_change if " and " not in sentence]
    assert not single
    assert (
        "If clients sent often too and nothing were between that you do not set up yourself, it "
        "would be WebSocket (--two-way --network open)." in verdict.would_change
    )


def test_a_question_for_everything_that_can_be_known() -> None:
    assert {question.field for question in QUESTIONS} == {f.name for f in fields(Situation)}
