"""Idempotency keys in memory."""

from __future__ import annotations

import pytest

from everywire.core.errors import LogUnavailable
from everywire.logs.keys import Keys

ONE = ("user", "channel", "key")
OTHER = ("", "userchannel", "key")


def test_a_key_counts_for_its_window() -> None:
    keys = Keys(1000)
    assert keys.find(ONE, 5000) is None
    keys.store(ONE, range(7, 9), 5000)
    assert keys.find(ONE, 5999) == range(7, 9)
    assert keys.find(OTHER, 5999) is None
    assert keys.find(ONE, 6000) is None
    keys.store(ONE, [10], 6000)
    assert keys.find(ONE, 6999) == [10]


def test_a_key_is_never_dropped_before_its_time() -> None:
    keys = Keys(1000, capacity=2)
    for number in range(2):
        keys.check_room()
        keys.store(("", "c", str(number)), [number], 0)
    with pytest.raises(LogUnavailable, match="2 idempotency keys"):
        keys.check_room()
    assert keys.find(("", "c", "0"), 999) == [0]
    assert keys.find(("", "c", "0"), 1000) is None
    keys.check_room()
