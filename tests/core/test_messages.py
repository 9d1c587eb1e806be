"""core.messages: drafts become messages."""

from __future__ import annotations

import math

import pytest

from everywire.core.messages import DEFAULT_EVENT, Draft, Gap, Kind, Message, expiry, message_from


def test_a_draft_becomes_a_message_with_all_it_carries() -> None:
    draft = Draft(
        "a", b"1", Kind.BYTES, "price", "k", b"{}", 2.5, True, False, False, "conn", "user"
    )
    assert message_from(draft, 77, 5000) == Message(
        id=77,
        channel="a",
        event="price",
        data=b"1",
        kind=Kind.BYTES,
        ts=5000,
        connection="conn",
        user="user",
        key="k",
        meta=b"{}",
        final=True,
        echo=False,
        expires=7500,
    )


def test_what_a_draft_leaves_open() -> None:
    message = message_from(Draft("a", b"1"), 1, 2)
    assert message == Message(1, "a", DEFAULT_EVENT, b"1", Kind.JSON, 2)
    assert (message.expires, message.final, message.echo) == (0, False, True)


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        (1, 6000),
        (0.25, 5250),
        (1e-9, 5001),  # never at once: 0 would mean for ever
        (1e300, 2**53 - 1),
        (math.inf, 2**53 - 1),
    ],
)
def test_expiry(ttl: float, expected: int) -> None:
    assert expiry(5000, ttl) == expected


def test_the_size_counts_what_is_large() -> None:
    small = message_from(Draft("a", b""), 1, 1).size
    assert 0 < small < 200
    for draft, more in (
        (Draft("a", bytes(1000)), 1000),
        (Draft("a" * 100, b""), 99),
        (Draft("a", b"", event="e" * 50), 50 - len(DEFAULT_EVENT)),
        (Draft("a", b"", meta=bytes(300)), 300),
    ):
        assert message_from(draft, 1, 1).size == small + more


def test_a_gap_stands_below_its_end() -> None:
    assert Gap("a", 5, 10, "trimmed").position == 9
