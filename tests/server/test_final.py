"""Final: how a channel ends, on every wire and carrier."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from everywire.core.rules import ChannelRule, Rules

from .running import Running, eventually


def end(server: Running, channel: str, before: int = 2) -> list[int]:
    """Publish some messages, then the last one; their ids."""
    ids = [server.publish(channel, n) for n in range(before)]
    return [*ids, server.publish(channel, "end", final=True)]


# Publishing after the end


def test_later_publishes_conflict(server: Running, channel: str) -> None:
    """Final: later publishes get conflict, on every way to publish."""
    end(server, channel)
    answer = server.post("/publish", {"channel": channel, "data": 1})
    assert (answer.status, answer.code, answer.json["channel"]) == (409, "conflict", channel)
    assert server.post(server.channel_path(channel), b"x").code == "conflict"
    again = {"channel": channel, "data": 1, "final": True}
    assert server.post("/publish", again).code == "conflict"
    ephemeral = {"channel": channel, "data": 1, "ephemeral": True}
    assert server.post("/publish", ephemeral).code == "conflict"
    socket = server.socket()
    for fields in ({}, {"final": True}, {"ephemeral": True}):
        frame = socket.ask("publish", channel=channel, data=1, ref=1, **fields)
        assert (frame["type"], frame["code"], frame["ref"]) == ("error", "conflict", 1)
        assert frame["channel"] == channel
    assert len(server.poll(channel=channel, since=0)["data"]) == 3


def test_known_key_after_the_end(server: Running, channel: str) -> None:
    """Final: one whose idempotency key is known gets its stored id, also after the end."""
    id = server.publish(channel, 1, idempotency_key="k")
    last = {"channel": channel, "data": 2, "final": True, "idempotency_key": "last"}
    ended = server.post("/publish", last).json["id"]
    for key, stored in (("k", id), ("last", ended)):
        body = {"channel": channel, "data": 1, "idempotency_key": key}
        assert server.post("/publish", body).json == {"id": stored, "duplicate": True}


def test_end_within_a_list(server: Running, channel: str) -> None:
    """Final: what comes behind the end in the same list is a conflict; all or nothing."""
    messages = [
        {"channel": channel, "data": 1, "final": True},
        {"channel": channel, "data": 2},
    ]
    assert server.post("/publish", messages).code == "conflict"
    assert server.poll(channel=channel, since=0)["data"] == []
    server.publish_all(messages[::-1])


# WebSocket


def test_socket_is_told(server: Running, channel: str) -> None:
    """Final: subscribers get the message, then unsubscribed with reason final."""
    socket = server.socket(channel=[channel, f"{channel}.open"])
    socket.expect("subscribed")
    socket.expect("subscribed")
    ids = end(server, channel, 1)
    socket.expect("message", id=ids[0])
    message = socket.expect("message", id=ids[1])
    assert message["final"] is True
    assert socket.next() == {"type": "unsubscribed", "channel": channel, "reason": "final"}
    # The others stay.
    id = server.publish(f"{channel}.open")
    socket.expect("message", id=id)
    socket.alive()


def test_socket_of_the_publisher(server: Running, channel: str) -> None:
    """Final: who publishes the last message hears it and the end, too."""
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    socket.send("publish", channel=channel, data="end", final=True)
    frames = {frame["type"]: frame for frame in (socket.next(), socket.next(), socket.next())}
    assert frames["message"]["id"] == frames["published"]["id"]
    assert frames["unsubscribed"]["reason"] == "final"
    socket.alive()


def test_socket_by_pattern(server: Running, channel: str) -> None:
    """Final: subscribers by pattern get the message only."""
    socket = server.socket(channel=f"{channel}.*")
    socket.expect("subscribed")
    ids = end(server, f"{channel}.a", 0)
    socket.expect("message", id=ids[0], final=True)
    ids = end(server, f"{channel}.b", 0)
    socket.expect("message", id=ids[0], final=True)
    socket.alive()


def test_socket_by_name_and_pattern(server: Running, channel: str) -> None:
    """Final: who hears it by name as well gets the message once, and the end of the name."""
    name = f"{channel}.a"
    socket = server.socket(channel=[name, f"{channel}.*"])
    socket.expect("subscribed")
    socket.expect("subscribed")
    ids = end(server, name, 0)
    socket.expect("message", id=ids[0])
    socket.expect("unsubscribed", channel=name, reason="final")
    socket.alive()


def test_socket_after_the_end(server: Running, channel: str) -> None:
    """Final: who comes without since after the end gets what is kept, then the end."""
    ids = end(server, channel)
    socket = server.socket()
    socket.send("subscribe", channels=[channel, f"{channel}.open"])
    for _ in range(2):
        socket.expect("subscribed")
    assert [m["id"] for m in socket.messages(3)] == ids
    assert {socket.next()["type"], socket.next()["type"]} == {"position", "unsubscribed"}
    id = server.publish(f"{channel}.open")
    socket.expect("message", id=id)


@pytest.mark.parametrize("since", [0, 1, 2])
def test_socket_replays_to_the_end(server: Running, channel: str, since: int) -> None:
    """Final: a replay that reaches the end is followed by unsubscribed; so is one past it."""
    ids = end(server, channel)
    socket = server.socket(channel=channel, since=ids[since])
    socket.expect("subscribed")
    frames = socket.until("unsubscribed")
    assert [f["id"] for f in frames if f["type"] == "message"] == ids[since + 1 :]
    assert frames[-1]["reason"] == "final"
    socket.alive()


def test_socket_with_bare_data(server: Running, channel: str) -> None:
    """WebSocket, format=data: unsubscribed comes wrapped."""
    socket = server.socket(channel=channel, format="data")
    end(server, channel, 0)
    assert socket.receive() == '"end"'
    frame = socket.next()["everywire"]
    assert frame == {"type": "unsubscribed", "channel": channel, "reason": "final"}


# Event streams


def test_stream_ends(server: Running, channel: str) -> None:
    """Final: an SSE stream ends when all its channels have."""
    one, two = f"{channel}.1", f"{channel}.2"
    stream = server.stream(channel=[one, two])
    stream.opened()
    first, second = end(server, one, 0), end(server, two, 1)
    assert stream.expect("message").id == str(first[0])
    assert stream.expect("everywire.unsubscribed").json == {"channel": one, "reason": "final"}
    assert [stream.expect("message").id for _ in range(2)] == [str(id) for id in second]
    assert stream.expect("everywire.unsubscribed").json == {"channel": two, "reason": "final"}
    stream.ended()


def test_stream_that_ends_in_one_batch(server: Running, channel: str) -> None:
    """Final: also where all channels end in one batch."""
    names = [f"{channel}.{n}" for n in range(3)]
    stream = server.stream(channel=names)
    stream.opened()
    server.publish_all([{"channel": name, "data": 1, "final": True} for name in names])
    for _ in names:
        stream.expect("message")
    told = {stream.expect("everywire.unsubscribed").json["channel"] for _ in names}
    assert told == set(names)
    stream.ended()


def test_stream_by_pattern_goes_on(server: Running, channel: str) -> None:
    """Final: a pattern never ends."""
    stream = server.stream(channel=[f"{channel}.a", f"{channel}.*"])
    stream.opened()
    end(server, f"{channel}.a", 0)
    stream.expect("message")
    stream.expect("everywire.unsubscribed")
    id = server.publish(f"{channel}.b")
    assert stream.expect("message").id == str(id)


def test_stream_after_the_end(server: Running, channel: str) -> None:
    """Final: who comes by SSE without since after the end gets what is kept, then the end."""
    ids = end(server, channel)
    stream = server.stream(channel=channel)
    stream.opened()
    assert [stream.expect("message").id for _ in range(3)] == [str(id) for id in ids]
    events = []
    while (event := stream.next()) is not None:
        events.append(event.event)
    assert sorted(events) == ["everywire.position", "everywire.unsubscribed"]
    # It comes back by itself, and is told to stop.
    again = server.stream({"Last-Event-ID": stream.last_id}, channel=channel)
    assert again.status == 204


def test_resume_in_the_middle(server: Running, channel: str) -> None:
    """Final: a resume before the end gets the rest, then the end."""
    ids = end(server, channel)
    stream = server.stream({"Last-Event-ID": str(ids[1])}, channel=channel)
    assert stream.opened() == ids[1]
    assert stream.expect("message").id == str(ids[2])


def test_resume_past_the_end(server: Running, channel: str) -> None:
    """Final: a resume past the end is answered 204, on which EventSource stops."""
    ids = end(server, channel)
    last = str(ids[-1])
    for headers, query in (
        ({"Last-Event-ID": last}, {}),
        ({}, {"lastEventId": last}),
        ({}, {"since": last}),
    ):
        answer = server.get("/events", headers, channel=channel, **query)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["cache-control"] == "no-store"
    # Not while another is open, and not by a pattern.
    for names in ([channel, f"{channel}.open"], [channel, f"{channel}.*"]):
        assert server.stream(channel=names, since=last).opened() >= ids[-1]


def test_resume_from_an_unknown_position(server: Running, channel: str) -> None:
    """Terms, unknown position: said also of a channel that has ended, before its end."""
    end(server, channel)
    stream = server.stream(channel=channel, since=2**53 - 1)
    stream.opened()
    assert stream.expect("everywire.gap").json["reason"] == "unknown_position"


# Polls


def test_poll_names_what_has_ended(server: Running, channel: str) -> None:
    """Final: polls carry final from the page on that reaches a channel's last message."""
    ids = end(server, channel, 3)
    page = server.poll(channel=channel, since=0, limit=2)
    assert "final" not in page
    page = server.poll(channel=channel, since=page["last_id"], limit=2)
    assert [m["id"] for m in page["data"]] == ids[2:]
    assert page["final"] == [channel]
    assert page["data"][-1]["final"] is True
    # At once, though it might wait.
    page = server.poll(channel=channel, since=page["last_id"], wait=30)
    assert (page["data"], page["final"]) == ([], [channel])


