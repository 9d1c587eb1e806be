"""Who may connect: Host and Origin on every route, and what browsers are told (CORS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .clients import Answer, Clients
from .running import Running

ROUTES = [
    ("GET", "/"),
    ("GET", "/console/page.js"),
    ("GET", "/nothing/here"),
    ("GET", "/ws"),
    ("GET", "/events?channel=a"),
    ("GET", "/updates?channel=a"),
    ("POST", "/publish"),
    ("POST", "/channels/a"),
    ("GET", "/channels/a"),
    ("GET", "/channels/a/messages"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("OPTIONS", "/publish"),
    ("OPTIONS", "/nothing/here"),
    ("DELETE", "/publish"),
    ("PUT", "/nothing/here"),
    ("HEAD", "/"),
]


def ask(server: Clients, method: str, target: str, headers: str, host: str = "localhost") -> Answer:
    """A request with exactly these headers."""
    raw = server.raw()
    body = b"{}" if method in ("POST", "PUT") else b""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    lines = f"Host: {host}\r\n" if host else ""
    raw.send(f"{method} {target} HTTP/1.1\r\n{lines}{length}{headers}\r\n".encode("latin-1") + body)
    answer = raw.answer(method)
    raw.close()
    return answer


# Host

FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "push.example.evil",
    "push.example.",
    "192.168.1.1",
    "[::2]",
    "0.0.0.0",
    "localhost:99999999",
    "localhost:x",
    "localhost/",
    "user@localhost",
    "local host",
    "\xff",
    "127.0.0.1, localhost",
]


@pytest.mark.parametrize(("method", "target"), ROUTES)
def test_foreign_host_on_every_route(paged: Running, method: str, target: str) -> None:
    """Who may connect: on every route a foreign Host gets 403 forbidden."""
    answer = ask(paged, method, target, "", "evil.example")
    assert answer.status == 403
    if method != "HEAD":
        assert answer.code == "forbidden"


@pytest.mark.parametrize(("method", "target"), ROUTES)
def test_no_host_on_every_route(paged: Running, method: str, target: str) -> None:
    """Who may connect: no Host is 400."""
    raw = paged.raw()
    raw.send(f"{method} {target} HTTP/1.1\r\n\r\n".encode())
    assert raw.answer(method).status == 400


def test_foreign_hosts(server: Running) -> None:
    """Who may connect: neither a loopback name, the bound address nor listed."""
    found = {}
    for host in FOREIGN_HOSTS:
        found[host] = ask(server, "GET", "/health", "", host).status
    # hypercorn refuses some of these by itself.
    assert {h: s for h, s in found.items() if s not in (400, 403)} == {}
    assert found["evil.example"] == 403


OWN_HOSTS = [
    "localhost",
    "LOCALHOST:8000",
    "app.localhost",
    "127.0.0.1",
    "127.9.9.9:80",
    "[::1]:8000",
    "push.example",
    "PUSH.example:443",
    "other.example",
]


def test_own_hosts(paged: Running) -> None:
    """Who may connect: loopback names, the bound address, and those in allowed_hosts."""
    for host in OWN_HOSTS:
        assert ask(paged, "GET", "/health", "", host).status == 200, host


@pytest.mark.parametrize("second", ["localhost", "evil.example"])
def test_two_hosts(native: Running, second: str) -> None:
    """Who may connect: several Hosts are none."""
    answer = ask(native, "GET", "/health", f"Host: {second}\r\n")
    assert answer.status == 400


def test_every_host_by_setting(start: Callable[..., Running]) -> None:
    """Who may connect: allowed_hosts may be *."""
    server = start(allowed_hosts=("*",))
    assert ask(server, "GET", "/health", "", "anything.example").status == 200


# Origin

FOREIGN_ORIGINS = [
    "https://evil.example",
    "null",
    "",
    "http://app.example",
    "https://app.example.evil",
    "https://app.example:444",
    "https://app.example/path",
    "http://tool.example",
    "file://",
    "chrome-extension://abc",
    "http://localhost.evil.example",
    "http://localhost@evil.example",
    "http://[",
    "http://192.168.0.1",
    "https://\xff",
    "javascript:alert(1)",
    "http://evil.example http://localhost",
]


@pytest.mark.parametrize(("method", "target"), ROUTES)
def test_foreign_origin_on_every_route(paged: Running, method: str, target: str) -> None:
    """Who may connect: on every route a foreign Origin gets 403 forbidden, null too."""
    for origin in ("https://evil.example", "null"):
        answer = ask(paged, method, target, f"Origin: {origin}\r\n")
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
        if method != "HEAD":
            assert answer.code == "forbidden"


def test_foreign_origins(paged: Running) -> None:
    """Who may connect: neither the server's own, a loopback one, nor listed."""
    found = {}
    for origin in FOREIGN_ORIGINS:
        answer = ask(paged, "POST", "/publish", f"Origin: {origin}\r\n")
        found[origin] = answer.code if answer.status == 403 else answer.status
    assert found == dict.fromkeys(FOREIGN_ORIGINS, "forbidden")


def test_two_origins(server: Running) -> None:
    """Who may connect: several Origins are foreign."""
    origins = "Origin: http://localhost\r\nOrigin: http://localhost\r\n"
    assert ask(server, "GET", "/health", origins).status == 403


