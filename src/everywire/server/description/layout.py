"""What every page here has around it, and the few shapes that they share."""

from __future__ import annotations

import json
from typing import Any, Final

import everywire
from everywire.server.description.html import NOTHING, Markup, join, tag
from everywire.server.description.shapes import BASE

STYLE: Final = "docs.css"
SCRIPT: Final = "docs.js"
THEME: Final = "theme.js"
ICON: Final = "icon.svg"

_DOCTYPE: Final = Markup("<!doctype html>\n")


def whole_page(title: str, folder: str, home: str, contents: Markup, *main: Markup) -> bytes:
    """A page.

    Args:
        title: Its title.
        folder: Where its files are, relative to it.
        home: Where the first page of these is, relative to it.
        contents: Links to what is on it; nothing, if there are none.
        main: What it says.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href=folder + ICON, type="image/svg+xml"),
        tag("link", rel="stylesheet", href=folder + STYLE),
        tag("script", src=folder + THEME),
        tag("script", src=folder + SCRIPT, type="module"),
    )
    mark = tag("img", src=folder + ICON, alt="", width="26", height="26")
    top = tag(
        "header",
        tag("a", mark, f" Everywire {everywire.__version__}", class_="brand", href=home),
        tag("button", "Theme", id="theme", type="button"),
        class_="top",
    )
    middle = tag("main", *main, id="main", tabindex="-1", data_base=BASE)
    body = tag(
        "body",
        tag("a", "Skip to the text", class_="skip", href="#main"),
        top,
        tag("div", contents, middle, class_="columns" if contents else "column"),
        tag("p", id="announcements", class_="hidden", aria_live="polite"),
    )
    return (_DOCTYPE + tag("html", head, body, lang="en")).encode()


def command(text: str) -> Markup:
    """A command of the shell, which can be copied (docs.js)."""
    return tag("pre", tag("code", text), class_="command", tabindex="0")


def shown_json(value: Any) -> Markup:
    """A value as JSON, as people like to read it: short ones on one line."""
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > _ONE_LINE:
        shown = json.dumps(value, ensure_ascii=False, indent=2)
    return tag("pre", tag("code", shown), tabindex="0")


_ONE_LINE: Final = 60


def folded(summary: str, *content: Markup) -> Markup:
    """Something that is shown when it is asked for; nothing, if there is nothing in it."""
    inner = join(content)
    return tag("details", tag("summary", summary), inner) if inner else NOTHING


def entry(name: Markup, notes: Markup, *content: Markup) -> Markup:
    """An entry of a ``dl``."""
    return tag("div", tag("dt", name, " ", notes), tag("dd", *content))
