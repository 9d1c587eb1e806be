"""A channel as the writer knows it: its number, and what counts against its rule."""

from __future__ import annotations

from everywire.core.rules import ChannelRule


def limits_channel(rule: ChannelRule) -> bool:
    """Whether a rule limits number or bytes of a channel, so that they have to be counted."""
    return rule.max_messages is not None or rule.max_bytes is not None


class Channel:
    """A channel as the writer knows it.

    Args:
        number: Its ``id`` in the file.
        ended: It takes no more messages.
        rule: Its rule, if that limits number or bytes; else None.
        count: Messages kept, where its rule limits that.
        size: Their bytes, where its rule limits those.

    Attributes:
        keys: How many of its keys hold a message; None: not counted yet.
    """

    __slots__ = ("count", "ended", "id", "keys", "rule", "size")

    def __init__(
        self,
        number: int,
        ended: bool,
        rule: ChannelRule | None = None,
        count: int = 0,
        size: int = 0,
    ) -> None:
        self.id = number
        self.ended = ended
        self.rule = rule
        self.count = count
        self.size = size
        self.keys: int | None = None

    def drop(self, count: int, size: int) -> None:
        """Count messages that went."""
        self.count -= count
        self.size -= size

    @property
    def over(self) -> bool:
        """Whether it holds more than its rule allows."""
        rule = self.rule
        return rule is not None and (
            (rule.max_messages is not None and self.count > rule.max_messages)
            or (rule.max_bytes is not None and self.size > rule.max_bytes)
        )
