"""The page about an error code, to which a problem's ``type`` leads."""

from __future__ import annotations

from everywire.core.errors import STATUS
from everywire.server.description.codes import CODES, example
from everywire.server.description.html import NOTHING, inline, tag
from everywire.server.description.layout import shown_json, whole_page


def error_page(code: str) -> bytes:
    """The whole page about a code."""
    said = CODES[code]
    return whole_page(
        f"Everywire: {code}",
        "../",
        "../../docs",
        NOTHING,
        tag(
            "article",
            tag("h1", tag("code", code)),
            tag("p", f"HTTP status {STATUS[code]}. Try again? ", inline(said.again), "."),
            tag("h2", "What it means"),
            tag("p", inline(said.means)),
            tag("h2", "What to do"),
            tag("p", inline(said.do)),
            tag("h2", "For example"),
            shown_json(example(code)),
            tag("p", tag("a", "All codes", href="../../docs#errors")),
        ),
    )
