"""``echo:false``: a message that its own connection does not hear, whatever wires it has."""

from __future__ import annotations

import pytest

from .running import Running

SECRET = "abcdefghijABCDEFGHIJ_-"


def test_own_socket(server: Running, channel: str) -> None:
    """WebSocket, publish: echo:false is not sent to my own connection; to others it is."""
    own, other = server.socket(channel=channel), server.socket(channel=channel)
    own.expect("subscribed")
    other.expect("subscribed")
    quiet = own.publish(channel, "quiet", echo=False)
    own.send("publish", channel=channel, data="loud", echo=True)
    frames = {frame["type"]: frame for frame in (own.next(), own.next())}
    assert frames["message"]["data"] == "loud"
    assert [m["id"] for m in other.messages(2)] == [quiet, frames["published"]["id"]]


def test_in_replays(server: Running, channel: str) -> None:
    """WebSocket, publish: replays included."""
    own = server.socket(connection=SECRET)
    ids = [own.publish(channel, n, echo=n % 2 == 0) for n in range(6)]
    own.send("subscribe", channel=channel, since=0)
    own.expect("subscribed")
    assert [f["id"] for f in own.until("position")[:-1]] == ids[::2]
    # A new connection of the same secret is the same connection.
    own.close()
    again = server.socket(connection=SECRET, channel=channel, since=0)
    again.expect("subscribed")
    assert [f["id"] for f in again.until("position")[:-1]] == ids[::2]
    other = server.socket(channel=channel, since=0)
    other.expect("subscribed")
    assert [m["id"] for m in other.messages(6)] == ids


@pytest.mark.parametrize("pattern", [False, True])
def test_two_wires_of_one_connection(server: Running, channel: str, pattern: bool) -> None:
    """Terms, connection: two wires may share it, and echo:false is kept from both."""
    name = f"{channel}.*" if pattern else f"{channel}.a"
    channel = f"{channel}.a"
    since = server.head()
    socket = server.socket(channel=name, connection=SECRET)
    socket.expect("subscribed")
    stream = server.stream(channel=name, connection=SECRET)
    stream.opened()
    stranger = server.stream(channel=name)
    stranger.opened()
    with server.waiting({"channel": name, "since": since, "connection": SECRET}) as (poll,):
        quiet = socket.publish(channel, "quiet", echo=False)
        loud = server.publish(channel, "loud")
        page = poll.result().json
    assert [m["id"] for m in page["data"]] == [loud]
    socket.expect("message", id=loud)
    assert stream.expect("message").id == str(loud)
    assert [stranger.expect("message").id for _ in range(2)] == [str(quiet), str(loud)]
    # Replays of the other wires, too.
    assert server.stream(channel=name, connection=SECRET, since=since).opened() == since
    page = server.poll(channel=name, since=since, connection=SECRET)
    assert [m["id"] for m in page["data"]] == [loud]
    assert page["last_id"] == loud


def test_http_publish_that_names_a_connection(server: Running, channel: str) -> None:
    """Terms, connection: an HTTP publish may name it, for echo."""
    own, other = server.socket(channel=channel, connection=SECRET), server.socket(channel=channel)
    own.expect("subscribed")
    other.expect("subscribed")
    ids = server.publish_all(
        [
            {"channel": channel, "data": 1, "echo": False, "connection": SECRET},
            {"channel": channel, "data": 2, "connection": SECRET},
            {"channel": channel, "data": 3, "echo": False},
        ]
    )
    assert [m["id"] for m in other.messages(3)] == ids
    assert [m["id"] for m in own.messages(2)] == ids[1:]


def test_without_a_connection_everybody_hears_it(server: Running, channel: str) -> None:
    """WebSocket, publish: echo:false means my own connection; who names none has none."""
    since = server.head()
    socket = server.socket(channel=channel)
    socket.expect("subscribed")
    with server.waiting({"channel": channel, "since": since}) as (poll,):
        id = server.publish(channel, 1, echo=False)
        assert [m["id"] for m in poll.result().json["data"]] == [id]
    socket.expect("message", id=id)
    assert [m["id"] for m in server.poll(channel=channel, since=since)["data"]] == [id]


def test_poll_of_nothing_but_its_own(server: Running, channel: str) -> None:
    """Long polling: with nothing but its own echo, a poll waits; its position moves on."""
    own = server.socket(connection=SECRET)
    since = server.head()
    last = [own.publish(channel, n, echo=False) for n in range(3)][-1]
    page = server.poll(channel=channel, since=since, connection=SECRET)
    assert page["data"] == []
    assert page["last_id"] >= last
    query = {"channel": channel, "since": since, "connection": SECRET}
    with server.waiting(query) as (poll,):
        own.publish(channel, "quiet", echo=False)
        loud = own.publish(channel, "loud")
        assert [m["id"] for m in poll.result().json["data"]] == [loud]


def test_poll_through_very_many_of_its_own(server: Running, channel: str) -> None:
    """Long polling: however many of its own lie before it."""
    quiet = {"channel": channel, "data": 1, "echo": False, "connection": SECRET}
    for _ in range(2):
        server.publish_all([quiet] * 1000)
    loud = server.publish(channel, "loud")
    page = server.poll(channel=channel, since=0, limit=1, connection=SECRET)
    assert [m["id"] for m in page["data"]] == [loud]


def test_ephemeral(server: Running, channel: str) -> None:
    """WebSocket, publish: echo:false with ephemeral messages."""
    own = server.socket(channel=channel, connection=SECRET)
    stream = server.stream(channel=channel, connection=SECRET, ephemeral=1)
    other = server.socket(channel=channel)
    own.expect("subscribed")
    other.expect("subscribed")
    stream.opened()
    answer = own.ask("publish", channel=channel, data=1, ephemeral=True, echo=False, ref=9)
    assert answer == {"type": "published", "ref": 9}
    other.expect("message", data=1)
    id = own.publish(f"{channel}.x", 1)
    assert id
    own.alive()
    own.send("publish", channel=channel, data=2, ephemeral=True)
    assert stream.expect("message").data == "2"


def test_history_reads_have_no_connection(server: Running, channel: str) -> None:
    """Reading: a history read is nobody's echo."""
    own = server.socket(connection=SECRET)
    id = own.publish(channel, 1, echo=False)
    listed = server.get(server.channel_path(channel, "/messages")).json["data"]
    assert [m["id"] for m in listed] == [id]
