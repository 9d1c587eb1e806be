"""Who hears one channel, grouped so that a batch is written out once for all that are alike.

The groups are made anew when somebody has come or gone, at the next batch; not for each who does.
"""

from __future__ import annotations

from everywire.core.subscriptions import Format, Subscriber


class Audience:
    """Who hears a channel, or everything that a pattern covers.

    Attributes:
        members: Those that are live.
        held: How many are subscribed, in whatever state.
    """

    __slots__ = ("_dirty", "_groups", "_multi", "held", "members")

    def __init__(self) -> None:
        self.members: dict[Subscriber, None] = {}
        self.held = 0
        self._groups: list[tuple[Format, list[Subscriber]]] = []
        self._multi: list[Subscriber] = []
        self._dirty = False

    def add(self, subscriber: Subscriber) -> None:
        """Take in a live subscriber."""
        self.members[subscriber] = None
        self._dirty = True

    def remove(self, subscriber: Subscriber) -> None:
        """Let a subscriber go that is no longer live."""
        self.members.pop(subscriber, None)
        self._dirty = True

    def changed(self) -> None:
        """A member hears more, or fewer, channels than before."""
        self._dirty = True

    def grouped(self) -> tuple[list[tuple[Format, list[Subscriber]]], list[Subscriber]]:
        """Those that hear nothing else, by format; and those that may hear something else."""
        if self._dirty:
            self._regroup()
        return self._groups, self._multi

    def _regroup(self) -> None:
        groups: dict[Format, list[Subscriber]] = {}
        self._multi = []
        for subscriber in self.members:
            if subscriber.multi:
                self._multi.append(subscriber)
            else:
                groups.setdefault(subscriber.format, []).append(subscriber)
        self._groups = list(groups.items())
        self._dirty = False
