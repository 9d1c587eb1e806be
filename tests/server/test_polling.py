"""Long polling, on every carrier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everywire.core.rules import ChannelRule, Rules
from everywire.server.polling import Poll

from .conftest import QUICK
from .running import Running, eventually

SECRET = "0123456789abcdefghijAB"


# Answered at once


def test_without_since(server: Running, channel: str) -> None:
    """Long polling: without since, at once no data and the head."""
    id = server.publish(channel, 1)
    answer = server.get("/updates", channel=channel)
    assert answer.json == {"data": [], "last_id": id}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_since(server: Running, channel: str) -> None:
    """Long polling: messages after since, and last_id to go on from."""
    ids = [server.publish(channel, n, event="e") for n in range(4)]
    page = server.poll(channel=channel, since=ids[0])
    assert page["last_id"] == ids[-1]
    assert [m["id"] for m in page["data"]] == ids[1:]
    assert set(page) == {"data", "last_id"}
    first = page["data"][0]
    assert first == {
        "channel": channel,
        "id": ids[1],
        "event": "e",
        "data": 1,
        "ts": first["ts"],
    }


def test_answered_at_once_where_there_is_something(server: Running, channel: str) -> None:
    """Long polling: a poll does not wait where messages are there already."""
    id = server.publish(channel, 1)
    assert server.poll(channel=channel, since=0, wait=30)["last_id"] == id


def test_several_channels_and_patterns(server: Running, channel: str) -> None:
    """Long polling: all channels of a poll in one order, each message once."""
    ids = [server.publish(f"{channel}.{n % 3}", n) for n in range(9)]
    names = [f"{channel}.0", f"{channel}.1", f"{channel}.*"]
    page = server.poll(channel=names, since=ids[0] - 1)
    assert [m["id"] for m in page["data"]] == ids


def test_limit(server: Running, channel: str) -> None:
    """Long polling, limit: last_id is the last message's id where a limit cut the page."""
    ids = server.publish_all([{"channel": channel, "data": n} for n in range(250)])
    page = server.poll(channel=channel, since=0)
    assert ([m["id"] for m in page["data"]], page["last_id"]) == (ids[:100], ids[99])
    page = server.poll(channel=channel, since=ids[99], limit=1)
    assert ([m["id"] for m in page["data"]], page["last_id"]) == (ids[100:101], ids[100])
    page = server.poll(channel=channel, since=ids[100], limit=10**12)
    assert ([m["id"] for m in page["data"]], page["last_id"]) == (ids[101:], ids[-1])


def test_limit_is_cut_to_1000(server: Running, channel: str) -> None:
    """Long polling, limit: at most 1000, more is cut to it."""
    for _ in range(2):
        server.publish_all([{"channel": channel, "data": n} for n in range(600)])
    assert len(server.poll(channel=channel, since=0, limit=5000)["data"]) == 1000


def test_pages_end_at_1_mib(server: Running, channel: str) -> None:
    """Pages end at 1 MiB, but hold at least one message; nothing is lost between them."""
    ids = [server.publish(channel, "x" * 60_000) for _ in range(40)]
    found: list[int] = []
    since, pages = 0, 0
    while len(found) < len(ids):
        page = server.poll(channel=channel, since=since)
        size = sum(len(m["data"]) for m in page["data"])
        assert 0 < size <= 1024 * 1024
        found += [m["id"] for m in page["data"]]
        since = page["last_id"]
        pages += 1
    assert found == ids
    assert pages == 3


def test_nothing_within_the_wait(server: Running, channel: str) -> None:
    """Long polling: nothing within the wait: no data, last_id possibly further on."""
    since = server.publish(channel, 1)
    assert server.poll(channel=channel, since=since) == {"data": [], "last_id": since}
    other = server.publish(f"{channel}.other", 1)
    for wait in (0, 0.05, "0.05"):
        page = server.poll(channel=channel, since=since, wait=wait)
        assert page["data"] == []
        assert page["last_id"] >= other


def test_more_than_the_maximum_is_cut_to_it(start: Callable[..., Running]) -> None:
    """Long polling, wait: more than the maximum is cut to it, Prefer too; the default is it."""
    server = start(limits=replace(QUICK, max_wait=0.2))
    since = server.head()
    for query, headers in (
        ({"wait": 999_999}, {}),
        ({}, {"Prefer": "wait=999999"}),
        ({}, {}),
    ):
        answer = server.get("/updates", headers, channel="a", since=since, **query)
        assert answer.json == {"data": [], "last_id": since}


