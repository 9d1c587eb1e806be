"""What a document says one sees in a browser, seen in one.

Directives::

    browser: open URL
    browser: shows TEXT        once, somewhere on the page
    browser: lacks TEXT        nowhere
    browser: close
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .terminals import DEADLINE

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


class Browser:
    """A browser that is started when it is needed.

    Args:
        real: Turns an address of the document into that of this run.
    """

    def __init__(self, real: Callable[[str], str]) -> None:
        self._real = real
        self._stack = ExitStack()
        self._context: BrowserContext | None = None
        self._page: Page | None = None

    def obey(self, directive: str, where: str) -> None:
        """Do, or see, what a directive says."""
        verb, _, what = directive.partition(" ")
        if verb == "open":
            self._page = self._new_page()
            self._page.goto(self._real(what))
            return
        page = self._page
        assert page is not None, f"{where}: no page is open"
        if verb == "shows":
            page.get_by_text(what, exact=True).wait_for(timeout=DEADLINE * 1000)
        elif verb == "lacks":
            assert page.get_by_text(what, exact=True).count() == 0, f"{where}: {what!r} is shown"
        elif verb == "close":
            page.close()
            self._page = None
        else:
            raise AssertionError(f"{where}: there is no directive 'browser: {directive}'")

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def _new_page(self) -> Page:
        if self._context is None:
            from playwright.sync_api import sync_playwright

            chromium = shutil.which("chromium")
            assert chromium, "chromium is needed for these tests: make test says how"
            playwright = self._stack.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            self._stack.callback(browser.close)
            self._context = browser.new_context()
        return self._context.new_page()
