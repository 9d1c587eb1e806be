"""Idempotency keys in memory: which publishes were already taken, for a window of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from everywire.core.errors import LogUnavailable

Scope = tuple[str, str, str]
"""Publisher, channel, key."""

MAX_KEYS: Final = 1_000_000


class Keys:
    """The positions that a key stands for, for a window.

    Args:
        window_ms: How long a key counts.
        capacity: Keys held at once. A key is never dropped before its time: an append with a
            key beyond it is refused instead.
    """

    __slots__ = ("_by_age", "_capacity", "_known", "_window_ms")

    def __init__(self, window_ms: int, capacity: int = MAX_KEYS) -> None:
        self._known: dict[Scope, Sequence[int]] = {}
        self._by_age: deque[tuple[int, Scope]] = deque()
        self._window_ms = window_ms
        self._capacity = capacity

    def find(self, scope: Scope, now_ms: int) -> Sequence[int] | None:
        """The positions stored under a key that still counts."""
        self._expire(now_ms)
        return self._known.get(scope)

    def check_room(self) -> None:
        """Whether one more key can be held.

        Raises:
            LogUnavailable: Too many publishes with keys within the window.
        """
        if len(self._known) >= self._capacity:
            raise LogUnavailable(
                f"{self._capacity} idempotency keys are held within their window; "
                "publish without a key, or later"
            )

    def store(self, scope: Scope, positions: Sequence[int], now_ms: int) -> None:
        """Remember what a key stands for."""
        self._known[scope] = positions
        self._by_age.append((now_ms + self._window_ms, scope))

    def _expire(self, now_ms: int) -> None:
        by_age = self._by_age
        while by_age and by_age[0][0] <= now_ms:
            del self._known[by_age.popleft()[1]]