def test_prefer_wait(server: Running, channel: str) -> None:
    """Long polling: Prefer: wait=N too (RFC 7240); the query comes first."""
    since = server.head()
    for prefer in ("wait=0", "respond-async, wait=0", 'wait="0"', "WAIT = 0"):
        page = server.get("/updates", {"Prefer": prefer}, channel=channel, since=since)
        assert page.json["data"] == []
    server.poll({"Prefer": "wait=30"}, channel=channel, since=since, wait=0)


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"channel": "a b"}, 400, "bad_channel"),
        ({"channel": "@a"}, 403, "forbidden"),
        ({"channel": "a", "since": "-1"}, 400, "bad_request"),
        ({"channel": "a", "since": "nine"}, 400, "bad_request"),
        ({"channel": "a", "since": "9007199254740992"}, 400, "bad_request"),
        ({"channel": "a", "wait": "-1"}, 400, "bad_request"),
        ({"channel": "a", "wait": "soon"}, 400, "bad_request"),
        ({"channel": "a", "wait": "inf"}, 400, "bad_request"),
        ({"channel": "a", "wait": "nan"}, 400, "bad_request"),
        ({"channel": "a", "limit": "0"}, 400, "bad_request"),
        ({"channel": "a", "limit": "-5"}, 400, "bad_request"),
        ({"channel": "a", "limit": "1.5"}, 400, "bad_request"),
        ({"channel": "a", "limit": "²"}, 400, "bad_request"),
        ({"channel": "a", "ephemeral": "true"}, 400, "bad_request"),
        ({"channel": "a", "presence": "1"}, 400, "bad_request"),
        ({"channel": "a", "connection": "short"}, 400, "bad_request"),
        ({"channel": [f"c{n}" for n in range(1001)]}, 400, "too_many_channels"),
    ],
)
def test_refused(server: Running, parameters: dict[str, Any], status: int, code: str) -> None:
    """Codes: a malformed query parameter is bad_request on every route."""
    answer = server.get("/updates", **parameters)
    assert (answer.status, answer.code) == (status, code)


# Gaps


def test_unknown_position(server: Running, channel: str) -> None:
    """Terms, unknown position: told at once; then the client goes on from before − 1."""
    id = server.publish(channel, 1)
    above = 2**53 - 1
    page = server.poll(channel=channel, since=above, wait=30)
    (gap,) = page["gaps"]
    assert gap == {
        "channel": channel,
        "after": above,
        "before": gap["before"],
        "reason": "unknown_position",
    }
    assert page["data"] == []
    assert page["last_id"] == gap["before"] - 1 >= id
    assert "gaps" not in server.poll(channel=channel, since=page["last_id"])


def test_trimmed(start: Callable[..., Running]) -> None:
    """Terms, gap: exact; and told at once, though a poll might wait."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    ids = [server.publish("short", n) for n in range(3)]
    page = server.poll(channel="short", since=ids[0], wait=30)
    assert page["gaps"] == [
        {"channel": "short", "after": ids[0], "before": ids[1] + 1, "reason": "trimmed"}
    ]
    assert [m["id"] for m in page["data"]] == [ids[2]]
    assert "gaps" not in server.poll(channel="short", since=ids[1])
    assert "gaps" not in server.poll(channel="short", since=0)


def test_a_page_that_ends_earlier_leaves_a_gap_to_the_next(start: Callable[..., Running]) -> None:
    """Terms, gap: a page that ends before it leaves it to the next page."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    since = server.publish("long", 0)
    long = [server.publish("long", n) for n in range(3)]
    short = [server.publish("short", n) for n in range(3)]
    page = server.poll(channel=["long", "short"], since=since, limit=2)
    assert "gaps" not in page
    assert page["last_id"] == long[1]
    page = server.poll(channel=["long", "short"], since=page["last_id"])
    assert page["gaps"][0]["before"] == short[1] + 1
    assert [m["id"] for m in page["data"]] == [long[2], short[2]]


# Waiting


def test_waiting_poll(server: Running, channel: str) -> None:
    """Long polling: a waiting poll is answered with its first message."""
    since = server.head()
    with server.waiting({"channel": channel, "since": since}) as (poll,):
        server.publish(f"{channel}.other", 0)
        id = server.publish(channel, 1)
        page = poll.result().json
    assert page == {"data": page["data"], "last_id": id}
    assert [m["id"] for m in page["data"]] == [id]


def test_waiting_polls_share_an_answer(server: Running, channel: str) -> None:
    """Long polling: all who wait for the same get the same body."""
    since = server.head()
    query = {"channel": [channel, f"{channel}.b"], "since": since}
    with server.waiting(*[query] * 8) as polls:
        names = (channel, f"{channel}.b")
        ids = server.publish_all([{"channel": name, "data": 1} for name in names])
        bodies = {poll.result().body for poll in polls}
        page = polls[0].result().json
    assert len(bodies) == 1
    assert [m["id"] for m in page["data"]] == ids
    assert page["last_id"] == ids[-1]


