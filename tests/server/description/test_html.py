"""Markup: what is text stays text."""

from __future__ import annotations

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from everywire.server.description.html import Markup, inline, join, tag, text


@given(st.text())
def test_no_text_becomes_markup(value: str) -> None:
    for made in (text(value), join([value]), inline(value.replace("`", "").replace("*", ""))):
        assert "<" not in made
        assert ">" not in made
    for made in (tag("p", value), tag("a", href=value)):
        assert made.count("<") == made.count(">") == 2
    assert unescape(tag("p", value)) == f"<p>{value}</p>"


def test_markup_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "a & b")) == "<p><b>a &amp; b</b></p>"
    assert text(Markup("<i>")) == "<i>"
    assert join([tag("b", "1"), "<"], ", ") == "<b>1</b>, &lt;"


def test_attributes() -> None:
    assert tag("a", "x", class_="c", aria_label='"') == '<a class="c" aria-label="&quot;">x</a>'
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_the_little_markdown_there_is() -> None:
    assert inline("a `b<` **c** [d](e.md#f) & g") == "a <code>b&lt;</code> <b>c</b> d &amp; g"
    assert inline("`**` as the last") == "<code>**</code> as the last"
    assert inline("") == ""
