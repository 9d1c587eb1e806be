"""The first page in a real browser: three wires, cuts, a killed server, and the proof.

It is also the test of a browser's own WebSocket, EventSource and fetch against the server.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import Demo
from .first_page import WIRES, FirstPage, eventually

pytestmark = pytest.mark.browser

Look = Callable[..., Page]

PROVEN = r"^Nothing missing, nothing doubled across [0-9,]+ messages"


def subscribers(demo: Demo, channel: str = "machine") -> int:
    return json.loads(demo.get(f"/channels/{channel}"))["subscribers"]


def publish(demo: Demo, channel: str, data: Any, **fields: Any) -> int:
    body = json.dumps({"channel": channel, "data": data, **fields}).encode()
    return json.loads(demo.post("/publish", body))["id"]


# Loading


def test_three_wires_run_and_nothing_complains(demo: Demo, look: Look) -> None:
    """The fixture holds that the browser had nothing to say and every request was answered."""
    page = look("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(demo.url)
    first = FirstPage(page)
    first.runs()
    expect(page).to_have_title(re.compile("^Everywire"))
    for wire in WIRES:
        card = first.card(wire)
        expect(card.locator("tbody tr").first).to_have_text(re.compile(r"^[0-9]{16}.*s.*n [0-9]+"))
        expect(card.locator("path.line").last).to_have_attribute("d", re.compile("^M.*L"))
        expect(card.locator(".raw pre")).to_have_text(re.compile('"event":"load"'))
        expect(first.figure(card, "missing")).to_have_text("0")
        expect(first.figure(card, "doubled")).to_have_text("0")
    assert first.agrees() > 0
    # One request each, but for long polling, which needs one for each answer.
    assert first.figure(first.card("WebSocket"), "requests").inner_text() == "1"
    assert first.figure(first.card("SSE"), "requests").inner_text() == "1"
    assert int(first.figure(first.card("Long polling"), "requests").inner_text()) > 1
    # Nothing comes from elsewhere.
    assert [url for url in asked if not url.startswith(demo.url + "/")] == []


# Cutting


def test_a_cut_wire_comes_back_with_what_it_missed(demo: Demo, look: Look) -> None:
    """Each in its turn; the others run on."""
    first = FirstPage(look(demo.url))
    first.runs()
    for number, wire in enumerate(WIRES, start=1):
        first.switch(wire).click()
        first.is_("cut", wire)
        expect(first.switch(wire)).to_have_attribute("aria-checked", "true")
        first.is_behind(wire, 3)
        first.is_("live", *[other for other in WIRES if other != wire])
        first.switch(wire).click()
        first.is_("live", wire)
        first.says("ok", PROVEN + f" and {number} cuts?[.]$")
        note = first.card(wire).locator(".note")
        expect(note).to_have_text(re.compile("^Back after .*: [0-9]+ messages caught up in"))
        first.agrees()


def test_a_cut_really_ends_the_connections(start: Callable[..., Demo], look: Look) -> None:
    """The server knows: of four readers only the fourth is left."""
    demo = start("--log", "memory:")
    page = look(demo.url)
    first = FirstPage(page)
    first.runs()
    eventually(lambda: subscribers(demo) == 4, "four readers are connected")
    page.get_by_role("switch", name="Cut all", exact=True).click()
    first.is_("cut")
    eventually(lambda: subscribers(demo) == 1, "one reader is connected")
    for wire in WIRES:
        first.is_behind(wire, 2)
    assert subscribers(demo) == 1
    page.get_by_role("switch", name="Cut all", exact=True).click()
    first.is_("live")
    first.says("ok", PROVEN + " and 3 cuts")
    first.agrees()


def test_gaps_are_told_for_what_they_are(
    start: Callable[..., Demo], look: Look, complaints: list[str]
) -> None:
    """The log keeps two messages: who is away loses some. Then it is another log."""
    demo = start("--log", "memory:", "--rule", "machine:count=2")
    first = FirstPage(look(demo.url))
    first.runs()
    first.switch("SSE").click()
    first.is_behind("SSE", 4)
    first.switch("SSE").click()
    first.says("told", "^SSE misses [0-9]+ messages?, told by a gap. Nothing else missing")
    expect(first.figure(first.card("SSE"), "gaps")).to_have_text("1")
    expect(first.card("SSE").locator(".note")).to_contain_text("A gap was told (trimmed)")
    expect(first.card("SSE").locator(".span.gap")).to_have_count(1)
    demo.kill()
    first.is_("lost")
    demo.start()
    first.is_("live")
    first.says("told", "nothing doubled")
    for wire in WIRES:
        expect(first.figure(first.card(wire), "gaps")).to_have_text(re.compile("^[1-9]"))
        expect(first.card(wire).locator(".note")).to_contain_text("unknown_position")
    complaints.clear()


# Losing the server


def test_a_killed_server_comes_back_and_nothing_is_lost(
    start: Callable[..., Demo], look: Look, complaints: list[str], tmp_path: Path
) -> None:
    demo = start("--log", f"sqlite:{tmp_path / 'demo.db'}")
    first = FirstPage(look(demo.url))
    first.runs()
    demo.kill()
    first.is_("lost")
    demo.start()
    first.is_("live")
    expect(first.moving.locator(".state")).to_have_attribute("data-state", "live")
    first.says("ok", PROVEN + ".* and [4-9] lost connections")
    first.agrees()
    # In an order, too: a bye, a retry, an answered poll.
    assert demo.stop() == 0
    first.is_("lost")
    demo.start()
    first.is_("live")
    first.says("ok", PROVEN)
    first.agrees()
    # The browser says that there was no server; nothing else.
    assert all("ERR_CONNECTION_" in complaint for complaint in complaints), complaints
    complaints.clear()


# What the proof is worth


def test_a_loss_and_a_double_are_found_out(demo: Demo, look: Look) -> None:
    """Between server and page somebody takes a message out, and later puts one in twice."""
    page = look("about:blank")
    tampered: list[str] = []

    def tamper(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        if body["data"] and "since=" in route.request.url and len(tampered) < 2:
            tampered.append("doubled" if tampered else "lost")
            body["data"] = body["data"] * 2 if tampered[-1] == "doubled" else body["data"][1:]
        route.fulfill(response=answer, json=body)

    page.route(re.compile("/updates"), tamper)
    page.goto(demo.url)
    first = FirstPage(page)
    first.says("bad", "^Long polling misses 1 message and Long polling got 1 message twice.$")
    expect(first.figure(first.card("Long polling"), "missing")).to_have_text("1")
    expect(first.figure(first.card("Long polling"), "doubled")).to_have_text("1")
    page.unroute_all(behavior="ignoreErrors")


# The moving reader, publishing, doing it oneself


def test_a_cut_for_a_while_ends_by_itself_and_the_moving_reader_goes_on(
    demo: Demo, look: Look
) -> None:
    """The three come back after five seconds; meanwhile the fourth changes wires all around."""
    page = look(demo.url)
    first = FirstPage(page)
    first.runs()
    page.get_by_role("button", name="Cut all for 5 s").click()
    first.is_("cut")
    expect(first.card("SSE").locator(".note")).to_contain_text("In 5 s it goes on")
    for wire in ("SSE", "Long polling", "WebSocket", "SSE"):
        first.moving.get_by_role("button", name=f"Move to {wire}", exact=True).click()
        pressed = first.moving.get_by_role("button", name=wire, exact=True)
        expect(pressed).to_have_attribute("aria-pressed", "true")
        expect(first.moving.locator(".state")).to_have_attribute("data-state", "live")
    expect(first.figure(first.moving, "moves")).to_have_text("4")
    first.is_("live")
    first.says("ok", PROVEN + ", 3 cuts and 4 moves")
    first.agrees()


def test_what_is_said_comes_back_over_every_wire(
    demo: Demo, look: Look, complaints: list[str]
) -> None:
    """As text, whatever it looks like; and what is refused is said with the reason."""
    page = look(f"{demo.url}/?channel=test.said")
    first = FirstPage(page)
    first.is_("live")
    button = page.get_by_role("button", name="Publish", exact=True)
    for typed, shown in (
        ("<img src=x onerror=alert(1)>", "note: <img src=x onerror=alert(1)>"),
        ('{"a":  12345678901234567890}', 'note: {"a":'),
    ):
        page.get_by_label("Data").fill(typed)
        button.click()
        expect(page.locator("#published")).to_have_text(re.compile("^The log took it after"))
        expect(page.locator("#seen [data-seen=true]")).to_have_count(4)
        for wire in WIRES:
            expect(first.card(wire).locator("tbody tr").first).to_contain_text(shown)
        # As it was typed, byte for byte.
        kept = demo.get("/channels/test.said/messages?order=desc&limit=1").decode()
        assert typed in kept
    assert page.locator("#wires img").count() == 0
    page.get_by_label("Event", exact=True).fill("everywire.position")
    button.click()
    expect(page.locator("#published")).to_have_text(re.compile("^Not published: bad_request: "))
    complaints.clear()


def test_the_snippets_run(demo: Demo, look: Look, complaints: list[str]) -> None:
    """Each in a page of this server, and each curl in a shell."""
    page = look(demo.url, bypass_csp=True)
    FirstPage(page).runs()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for title in ("WebSocket", "Server-Sent Events", "Long polling"):
        said.clear()
        code = page.get_by_label(f"{title}, JavaScript", exact=True).inner_text()
        page.add_script_tag(content=code, type="module")
        eventually(lambda: page.title() and said, f"{title} prints a message")
        assert re.match(r"[0-9]{16} ", said[0]), said
    answers = {}
    for title in ("WebSocket", "Server-Sent Events", "Long polling", "Publish"):
        command = page.get_by_label(f"{title}, curl", exact=True).inner_text()
        words = shlex.split(command.replace("\\\n", " "))
        with subprocess.Popen(words, stdout=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            answers[title] = curl.stdout.read1()
            curl.kill()
    assert b"welcome" in answers["WebSocket"]
    assert answers["Server-Sent Events"].startswith(b"retry:")
    assert json.loads(answers["Long polling"])["data"]
    assert json.loads(answers["Publish"])["id"]
    page.close()
    complaints.clear()


# Other channels


def test_another_channel_can_be_chosen(demo: Demo, look: Look) -> None:
    page = look(demo.url)
    page.get_by_label("Channel").fill("test.other")
    page.get_by_role("button", name="Show").click()
    first = FirstPage(page)
    first.is_("live")
    publish(demo, "test.other", {"price": 185.5})
    first.says("ok", "across 1 message and 0 cuts")
    expect(first.card("SSE").locator("tbody tr").first).to_contain_text('{"price":185.5}')


def test_a_channel_that_ends_is_said_to_have_ended(demo: Demo, look: Look) -> None:
    first = FirstPage(look(f"{demo.url}/?channel=test.build"))
    first.is_("live")
    publish(demo, "test.build", "done", final=True)
    first.is_("ended")
    expect(first.switch("SSE")).to_be_disabled()
    after = look(f"{demo.url}/?channel=test.build")
    FirstPage(after).says("bad", "has ended")


def test_a_channel_that_is_none_is_refused_with_the_reason(
    demo: Demo, look: Look, complaints: list[str]
) -> None:
    page = look(f"{demo.url}/?channel=a..b")
    FirstPage(page).says("bad", "segment")
    complaints.clear()


# Everybody's page


def test_a_switch_is_worked_by_keyboard_and_says_more_than_a_colour(demo: Demo, look: Look) -> None:
    page = look(demo.url)
    first = FirstPage(page)
    first.runs()
    switch = first.switch("SSE")
    for _ in range(20):
        page.keyboard.press("Tab")
        if switch.evaluate("element => element === document.activeElement"):
            break
    expect(switch).to_be_focused()
    outline = switch.evaluate("element => getComputedStyle(element).outline")
    assert "solid" in outline
    assert not outline.endswith(" 0px")
    sign = first.card("SSE").locator(".state .sign")
    shape = "element => getComputedStyle(element, '::before').content"
    live = sign.evaluate(shape)
    page.keyboard.press("Space")
    first.is_("cut", "SSE")
    assert sign.evaluate(shape) != live
    expect(first.card("SSE").locator(".word")).to_have_text("Cut")
    page.keyboard.press("Enter")
    first.is_("live", "SSE")


def test_nothing_sticks_out_at_the_side(demo: Demo, look: Look) -> None:
    page = look(demo.url, viewport={"width": 360, "height": 800})
    first = FirstPage(page)
    first.runs()
    first.switch("Long polling").click()
    first.is_("cut", "Long polling")
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    for width in (360, 768, 1024, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def background(page: Page) -> str:
    return page.locator("body").evaluate("element => getComputedStyle(element).backgroundColor")


def test_light_and_dark_by_the_system_or_by_choice(demo: Demo, look: Look) -> None:
    page = look(demo.url, color_scheme="light")
    day = background(page)
    page.emulate_media(color_scheme="dark")
    night = background(page)
    assert night != day
    page.get_by_role("button", name="Theme: system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert background(page) == day
    page.reload()
    assert background(page) == day
    page.get_by_role("button", name="Theme: light").click()
    assert background(page) == night