def test_waiting_polls_count_as_subscribers(server: Running, channel: str) -> None:
    """Reading: subscribers of every wire, waiting polls included, patterns not."""
    since = server.head()
    socket, stream = server.socket(channel=channel), server.stream(channel=channel)
    socket.expect("subscribed")
    stream.opened()
    pattern = {"channel": f"{channel}.*", "since": since}
    with server.waiting({"channel": channel, "since": since}, pattern):
        assert server.get(server.channel_path(channel)).json["subscribers"] == 3
        assert server.get(server.channel_path(f"{channel}.a")).json["subscribers"] == 0
        server.publish(channel, 1)
        server.publish(f"{channel}.a", 1)
    eventually(
        lambda: server.get(server.channel_path(channel)).json["subscribers"] == 2,
        "answered polls count no more",
    )


def test_waiting_poll_with_a_limit(server: Running, channel: str) -> None:
    """Long polling, limit: it cuts a batch that comes while the poll waits, too."""
    since = server.head()
    with server.waiting({"channel": channel, "since": since, "limit": 2}) as (poll,):
        ids = server.publish_all([{"channel": channel, "data": n} for n in range(5)])
        page = poll.result().json
    assert ([m["id"] for m in page["data"]], page["last_id"]) == (ids[:2], ids[1])
    rest = server.poll(channel=channel, since=page["last_id"])
    assert [m["id"] for m in rest["data"]] == ids[2:]


def test_waiting_poll_gets_at_most_a_page(server: Running, channel: str) -> None:
    """Pages end at 1 MiB, for a batch that comes while the poll waits, too."""
    since = server.head()
    with server.waiting({"channel": channel, "since": since, "limit": 1000}) as (poll,):
        ids = server.publish_all([{"channel": channel, "data": "x" * 60_000} for _ in range(30)])
        page = poll.result().json
    assert 0 < len(page["data"]) < 30
    assert page["last_id"] == page["data"][-1]["id"] == ids[len(page["data"]) - 1]


def test_wait_is_shortened_at_random(native: Running, channel: str) -> None:
    """Long polling, wait: shortened at random by up to 10 %."""
    since = native.head()
    with native.waiting(*[{"channel": channel, "since": since, "wait": 20}] * 5):

        def waits() -> list[float]:
            now = native.node.time()
            polls = [s for s in native.node._sessions if isinstance(s, Poll)]
            return [poll._until - now for poll in polls]

        left = native.call(waits)
        assert len(left) == 5
        assert len(set(left)) == 5
        # A poll that began ten seconds ago would make this fail; the harness gives up before.
        assert all(8 < seconds <= 20 for seconds in left)
        native.publish(channel, 1)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_goes_while_it_waits(server: Running, channel: str, how: str) -> None:
    """A poll whose client has gone leaves nothing behind (the harness looks)."""
    since = server.head()
    raw = server.raw()
    raw.send_request("GET", f"/updates?channel={channel}&since={since}")
    path = server.channel_path(channel)
    eventually(lambda: server.get(path).json["subscribers"] == 1, "the poll waits")
    getattr(raw, how)()
    eventually(lambda: server.get(path).json["subscribers"] == 0, "the poll is forgotten")


def test_half_closed_poll_is_answered(native: Running, channel: str) -> None:
    """A client that sends no more may be gone as a whole: its poll is answered at once."""
    since = native.head()
    raw = native.raw()
    raw.send_request("GET", f"/updates?channel={channel}&since={since}")
    raw.half_close()
    assert raw.answer().json == {"data": [], "last_id": since}
    raw.ended()


# Ephemeral messages


def test_ephemeral(server: Running, channel: str) -> None:
    """Terms, ephemeral: polls get them with ephemeral=1, and only while waiting."""
    since = server.head()
    query = {"channel": channel, "since": since}
    with server.waiting({**query, "ephemeral": 1}, query) as (eager, plain):
        server.publish(channel, "now", ephemeral=True, event="e")
        page = eager.result().json
        id = server.publish(channel, "kept")
        assert [m["id"] for m in plain.result().json["data"]] == [id]
    assert page["last_id"] == since
    (message,) = page["data"]
    assert message == {"channel": channel, "event": "e", "data": "now", "ts": message["ts"]}
    assert eager.result().headers["cache-control"] == "no-store"
    assert server.poll(channel=channel, since=since, ephemeral=1)["data"][0]["id"] == id


# Linger


def test_linger(start: Callable[..., Running]) -> None:
    """Long polling, linger: trades delay for fewer, fuller answers."""
    server = start(rules=Rules([ChannelRule("slow.*", linger=0.3)]))
    since = server.head()
    with server.waiting({"channel": "slow.a", "since": since}) as (poll,):
        ids = [server.publish("slow.a", n) for n in range(3)]
        page = poll.result().json
    assert [m["id"] for m in page["data"]] == ids