def test_poll_without_since(server: Running, channel: str) -> None:
    """Final: a poll without since gets the head and final."""
    end(server, channel)
    page = server.poll(channel=[channel, f"{channel}.open"])
    assert page == {"data": [], "last_id": server.head(), "final": [channel]}


def test_poll_that_waits_for_the_rest(server: Running, channel: str) -> None:
    """Long polling: answered at once where all have ended; while one is open it waits."""

    last = end(server, channel)[-1]
    names = [channel, f"{channel}.open"]
    with server.waiting({"channel": names, "since": last}) as (poll,):
        id = server.publish(f"{channel}.open", 1)
        page = poll.result().json
    assert [m["id"] for m in page["data"]] == [id]
    assert page["final"] == [channel]


def test_waiting_poll_hears_the_end(server: Running, channel: str) -> None:
    """Final: the answer that brings the last message names its channel."""

    since = server.head()
    one, two = f"{channel}.1", f"{channel}.2"
    queries = (
        {"channel": one, "since": since},
        {"channel": [one, two], "since": since},
        {"channel": f"{channel}.*", "since": since},
        {"channel": [f"{channel}.*", one], "since": since},
    )
    with server.waiting(*queries) as polls:
        id = server.publish(one, "end", final=True)
        pages = [poll.result().json for poll in polls]
    assert all([m["id"] for m in page["data"]] == [id] for page in pages)
    # Subscribers by pattern get the message only.
    assert [page.get("final") for page in pages] == [[one], [one], None, [one]]


