"""core.subscriptions: the state machine, and what overlaps."""

import pytest

from everywire.core.messages import Gap, Kind, Message
from everywire.core.subscriptions import NEXT, Input, State, Subscriber, Subscription


def message(position: int, channel: str = "a") -> Message:
    return Message(position, channel, "message", b"1", Kind.JSON, 0)


class TestStates:
    def test_every_state_but_closed_can_be_closed(self) -> None:
        for state in State:
            assert ((state, Input.CLOSE) in NEXT) is (state is not State.CLOSED)

    def test_closed_is_the_end(self) -> None:
        assert not [key for key in NEXT if key[0] is State.CLOSED]

    def test_only_a_gap_that_was_sent_leads_out_of_gap(self) -> None:
        out = {happened for (state, happened) in NEXT if state is State.GAP}
        assert out == {Input.GAP_SENT, Input.SOCKET_FULL, Input.CLOSE}
        assert NEXT[State.GAP, Input.GAP_SENT] is State.LAGGING

    def test_live_is_reached_by_catching_up_alone(self) -> None:
        ways = {key for key, state in NEXT.items() if state is State.LIVE}
        assert ways == {
            (State.REPLAYING, Input.CAUGHT_UP),
            (State.LAGGING, Input.CAUGHT_UP),
        }

    def test_a_full_socket_makes_only_the_live_one_lag(self) -> None:
        assert NEXT[State.LIVE, Input.SOCKET_FULL] is State.LAGGING
        assert NEXT[State.REPLAYING, Input.SOCKET_FULL] is State.REPLAYING

    def test_what_cannot_happen_is_a_fault(self) -> None:
        subscription = Subscription(["a"], [], 5)
        subscription.step(Input.CAUGHT_UP)
        with pytest.raises(KeyError):
            subscription.step(Input.CAUGHT_UP)


class TestSubscription:
    def test_holds_by_name_and_hears_by_pattern(self) -> None:
        subscription = Subscription(["a"], ["b.*"], 0)
        assert subscription.holds("b.*")
        assert not subscription.holds("b.1")
        assert subscription.hears("b.1")
        assert subscription.hears("a")
        assert not subscription.hears("c")

    def test_giving_up_a_name_is_noticed_by_the_version(self) -> None:
        subscription = Subscription(["a"], ["b.*"], 0)
        subscription.discard("a")
        subscription.discard("b.*")
        assert subscription.empty
        assert subscription.version == 2

    def test_a_gap_goes_back_to_where_its_loss_began(self) -> None:
        """A page that ended early left it; the next page tells it from its own start."""
        subscription = Subscription(["a", "b"], [], 5)
        first = subscription.settle([message(7, "b")], [Gap("a", 5, 10, "trimmed")])
        assert first == [message(7, "b")]
        assert subscription.owed == {"a": 5}
        assert subscription.settle([Gap("a", 7, 10, "trimmed")], []) == [Gap("a", 5, 10, "trimmed")]
        assert subscription.owed is None


def subscriber_of(*subscriptions: Subscription) -> Subscriber:
    subscriber = Subscriber(None, lambda data: None, None)  # type: ignore[arg-type]
    for subscription in subscriptions:
        subscriber.note_starts(subscription)
        subscriber.subscriptions.append(subscription)
    return subscriber


class TestOverlap:
    def test_channels_alone_never_overlap(self) -> None:
        one, two = Subscription(["a"], [], 5), Subscription(["b"], [], 0)
        assert subscriber_of(one, two).sent_by_others(two) is None

    def test_the_later_one_sends_only_what_lies_before_the_earlier(self) -> None:
        pattern, channel = Subscription([], ["**"], 100), Subscription(["a"], [], 0)
        sent = subscriber_of(pattern, channel).sent_by_others(channel)
        assert sent is not None
        assert not sent(message(100))
        assert sent(message(101))

    def test_the_earlier_one_sends_everything(self) -> None:
        channel, pattern = Subscription(["a"], [], 50), Subscription([], ["**"], 0)
        subscriber = subscriber_of(channel, pattern)
        sent = subscriber.sent_by_others(channel)
        assert sent is not None
        assert not sent(message(60))
        later = subscriber.sent_by_others(pattern)
        assert later is not None
        assert later(message(60))
        assert not later(message(60, "b"))
        assert not later(message(50))
