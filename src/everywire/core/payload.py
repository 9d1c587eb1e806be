"""The one check of what is published.

JSON is passed on byte for byte, so it has to be right when it comes in: UTF-8, valid by RFC 8259,
no NaN, no number beyond a double, no lone surrogate, at most 128 levels deep. Only line breaks
between tokens become spaces, because an SSE stream ends a line there.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from everywire.core.errors import RequestError, bad_request

MAX_DEPTH: Final = 128

_decode = msgspec.json.Decoder().decode
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
# The largest double has 309 digits before its point.
_HUGE = re.compile(rb"[0-9]{309}")
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def check_json(data: bytes, what: str = "data") -> bytes:
    """Return JSON as it is passed on: on one line, without white space around it.

    Args:
        data: The bytes as published.
        what: What to call them in an error.

    Raises:
        RequestError: ``bad_request``, with what is wrong.
    """
    # Depth first: the decoder recurses.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _check_depth(data, what)
    try:
        value = _decode(data)
    except UnicodeDecodeError as error:
        raise bad_request(f"{what} is not UTF-8 (byte {error.start} of a string)") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise bad_request(f"{what} is not valid JSON: {_reason(error)}") from None
    if _HUGE.search(data) is not None:
        _check_numbers(value, what)
    if b"\n" in data or b"\r" in data:
        data = data.translate(_LINE_BREAKS)
    return data.strip(b" \t")


def _reason(error: Exception) -> str:
    text = str(error)
    if "out of range" in text or "digits" in text:
        return "a number is beyond a double"
    if text == "Input data was truncated":
        # What the decoder says of a lone surrogate at the end of the input, too.
        return "it ends too early, or holds a lone surrogate"
    return text.removeprefix("JSON is malformed: ")


def _check_depth(data: bytes, what: str) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        if bracket[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise bad_request(f"{what} is nested more than {MAX_DEPTH} levels deep")
        else:
            depth -= 1


def _check_numbers(value: Any, what: str) -> None:
    """Integers are decoded whole whatever their size; only here can one be beyond a double."""
    if isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            raise bad_request(f"{what} is not valid JSON: a number is beyond a double") from None
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _check_numbers(item, what)
    elif isinstance(value, dict):
        for item in value.values():  # pyright: ignore[reportUnknownVariableType]
            _check_numbers(item, what)


def check_size(data: bytes, limit: int) -> None:
    """Hold the limit of a message's data.

    Args:
        limit: Bytes, counted before base64.

    Raises:
        RequestError: ``too_large``.
    """
    if len(data) > limit:
        raise RequestError(
            "too_large", f"data is {len(data)} bytes; at most {limit} are allowed in a message"
        )