def test_poll_by_pattern(server: Running, channel: str) -> None:
    """Final: subscribers by pattern get the message only, in a page too."""
    end(server, f"{channel}.a")
    page = server.poll(channel=f"{channel}.*", since=0)
    assert len(page["data"]) == 3
    assert "final" not in page


# What is kept of it


def test_history_of_an_ended_channel(server: Running, channel: str) -> None:
    """Final: the message says so in history; the channel stays readable."""
    ids = end(server, channel)
    data = server.get(server.channel_path(channel, "/messages")).json["data"]
    assert [m.get("final", False) for m in data] == [False, False, True]
    assert server.get(server.channel_path(channel)).json["last_id"] == ids[-1]


def test_end_outlives_its_message(start: Callable[..., Running]) -> None:
    """Final: a channel stays ended when its last message is trimmed or has expired."""
    server = start(rules=Rules([ChannelRule("short", max_messages=1)]))
    last = server.publish("a", 1, final=True, ttl=0.02)
    eventually(lambda: server.poll(channel="a", since=0)["data"] == [], "it has expired")
    assert server.post("/publish", {"channel": "a", "data": 2}).code == "conflict"
    assert server.poll(channel="a", since=0, wait=30)["final"] == ["a"]
    assert server.get("/events", channel="a", since=last).status == 204
    socket = server.socket(channel="a")
    socket.expect("subscribed")
    socket.until("unsubscribed")


def test_end_outlives_a_restart(start_native: Callable[..., Running], database: str) -> None:
    """Final: and when the server starts anew."""
    server = start_native(log=database)
    ids = end(server, "a")
    server.stop()
    server = start_native(log=database)
    assert server.post("/publish", {"channel": "a", "data": 2}).code == "conflict"
    assert server.get("/events", channel="a", since=ids[-1]).status == 204
    socket = server.socket(channel="a")
    socket.expect("subscribed")
    assert [m["id"] for m in socket.messages(3)] == ids


def test_cancelling_is_a_publish(server: Running, channel: str) -> None:
    """Final: cancelling is a publish to <channel>.control; a disconnect cancels nothing."""
    listener = server.socket(channel=f"{channel}.control")
    listener.expect("subscribed")
    publisher = server.socket()
    publisher.publish(channel, 1)
    publisher.close()
    server.publish(f"{channel}.control", "cancel")
    listener.expect("message", data="cancel")
    server.publish(channel, 2)
