"""Who hears what.

Rule 1: nothing here waits, reads a clock or touches a socket.
Rule 2: a connection's live messages leave in position order, in one write a batch.
Rule 3: work is done once a batch, channel and format, not once a subscriber.

`Hub.deliver` gets what one turn of the loop appended and answers with writes: bytes, and who gets
them. For a channel heard by subscribers that hear nothing else, its messages are joined once a
format. A subscriber that may hear several channels of the batch gets them joined in position
order, shared with all that hear the same ones.

A subscriber is a position in the log: slow means behind, not queued. One whose socket is full is
taken out of the audiences (`lag`); it reads from the log until it is level and comes back
(`caught_up`). So a batch meets only those that can take it, and nothing is tested for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from everywire.core.audiences import Audience
from everywire.core.channels import PatternTable, is_pattern, matches
from everywire.core.conflation import Conflation
from everywire.core.messages import Message
from everywire.core.rules import Rules
from everywire.core.subscriptions import (
    Format,
    Input,
    State,
    Subscriber,
    Subscription,
    shared_names,
)

Write = tuple[bytes, Sequence[Subscriber]]

_MAX_JOINED: Final = 1000
_MAX_COVERING: Final = 4096


class Delivery:
    """What a batch comes to.

    Attributes:
        writes: Bytes, and who gets them. A subscriber is in at most one.
        ended: Channels whose last message this was, and who heard them by name.
    """

    __slots__ = ("ended", "writes")

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.ended: list[tuple[str, list[Subscriber]]] = []


class Hub:
    """Every subscriber of a node.

    Args:
        position: Where the log stands.
        rules: What happens to who is slow.
    """

    def __init__(self, position: int, rules: Rules | None = None) -> None:
        self.position = position
        self._rules = rules or Rules()
        self._audiences: dict[str, Audience] = {}
        self._patterns: PatternTable[Audience] = PatternTable()
        self._covering: dict[str, list[Audience]] = {}
        self._names: dict[str, list[Subscriber]] = {}

    # Who is here

    def enter(self, subscriber: Subscriber) -> None:
        """Know a connection by its name, so that it does not hear its own echo."""
        if subscriber.name is not None:
            self._names.setdefault(subscriber.name, []).append(subscriber)

    def exit(self, subscriber: Subscriber) -> None:
        """Forget a connection and everything it was subscribed to."""
        for subscription in subscriber.subscriptions:
            self._leave(subscriber, subscription, subscription.channels | subscription.patterns)
            subscription.step(Input.CLOSE)
        subscriber.subscriptions = []
        if subscriber.name is not None:
            same = self._names.get(subscriber.name, [])
            if subscriber in same:
                same.remove(subscriber)
            if not same:
                self._names.pop(subscriber.name, None)

    def subscribe(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """Add a subscription, which then has to catch up (at once, by `caught_up`, if level)."""
        for name in subscription.channels | subscription.patterns:
            self._audience(name).held += 1
        subscriber.note_starts(subscription)
        subscriber.subscriptions.append(subscription)

    def unsubscribe(self, subscriber: Subscriber, name: str) -> bool:
        """Give up a channel or pattern; False if it was not subscribed to."""
        subscription = subscriber.holding(name)
        if subscription is None:
            return False
        self._leave(subscriber, subscription, (name,))
        subscription.discard(name)
        if subscriber.starts is not None:
            subscriber.starts.pop(name, None)
        if subscription.empty:
            subscription.step(Input.CLOSE)
            subscriber.subscriptions.remove(subscription)
        self._count(subscriber)
        return True

    def subscribers(self, channel: str) -> int:
        """How many are subscribed to a channel by its name, live or behind."""
        audience = self._audiences.get(channel)
        return 0 if audience is None else audience.held

    # Level or behind

    def caught_up(self, subscriber: Subscriber, subscription: Subscription) -> None:
        """A subscription is level with the hub: it joins the live one, or becomes it."""
        live = subscriber.live()
        subscription.step(Input.CAUGHT_UP)
        names = subscription.channels | subscription.patterns
        if live is not None:
            live.channels = shared_names(live.channels | subscription.channels)
            live.patterns = shared_names(live.patterns | subscription.patterns)
            subscriber.subscriptions.remove(subscription)
        self._count(subscriber)
        for name in names:
            self._audience(name).add(subscriber)

    def lag(self, subscriber: Subscriber) -> bool:
        """A socket is full: its live subscription goes on from the log.

        Returns:
            False if a rule says to disconnect instead.
        """
        subscriber.full = True
        live = subscriber.live()
        if live is None:
            return True
        self._fall_behind(subscriber, live, self.position)
        names = live.channels | live.patterns
        latest = frozenset(name for name in names if self._rules.of(name).slow == "latest")
        if latest:
            live.conflation = Conflation(self.position, _heard_by(names - latest))
        return all(self._rules.of(name).slow != "disconnect" for name in names)

    def set_back(self, position: int) -> list[Subscriber]:
        """Nobody got what came after a position: all who are live go on from there, by the log.

        Returns:
            Those who have to.
        """
        audiences = [*self._audiences.values(), *self._patterns.values()]
        subscribers = list({s: None for audience in audiences for s in audience.members})
        for subscriber in subscribers:
            live = subscriber.live()
            if live is not None:
                self._fall_behind(subscriber, live, position)
        return subscribers

    def _fall_behind(self, subscriber: Subscriber, live: Subscription, position: int) -> None:
        """Take a subscriber out of the audiences; it goes on from a position, by the log."""
        for name in live.channels | live.patterns:
            self._audience(name).remove(subscriber)
        live.step(Input.SOCKET_FULL)
        live.position = position

    # A batch

    def deliver(self, batch: Sequence[Message]) -> Delivery:
        """Decide who gets a batch; the caller writes.

        Args:
            batch: Messages in position order, all above the hub's position.
        """
        self.position = batch[-1].id
        delivery = Delivery()
        writes, audiences = delivery.writes, self._audiences
        channels = _by_channel(batch)
        apart = self._apart(batch)
        has_patterns = len(self._patterns) > 0
        heard: dict[Subscriber, list[int]] = {}
        for index, (channel, messages) in enumerate(channels):
            audience = audiences.get(channel)
            if audience is not None:
                groups, multi = audience.grouped()
                for wire, alike in groups:
                    subscribers = [s for s in alike if s not in apart] if apart else alike
                    writes.append((_joined(wire, messages), subscribers))
                for subscriber in multi:
                    heard.setdefault(subscriber, []).append(index)
                if messages[-1].final:
                    delivery.ended.append((channel, list(audience.members)))
            if has_patterns:
                for subscriber in self._by_pattern(channel):
                    indices = heard.setdefault(subscriber, [])
                    if not indices or indices[-1] != index:
                        indices.append(index)
        if heard:
            self._deliver_several(delivery, channels, heard, apart)
        for subscriber, own in apart.items():
            self._deliver_apart(delivery, batch, subscriber, own)
        return delivery

    def deliver_ephemeral(self, message: Message) -> Delivery:
        """Decide who gets a message that is not kept: who is live, and wants such."""
        delivery = Delivery()
        groups: dict[Format, dict[Subscriber, None]] = {}
        own = () if message.echo or message.connection is None else self._own(message)
        audience = self._audiences.get(message.channel)
        heard = [] if audience is None else list(audience.members)
        heard.extend(self._by_pattern(message.channel))
        for subscriber in heard:
            if subscriber.ephemeral and subscriber not in own:
                groups.setdefault(subscriber.format, {})[subscriber] = None
        for wire, subscribers in groups.items():
            delivery.writes.append((_joined(wire, (message,)), list(subscribers)))
        return delivery

    def _deliver_several(
        self,
        delivery: Delivery,
        channels: Sequence[tuple[str, Sequence[Message]]],
        heard: dict[Subscriber, list[int]],
        apart: dict[Subscriber, set[int]],
    ) -> None:
        """Join what each combination of channels and formats gets, once."""
        groups: dict[tuple[Format, tuple[int, ...]], list[Subscriber]] = {}
        for subscriber, indices in heard.items():
            if subscriber not in apart:
                groups.setdefault((subscriber.format, tuple(indices)), []).append(subscriber)
        encoded: dict[tuple[Format, int], bytes] = {}
        for (wire, indices), subscribers in groups.items():
            messages = [message for index in indices for message in channels[index][1]]
            if len(indices) > 1:
                messages.sort(key=lambda message: message.id)
            parts: list[bytes] = []
            for message in messages:
                part = encoded.get((wire, message.id))
                if part is None:
                    part = wire.message(message)
                    if len(encoded) < _MAX_JOINED:
                        encoded[wire, message.id] = part
                parts.append(part)
            delivery.writes.append((wire.join(parts, messages), subscribers))

    def _deliver_apart(
        self, delivery: Delivery, batch: Sequence[Message], subscriber: Subscriber, own: set[int]
    ) -> None:
        """One that must not hear its own echo gets the batch without it."""
        live = subscriber.live()
        if live is None:
            return
        messages = [m for m in batch if m.id not in own and live.hears(m.channel)]
        if messages:
            delivery.writes.append((_joined(subscriber.format, messages), (subscriber,)))

    def _apart(self, batch: Sequence[Message]) -> dict[Subscriber, set[int]]:
        """Those that must not hear some messages of the batch, and which."""
        apart: dict[Subscriber, set[int]] = {}
        for message in batch:
            if not message.echo and message.connection is not None:
                for subscriber in self._own(message):
                    apart.setdefault(subscriber, set()).add(message.id)
        return apart

    def _own(self, message: Message) -> Collection[Subscriber]:
        return self._names.get(message.connection or "", ())

    # Audiences

    def _by_pattern(self, channel: str) -> Iterable[Subscriber]:
        covering = self._covering.get(channel)
        if covering is None:
            covering = self._patterns.covering(channel)
            if len(self._covering) >= _MAX_COVERING:
                self._covering.clear()
            self._covering[channel] = covering
        return [subscriber for audience in covering for subscriber in audience.members]

    def _audience(self, name: str) -> Audience:
        if is_pattern(name):
            audience = self._patterns.get(name)
            if audience is None:
                audience = Audience()
                self._patterns.put(name, audience)
                self._covering.clear()
        else:
            audience = self._audiences.get(name)
            if audience is None:
                audience = self._audiences[name] = Audience()
        return audience

    def _leave(
        self, subscriber: Subscriber, subscription: Subscription, names: Iterable[str]
    ) -> None:
        for name in names:
            audience = self._audience(name)
            audience.held -= 1
            if subscription.state is State.LIVE:
                audience.remove(subscriber)
            if audience.held > 0:
                continue
            if is_pattern(name):
                self._patterns.remove(name)
                self._covering.clear()
            else:
                del self._audiences[name]

    def _count(self, subscriber: Subscriber) -> None:
        """Note whether a subscriber may hear several channels of a batch."""
        live = subscriber.live()
        multi = live is not None and (len(live.channels) > 1 or bool(live.patterns))
        if multi != subscriber.multi:
            subscriber.multi = multi
            for name in live.channels if live is not None else ():
                self._audience(name).changed()


def _heard_by(names: frozenset[str]) -> Callable[[str], bool] | None:
    """Tells whether a channel is heard by one of these names; None where there are none."""

    def heard(channel: str) -> bool:
        return any(matches(name, channel) for name in names)

    return heard if names else None


def _by_channel(batch: Sequence[Message]) -> Sequence[tuple[str, Sequence[Message]]]:
    if len(batch) == 1:
        return ((batch[0].channel, batch),)
    channels: dict[str, list[Message]] = {}
    for message in batch:
        channel = message.channel
        if channel in channels:
            channels[channel].append(message)
        else:
            channels[channel] = [message]
    return list(channels.items())


def _joined(wire: Format, messages: Sequence[Message]) -> bytes:
    if len(messages) == 1:
        return wire.join((wire.message(messages[0]),), messages)
    return wire.join([wire.message(message) for message in messages], messages)
