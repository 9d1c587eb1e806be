"""The world of a schedule, as those who live in it know it."""

from __future__ import annotations

from typing import Protocol

from everywire.simulation.truth import Truth
from everywire.torture.history import AnyEvent


class Scribe(Protocol):
    """Takes down what everybody sees.

    Attributes:
        truth: What the log has taken.
        life: Grows when the log is another one, or has lost what it had said.
        tight: Whether the log may trim any channel.
        ephemeral: The channels of the ephemeral messages, by label.
    """

    truth: Truth
    life: int
    tight: bool
    ephemeral: dict[str, str]

    def note(self, event: AnyEvent) -> None:
        """Write an event down."""
        ...

    def flush(self) -> None:
        """Have the log hand over what it was given."""
        ...

    def broken(self, promise: str, who: str, what: str) -> None:
        """A promise was broken."""
        ...
