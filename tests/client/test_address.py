"""Where the server is."""

from __future__ import annotations

import pytest

from everywire.client.address import Address
from everywire.core.errors import UsageError


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "websocket"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/ws", "ws://127.0.0.1:8000/ws"),
        ("ws://127.0.0.1:8000/", "127.0.0.1", 8000, "/ws", "ws://127.0.0.1:8000/ws"),
        ("https://example.org", "example.org", 443, "/ws", "wss://example.org/ws"),
        ("wss://example.org/live/", "example.org", 443, "/live/ws", "wss://example.org/live/ws"),
        ("http://[::1]:80/a/b", "::1", 80, "/a/b/ws", "ws://[::1]:80/a/b/ws"),
    ],
)
def test_one_url_for_every_wire(
    url: str, host: str, port: int, target: str, websocket: str
) -> None:
    address = Address(url)
    assert (address.host, address.port) == (host, port)
    assert address.target("/ws") == target
    assert address.websocket("/ws") == websocket


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "127.0.0.1:8000",
        "ftp://example.org",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://user:password@host",
        "http://host?query",
        "http://host#fragment",
        "http://host\r\nX: y",
        "http://host/a b",
        "http://höst",
    ],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        Address(url)


def test_a_query_is_percent_encoded() -> None:
    address = Address("http://host")
    target = address.target("/events", [("channel", "a b&c/é"), ("channel", "d.*")])
    assert target == "/events?channel=a%20b%26c%2F%C3%A9&channel=d.%2A"


def test_a_target_that_no_server_takes_is_not_sent() -> None:
    with pytest.raises(UsageError, match="at most 24576"):
        Address("http://host").target("/events", [("channel", "x" * 200)] * 200)