OWN_ORIGINS = [
    ("https://app.example", "localhost"),
    ("HTTPS://APP.example", "localhost"),
    ("http://tool.example:8080", "localhost"),
    ("http://push.example", "push.example"),
    ("https://push.example", "push.example"),
    ("https://push.example", "push.example:443"),
    ("http://push.example:8000", "push.example:8000"),
    ("http://localhost:3000", "127.0.0.1:8000"),
    ("http://127.0.0.1:5173", "localhost"),
    ("http://[::1]:3000", "localhost"),
]


@pytest.mark.parametrize(("origin", "host"), OWN_ORIGINS)
def test_own_origins(paged: Running, origin: str, host: str) -> None:
    """Who may connect: the server's own, a loopback one while bound to loopback, and listed."""
    answer = ask(paged, "GET", "/health", f"Origin: {origin}\r\n", host)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin


def test_loopback_origin_of_a_server_on_another_address(start: Callable[..., Running]) -> None:
    """Who may connect: a loopback Origin counts only while the server is bound to loopback."""
    server = start(host="192.0.2.1", allowed_hosts=("push.example",))
    assert ask(server, "GET", "/health", "", "192.0.2.1:8000").status == 200
    foreign = ask(server, "GET", "/health", "Origin: http://localhost:3000\r\n", "push.example")
    assert foreign.code == "forbidden"
    own = ask(server, "GET", "/health", "Origin: https://push.example\r\n", "push.example")
    assert own.status == 200


def test_websockets_of_foreign_pages(server: Running) -> None:
    """Who may connect: a WebSocket as well, which no CORS protects."""
    handshake = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    foreign = handshake + "Origin: https://evil.example\r\n"
    assert ask(server, "GET", "/ws", foreign).status == 403
    assert ask(server, "GET", "/ws", handshake, "evil.example").status == 403
    own = server.raw_socket(headers="Origin: http://localhost:3000\r\n")
    assert own.next()["type"] == "welcome"


# CORS


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/events", 400),
        ("GET", "/updates?channel=a", 200),
        ("POST", "/publish", 400),
        ("GET", "/channels/a", 200),
        ("GET", "/channels/a/messages", 200),
        ("GET", "/channels/a..b", 400),
        ("GET", "/health", 200),
        ("DELETE", "/publish", 405),
        ("GET", "/ws", 426),
        ("GET", "/nothing", 404),
        ("GET", "/", 200),
    ],
)
def test_every_answer_may_be_read(paged: Running, method: str, target: str, status: int) -> None:
    """CORS: an allowed origin may read every answer, errors included, with credentials."""
    answer = ask(paged, method, target, "Origin: https://app.example\r\n")
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    assert "*" not in answer.headers["access-control-allow-origin"]


def test_stream_with_credentials(paged: Running) -> None:
    """CORS: an EventSource with credentials needs the exact origin and Allow-Credentials."""
    stream = paged.stream({"Origin": "https://app.example"}, channel="a")
    assert stream.headers["access-control-allow-origin"] == "https://app.example"
    assert stream.headers["access-control-allow-credentials"] == "true"
    assert stream.headers["vary"] == "Origin"
    stream.opened()


def test_vary_without_an_origin(paged: Running) -> None:
    """CORS: Vary is said without an Origin too, for caches between."""
    for target in ("/updates?channel=a", "/health", "/"):
        answer = ask(paged, "GET", target, "")
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("target", ["/events?channel=a", "/updates", "/publish", "/channels/a%2Fb"])
def test_preflight(paged: Running, target: str) -> None:
    """CORS: a preflight is answered for Last-Event-ID, Idempotency-Key and the like."""
    asked = (
        "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
        "Access-Control-Request-Headers: last-event-id, idempotency-key\r\n"
    )
    answer = ask(paged, "OPTIONS", target, asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert {
        "authorization",
        "content-type",
        "event",
        "idempotency-key",
        "last-event-id",
        "prefer",
    } <= set(answer.headers["access-control-allow-headers"].split(", "))


def test_one_connection_two_origins(native: Running) -> None:
    """CORS: what one request said does not count for the next on the same connection."""
    raw = native.raw()
    raw.send_request("GET", "/updates?channel=a", "Origin: http://localhost:1\r\n")
    assert raw.answer().headers["access-control-allow-origin"] == "http://localhost:1"
    raw.send_request("GET", "/updates?channel=a")
    assert "access-control-allow-origin" not in raw.answer().headers
    raw.send_request("GET", "/updates?channel=a", "Origin: http://evil.example\r\n")
    assert "access-control-allow-origin" not in raw.answer().headers
    # A refusal leaves the connection as it was.
    raw.send_request("GET", "/updates?channel=a")
    assert raw.answer().status == 200


def test_pages_are_served(paged: Running) -> None:
    """The pages are served on the same address, and their mistakes are problems too."""
    assert ask(paged, "GET", "/", "").headers["content-type"].startswith("text/html")
    missing: Any = ask(paged, "GET", "/nothing/here", "")
    assert (missing.status, missing.json["code"]) == (404, "not_found")
