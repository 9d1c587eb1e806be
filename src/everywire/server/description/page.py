"""The page at ``/docs``: both documents, as people read them.

It is made of the documents alone, so that it says what they say and nothing else, and is HTML
before it leaves the server: without scripts only copying and the choice of a theme are missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from everywire.core.errors import STATUS
from everywire.server.description.codes import CODES
from everywire.server.description.html import NOTHING, Markup, inline, join, tag
from everywire.server.description.layout import command, entry, folded, shown_json, whole_page
from everywire.server.description.members import Schema
from everywire.server.description.schema_words import default_of, members, words

Document = dict[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_NAMED: Final = "#/components/responses/"


def page(openapi: Document, asyncapi: Document) -> bytes:
    """The whole page."""
    operations = list(_operations(openapi))
    objects: dict[str, Schema] = {
        **openapi["components"]["schemas"],
        **asyncapi["components"]["schemas"],
    }
    return whole_page(
        "Everywire: the API",
        "docs/",
        "docs",
        _contents(openapi, operations, asyncapi),
        _opening(openapi),
        _section("http", "HTTP", *_tags(openapi, operations)),
        _section("wires", "Over the wires", *_channels(asyncapi)),
        _section("objects", "Objects", *_objects(objects)),
        _section("errors", "Errors", _errors()),
    )


def _operations(openapi: Document) -> Iterable[tuple[str, str, Document]]:
    """Path, method and operation, in the order of the document; a HEAD goes without saying."""
    for path, methods in openapi["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


# Around the text


def _contents(
    openapi: Document, operations: list[tuple[str, str, Document]], asyncapi: Document
) -> Markup:
    asked = [
        (f"operation-{operation['operationId']}", operation["summary"])
        for tagged in openapi["tags"]
        for _, _, operation in operations
        if tagged["name"] in operation["tags"]
    ]
    over = [(f"channel-{name}", channel["title"]) for name, channel in asyncapi["channels"].items()]
    return tag(
        "nav",
        tag(
            "ul",
            _group("http", "HTTP", asked),
            _group("wires", "Over the wires", over),
            _group("objects", "Objects", ()),
            _group("errors", "Errors", ()),
        ),
        class_="contents",
        aria_label="On this page",
    )


def _group(anchor: str, title: str, items: Iterable[tuple[str, str]]) -> Markup:
    links = [tag("li", tag("a", words, href=f"#{target}")) for target, words in items]
    inner = tag("ul", *links) if links else NOTHING
    return tag("li", tag("a", title, href=f"#{anchor}"), inner)


def _opening(openapi: Document) -> Markup:
    info = openapi["info"]
    return tag(
        "section",
        tag("h1", info["summary"]),
        tag("p", inline(info["description"])),
        tag(
            "p",
            "For machines: ",
            tag("a", "openapi.json", href="docs/openapi.json"),
            f" (OpenAPI {openapi['openapi']}, requests) and ",
            tag("a", "asyncapi.json", href="docs/asyncapi.json"),
            " (AsyncAPI, what goes over the wires).",
        ),
        class_="opening",
    )


def _section(anchor: str, title: str, *content: Markup) -> Markup:
    heading = tag("h2", title, id=f"{anchor}-heading")
    return tag("section", heading, *content, id=anchor, aria_labelledby=f"{anchor}-heading")


# Requests


def _tags(openapi: Document, operations: list[tuple[str, str, Document]]) -> Iterable[Markup]:
    shared = openapi["components"]["responses"]
    for tagged in openapi["tags"]:
        yield tag("h3", tagged["name"])
        yield tag("p", inline(tagged["description"]))
        for path, method, operation in operations:
            if tagged["name"] in operation["tags"]:
                yield _operation(path, method, operation, shared)


def _operation(path: str, method: str, operation: Document, shared: Document) -> Markup:
    title = tag(
        "h4",
        tag("span", method.upper(), class_="method"),
        " ",
        tag("code", path),
        " ",
        tag("span", operation["summary"], class_="summary"),
    )
    samples = operation.get("x-codeSamples", ())
    return tag(
        "article",
        title,
        tag("p", inline(operation["description"])),
        *(command(sample["source"]) for sample in samples),
        _labelled("Parameters", _parameters(operation.get("parameters", ()))),
        _labelled("Body", _contents_of(operation.get("requestBody", {}))),
        _labelled("Answers", _answers(operation["responses"], shared)),
        id=f"operation-{operation['operationId']}",
    )


def _labelled(label: str, content: Markup) -> Markup:
    return join([tag("h5", label), content]) if content else NOTHING


def _parameters(parameters: Iterable[Document]) -> Markup:
    entries = [
        entry(
            tag("code", each["name"]),
            join(
                [
                    tag("span", each["in"], ", ", words(each["schema"]), class_="type"),
                    " ",
                    tag("span", "required", class_="must") if each.get("required") else NOTHING,
                ]
            ),
            inline(each["description"]),
            default_of(each["schema"]),
        )
        for each in parameters
    ]
    return tag("dl", *entries) if entries else NOTHING


def _contents_of(holder: Document) -> Markup:
    """The bodies that may stand somewhere, with their examples."""
    contents = cast("dict[str, Document]", holder.get("content", {}))
    entries = [
        entry(
            tag("code", media),
            tag("span", words(content.get("schema", {})), class_="type")
            if "schema" in content
            else NOTHING,
            _examples(content.get("examples", {})),
        )
        for media, content in contents.items()
    ]
    return tag("dl", *entries) if entries else NOTHING


def _examples(examples: Document) -> Markup:
    shown = [
        join([tag("p", name, class_="name"), shown_json(example["value"])])
        for name, example in examples.items()
    ]
    return folded("Examples" if len(shown) > 1 else "Example", *shown)


def _answers(responses: Document, shared: Document) -> Markup:
    entries: list[Markup] = []
    for status, response in responses.items():
        reference = response.get("$ref", "")
        answer = shared[reference.removeprefix(_NAMED)] if reference else response
        name = tag("code", status) if status.isdigit() else tag("span", "any other")
        headers = answer.get("headers", {}).items()
        notes = [
            tag("p", tag("code", header), ": ", inline(said["description"]))
            for header, said in headers
        ]
        entries.append(
            entry(name, NOTHING, tag("p", inline(answer["description"])), *notes, _body(answer))
        )
    return tag("dl", *entries)


def _body(answer: Document) -> Markup:
    problems = [
        content for media, content in answer.get("content", {}).items() if "problem" in media
    ]
    if not problems:
        return _contents_of(answer)
    codes = [_code_link(code, "docs/errors/") for code in problems[0]["examples"]]
    return tag("p", words(problems[0]["schema"]), ": ", join(codes, ", "))


def _code_link(code: str, folder: str) -> Markup:
    return tag("a", tag("code", code), href=folder + code)


# Wires


def _channels(asyncapi: Document) -> Iterable[Markup]:
    yield tag("p", inline(asyncapi["info"]["description"]))
    known = asyncapi["components"]["messages"]
    received = {
        reference["$ref"].rpartition("/")[2]
        for operation in asyncapi["operations"].values()
        if operation["action"] == "receive"
        for reference in operation["messages"]
    }
    for name, channel in asyncapi["channels"].items():
        yield tag(
            "article",
            tag("h3", channel["title"], " ", tag("code", channel["address"])),
            tag("p", inline(channel["description"])),
            _messages("You send", [known[m] for m in channel["messages"] if m in received]),
            _messages("You get", [known[m] for m in channel["messages"] if m not in received]),
            id=f"channel-{name}",
        )


def _messages(label: str, messages: list[Document]) -> Markup:
    entries = [
        entry(
            tag("code", message["name"]),
            tag("span", words(message["payload"]), class_="type"),
            tag("p", inline(message["summary"])),
            folded("Example", *(shown_json(each["payload"]) for each in message["examples"])),
        )
        for message in messages
    ]
    return _labelled(label, tag("dl", *entries)) if entries else NOTHING


# Objects and errors


def _objects(objects: dict[str, Schema]) -> Iterable[Markup]:
    for name, schema in sorted(objects.items()):
        yield tag(
            "article",
            tag("h3", name),
            tag("p", inline(schema.get("description", ""))),
            members(schema),
            id=f"object-{name}",
        )


def _errors() -> Markup:
    about = (
        "Over HTTP an error is a `Problem`, whose `type` leads to the page about its code; over a "
        "WebSocket it is a frame, and the connection stays open. Go by the `code`."
    )
    entries = [
        entry(
            _code_link(code, "docs/errors/"),
            tag("span", str(STATUS[code]), class_="type"),
            inline(f"Again? {said.again[0].upper()}{said.again[1:]}."),
        )
        for code, said in CODES.items()
    ]
    return join([tag("p", inline(about)), tag("dl", *entries, class_="short")])