def test_linger_does_not_hold_ephemeral_messages(start: Callable[..., Running]) -> None:
    """Long polling, linger: what cannot be read again later is not lost to it."""
    server = start(rules=Rules([ChannelRule("slow.*", linger=0.3)]))
    query = {"channel": "slow.a", "since": server.head(), "ephemeral": 1}
    with server.waiting(query) as (poll,):
        server.publish("slow.a", "now", ephemeral=True)
        assert [m["data"] for m in poll.result().json["data"]] == ["now"]


def test_linger_over_an_expired_message(start: Callable[..., Running]) -> None:
    """Long polling, linger: where nothing is left at its end, the poll waits on."""
    server = start(rules=Rules([ChannelRule("slow.*", linger=0.2)]))
    with server.waiting({"channel": "slow.a", "since": server.head()}) as (poll,):
        short = server.publish("slow.a", "short", ttl=0.01)
        (session,) = server.node._sessions

        def waits_on() -> bool:
            return session._position >= short and not session._lingering

        eventually(lambda: server.call(waits_on), "the poll has looked, and waits on")
        id = server.publish("slow.a", "lasting")
        assert [m["id"] for m in poll.result().json["data"]] == [id]


# Caching

CACHEABLE = "public, max-age=60"


def test_what_may_be_cached(server: Running, channel: str) -> None:
    """Caching: public and max-age, where last_id is above since and nothing says otherwise."""
    first, last = server.publish(channel, 1), server.publish(channel, 2)
    answer = server.get("/updates", channel=channel, since=first, wait=0)
    assert answer.headers["cache-control"] == CACHEABLE
    assert answer.headers["vary"] == "Origin"
    # An empty answer that is further on.
    server.publish(f"{channel}.other", 1)
    answer = server.get("/updates", channel=channel, since=last, wait=0)
    assert answer.json["data"] == []
    assert answer.headers["cache-control"] == CACHEABLE


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({}, {"Authorization": "Bearer x"}),
        ({}, {"Cookie": "a=b; everywire_token=x"}),
        ({"token": "x"}, {}),
        ({"connection": SECRET}, {}),
        ({"ephemeral": "1"}, {}),
    ],
)
def test_what_may_not_be_cached(
    server: Running, channel: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    """Caching: no-store where the request carries a credential or a connection."""
    first = server.publish(channel, 1)
    server.publish(channel, 2)
    answer = server.get("/updates", headers, channel=channel, since=first, wait=0, **query)
    assert len(answer.json["data"]) == 1
    assert answer.headers["cache-control"] == "no-store"


def test_what_has_not_moved_is_not_cached(server: Running, channel: str) -> None:
    """Caching: no-store where last_id is not above since, or the position is unknown."""
    last = server.publish(channel, 1)
    for since in (last, 2**53 - 1, 1):
        answer = server.get("/updates", channel=channel, since=since, wait=0)
        assert answer.headers["cache-control"] == "no-store"
    assert server.get("/updates", channel=channel).headers["cache-control"] == "no-store"


def test_what_expires_is_not_cached(server: Running, channel: str) -> None:
    """Terms, gap; ttl: what goes within seconds must not live on in a cache."""
    since = server.head()
    with server.waiting({"channel": channel, "since": since}) as (poll,):
        server.publish(channel, 1, ttl=60)
        assert poll.result().headers["cache-control"] == "no-store"
    answer = server.get("/updates", channel=channel, since=since, wait=0)
    assert answer.headers["cache-control"] == "no-store"


def test_waiting_poll_may_be_cached(server: Running, channel: str) -> None:
    """Caching: an answer that came after a wait is as cacheable as any."""
    since = server.head()
    query = {"channel": channel, "since": since}
    with server.waiting(query, {**query, "connection": SECRET}) as (public, private):
        server.publish(channel, 1)
        assert public.result().headers["cache-control"] == CACHEABLE
        assert private.result().headers["cache-control"] == "no-store"


def test_cache_seconds(start: Callable[..., Running]) -> None:
    """Caching: max-age is a setting; 0 turns it off."""
    for seconds, said in ((5, "public, max-age=5"), (0, "no-store")):
        server = start(cache_seconds=seconds)
        since = server.head()
        server.publish("a", 1)
        answer = server.get("/updates", channel="a", since=since, wait=0)
        assert answer.headers["cache-control"] == said


def test_refused_for_load(start: Callable[..., Running]) -> None:
    """SSE, refusals: for load, a poll gets 503 with Retry-After."""
    server = start(limits=replace(QUICK, max_connections=1))
    server.socket()
    answer = server.get("/updates", channel="a", since=0)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
