"""Whether a history keeps the promises: the checker of ``torture``, and what only truth can tell.

Each life of the log is judged by itself: one that was born anew, or lost what it had said, is
another log, and everybody begins again there, after being told so (``clients``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from everywire.core.channels import is_pattern, matches
from everywire.simulation.truth import Truth
from everywire.torture.checker import check
from everywire.torture.facts import Broken
from everywire.torture.history import AnyEvent, Missed


def judge(events: Sequence[AnyEvent], truth: Truth, *, tight: bool, last: bool) -> list[Broken]:
    """The promises that a life breaks.

    Args:
        events: What everybody saw in it.
        truth: What the log took.
        tight: Whether the log as a whole may have trimmed any channel.
        last: Whether everybody could come to its end.
    """

    def lossless(channel: str) -> bool:
        return not tight and not channel.startswith(("few.", "old.", "new."))

    found = [*check(events, lossless), *_groundless_gaps(events, truth)]
    return found if last else [broken for broken in found if broken.promise != "unfinished"]


def _groundless_gaps(events: Sequence[AnyEvent], truth: Truth) -> Iterator[Broken]:
    """Gaps that do not end where something was lost, or passed over."""
    channels = {entry.channel for entry in truth.entries}
    for event in events:
        if not isinstance(event, Missed) or event.reason == "unknown_position":
            continue
        # The newest lost message is the one before the end; of those passed over for a newer
        # one the gap ends at that.
        last = event.before if event.reason == "conflated" else event.before - 1
        covered = (
            [channel for channel in channels if matches(event.name, channel)]
            if is_pattern(event.name)
            else [event.name]
        )
        if event.after >= event.before - 1 or not any(
            truth.between(channel, last - 1, last + 1) for channel in covered
        ):
            words = f"a gap of {event.name} from {event.after} to {event.before} ({event.reason})"
            yield Broken("gap", event.client, f"{words}, and nothing is missing up to there")
