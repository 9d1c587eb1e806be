"""Filters in front of a format."""

from __future__ import annotations

from collections.abc import Sequence

from everywire.core.filters import parse_filter
from everywire.core.messages import Gap, Kind, Message
from everywire.core.selections import Selection, selected

DEAR = parse_filter("data.price > 100")
TRADE = parse_filter('event = "trade"')


def message(channel: str, price: int, event: str = "quote") -> Message:
    return Message(price, channel, event, b'{"price":%d}' % price, Kind.JSON, 0)


class Plain:
    """Writes ids, separated."""

    def message(self, message: Message) -> bytes:
        return b"%d" % message.id

    def join(self, parts: Sequence[bytes], messages: Sequence[Message]) -> bytes:
        assert len(parts) == len(messages)
        return b",".join(parts)

    def gap(self, gap: Gap) -> bytes:
        return b"gap"


def test_a_filter_is_for_its_own_channel() -> None:
    selection = Selection({"a": DEAR}, frozenset(["b"]))
    assert [selection.shows(message("a", price)) for price in (99, 101)] == [False, True]
    assert selection.shows(message("b", 99))


def test_a_message_that_several_names_cover_is_shown_if_one_shows_it() -> None:
    selection = Selection({"a.*": DEAR, "a.1": TRADE}, frozenset(["a.2"]))
    assert selection.shows(message("a.1", 99, "trade"))
    assert selection.shows(message("a.1", 101))
    assert not selection.shows(message("a.1", 99))
    assert not selection.shows(message("a.3", 99, "trade"))
    assert selection.shows(message("a.2", 99))
    wide = Selection({"a.1": TRADE}, frozenset(["a.*"]))
    assert wide.shows(message("a.1", 99))


def test_what_is_hidden_is_no_bytes_and_is_not_joined() -> None:
    wire = selected(Plain(), {"a": DEAR}, frozenset())
    batch = [message("a", price) for price in (99, 101, 100, 102)]
    parts = [wire.message(each) for each in batch]
    assert parts == [b"", b"101", b"", b"102"]
    assert wire.join(parts, batch) == b"101,102"
    assert wire.join(parts[:1], batch[:1]) == b""
    assert wire.gap(Gap("a", 1, 5, "trimmed")) == b"gap"


def test_those_alike_share_a_format() -> None:
    plain = Plain()
    one = selected(plain, {"a": DEAR, "b": TRADE}, frozenset(["c"]))
    assert selected(plain, {"b": TRADE, "a": DEAR}, frozenset(["c"])) is one
    assert selected(plain, {"a": DEAR}, frozenset(["c"])) is not one
    assert selected(plain, {}, frozenset(["c"])) is plain
