"""What every wire does when somebody subscribes.

Where does a channel start? At ``since``; at the head where there is none; and where the channel
has ended already, at the beginning of what is kept, so that who comes late gets it, then the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from everywire.core.access import Grant, decide
from everywire.core.subscriptions import State, Subscriber, Subscription

if TYPE_CHECKING:
    from everywire.server.node import Node


def check_access(grant: Grant, names: Iterable[str]) -> None:
    """Whether a grant may hear all of these.

    Raises:
        RequestError: ``forbidden``, for the first that it may not.
    """
    for name in names:
        refused = decide(grant, "subscribe", name)
        if refused is not None:
            raise refused


def all_ended(node: Node, channels: Iterable[str], patterns: Iterable[str], since: int) -> bool:
    """Whether a position lies at or past the end of everything asked for."""
    ended = node.log.ended
    for channel in channels:
        if not 0 < ended(channel) <= since:
            return False
    return not list(patterns)


def subscribe(
    node: Node,
    subscriber: Subscriber,
    channels: Iterable[str],
    patterns: Iterable[str],
    since: int | None,
) -> None:
    """Subscribe to channels and patterns that start level; then `CatchUp.pump` has to follow.

    Args:
        since: Position, exclusive; None: from now on.
    """
    if since is not None:
        node.hub.subscribe(subscriber, Subscription(channels, patterns, since))
        return
    channels = list(channels)
    ended = [channel for channel in channels if node.log.ended(channel)]
    running = [channel for channel in channels if not node.log.ended(channel)]
    patterns = list(patterns)
    if running or patterns:
        fresh = Subscription(running, patterns, node.hub.position)
        node.hub.subscribe(subscriber, fresh)
        alone = all(s is fresh or s.state is State.LIVE for s in subscriber.subscriptions)
        if not subscriber.full and (subscriber.starts is None or alone):
            node.hub.caught_up(subscriber, fresh)
    if ended:
        node.hub.subscribe(subscriber, Subscription(ended, (), 0))
