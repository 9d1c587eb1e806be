"""The rules: which wire, for every combination of answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from everywire.advice.rules import (
    HIGH_RATE,
    MANY_CLIENTS,
    NETWORKS,
    NOTES,
    RARE_RATE,
    RULES,
    WIRES,
    Situation,
    choose,
)


def every_case() -> Iterator[Situation]:
    """Every combination of answers that the rules tell apart."""
    rates = (None, 0.0, RARE_RATE, 1.0, HIGH_RATE, 1000.0)
    flag = (False, True)
    for two_way, binary, cdn, browser, http1, llm in product(flag, repeat=6):
        for rate, network, clients in product(rates, NETWORKS, (None, 1, MANY_CLIENTS)):
            yield Situation(two_way, binary, rate, clients, network, cdn, browser, http1, llm)


@pytest.mark.parametrize(
    ("case", "wire"),
    [
        # What is commonly said.
        (Situation(two_way=True), "websocket"),
        (Situation(rate=50), "websocket"),
        (Situation(binary=True), "websocket"),
        (Situation(), "sse"),
        (Situation(browser=True), "sse"),
        (Situation(llm=True), "sse"),
        (Situation(cdn=True), "sse"),
        (Situation(network="hostile"), "longpoll"),
        (Situation(rate=1 / 45), "longpoll"),
        # Where two of them meet.
        (Situation(two_way=True, binary=True, network="hostile"), "longpoll"),
        (Situation(two_way=True, rate=0.01), "websocket"),
        (Situation(two_way=True, llm=True), "websocket"),
        (Situation(llm=True, rate=80), "sse"),
        (Situation(llm=True, browser=True, http1=True), "sse"),
        (Situation(cdn=True, rate=80), "sse"),
        (Situation(network="proxied"), "sse"),
        (Situation(network="proxied", rate=80), "sse"),
        (Situation(network="proxied", two_way=True), "websocket"),
        (Situation(network="proxied", rate=0.01), "longpoll"),
        # Facts that refine it.
        (Situation(browser=True, http1=True), "websocket"),
        (Situation(browser=True, http1=True, network="proxied"), "sse"),
        (Situation(http1=True), "sse"),
    ],
)
def test_what_decides(case: Situation, wire: str) -> None:
    assert choose(case) == wire


def test_some_rule_decides_every_case() -> None:
    assert {choose(case) for case in every_case()} == set(WIRES)


def test_no_rule_is_idle() -> None:
    """Each applies to some case beside which its wire is chosen; else nobody would read it."""
    cases = [(case, choose(case)) for case in every_case()]
    for rule in RULES:
        assert any(rule.applies(case) and rule.wire == wire for case, wire in cases), rule.because


def test_no_note_is_idle() -> None:
    cases = [(case, choose(case)) for case in every_case()]
    for note in NOTES:
        assert any(note.applies(case, wire) for case, wire in cases), note.says


@pytest.mark.parametrize(
    ("rate", "high", "rare"),
    [
        (None, False, False),
        (0, False, True),
        (1 / 30, False, True),
        (1 / 29, False, False),
        (19.9, False, False),
        (20, True, False),
    ],
)
def test_when_a_rate_is_high_or_rare(rate: float | None, high: bool, rare: bool) -> None:
    assert (Situation(rate=rate).high, Situation(rate=rate).rare) == (high, rare)
