"""The pages' files, their headers, and what is not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

import msgspec
import pytest
from starlette.applications import Starlette

from everywire.server.page_headers import POLICY
from everywire.server.pages import PREFIX, web_pages
from everywire.server.routes import match

from .running import Running

FOLDER = Path(str(files("everywire") / "console"))
FILES = sorted(path.name for path in FOLDER.iterdir())
SCRIPTS = [name for name in FILES if name.endswith(".js")]


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return msgspec.json.decode(self.body)["code"]


async def ask(app: Starlette, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request to an ASGI application."""
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
    }
    await app(scope, receive, send)
    names = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], names, b"".join(event["body"] for event in sent[1:]))


@pytest.fixture
def get() -> Callable[..., Answer]:
    import asyncio

    app = web_pages()

    def get(path: str, method: str = "GET", **headers: str) -> Answer:
        return asyncio.run(ask(app, path, method, **headers))

    return get


Get = Callable[..., Answer]


def path_of(name: str) -> str:
    return "/" if name == "index.html" else PREFIX + name


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_there_as_it_is_written(get: Get, name: str) -> None:
    answer = get(path_of(name))
    assert answer.status == 200
    assert answer.body == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_file_has_the_strict_headers(get: Get, name: str) -> None:
    headers = get(path_of(name)).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    assert headers["content-type"].startswith(
        {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg"}[
            PurePosixPath(name).suffix
        ]
    )


def test_the_policy_allows_this_server_and_nothing_inline() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in POLICY
    assert "*" not in POLICY


def test_what_a_browser_has_is_not_sent_again(get: Get) -> None:
    first = get("/")
    tag = first.headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        again = get("/", if_none_match=known)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "no-cache"
        assert again.headers["content-security-policy"] == POLICY
    assert get("/", if_none_match='"other"').status == 200
    assert get("/console/page.js").headers["etag"] != tag


def test_head_is_get_without_the_body(get: Get) -> None:
    head, whole = get("/", "HEAD"), get("/")
    assert head.status == 200
    assert head.headers == whole.headers


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/console",
        "/console/",
        "/console/index.html",
        "/console/none.js",
        "/console/../pages.py",
        "/console/../server/pages.py",
        "/console//etc/passwd",
        "/console/%2e%2e/server/pages.py",
        "/console/page.js/",
        "/console/page.js\x00",
    ],
)
def test_what_is_not_among_the_files_does_not_exist(get: Get, path: str) -> None:
    answer = get(path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/console/page.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_is_only_read(get: Get, path: str, method: str) -> None:
    answer = get(path, method)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", FILES)
def test_no_file_stands_where_a_route_of_the_server_is(name: str) -> None:
    assert match("GET", path_of(name)) is None


@pytest.mark.parametrize("name", ["index.html", *SCRIPTS, "style.css"])
def test_what_a_file_loads_is_there_and_from_here(get: Get, name: str) -> None:
    """Also below a prefix: no address begins with a slash."""
    text = (FOLDER / name).read_text()
    loads = re.findall(r"""(?:src|href)="([^"#]+)"|from "([^"]+)"|url\(([^)]+)\)""", text)
    found = ["".join(groups) for groups in loads if name.endswith(".html") or groups[1]]
    for address in found:
        assert not re.match(r"[a-z]+:|/", address)
        assert get(urljoin(path_of(name), address)).status == 200
    assert found or name not in ("index.html", "page.js")


def test_the_page_has_nothing_inline() -> None:
    """The policy would stop it; here it is said earlier."""
    page = (FOLDER / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert "<style" not in page
    assert re.findall(r"\s(?:style|on[a-z]+)=", page) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_data(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_the_files_lie_in_the_package() -> None:
    """They are found as package data, so that a wheel has them."""
    assert {"index.html", "page.js", "style.css", "theme.js", "icon.svg"} <= set(FILES)


def test_a_server_shows_them_beside_its_own_routes(start: Callable[..., Running]) -> None:
    server = start(web_pages())
    status, headers, body = fetch(server.port, "/")
    assert status == 200
    assert body == (FOLDER / "index.html").read_bytes()
    assert headers["content-security-policy"] == POLICY
    assert fetch(server.port, "/health")[0] == 200
    assert fetch(server.port, "/console/none.js")[0] == 404


def test_a_foreign_host_does_not_get_a_page(start: Callable[..., Running]) -> None:
    server = start(web_pages())
    assert fetch(server.port, "/", host="attacker.example")[0] == 403


def fetch(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()
