"""HTTP for a client that blocks."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from everywire.client.address import Address
from everywire.client.errors import Unreachable
from everywire.client.http import HttpClient, reason_of

from .fakes import FakeHttp, answer, hang_up, stream


def test_a_connection_is_kept(http_server: FakeHttp) -> None:
    http_server.play(answer(200, b"one"), answer(201, b"two", X_Name="y"))
    with HttpClient(Address(http_server.url)) as client:
        assert client.request("GET", "/a").body == b"one"
        second = client.request("POST", "/b", body=b"data", headers={"Event": "x"})
    assert (second.status, second.headers.get("x-name"), second.body) == (201, "y", b"two")
    assert http_server.connections == 1
    assert [heard.target for heard in http_server.heard] == ["/a", "/b"]
    assert http_server.heard[1].body == b"data"
    assert http_server.heard[1].headers["Event"] == "x"
    assert http_server.heard[0].headers["User-Agent"].startswith("everywire/")


def test_a_token_is_sent_as_a_header(http_server: FakeHttp) -> None:
    http_server.play(answer(200))
    with HttpClient(Address(http_server.url), token="secret") as client:
        client.request("GET", "/")
    assert http_server.heard[0].headers["Authorization"] == "Bearer secret"
    assert "secret" not in http_server.heard[0].target


def test_a_kept_connection_that_was_closed_is_made_again(http_server: FakeHttp) -> None:
    def close_after(handler: BaseHTTPRequestHandler) -> None:
        answer(200, b"one")(handler)
        handler.close_connection = True

    http_server.play(close_after, answer(200, b"two"))
    with HttpClient(Address(http_server.url)) as client:
        client.request("GET", "/a")
        assert client.request("GET", "/b").body == b"two"


def test_a_new_connection_that_is_closed_is_an_error(http_server: FakeHttp) -> None:
    http_server.play(hang_up)
    with (
        HttpClient(Address(http_server.url)) as client,
        pytest.raises(Unreachable, match="closed the connection without an answer"),
    ):
        client.request("GET", "/")
    assert len(http_server.heard) == 1


def test_nobody_there(unused_port: int) -> None:
    with (
        HttpClient(Address(f"http://127.0.0.1:{unused_port}")) as client,
        pytest.raises(Unreachable, match=r"cannot reach http://127.*nothing listens there"),
    ):
        client.request("GET", "/")


def test_an_answer_that_stops_in_the_middle(http_server: FakeHttp) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    http_server.play(half)
    with (
        HttpClient(Address(http_server.url)) as client,
        pytest.raises(Unreachable, match="in the middle of an answer"),
    ):
        client.request("GET", "/")


def test_an_answer_that_is_not_http(http_server: FakeHttp) -> None:
    def ssh(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        handler.close_connection = True

    http_server.play(ssh)
    with (
        HttpClient(Address(http_server.url)) as client,
        pytest.raises(Unreachable, match="does not speak HTTP"),
    ):
        client.request("GET", "/")


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            HttpClient(Address(url), timeout=0.01) as client,
            pytest.raises(Unreachable, match="timed out"),
        ):
            client.request("GET", "/")


def test_an_answer_before_the_whole_body_was_read() -> None:
    """A server that refuses a large body may close before it has read it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        with HttpClient(Address(url)) as client:
            refused = client.request("POST", "/publish", body=b"x" * 8_000_000)
        thread.join()
    assert (refused.status, refused.body) == (413, b"no")


def test_an_answer_that_is_too_large(
    http_server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everywire.client.http.MAX_BODY", 100)
    http_server.play(answer(200, b"x" * 101))
    with (
        HttpClient(Address(http_server.url)) as client,
        pytest.raises(Unreachable, match="more than 100 bytes"),
    ):
        client.request("GET", "/")


def test_a_stream_is_read_as_it_comes(http_server: FakeHttp) -> None:
    go_on = threading.Event()
    http_server.play(stream(b"one", then=go_on.wait))
    with HttpClient(Address(http_server.url)) as client:
        answer_ = client.stream("/events", headers={"Accept": "x"}, timeout=30)
        assert answer_.status == 200
        assert answer_.read(100) == b"one"
        go_on.set()
        assert answer_.read(100) == b""
        answer_.close()


def test_a_stream_that_falls_silent(http_server: FakeHttp) -> None:
    go_on = threading.Event()
    http_server.play(stream(b"one", then=go_on.wait))
    try:
        with HttpClient(Address(http_server.url)) as client:
            answer_ = client.stream("/events", headers={}, timeout=0.05)
            assert answer_.read(100) == b"one"
            with pytest.raises(Unreachable, match="timed out"):
                answer_.read(100)
            answer_.close()
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name of the host is not known"),
        (ssl.SSLError(1, "wrong version number"), "does not speak TLS"),
        (OSError(113, "No route to host"), "no route"),
        (OSError("odd"), "odd"),
        (OSError(), "OSError"),
    ],
)
def test_reasons_are_in_words(error: OSError, words: str) -> None:
    assert words in reason_of(error)


def test_proxies_of_the_environment_are_not_used(
    http_server: FakeHttp, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    http_server.play(answer(200, b"direct"))
    with HttpClient(Address(http_server.url)) as client:
        assert client.request("GET", "/").body == b"direct"
