"""What is under /docs, on every carrier, and how it is turned off."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from everywire.core.errors import STATUS
from everywire.core.limits import Limits
from everywire.server.description.serving import _documents
from everywire.server.page_headers import PAGE_HEADERS
from everywire.server.pages import web_pages
from server.running import Running

PATHS = sorted(_documents(Limits()))
PAGES = [path for path in PATHS if "." not in path]


@pytest.mark.parametrize("path", PATHS)
def test_everything_is_there_with_the_strict_headers(native: Running, path: str) -> None:
    answer = native.get(path)
    assert answer.status == 200
    assert answer.body
    assert {name: answer.headers[name] for name in PAGE_HEADERS} == PAGE_HEADERS
    kind = path.rpartition(".")[2] if "." in path else "html"
    types = {"js": "text/javascript", "json": "application/json", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(types.get(kind, f"text/{kind}"))


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json"])
def test_what_is_known_is_not_sent_again(server: Running, path: str) -> None:
    first = server.get(path)
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = server.get(path, {"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-length" not in again.headers
    assert server.get(path, {"If-None-Match": '"other"'}).body == first.body


def test_head_and_other_methods(server: Running) -> None:
    whole, head = server.get("/docs"), server.request("HEAD", "/docs")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    refused = server.post("/docs", b"")
    assert refused.code == "method_not_allowed"
    assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/errors", "/docs/errors/none", "/docs/../docs/none", "/docs/page.py"]
)
def test_what_is_not_there(server: Running, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.code) == (404, "not_found")


def test_a_foreign_page_or_host_gets_nothing(server: Running) -> None:
    assert server.get("/docs", {"Host": "attacker.example"}).code == "forbidden"
    assert server.get("/docs/openapi.json", {"Origin": "https://a.example"}).code == "forbidden"


def test_they_stand_before_the_pages_of_an_application(paged: Running) -> None:
    assert b"<title>Everywire: the API" in paged.get("/docs").body
    assert b"<title>Everywire: one channel" in paged.get("/").body


@pytest.mark.parametrize("pages", [None, web_pages])
def test_off_by_a_setting(start: Callable[..., Running], pages: Any) -> None:
    server = start(pages and pages(), docs=False)
    for path in ("/docs", "/docs/openapi.json", "/docs/errors/bad_request"):
        answer = server.get(path)
        assert (answer.status, answer.code) == (404, "not_found")
    # An identifier, whether or not it leads somewhere.
    assert answer.json["type"] == "/docs/errors/not_found"


@pytest.mark.parametrize("code", STATUS)
def test_the_type_of_a_problem_leads_to_its_page(native: Running, code: str) -> None:
    page = native.get(f"/docs/errors/{code}")
    assert f"<title>Everywire: {code}</title>".encode() in page.body
    assert str(STATUS[code]).encode() in page.body


def test_a_problem_leads_there(server: Running) -> None:
    answer = server.get("/nowhere")
    page = server.get(urljoin("/nowhere", answer.json["type"]))
    assert page.status == 200
    assert b"<code>not_found</code>" in page.body


class Found(HTMLParser):
    """Addresses and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.anchors: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)
        self.addresses |= {str(given[name]) for name in ("href", "src") if name in given}
        if "id" in given:
            self.anchors.append(str(given["id"]))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_leads_to_is_there(native: Running, path: str) -> None:
    """Also below a prefix: no address begins with a slash or names a server."""
    page = Found(native.get(path).body.decode())
    assert page.open == []
    assert page.inline == []
    assert len(page.anchors) == len(set(page.anchors))
    anchors = {path: page.anchors}
    for address in page.addresses:
        assert not re.match(r"[a-z]+:|/", address)
        target, _, anchor = urljoin(path, address).partition("#")
        answer = native.get(target)
        assert answer.status == 200, address
        if anchor:
            if target not in anchors:
                anchors[target] = Found(answer.body.decode()).anchors
            assert anchor in anchors[target], address


def test_no_script_makes_markup_of_text(native: Running) -> None:
    script = native.get("/docs/docs.js").body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
