"""Debian's chromium, and the demo it looks at."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from support.processes import ServerProcess

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Demo(ServerProcess):
    """``everywire demo`` in a process of its own, found by the first line of its banner."""

    command = "demo"
    started = re.compile(r"Open\s+(http://\S+)/$")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser.

    Not for the whole session: while Playwright runs, nothing else may run a loop in this thread.
    """
    assert os.access(CHROMIUM, os.X_OK), (
        f"these tests drive {CHROMIUM}, which is not there: apt-get install chromium"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    """A demo that tests share."""
    server = Demo("--log", "memory:")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    """Starts demos with other options."""
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(*arguments))
        return started[-1].start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained of. A test that expects some has to empty the list."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def look(chromium: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens pages, each with nothing remembered; options are those of a browser context."""
    contexts: list[Any] = []

    def look(url: str, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("response", lambda answer: complain_of_failure(answer, complaints))
        page.goto(url)
        return page

    yield look
    for context in contexts:
        context.close()


def complain_of_failure(answer: Any, complaints: list[str]) -> None:
    if answer.status >= 400:
        complaints.append(f"{answer.status}: {answer.url}")
