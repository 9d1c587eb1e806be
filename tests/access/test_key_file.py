"""access.key_file: the file that API keys are in."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from everywire.access.api_keys import KeyRing
from everywire.access.key_file import KeyFile
from everywire.core.errors import UsageError


def create(file: KeyFile, name: str) -> str:
    return file.change(lambda ring: ring.create(name, {"**": ["publish"]}, 1000))


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "everywire.keys")


def test_keys_are_there_for_who_reads_it_next(file: KeyFile) -> None:
    text = create(file, "backend")
    other = KeyFile(file.path)
    assert other.load()
    assert other.ring.check(text, 1000).key == "backend"
    assert not other.load()
    assert text not in file.path.read_text()


def test_it_is_for_nobody_but_its_owner(file: KeyFile) -> None:
    before = os.umask(0)
    try:
        create(file, "backend")
        create(file, "other")
    finally:
        os.umask(before)
    for path in file.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(file: KeyFile, mode: int) -> None:
    create(file, "backend")
    file.path.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        KeyFile(file.path).load()
    with pytest.raises(UsageError, match="chmod 600"):
        create(KeyFile(file.path), "other")


def test_there_need_not_be_one(file: KeyFile) -> None:
    assert not file.load()
    assert file.ring.keys == {}


def test_a_file_that_is_gone_takes_its_keys_with_it(file: KeyFile) -> None:
    create(file, "backend")
    file.path.unlink()
    assert file.load()
    assert file.ring.keys == {}
    assert not file.load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"keys": 7}',
        '{"keys": {}, "version": 2}',
        '{"keys": {}, "more": 1}',
        '{"keys": {"A": {"grants": {}, "created_ms": 0, "secrets": []}}}',
        '{"keys": {"a": {"grants": {"b..": []}, "created_ms": 0, "secrets": []}}}',
        '{"keys": {"a": {"grants": {"b": ["all"]}, "created_ms": 0, "secrets": []}}}',
        '{"keys": {"a": {"grants": {}, "created_ms": 0, "secrets": [], "admins": true}}}',
    ],
)
def test_what_cannot_be_read_leaves_the_keys_as_they_were(file: KeyFile, text: str) -> None:
    key = create(file, "backend")
    file.path.write_text(text)
    with pytest.raises(UsageError, match="is no file of API keys"):
        file.load()
    assert file.ring.check(key, 1000).key == "backend"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        KeyFile(tmp_path).load()


def test_a_place_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        create(KeyFile(tmp_path / "nowhere" / "keys"), "backend")


def test_a_write_that_fails_leaves_the_file_as_it_was(
    file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(file, "backend")
    before = file.path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UsageError, match="disk full"):
        create(file, "other")
    assert file.path.read_bytes() == before
    monkeypatch.undo()
    create(file, "other")
    assert set(json.loads(file.path.read_text())["keys"]) == {"backend", "other"}


def test_changes_at_the_same_time_are_all_made(file: KeyFile) -> None:
    names = [f"k{number}" for number in range(8)]
    threads = [
        threading.Thread(target=lambda name=name: create(KeyFile(file.path), name))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.load()
    assert set(file.ring.keys) == set(names)


def test_a_change_that_is_refused_writes_nothing(file: KeyFile) -> None:
    def change(ring: KeyRing) -> tuple[KeyRing, None]:
        return ring.revoke("backend"), None

    with pytest.raises(UsageError, match="no API key 'backend'"):
        file.change(change)
    assert not file.path.exists()
