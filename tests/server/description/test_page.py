"""The page says all that the documents say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from everywire.server.description.html import inline
from everywire.server.description.page import page

from .checking import ASYNCAPI, OPENAPI, operations

PAGE = page(OPENAPI, ASYNCAPI).decode()
TEXT = " ".join(unescape(re.sub(r"<[^>]+>", "", PAGE)).split())


def said(value: Any) -> Iterator[str]:
    """Everything that a document says in words."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("description", "summary", "source") and isinstance(inner, str):
                yield inner
            elif key != "properties" or not isinstance(inner, dict):
                yield from said(inner)
            else:
                for member in inner.values():
                    yield from said(member)
    elif isinstance(value, list):
        for inner in value:
            yield from said(inner)


def plain(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", inline(text))).split())


@pytest.mark.parametrize("part", ["info", "paths", "components", "tags"])
def test_every_word_on_requests_is_on_the_page(part: str) -> None:
    words = {words for words in said(OPENAPI[part]) if not words.endswith("(without a body)")}
    assert words
    for each in words:
        assert plain(each) in TEXT, each


def test_every_word_on_the_wires_is_on_the_page() -> None:
    parts = [ASYNCAPI["info"], ASYNCAPI["components"]["schemas"]]
    messages = ASYNCAPI["components"]["messages"].values()
    channels = ASYNCAPI["channels"].values()
    words = [
        *said(parts),
        *(message["summary"] for message in messages),
        *(channel["description"] for channel in channels),
    ]
    assert len(words) > 50
    for each in words:
        assert plain(each) in TEXT, each


def test_every_operation_channel_and_object_can_be_linked_to() -> None:
    for method, _, operation in operations():
        assert (f'id="operation-{operation["operationId"]}"' in PAGE) is (method != "HEAD")
    for name in ASYNCAPI["channels"]:
        assert f'id="channel-{name}"' in PAGE
    for document in (OPENAPI, ASYNCAPI):
        for name in document["components"]["schemas"]:
            assert f'id="object-{name}"' in PAGE
