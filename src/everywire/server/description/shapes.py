"""What an entry of `operations` is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from everywire.server.description.parameters import Parameter

BASE: Final = "http://127.0.0.1:8000"
"""The server in every command: where ``everywire serve`` listens."""

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True)
class Body:
    """A body, of a request or an answer.

    Attributes:
        media: Its type.
        holds: The structs of which it is one; none: it is no JSON of ours.
        listed: Whether it may be a list of the (only) struct as well.
        examples: By name, what it may look like.
    """

    media: str
    holds: tuple[type[msgspec.Struct], ...] = ()
    listed: bool = False
    examples: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status.
        about: When it is given.
        bodies: What it holds, one for each media type.
        headers: What they say, by name.
    """

    status: int
    about: str
    bodies: tuple[Body, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Operation:
    """What can be asked.

    Attributes:
        route: The name of its route.
        tag: What it belongs to.
        summary: In a few words.
        about: In more.
        parameters: What it takes beside a body.
        bodies: What it takes as one, by media type.
        answers: What it answers, but errors.
        errors: Codes that are its own.
        curl: A command that shows it, against `BASE`.
    """

    route: str
    tag: str
    summary: str
    about: str
    answers: tuple[Answer, ...]
    curl: str
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[Body, ...] = ()
    errors: tuple[str, ...] = ()
