"""What is under ``/docs``: the page, the two documents, a page for each error code, their files.

All of it is made at the first request and kept, for the limits that it tells of. A browser asks
each time and is told 304 where nothing changed, as with the other pages (`pages`).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

import msgspec

from everywire.core.errors import RequestError
from everywire.core.limits import Limits
from everywire.server.description.asyncapi import asyncapi
from everywire.server.description.codes import CODES, page_of
from everywire.server.description.error_page import error_page
from everywire.server.description.layout import ICON, SCRIPT, STYLE, THEME
from everywire.server.description.openapi import openapi
from everywire.server.description.page import page
from everywire.server.messages import Headers, MethodNotAllowed, Request, Response
from everywire.server.page_headers import PAGE_HEADERS, TYPES

PATH: Final = "/docs"

_METHODS: Final = ("GET", "HEAD")


class _Document:
    """Something that can be fetched.

    Args:
        content: Bytes.
        kind: Its suffix.
    """

    def __init__(self, content: bytes, kind: str) -> None:
        tag = f'"{sha256(content).hexdigest()[:32]}"'
        fields = {**PAGE_HEADERS, "etag": tag, "content-type": TYPES[kind]}
        headers: Headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        self.tag = tag
        self.whole = Response(200, content, headers)
        self.unchanged = Response(304, b"", headers)


def is_described(path: str) -> bool:
    """Whether a path is one of these, or would be."""
    return path == PATH or path.startswith(f"{PATH}/")


def described(request: Request, limits: Limits) -> Response:
    """Answer a request for what is under ``/docs``.

    Raises:
        RequestError: ``not_found``, ``method_not_allowed``.
    """
    document = _documents(limits).get(request.path)
    if document is None:
        raise RequestError("not_found", f"there is nothing at {request.path[:200]}")
    if request.method not in _METHODS:
        raise MethodNotAllowed(request.method, request.path, _METHODS)
    tags = [tag.strip() for tag in (request.header(b"if-none-match") or "").split(",")]
    known = document.tag in tags or f"W/{document.tag}" in tags
    return document.unchanged if known else document.whole


@lru_cache(2)
def _documents(limits: Limits) -> dict[str, _Document]:
    """Everything, by its path."""
    requests, wires = openapi(limits), asyncapi(limits)
    folder = files("everywire") / "console"
    found = {
        PATH: _Document(page(requests, wires), ".html"),
        f"{PATH}/openapi.json": _Document(msgspec.json.encode(requests), ".json"),
        f"{PATH}/asyncapi.json": _Document(msgspec.json.encode(wires), ".json"),
    }
    for name in (STYLE, SCRIPT, THEME, ICON):
        suffix = name[name.rindex(".") :]
        found[f"{PATH}/{name}"] = _Document((folder / name).read_bytes(), suffix)
    for code in CODES:
        found[page_of(code)] = _Document(error_page(code), ".html")
    return found
