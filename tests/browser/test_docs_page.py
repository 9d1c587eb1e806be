"""The described API in a real browser: nothing from elsewhere, narrow, by keyboard, in the dark."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import Demo

pytestmark = pytest.mark.browser

Look = Callable[..., Page]

ERRORS = "/docs/errors/bad_channel"


def test_nothing_comes_from_elsewhere_and_nothing_complains(demo: Demo, look: Look) -> None:
    """The fixture holds that the browser had nothing to say."""
    page = look("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/docs", ERRORS):
        page.goto(demo.url + path)
        expect(page.get_by_role("button", name="Theme: system")).to_be_visible()
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith(demo.url + "/")] == []


@pytest.mark.parametrize("path", ["/docs", ERRORS])
@pytest.mark.parametrize("width", [360, 820, 1280])
def test_it_is_never_wider_than_the_screen(demo: Demo, look: Look, path: str, width: int) -> None:
    page = look(demo.url + path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Nor is anything in it cut off; only code scrolls by itself.
    wide = page.evaluate(
        """width => [...document.querySelectorAll("main *:not(pre *)")]
        .filter((element) => element.getBoundingClientRect().right > width + 1)
        .map((element) => element.outerHTML.slice(0, 100))""",
        width,
    )
    assert wide == []


def test_a_command_names_this_server_and_runs(demo: Demo, look: Look) -> None:
    page = look(demo.url + "/docs")
    command = page.locator("#operation-publish pre.command")
    expect(command).to_contain_text(f"{demo.url}/publish")
    done = subprocess.run(
        command.inner_text(), shell=True, stdout=subprocess.PIPE, check=True, timeout=20
    )
    assert done.stdout.startswith(b'{"id":')
    assert "127.0.0.1:8000" not in page.locator("main").inner_text()


def test_a_command_is_copied(demo: Demo, look: Look) -> None:
    page = look(demo.url + "/docs", permissions=["clipboard-read", "clipboard-write"])
    article = page.locator("#operation-health")
    article.get_by_role("button", name="Copy the command").click()
    expect(page.locator("#announcements")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == f"curl -s {demo.url}/health"


def test_by_keyboard(demo: Demo, look: Look) -> None:
    page = look(demo.url + "/docs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the text")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="openapi.json")).to_be_focused()
    page.get_by_role("link", name="Poll", exact=True).first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#operation-updates")).to_be_in_viewport()
    example = page.locator("#operation-updates summary").first
    example.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#operation-updates details").first).to_have_attribute("open", "")


def test_light_and_dark(demo: Demo, look: Look) -> None:
    shown = "getComputedStyle(document.body).backgroundColor"
    for scheme, ground in (("light", "rgb(247, 245, 240)"), ("dark", "rgb(20, 24, 27)")):
        page = look(demo.url + "/docs", color_scheme=scheme)
        assert page.evaluate(shown) == ground
    # Chosen by hand it wins, here and on the next page.
    page.get_by_role("button", name="Theme: system").click()
    assert page.evaluate(shown) == "rgb(247, 245, 240)"
    page.goto(demo.url + ERRORS)
    assert page.evaluate(shown) == "rgb(247, 245, 240)"


def test_without_scripts_everything_can_be_read(demo: Demo, look: Look) -> None:
    page = look(demo.url + "/docs", java_script_enabled=False)
    expect(page.locator("#operation-publish")).to_contain_text("curl -s http://127.0.0.1:8000")
    page.locator("#errors").get_by_role("link", name="bad_channel").click()
    expect(page.get_by_role("heading", name="bad_channel")).to_be_visible()
    page.get_by_role("link", name="All codes").click()
    expect(page.locator("#errors")).to_be_in_viewport()
