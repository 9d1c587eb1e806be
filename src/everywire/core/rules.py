"""Rules by channel: how much is kept, and what happens to who reads too slowly.

A rule has a pattern; the first that covers a channel counts, and the default for what it leaves
open. Retention that the whole log shares (``max_age``, ``max_bytes`` of `LogRetention`) comes on
top: the oldest messages go first, whichever limit is met.

The newest message of a key is kept whatever is said here. It counts with the others until its turn
comes; then it is set aside, and counts for ``max_state_bytes`` alone (core/limits.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from everywire.core.channels import check_channel_or_pattern, matches
from everywire.core.errors import UsageError
from everywire.core.units import PositiveBytes, PositiveCount, PositiveSeconds, Seconds

SlowPolicy = Literal["lossless", "latest", "disconnect"]


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """What holds for the channels that a pattern covers.

    Attributes:
        pattern: A pattern or a channel.
        max_messages: Messages kept of each channel; None: any number.
        max_age: How long a message is kept; None: as the log.
        max_bytes: Bytes kept of each channel; None: any number.
        slow: What happens to a subscriber that is behind: ``lossless`` reads on from the log,
            ``latest`` gets only the newest message of each event name and a gap ``conflated``,
            ``disconnect`` is closed with 4413.
        linger: How long a waiting poll waits on after its first message, for a fuller answer.
    """

    pattern: str = "**"
    max_messages: PositiveCount | None = None
    max_age: PositiveSeconds | None = None
    max_bytes: PositiveBytes | None = None
    slow: SlowPolicy = "lossless"
    linger: Seconds = 0.0

    def __post_init__(self) -> None:
        check_channel_or_pattern(self.pattern)
        for name in ("max_messages", "max_age", "max_bytes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} of the rule for {self.pattern!r} must be above 0")
        if self.slow not in ("lossless", "latest", "disconnect"):
            raise UsageError(
                f"slow of the rule for {self.pattern!r} is one of lossless, latest, disconnect"
            )


@dataclass(frozen=True, slots=True)
class LogRetention:
    """What the whole log keeps.

    Attributes:
        max_age: How long messages are kept; None: for ever.
        max_bytes: How much is kept, by what `Message.size` counts; None: any number.
    """

    max_age: PositiveSeconds | None = 7 * 86_400
    max_bytes: PositiveBytes | None = 1024**3


class Rules:
    """The rules of a server, in order; the first that covers a channel counts.

    Attributes:
        rules: In order; the last one is the default for all that no other covers.
    """

    __slots__ = ("_first", "rules")

    def __init__(self, rules: Sequence[ChannelRule] = ()) -> None:
        self.replace(rules)

    def replace(self, rules: Sequence[ChannelRule]) -> None:
        """Take other rules. Whoever holds this object goes by them from now on."""
        self.rules = (*rules, ChannelRule())
        self._first = lru_cache(16_384)(self._look_up)

    def of(self, channel: str) -> ChannelRule:
        """The rule of a channel. For a pattern, the one of a channel named like it."""
        return self._first(channel)

    def _look_up(self, channel: str) -> ChannelRule:
        covering = (rule for rule in self.rules if matches(rule.pattern, channel))
        # No wildcard covers the server's own channels; for those the default holds.
        return next(covering, self.rules[-1])
