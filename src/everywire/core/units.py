"""What a setting counts: the types of the fields of settings, limits and rules.

A type says the unit and the range, once, where the field is declared. Whoever reads a setting from
a file, the environment or the command line learns from it what is allowed and which units may be
written (``"7d"``, ``"1GiB"``); whoever uses the field sees a plain number or text. Nothing is
checked when an object is made in Python.

The ranges are generous: they keep out what no machine can mean, not what is unwise.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

Unit = Literal["seconds", "milliseconds", "bytes"]

MAX_SECONDS: Final = 100 * 365 * 86_400
MAX_BYTES: Final = 1024**5
MAX_COUNT: Final = 1_000_000_000

_SECONDS: Final = {"unit": "seconds"}
_MILLISECONDS: Final = {"unit": "milliseconds"}
_BYTES: Final = {"unit": "bytes"}

Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS, extra=_SECONDS)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS, extra=_SECONDS)]
WholeSeconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS, extra=_SECONDS)]
Milliseconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS * 1000, extra=_MILLISECONDS)]
Bytes = Annotated[int, Meta(ge=0, le=MAX_BYTES, extra=_BYTES)]
PositiveBytes = Annotated[int, Meta(ge=1, le=MAX_BYTES, extra=_BYTES)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
PositiveCount = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Port = Annotated[int, Meta(ge=0, le=65_535)]

Name = Annotated[str, Meta(min_length=1, max_length=255)]
"""A word or a name that must not be empty."""

Secret = Annotated[str, Meta(extra={"hidden": "whole"})]
"""A text that is never shown: not by a command, not in an error, not in a log."""

Url = Annotated[str, Meta(min_length=1, max_length=4096, extra={"hidden": "password"})]
"""A URL; a password in it is never shown."""

HostName = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+)$",
        max_length=255,
        extra={"allowed": "a host name or address without a port, such as push.example; or *"},
    ),
]

WebOrigin = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[A-Za-z][A-Za-z0-9+.-]*://[^/\s]+/?)$",
        max_length=1024,
        extra={"allowed": "the origin of a page, such as https://app.example; or *"},
    ),
]
