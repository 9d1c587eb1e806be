"""The web pages that a server can show, as an ASGI application for `serving.serve`.

The files are part of the package (``everywire/console``), plain HTML, CSS and ES modules as they
are written: there is no build. All are read once, when the application is made; what is not among
them does not exist, so no path of a request ever reaches the file system.

Addresses in the pages are relative, so that they also work below a prefix.

Caching: a browser asks each time and is told 304 where nothing changed. A page and its modules are
so always of one version, that of the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from everywire.core.errors import RequestError
from everywire.server.messages import problem
from everywire.server.page_headers import PAGE_HEADERS, TYPES

PREFIX: Final = "/console/"
"""Where the files are, but for the page itself, which is at ``/``."""

_PAGE: Final = "index.html"


class _File:
    """A file, ready to be sent.

    Args:
        name: Path below the folder.
        content: Bytes.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self._content = content
        self._tag = f'"{sha256(content).hexdigest()[:32]}"'
        suffix = name[name.rindex(".") :]
        self._headers = {**PAGE_HEADERS, "etag": self._tag, "content-type": TYPES[suffix]}

    def response(self, request: Request) -> Response:
        """The whole file, or 304 where the browser has it (RFC 9110, section 13.1.2)."""
        tags = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
        if self._tag in tags or f"W/{self._tag}" in tags:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers)


def web_pages() -> Starlette:
    """The application that answers ``/`` and the files below `PREFIX`."""
    folder = files("everywire") / "console"
    found = {name: _File(name, entry.read_bytes()) for name, entry in _walk(folder)}
    front = found.pop(_PAGE)

    # Coroutines, for Starlette runs plain functions in threads.
    async def page(request: Request) -> Response:
        return front.response(request)

    async def file(request: Request) -> Response:
        wanted = found.get(request.path_params["name"])
        if wanted is None:
            raise HTTPException(404)
        return wanted.response(request)

    application = Starlette(
        routes=[Route("/", page), Route(PREFIX + "{name:path}", file)],
        exception_handlers={404: _not_found, 405: _wrong_method},
    )
    # What is not there is not somewhere else with a slash behind it.
    application.router.redirect_slashes = False
    return application


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """The files that can be sent, by their path below the folder."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif any(entry.name.endswith(suffix) for suffix in TYPES):
            yield prefix + entry.name, entry


def _not_found(request: Request, _: Exception) -> Response:
    return _refusal(RequestError("not_found", f"there is nothing at {request.url.path[:200]}"))


def _wrong_method(request: Request, _: Exception) -> Response:
    refused = _refusal(RequestError("method_not_allowed", "a page answers GET and HEAD"))
    refused.headers["allow"] = "GET, HEAD"
    return refused


def _refusal(error: RequestError) -> Response:
    """An error as everywhere else: problem details with a code."""
    answer = problem(error)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)
