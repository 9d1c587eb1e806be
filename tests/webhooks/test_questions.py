"""webhooks.questions: what is asked, and what may be answered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.channels import matches
from everywire.core.messages import Draft, Kind
from everywire.webhooks.http_client import EndpointFailed
from everywire.webhooks.questions import (
    MAX_REASON,
    ConnectQuestion,
    SubscribeQuestion,
    envelope,
    overlap,
    publish_question,
    read_connect,
    read_publish,
    read_subscribe,
)

from .making import EPOCH

DRAFT = Draft("chat.1", b'{"x":1.50}')


def sent(question: Any) -> Any:
    return msgspec.json.decode(envelope("publish", EPOCH, question))


def test_a_question_is_a_standard_webhook() -> None:
    assert sent(SubscribeQuestion("chat.*", "c1", since=7)) == {
        "type": "publish",
        "timestamp": "2025-11-24T00:00:00.000Z",
        "data": {"channel": "chat.*", "connection": "c1", "since": 7},
    }
    assert sent(ConnectQuestion("c1", "ws", headers={"cookie": "a"}))["data"] == {
        "connection": "c1",
        "wire": "ws",
        "headers": {"cookie": "a"},
    }


def test_json_is_asked_about_byte_for_byte() -> None:
    body = envelope("publish", EPOCH, publish_question(DRAFT))
    assert b'"data":{"x":1.50}' in body


def test_every_field_of_a_publish_is_in_the_question() -> None:
    draft = Draft(
        *("a", b"\x00\xff", Kind.BYTES),
        event="e",
        key="k",
        meta=b'{"m":1}',
        final=True,
        connection="c1",
        user="u1",
    )
    assert sent(publish_question(draft))["data"] == {
        "channel": "a",
        "event": "e",
        "data": "AP8=",
        "encoding": "base64",
        "key": "k",
        "meta": {"m": 1},
        "final": True,
        "connection": "c1",
        "user": "u1",
    }
    text = publish_question(Draft("a", "ü".encode(), Kind.TEXT, ephemeral=True))
    fields = {"channel": "a", "event": "message", "data": "ü", "encoding": "text"}
    assert sent(text)["data"] == {**fields, "ephemeral": True}


def test_yes_and_no() -> None:
    assert read_subscribe(b'{"allow":true}')[0].allow
    no = read_subscribe(b'{"allow":false,"reason":"too loud"}')[0]
    assert (no.allow, no.words) == (False, "too loud")
    assert read_subscribe(b'{"allow":false}')[0].words == "the application refused it"


def test_a_reason_is_bounded_and_harmless() -> None:
    answer = msgspec.json.encode({"allow": False, "reason": "a\r\nX: \x1b[2J" + "b" * 1000})
    words = read_subscribe(answer)[0].words
    assert words.isprintable()
    assert len(words) == MAX_REASON


def test_a_connect_may_be_changed() -> None:
    verdict, _ = read_connect(b'{"allow":true,"user":"u1","grants":{"chat.*":["subscribe"]}}')
    assert verdict.user == "u1"
    assert verdict.allowed is not None
    assert verdict.allowed.allows("subscribe", "chat.1")
    nobody, _ = read_connect(b'{"allow":true,"user":null}')
    assert nobody.user is None
    untouched, _ = read_connect(b'{"allow":true}')
    assert untouched.user is msgspec.UNSET
    assert untouched.allowed is None


def test_a_publish_may_be_changed() -> None:
    def becomes(answer: bytes) -> Draft:
        return read_publish(DRAFT, 100, answer)[1]

    assert becomes(b'{"allow":true}') is DRAFT
    changed = becomes(b'{"allow":true,"data":{"x":\n2.50}}')
    assert (changed.data, changed.kind, changed.channel) == (b'{"x": 2.50}', Kind.JSON, "chat.1")
    assert DRAFT.data == b'{"x":1.50}'
    text = becomes(b'{"allow":true,"data":"\\u00fc","encoding":"text"}')
    assert (text.data, text.kind) == ("ü".encode(), Kind.TEXT)
    some = becomes(b'{"allow":true,"data":"AP8=","encoding":"base64"}')
    assert (some.data, some.kind) == (b"\x00\xff", Kind.BYTES)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"yes", b"<html>", b"[]", b"null", b"{}", b'{"allow":"yes"}', b'{"allow":1}'),
        *(b'{"allow":true,"usr":"x"}', b'{"allow":true', b"\xff\xfe", b"[" * 100_000),
        *(b'{"allow":true,"reason":5}', b'{"allow":true,"user":5}'),
        *(b'{"allow":true,"grants":["a"]}', b'{"allow":true,"grants":{"a":["fly"]}}'),
        *(b'{"allow":true,"grants":{"a..b":["subscribe"]}}', b'{"allow":true,"grants":null}'),
    ],
)
def test_a_lying_answer_is_none(answer: bytes) -> None:
    with pytest.raises(EndpointFailed):
        read_connect(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"allow":true,"encoding":"text"}', "an encoding and no data"),
        (b'{"allow":true,"data":1,"encoding":"text"}', "cannot be published"),
        (b'{"allow":true,"data":"?","encoding":"base64"}', "cannot be published"),
        (b'{"allow":true,"data":"AA","encoding":"base64"}', "cannot be published"),
        (b'{"allow":true,"data":"a","encoding":"rot13"}', "not what was asked for"),
        (b'{"allow":true,"data":1e999}', "cannot be published"),
        (b'{"allow":true,"data":' + b"[" * 200 + b"]" * 200 + b"}", "cannot be published"),
        (b'{"allow":true,"data":"' + b"a" * 101 + b'"}', "at most 100 are allowed"),
    ],
)
def test_what_cannot_be_published_is_no_answer(answer: bytes, words: str) -> None:
    with pytest.raises(EndpointFailed, match=words):
        read_publish(DRAFT, 100, answer)


SEGMENTS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.tuples(st.lists(SEGMENTS, max_size=3), st.sampled_from([[], ["**"]])).map(
    lambda parts: ".".join([*parts[0], *parts[1]]) or "a"
)
CHANNELS = [
    ".".join(parts)
    for length in range(1, 6)
    for parts in __import__("itertools").product("ab", repeat=length)
]


@given(PATTERNS, PATTERNS)
def test_two_patterns_overlap_where_a_channel_matches_both(one: str, other: str) -> None:
    def covered(pattern: str) -> set[str]:
        return {name for name in CHANNELS if name == pattern or matches(pattern, name)}

    assert overlap(one, other) == bool(covered(one) & covered(other))


def test_no_star_reaches_the_servers_own_channels() -> None:
    assert not overlap("**", "@user.u1")
    assert not overlap("*.u1", "@user.u1")
    assert overlap("@user.*", "@user.u1")
