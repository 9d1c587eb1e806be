"""Inputs that get far: pieces of good ones, mangled a little.

Random bytes are refused at the first look. So an input is one to three seeds of a target's corpus,
one behind the other, with a few edits: something cut out, repeated, replaced, put in (a word that
means something to the parser, a number at the edge of what fits, a bit turned over), or exchanged
with a piece of another seed. Hypothesis draws all of it, so what fails is made small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

Edit = tuple[str, int, int, bytes]

NUMBERS = [
    b"0",
    b"-1",
    b"00",
    b"1e309",
    b"9007199254740991",
    b"9007199254740992",
    b"18446744073709551616",
    b"9" * 400,
]
BYTES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8"]

KINDS = st.sampled_from(["cut", "repeat", "replace", "insert", "turn"])


def inputs(corpus: Sequence[bytes], words: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """Mangled seeds.

    Args:
        corpus: Inputs that are good, or interesting.
        words: What means something to the parser.
    """
    seeds = st.lists(st.sampled_from(list(corpus)), min_size=1, max_size=3).map(b"".join)
    mangled = st.builds(mangle, seeds, edits([*words, *NUMBERS, *BYTES, *corpus]))
    return st.one_of(mangled, st.binary(max_size=64))


def edits(words: Sequence[bytes]) -> st.SearchStrategy[list[Edit]]:
    """A few edits; what they put in is one of some words, or any bytes."""
    new = st.sampled_from(list(words)) | st.binary(max_size=8)
    return st.lists(st.tuples(KINDS, st.integers(0, 400), st.integers(0, 12), new), max_size=4)


def mangle(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Apply edits, each at a place that is there."""
    for kind, where, count, new in edits:
        at = where % (len(data) + 1)
        if kind == "cut":
            data = data[:at] + data[at + count :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + count] * 2 + data[at + count :]
        elif kind == "replace":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << count % 8]) + data[at + 1 :]
    return data


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The same bytes in pieces; none is empty."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[a:b] for a, b in pairwise(places)]
