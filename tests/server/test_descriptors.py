"""File descriptors: the limit is raised, some are kept, and what is short is said and counted."""

from __future__ import annotations

import errno
import logging
import os
import resource
from types import SimpleNamespace
from typing import Any

import pytest

from everywire.server import descriptors
from everywire.server.counters import Counters
from everywire.server.descriptors import KEPT_FREE, Descriptors, raise_limit

LOGGER = "everywire.server"


class Limit:
    """The system's limit, as a process sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = (soft, hard)
        self.refuses = False
        monkeypatch.setattr(resource, "getrlimit", lambda what: self.now)
        monkeypatch.setattr(resource, "setrlimit", self.set)

    def set(self, what: int, limit: tuple[int, int]) -> None:
        assert what == resource.RLIMIT_NOFILE
        if self.refuses:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limit


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 524_288), (524_288, 524_288)),
        ((4096, 4096), (4096, 4096)),
        ((1024, resource.RLIM_INFINITY), (1_048_576, resource.RLIM_INFINITY)),
        ((resource.RLIM_INFINITY,) * 2, (resource.RLIM_INFINITY,) * 2),
        ((2_000_000, resource.RLIM_INFINITY), (2_000_000, resource.RLIM_INFINITY)),
    ],
)
def test_the_limit_is_raised_to_what_there_may_be(
    before: tuple[int, int],
    after: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit = Limit(monkeypatch, *before)
    with caplog.at_level(logging.INFO, LOGGER):
        raise_limit()
    assert limit.now == after
    said = [record.getMessage() for record in caplog.records]
    raised = f"file descriptors: {after[0]} (were {before[0]})"
    assert said == ([raised] if before != after else [])


def test_a_limit_that_cannot_be_raised_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit = Limit(monkeypatch, 1024, 4096)
    limit.refuses = True
    raise_limit()
    assert limit.now == (1024, 4096)
    assert "1024; 4096 are not to be had: not allowed" in caplog.text


def test_systems_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", None)
    raise_limit()
    watch = watching(FakeNode())
    watch.start()
    assert watch.enough_for(10**9)


class FakeNode:
    """As much of a node as is needed, on a clock of the test's."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.door = SimpleNamespace(connections=7)
        self.now = 0.0

    def time(self) -> float:
        return self.now


def watching(node: Any) -> Descriptors:
    return Descriptors(node)


def test_some_are_kept_for_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(monkeypatch, 1000, 1000)
    monkeypatch.setattr(descriptors, "_count_open", lambda: 20)
    watch = watching(FakeNode())
    watch.start()
    most = 1000 - 20 - KEPT_FREE
    assert watch.enough_for(most)
    assert not watch.enough_for(most + 1)
    # It is changed from outside.
    limit.now = (100, 1000)
    watch.tick()
    assert watch.enough_for(100 - 20 - KEPT_FREE)
    assert not watch.enough_for(most)
    limit.now = (10, 1000)
    watch.tick()
    assert watch.enough_for(1), "a server that takes nobody cannot be stopped by a request"
    limit.now = (resource.RLIM_INFINITY,) * 2
    watch.tick()
    assert watch.enough_for(10**9)


def test_that_they_are_used_up_is_said_once_a_minute_and_that_they_are_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The defence: a clear line, that does not fill the disk as well."""
    node = FakeNode()
    watch = watching(node)
    watch.start()
    used_up = True
    opens = os.open

    def refusing(path: Any, *rest: Any) -> int:
        if used_up:
            raise OSError(errno.EMFILE, "Too many open files")
        return opens(path, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(130):
            node.now += 1
            watch.tick()
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
        assert "used up, with 7 connections" in caplog.text
        assert "ulimit -n" in caplog.text
        assert node.counters.descriptors_used_up == 130
        caplog.clear()
        used_up = False
        for _ in range(3):
            node.now += 1
            watch.tick()
    assert [record.getMessage() for record in caplog.records] == [
        "there are file descriptors again, after 130 seconds"
    ]


def test_connections_that_were_refused_are_said_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = FakeNode()
    watch = watching(node)
    watch.start()
    watch.tick()
    assert caplog.text == ""
    for _ in range(1000):
        watch.refused()
    assert caplog.text.count("used up") == 1
    assert node.counters.connections_refused_full == 1000
    caplog.clear()
    with caplog.at_level(logging.INFO, LOGGER):
        watch.tick()
    assert "descriptors again" in caplog.text


def test_what_is_open_is_counted() -> None:
    before = descriptors._count_open()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
    try:
        assert descriptors._count_open() == before + 10
    finally:
        for one in opened:
            os.close(one)
