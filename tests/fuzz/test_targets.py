"""Each target for a moment, the same inputs in every run; `make fuzz` looks further."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everywire.client.sse import StreamParser
from everywire.core.channels import PatternTable
from everywire.core.limits import Limits
from everywire.server.http_reader import RequestReader
from everywire.wires import frame_reader, publishing

from .mutation import cut, inputs, mangle
from .targets import TARGETS, Target

CUTS = st.lists(st.integers(0, 400), max_size=6)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_any_input(target: Target) -> None:
    try_inputs(target, 120)


def try_inputs(target: Target, examples: int) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target.corpus, target.words), CUTS)
    def check(data: bytes, cuts: Sequence[int]) -> None:
        target.check(data, cuts)

    check()


def a_stream_parser_that_minds_where_it_is_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StreamParser, "_begin", lambda self, text: text)


def frames_that_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frame_reader, "_check_utf8", lambda text: None)


def json_that_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publishing, "check_json", lambda data, what="data": data)


def patterns_that_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    covering = PatternTable.covering
    patch.setattr(PatternTable, "covering", lambda self, channel: covering(self, channel)[1:])


def heads_without_a_limit(patch: pytest.MonkeyPatch) -> None:
    head = RequestReader.head

    def generous(self: RequestReader) -> object:
        self._limits = Limits()
        return head(self)

    patch.setattr(RequestReader, "head", generous)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (a_stream_parser_that_minds_where_it_is_cut, "event streams"),
        (frames_that_are_not_checked, "frames"),
        (json_that_is_not_checked, "raw bodies"),
        (patterns_that_are_forgotten, "names"),
        (heads_without_a_limit, "http requests"),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], name: str
) -> None:
    plant(monkeypatch)
    (target,) = (target for target in TARGETS if target.name == name)
    # Which inputs are drawn depends on what else is loaded too: plenty, so that it does not matter.
    with pytest.raises((Exception, ExceptionGroup)):
        try_inputs(target, 2000)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_seeds_themselves(target: Target) -> None:
    for seed in target.corpus:
        target.check(seed, range(len(seed)))


def test_pieces_are_the_whole() -> None:
    assert cut(b"abcdef", [2, 2, 9]) == [b"ab", b"cdef"]
    assert cut(b"", [3]) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("cut", 1, 2, b""), b"ad"),
        (("repeat", 1, 2, b""), b"abcbcd"),
        (("replace", 1, 0, b"XY"), b"aXYd"),
        (("insert", 4, 0, b"X"), b"abcdX"),
        (("turn", 0, 5, b""), b"Abcd"),
        (("cut", 6, 9, b""), b"a"),
    ],
)
def test_edits(edit: tuple[str, int, int, bytes], expected: bytes) -> None:
    assert mangle(b"abcd", [edit]) == expected
