"""A channel that is subscribed to in the middle of a connection, and perhaps given up again.

From the position that the server names on, each of its messages has to come, in order, until the
answer to an unsubscribe; then none. Held against the truth, not against what others saw.
"""

from __future__ import annotations

from collections.abc import Iterator

from everywire.simulation.decoding import Told
from everywire.simulation.truth import Truth


class Episode:
    """See the module.

    Args:
        channel: Its name.
        truth: What the log holds.
        own: Labels that begin so are the client's own, which it must not hear.
        tight: Whether the log may have trimmed some of it.
    """

    def __init__(self, channel: str, truth: Truth, own: str, tight: bool) -> None:
        self.channel = channel
        self.leaving = False
        self.over = False
        self._truth = truth
        self._own = own
        self._tight = tight
        self._upto: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the server has said where it starts."""
        return self._upto is not None

    def start(self, position: int) -> None:
        """The server says where its messages start."""
        self._upto = position

    def take(self, told: Told) -> Iterator[tuple[str, str]]:
        """A message of the channel; yield the promises it breaks, and how."""
        position, upto = told.position, self._upto
        if self.over or upto is None:
            yield "unsubscribed", f"{self.channel} {position} came after it was given up, or before"
            return
        if told.label.startswith(self._own):
            yield "echo", f"{self.channel} {position} is its own"
        if position <= upto:
            yield "order", f"{self.channel} {position} came after {upto}"
        elif self._truth.label_at(position) != told.label:
            yield "invented", f"{self.channel} {position} is not in the log, or another one"
        yield from self._reach(position, position)

    def move(self, position: int) -> Iterator[tuple[str, str]]:
        """The server says that all up to a position has been sent; yield what has not."""
        yield from self._reach(position + 1, position)

    def _reach(self, before: int, position: int) -> Iterator[tuple[str, str]]:
        upto = self._upto
        if self.over or upto is None:
            return
        self._upto = max(position, upto)
        if self._tight and upto == 0:
            # It asked for what is kept, and that is not all.
            return
        skipped = [
            missing
            for missing in self._truth.between(self.channel, upto, before)
            if not (self._truth.label_at(missing) or "").startswith(self._own)
        ]
        if skipped:
            yield "hole", f"{self.channel} {skipped[0]} was passed over before {before}"

    def miss(self, told: Told) -> Iterator[tuple[str, str]]:
        """A gap of the channel."""
        if not self._tight:
            yield "gap", f"{self.channel} has a gap before {told.before}, and all of it is kept"
        self._upto = max(self._upto or 0, told.before - 1)
