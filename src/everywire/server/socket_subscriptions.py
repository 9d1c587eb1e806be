"""Subscribing and unsubscribing over a WebSocket.

Of several channels in one frame, each that is held, malformed or forbidden gets its own error and
the rest are subscribed. Those of one ``since`` start level and are replayed in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from everywire.core.access import Grant, decide
from everywire.core.channels import check_channel_or_pattern, is_pattern
from everywire.core.errors import EverywireError, RequestError
from everywire.core.subscriptions import Subscriber
from everywire.server.subscribing import subscribe
from everywire.wires.commands import Ref

if TYPE_CHECKING:
    from everywire.server.node import Node


class Speaker(Protocol):
    """The session whose frames these are."""

    node: Node
    grant: Grant
    subscriber: Subscriber

    def send(self, frame: Mapping[str, Any], ref: Ref = None) -> None:
        """Send a control frame, by the end of this turn."""
        ...

    def release(self) -> bytes:
        """Take what was sent and is not written yet, to be written before something else."""
        ...

    def fail(self, error: EverywireError, ref: Ref = None) -> None:
        """Send an error frame."""
        ...

    def ask(self, answer: Any, done: Callable[[Any], None], ref: Ref) -> None:
        """Ask the log for something."""
        ...


class SocketSubscriptions:
    """Carries out the subscribe and unsubscribe frames of a session.

    Args:
        session: Whose they are.
    """

    __slots__ = ("_node", "_session", "_subscriber")

    def __init__(self, session: Speaker) -> None:
        self._session = session
        self._node = session.node
        self._subscriber = session.subscriber

    def begin(self, channels: Sequence[str], patterns: Sequence[str], since: int | None) -> None:
        """Subscribe to what the query of the request named, which was checked before the upgrade.

        What waited for the end of the loop's turn has to be handed over already.
        """
        for name in (*channels, *patterns):
            self._say_start(name, since, None)
        subscribe(self._node, self._subscriber, channels, patterns, since)
        self._node.catch_up.pump(self._subscriber, self._session.release())

    def subscribe(
        self, wanted: Sequence[tuple[str, int | None]], history: int | None, ref: Ref
    ) -> None:
        """Subscribe to channels, each with its ``since`` or None."""
        most = self._node.limits.max_channels
        held = self._subscriber.held()
        if held + len(wanted) > most:
            message = f"a connection may hear {most} channels; this one hears {held}"
            self._session.fail(RequestError("too_many_channels", message), ref)
            return
        starts: dict[str, int | None] = {}
        past: list[str] = []
        for name, since in wanted:
            error = self._refusal(name, since, history)
            if error is not None:
                self._session.fail(error, ref)
                continue
            starts[name] = since
            if since is None and history is not None:
                past.append(name)
        if past and history is not None:
            self._with_history(starts, past, history, ref)
        else:
            self._start(starts, ref)

    def unsubscribe(self, names: Sequence[str], ref: Ref) -> None:
        """Give channels up; what is not held is answered alike."""
        for name in names:
            self._node.hub.unsubscribe(self._subscriber, name)
            self._session.send({"type": "unsubscribed", "channel": name}, ref)

    def _refusal(self, name: str, since: int | None, history: int | None) -> RequestError | None:
        try:
            check_channel_or_pattern(name)
        except RequestError as error:
            return error
        if self._subscriber.holding(name) is not None:
            message = f"this connection is subscribed to {name!r} already; nothing has changed"
            return RequestError("conflict", message, channel=name)
        if history is not None and since is None and is_pattern(name):
            message = "history is for channels; for a pattern give since"
            return RequestError("bad_request", message, channel=name)
        return decide(self._session.grant, "subscribe", name)

    def _with_history(
        self, starts: dict[str, int | None], past: Sequence[str], count: int, ref: Ref
    ) -> None:
        """Ask the log where the last messages of channels begin, then start there."""
        log = self._node.log

        async def begin() -> dict[str, int]:
            return {name: await log.nth_last(name, count) for name in past}

        def found(begins: Mapping[str, int]) -> None:
            starts.update(begins)
            self._start(starts, ref)

        self._session.ask(begin(), found, ref)

    def _start(self, starts: Mapping[str, int | None], ref: Ref) -> None:
        """Say where each channel's messages start, then let them come."""
        node = self._node
        node.log.flush()
        level: dict[int | None, list[str]] = {}
        for name, since in starts.items():
            level.setdefault(since, []).append(name)
            self._say_start(name, since, ref)
        for since, names in level.items():
            channels = [name for name in names if not is_pattern(name)]
            patterns = [name for name in names if is_pattern(name)]
            subscribe(node, self._subscriber, channels, patterns, since)
        node.catch_up.pump(self._subscriber, self._session.release())

    def _say_start(self, name: str, since: int | None, ref: Ref) -> None:
        first = since
        if first is None:
            first = 0 if self._node.log.ended(name) else self._node.hub.position
        self._session.send({"type": "subscribed", "channel": name, "last_id": first}, ref)
