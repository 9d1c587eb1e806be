"""core.hub: who hears a batch, in which bytes, in which order."""

from __future__ import annotations

from collections.abc import Sequence

from everywire.core.hub import Hub
from everywire.core.messages import Gap, Kind, Message
from everywire.core.rules import ChannelRule, Rules
from everywire.core.subscriptions import State, Subscriber, Subscription


class Recording:
    """A format that counts what it encodes."""

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def message(self, message: Message) -> bytes:
        self.encoded.append(message.id)
        return b"%b%d " % (message.channel.encode(), message.id)

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        assert len(parts) == len(messages)
        return b"".join(parts)

    def gap(self, gap: Gap) -> bytes:
        raise AssertionError("a batch has no gaps")


class Owner:
    def level(self, position: int) -> None: ...
    def channel_ended(self, channel: str) -> None: ...
    def too_slow(self) -> None: ...
    def set_back(self) -> None: ...
    def broken(self) -> None: ...


def message(position: int, channel: str = "a", **fields: object) -> Message:
    return Message(position, channel, "message", b"1", Kind.JSON, 0, **fields)  # type: ignore[arg-type]


class House:
    """A hub, and subscribers whose writes are kept."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.hub = Hub(0, rules)
        self.format = Recording()
        self.got: dict[Subscriber, list[bytes]] = {}

    def subscriber(self, *names: str, wire: Recording | None = None, name: str | None = None):
        got: list[bytes] = []
        subscriber = Subscriber(wire or self.format, got.append, Owner(), name)
        self.got[subscriber] = got
        self.hub.enter(subscriber)
        if names:
            self.listen(subscriber, *names)
        return subscriber

    def listen(self, subscriber: Subscriber, *names: str) -> Subscription:
        channels = [name for name in names if "*" not in name]
        patterns = [name for name in names if "*" in name]
        subscription = Subscription(channels, patterns, self.hub.position)
        self.hub.subscribe(subscriber, subscription)
        self.hub.caught_up(subscriber, subscription)
        return subscription

    def deliver(self, *batch: Message) -> None:
        writes = self.hub.deliver(batch).writes
        receivers = [s for _, subscribers in writes for s in subscribers]
        assert len(receivers) == len(set(receivers)), "one write a subscriber and batch"
        for data, subscribers in writes:
            for subscriber in subscribers:
                subscriber.write(data)

    def heard(self, subscriber: Subscriber) -> str:
        return b"".join(self.got[subscriber]).decode().strip()


def test_a_message_goes_to_those_who_hear_its_channel() -> None:
    house = House()
    one, two = house.subscriber("a"), house.subscriber("b")
    house.deliver(message(1, "a"))
    assert (house.heard(one), house.heard(two)) == ("a1", "")


def test_a_batch_is_encoded_once_a_format_and_written_once_a_subscriber() -> None:
    house = House()
    subscribers = [house.subscriber("a") for _ in range(50)]
    other = Recording()
    house.subscriber("a", wire=other)
    house.deliver(message(1), message(2))
    assert house.format.encoded == [1, 2]
    assert other.encoded == [1, 2]
    assert all(house.got[s] == [b"a1 a2 "] for s in subscribers)


def test_several_channels_leave_in_position_order_encoded_once() -> None:
    """DESIGN.md, hot path: joined in position order, cached by combination of channels."""
    house = House()
    same = [house.subscriber("a", "b") for _ in range(20)]
    other = house.subscriber("b", "c")
    house.deliver(message(1, "a"), message(2, "b"), message(3, "c"), message(4, "a"))
    assert {house.heard(s) for s in same} == {"a1 b2 a4"}
    assert house.heard(other) == "b2 c3"
    assert sorted(house.format.encoded) == [1, 2, 3, 4]


def test_matched_twice_is_sent_once() -> None:
    """PROTOCOL.md, pattern: a message matched twice is sent once, under its own channel."""
    house = House()
    subscriber = house.subscriber("a.b", "a.*", "**")
    house.deliver(message(1, "a.b"))
    assert house.heard(subscriber) == "a.b1"


def test_patterns_do_not_hear_the_server_s_channels() -> None:
    house = House()
    subscriber = house.subscriber("**")
    house.deliver(message(1, "@user.x"), message(2, "x"))
    assert house.heard(subscriber) == "x2"


def test_echo_false_spares_its_own_connection_on_every_wire() -> None:
    """PROTOCOL.md, connection: two wires may share it, and echo:false is kept from both."""
    house = House()
    first, second = house.subscriber("a", name="me"), house.subscriber("a", "b", name="me")
    other = house.subscriber("a", name="you")
    house.deliver(message(1, connection="me", echo=False), message(2), message(3, "b"))
    assert house.heard(first) == "a2"
    assert house.heard(second) == "a2 b3"
    assert house.heard(other) == "a1 a2"


def test_echo_true_does_not() -> None:
    house = House()
    me = house.subscriber("a", name="me")
    house.deliver(message(1, connection="me"))
    assert house.heard(me) == "a1"


def test_who_lags_gets_nothing_until_it_is_level() -> None:
    house = House()
    slow, quick = house.subscriber("a", "b"), house.subscriber("a")
    house.deliver(message(1))
    assert house.hub.lag(slow)
    house.deliver(message(2))
    assert house.heard(slow) == "a1"
    assert house.heard(quick) == "a1 a2"
    lagging = slow.behind()
    assert lagging is not None
    assert (lagging.state, lagging.position) == (State.LAGGING, 1)
    slow.full = False
    house.hub.caught_up(slow, lagging)
    house.deliver(message(3, "b"))
    assert house.heard(slow) == "a1 b3"


def test_subscribers_are_counted_whatever_their_state() -> None:
    """PROTOCOL.md, GET /channels/{channel}: subscribers of every wire, patterns not."""
    house = House()
    slow = house.subscriber("a")
    house.subscriber("a")
    house.subscriber("**")
    house.hub.lag(slow)
    assert house.hub.subscribers("a") == 2
    house.hub.exit(slow)
    assert house.hub.subscribers("a") == 1


def test_after_unsubscribing_nothing_follows() -> None:
    house = House()
    subscriber = house.subscriber("a", "b", "c.*")
    assert house.hub.unsubscribe(subscriber, "a")
    assert house.hub.unsubscribe(subscriber, "c.*")
    assert not house.hub.unsubscribe(subscriber, "a")
    house.deliver(message(1, "a"), message(2, "b"), message(3, "c.1"))
    assert house.heard(subscriber) == "b2"


def test_nothing_is_left_of_who_has_gone() -> None:
    house = House()
    subscriber = house.subscriber("a", "b.*", name="me")
    house.hub.exit(subscriber)
    hub = house.hub
    assert not hub._audiences
    assert not len(hub._patterns)
    assert not hub._names
    house.deliver(message(1, "a"), message(2, "b.1"))
    assert house.heard(subscriber) == ""


def test_catching_up_joins_the_live_subscription() -> None:
    house = House()
    subscriber = house.subscriber("a")
    replay = Subscription(["b"], [], 0)
    house.hub.subscribe(subscriber, replay)
    house.deliver(message(1, "a"), message(2, "b"))
    assert house.heard(subscriber) == "a1"
    house.hub.caught_up(subscriber, replay)
    assert len(subscriber.subscriptions) == 1
    house.deliver(message(3, "a"), message(4, "b"))
    assert house.heard(subscriber) == "a1 a3 b4"


def test_the_end_of_a_channel_is_told_to_those_who_heard_it_by_name() -> None:
    house = House()
    named = house.subscriber("a")
    house.subscriber("*")
    delivery = house.hub.deliver([message(1, final=True)])
    assert delivery.ended == [("a", [named])]


def test_ephemeral_goes_to_who_is_live_and_wants_it() -> None:
    """PROTOCOL.md, ephemeral: dropped for a connection that is behind."""
    house = House()
    live, slow, plain = (house.subscriber("a") for _ in range(3))
    plain.ephemeral = False
    house.hub.lag(slow)
    delivery = house.hub.deliver_ephemeral(message(0))
    assert [subscribers for _, subscribers in delivery.writes] == [[live]]
    assert house.hub.position == 0


def test_ephemeral_matched_twice_is_sent_once_and_not_to_its_sender() -> None:
    house = House()
    both = house.subscriber("a", "**")
    house.subscriber("a", name="me")
    delivery = house.hub.deliver_ephemeral(message(0, connection="me", echo=False))
    assert [subscribers for _, subscribers in delivery.writes] == [[both]]


def test_a_rule_may_disconnect_who_is_slow() -> None:
    house = House(Rules([ChannelRule("d", slow="disconnect")]))
    assert not house.hub.lag(house.subscriber("a", "d"))
    assert house.hub.lag(house.subscriber("a"))


def conflated(subscriber: Subscriber, *messages: Message) -> list[int]:
    """What of these would be sent to one that is behind."""
    (behind,) = subscriber.subscriptions
    assert behind.state is State.LAGGING
    assert behind.conflation is not None
    behind.conflation.take(messages)
    return [i.id for i in behind.conflation.release() if isinstance(i, Message)]


def test_latest_is_of_the_channels_whose_rule_says_so() -> None:
    house = House(Rules([ChannelRule("p", slow="latest")]))
    subscriber = house.subscriber("a", "p")
    house.hub.lag(subscriber)
    batch = [message(1, "a"), message(2, "p"), message(3, "a"), message(4, "p"), message(5, "a")]
    assert conflated(subscriber, *batch) == [1, 3, 4, 5]


def test_nothing_is_conflated_where_no_rule_says_so() -> None:
    house = House(Rules([ChannelRule("p", slow="latest")]))
    subscriber = house.subscriber("a")
    house.hub.lag(subscriber)
    assert [s.conflation for s in subscriber.subscriptions] == [None]


def test_a_subscriber_that_comes_to_hear_more_is_regrouped() -> None:
    house = House()
    subscriber = house.subscriber("a")
    house.deliver(message(1))
    house.listen(subscriber, "b")
    house.deliver(message(2, "b"), message(3, "a"))
    house.hub.unsubscribe(subscriber, "b")
    house.deliver(message(4, "b"), message(5, "a"))
    assert house.heard(subscriber) == "a1 b2 a3 a5"
    assert not subscriber.multi


def test_latest_holds_for_a_pattern_by_the_rule_of_its_name() -> None:
    house = House(Rules([ChannelRule("p.**", slow="latest")]))
    subscriber = house.subscriber("a", "p.*")
    house.hub.lag(subscriber)
    batch = [message(1, "p.1"), message(2, "a"), message(3, "p.1"), message(4, "p.2")]
    assert conflated(subscriber, *batch) == [2, 3, 4]


def test_a_channel_that_is_heard_by_a_lossless_name_too_loses_nothing() -> None:
    house = House(Rules([ChannelRule("p.1", slow="latest")]))
    subscriber = house.subscriber("p.1", "p.*")
    house.hub.lag(subscriber)
    assert conflated(subscriber, message(1, "p.1"), message(2, "p.1")) == [1, 2]


def test_set_back_takes_everybody_who_is_live() -> None:
    house = House()
    one, several, slow = house.subscriber("a"), house.subscriber("b", "c.*"), house.subscriber("a")
    house.deliver(message(5))
    house.hub.lag(slow)
    assert set(house.hub.set_back(5)) == {one, several}
    for subscriber in (one, several):
        behind = subscriber.behind()
        assert behind is not None
        assert (behind.state, behind.position) == (State.LAGGING, 5)
        assert not subscriber.full
    house.deliver(message(6))
    assert house.heard(one) == "a5"
