"""The first page as a person uses it: by names and words, not by its inner structure."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

WIRES = ("WebSocket", "SSE", "Long polling")
KEYS = {"WebSocket": "websocket", "SSE": "eventsource", "Long polling": "longpoll"}
DEADLINE = 15.0

expect.set_options(timeout=DEADLINE * 1000)


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + DEADLINE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


class FirstPage:
    """See the module."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.headline = page.locator("#headline")
        self.moving = page.locator("#moving")

    def card(self, wire: str) -> Locator:
        return self.page.locator(f"[data-wire={KEYS[wire]}]")

    def switch(self, wire: str) -> Locator:
        return self.page.get_by_role("switch", name=f"Cut {wire}", exact=True)

    def figure(self, where: Locator, name: str) -> Locator:
        return where.locator(f"[data-figure={name}]")

    def is_(self, state: str, *wires: str) -> None:
        """Wait until wires are in a state; without any, all three."""
        for wire in wires or WIRES:
            expect(self.card(wire).locator(".state")).to_have_attribute("data-state", state)

    def says(self, kind: str, words: str) -> None:
        """Wait for a verdict."""
        expect(self.page.locator("#verdict")).to_have_attribute("data-verdict", kind)
        expect(self.headline).to_have_text(re.compile(words))

    def runs(self) -> None:
        """Everything is live, and messages have been compared."""
        self.is_("live")
        self.says("ok", "^Nothing missing, nothing doubled across")

    def is_behind(self, wire: str, least: int) -> None:
        """Wait until a wire has missed so many messages."""

        def behind() -> bool:
            found = re.search(rf"{wire} \(([0-9]+) messages? behind\)", self.headline.inner_text())
            return found is not None and int(found[1]) >= least

        eventually(behind, f"{wire} is {least} behind")

    def messages(self) -> list[int]:
        """How many messages each reader has, at one moment."""
        texts = self.page.locator("[data-figure=messages]").all_inner_texts()
        return [int(text.replace(",", "")) for text in texts]

    def agrees(self) -> int:
        """Wait until all readers have equally many messages; how many that is."""

        def equal() -> int | None:
            counts = self.messages()
            assert len(counts) == 4
            return counts[0] if len(set(counts)) == 1 else None

        return eventually(equal, "all readers have equally many messages")
