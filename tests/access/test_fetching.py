"""access.fetching: one request, to one address, with an end to it; against a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from everywire.access import fetching
from everywire.access.fetching import MAX_KEY_SET_BYTES, FetchFailed, check_url, fetch

Play = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A web server that plays what a test wrote."""

    def __init__(self) -> None:
        self.pages: dict[str, Play] = {}
        self.heard: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.heard.append(self.path)
                site.pages[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def page(status: int, body: bytes = b"", **headers: str) -> Play:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return play


def why_not(url: str) -> str:
    with pytest.raises(FetchFailed) as caught:
        asyncio.run(fetch(url))
    return str(caught.value)


def test_it_gets_what_is_there(site: Site) -> None:
    site.pages["/keys"] = page(200, b'{"keys": []}')
    assert asyncio.run(fetch(f"{site.url}/keys")) == b'{"keys": []}'
    assert site.heard == ["/keys"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_does_not_go_elsewhere(site: Site, status: int) -> None:
    """Such as to an address inside the network."""
    site.pages["/keys"] = page(status, Location=f"{site.url}/inside")
    assert "redirects are not followed" in why_not(f"{site.url}/keys")
    assert site.heard == ["/keys"]


@pytest.mark.parametrize("status", [204, 404, 500])
def test_an_error_is_no_key_set(site: Site, status: int) -> None:
    site.pages["/keys"] = page(status)
    assert str(status) in why_not(f"{site.url}/keys")


def test_its_size_is_bounded_whatever_the_header_says(site: Site) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    site.pages["/keys"] = play
    assert f"more than {MAX_KEY_SET_BYTES} bytes" in why_not(f"{site.url}/keys")


def test_its_time_is_bounded_although_bytes_keep_coming(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(0, 1_000_000, 3))
    monkeypatch.setattr(fetching.time, "monotonic", lambda: next(times))

    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x")
                handler.wfile.flush()
        except OSError:
            pass

    site.pages["/keys"] = play
    assert "took more than 10 s" in why_not(f"{site.url}/keys")


def test_nobody_there_is_said() -> None:
    with pytest.raises(FetchFailed, match="refused"):
        asyncio.run(fetch("http://127.0.0.1:9/keys"))


def test_an_answer_that_is_no_http_is_said(site: Site) -> None:
    site.pages["/keys"] = lambda handler: handler.wfile.write(b"hello\r\n\r\n") and None
    assert why_not(f"{site.url}/keys")


@pytest.mark.parametrize(
    "url",
    ["https://id.example/x?y=z", "http://localhost:1/k", "http://127.0.0.2/k", "http://[::1]/k"],
)
def test_addresses_that_are_taken(url: str) -> None:
    assert check_url(url) == url
