"""Building HTML: what is not markup already is escaped, so that no text becomes any by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

_INLINE: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)\s]+\)")


class Markup(str):
    """HTML that is finished."""

    __slots__ = ()


NOTHING: Final = Markup()


def text(value: str) -> Markup:
    """A text as markup; markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(escape(value))


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one behind the other."""
    return Markup(text(between).join(text(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str) -> Markup:
    """An element.

    Args:
        name: Its name; one that is void has no content and no end.
        content: Text and markup.
        attributes: By name; ``class_`` is ``class``, and an underscore within is a hyphen.
    """
    head = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    end = "" if name in ("meta", "link", "img") else f"</{name}>"
    return Markup(f"<{name}{head}>{join(content)}{end}")


def inline(markdown: str) -> Markup:
    """Markdown's code and bold. Of a link the words are left, for pages here have other places."""
    parts: list[str] = []
    end = 0
    for found in _INLINE.finditer(markdown):
        parts.append(markdown[end : found.start()])
        code, bold, words = found.groups()
        parts.append(tag("code", code) if code else tag("b", bold) if bold else words)
        end = found.end()
    parts.append(markdown[end:])
    return join(parts)
