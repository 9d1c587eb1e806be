"""The one check of what is published.

JSON is passed on byte for byte, so it has to be right when it comes in: UTF-8, valid by RFC 8259,
no NaN, no number beyond a double, no lone surrogate, at most 128 levels deep. Only line breaks
between tokens become spaces, because an SSE stream ends a line there.

The decoder of msgspec checks nearly all of it while it decodes. Two things it leaves open, and
each is looked for only where a cheap test says that it could be there:

* depth: it recurses as deep as Python lets it, so brackets are counted before;
* integers: it decodes them whole whatever their size, so a long run of digits is looked at after.

Both look at the text outside strings, and take time in proportion to its length, whatever it is.
"""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from everywire.core.errors import RequestError, bad_request

MAX_DEPTH: Final = 128
"""Levels of arrays and objects; the outermost is 1."""

_HUGE_DIGITS: Final = 309
"""Digits before the point of the largest double; fewer are always within it."""

_decode = msgspec.json.Decoder().decode
# As numbers: looking for one byte is several times as fast as looking for bytes of length one.
_LF: Final = ord("\n")
_CR: Final = ord("\r")
_LINE_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_NO_BRACKETS_OR_QUOTES: Final = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_DIGITS: Final = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def check_json(data: bytes, what: str = "data") -> bytes:
    """Return JSON as it is passed on: on one line, without white space around it.

    Args:
        data: The bytes as published.
        what: What to call them in an error.

    Raises:
        RequestError: ``bad_request``, with what is wrong.
    """
    size = len(data)
    # Before it is decoded: the decoder recurses.
    if size > MAX_DEPTH and data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _check_depth(data, what)
    try:
        _decode(data)
    except UnicodeDecodeError as error:
        raise bad_request(f"{what} is not UTF-8 (byte {error.start} of a string)") from None
    except RecursionError:
        # Deep and never closed, so not counted above.
        raise _too_deep(what) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise bad_request(f"{what} is not valid JSON: {_reason(error)}") from None
    if size >= _HUGE_DIGITS and b"0" * _HUGE_DIGITS in data.translate(_DIGITS):
        _check_numbers(data, what)
    if _LF in data or _CR in data:
        data = data.translate(_LINE_BREAKS)
    return data.strip(b" \t")


def _reason(error: Exception) -> str:
    text = str(error)
    if "out of range" in text:
        return "a number is beyond a double"
    if text == "Input data was truncated":
        # What the decoder says of a lone surrogate at the end of the input, too.
        return "it ends too early, or holds a lone surrogate"
    return text.removeprefix("JSON is malformed: ")


def _too_deep(what: str) -> RequestError:
    return bad_request(f"{what} is nested more than {MAX_DEPTH} levels deep")


def _unquoted(data: bytes) -> bytes:
    """JSON without the quotes inside strings, so that each quote begins or ends one.

    A regular expression for whole strings would try an unclosed one again at each of its quotes:
    quadratic.
    """
    if b"\\" not in data:
        return data
    return data.replace(b"\\\\", b"").replace(b'\\"', b"")


def _check_depth(data: bytes, what: str) -> None:
    # Most strings hold no brackets: two quotes side by side are left of them.
    plain = _unquoted(data).translate(None, _NO_BRACKETS_OR_QUOTES).replace(b'""', b"")
    depth = 0
    for bracket in b"".join(plain.split(b'"')[::2]):
        if bracket in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(what)
        else:
            depth -= 1


def _check_numbers(data: bytes, what: str) -> None:
    """Look at the numbers as they stand in the text: of a key that stands twice, both."""
    for number in _NUMBER.findall(b"".join(_unquoted(data).split(b'"')[::2])):
        if len(number) >= _HUGE_DIGITS and math.isinf(float(number)):
            raise bad_request(f"{what} is not valid JSON: a number is beyond a double")


def check_size(data: bytes, limit: int) -> None:
    """Hold the limit of a message's data.

    Args:
        data: The data, decoded from base64 where it came so.
        limit: Bytes.

    Raises:
        RequestError: ``too_large``.
    """
    if len(data) > limit:
        raise RequestError(
            "too_large", f"data is {len(data)} bytes; at most {limit} are allowed in a message"
        )
