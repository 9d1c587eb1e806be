"""access.refusals: times for people."""

from __future__ import annotations

import pytest

from everywire.access.refusals import duration, expired, moment


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "less than 1 s"),
        (999, "less than 1 s"),
        (1000, "1 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (3_661_000, "1 h 1 min"),
        (86_400_000 * 3 + 3_600_000 * 4, "3 d 4 h"),
    ],
)
def test_lengths(ms: int, words: str) -> None:
    assert duration(ms) == words


def test_moments() -> None:
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(253_402_300_799_999) == "9999-12-31T23:59:59Z"
    error = expired("token", 1000, 3000)
    assert (error.code, error.message) == (
        "token_expired",
        "the token expired 2 s ago, at 1970-01-01T00:00:01Z",
    )
