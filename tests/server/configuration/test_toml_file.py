"""What a file says, and where; what is wrong with it, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.server.configuration.toml_file import MAX_FILE_BYTES, read_file


def said(tmp_path: Path, text: str | bytes) -> dict[str, object]:
    file = write(tmp_path, text)
    layer = read_file(file)
    assert layer.problems == []
    found = {}
    for path, value, origin in layer.entries:
        assert origin.layer == "file"
        found["/".join(path)] = (value, origin.where.removeprefix(f"{file}:"))
    return found


def wrong(tmp_path: Path, text: str | bytes) -> list[str]:
    file = write(tmp_path, text)
    problems = [str(problem) for problem in read_file(file).problems]
    assert all(problem.startswith(str(file)) for problem in problems)
    return [problem.removeprefix(str(file)) for problem in problems]


def write(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "everywire.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_each_value_has_its_line(tmp_path: Path) -> None:
    text = """\
port = 9000
limits = { max_wait = "20s" }

[retention]
max_age = "7d"

[channels."chat.**"]
slow = "latest"
[channels."a.*"]
"""
    assert said(tmp_path, text) == {
        "port": (9000, "1"),
        "limits/max_wait": ("20s", "2"),
        "retention/max_age": ("7d", "5"),
        "channels/chat.**": (None, "7"),
        "channels/chat.**/slow": ("latest", "8"),
        "channels/a.*": (None, "9"),
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "[limits]\n[retention]\n", b"\r\n#\r\n"])
def test_a_file_may_say_nothing(tmp_path: Path, text: str | bytes) -> None:
    assert said(tmp_path, text) == {}


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    assert said(tmp_path, b"#\r\nport = 1\r\nhost = 'a'\r\n") == {
        "port": (1, "2"),
        "host": ("a", "3"),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nprot = 1", ":2: there is no setting prot: did you mean port?"),
        ("[limits]\nport = 1", ":2: there is no setting limits.port: port stands in no table; "),
        ("[zzz]", ":1: there is no setting zzz: there are host, port"),
        ("[zzz]\n\na = 1", ":3: there is no setting zzz.a: the table is one of"),
        ("[limits.a]\nb = 1", ":1: there is no setting limits.a"),
        ("limits = 3", ":1: limits is a table: write [limits], and its settings below"),
        ("[[limits]]\nmax_wait = 1", ":1: limits is a table"),
        ("channels = 3", ':1: channels is a table of patterns: write [channels."chat.**"]'),
        ("[[channels]]\npattern = 'a'", ":1: channels is a table of patterns"),
        ("[channels]\n'a.*' = 3", ':2: channels."a.*" is no rule: a pattern is a table'),
        ("[channels]\nslow = 'latest'", ':2: channels."slow" is no rule'),
        (
            "[channels.chat.lobby]\nslow = 'latest'",
            ':1: channels."chat".lobby is no setting; a name with dots needs quotes: '
            '[channels."chat.lobby"]',
        ),
        ("[channels.'a']\ncount = 1", ':2: there is no setting channels."a".count: did you mean'),
        ("[channels.'a']\npattern = 'b'", ':2: there is no setting channels."a".pattern'),
    ],
)
def test_names_that_there_are_not(tmp_path: Path, text: str, problem: str) -> None:
    (only,) = wrong(tmp_path, text)
    assert only.startswith(problem)


def test_all_that_is_wrong_is_said(tmp_path: Path) -> None:
    assert len(wrong(tmp_path, "a = 1\nb = 2\n[limits]\nc = 1\n[channels.x]\nd = 1")) == 4


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("port = = 1", 1, "is not TOML: "),
        ("port = 1\nport = 2", 2, "Cannot overwrite a value"),
        ("\n[channels.chat.**]\nslow = 1", 2, 'a pattern needs quotes: [channels."chat.**"]'),
        ("\nmax_wait = 7d", 2, 'a value with a unit needs quotes: "7d"'),
        ("max_data_bytes = 1.5 GiB # big", 1, 'needs quotes: "1.5 GiB"'),
        ("a = '''\n\n", 3, "is not TOML: "),
        ("a = 'x", 1, "is not TOML: "),
    ],
)
def test_what_is_not_toml(tmp_path: Path, text: str, line: int, words: str) -> None:
    (only,) = wrong(tmp_path, text)
    assert only.startswith(f":{line}: is not TOML: ")
    assert words in only
    assert "(at" not in only


def test_no_error_quotes_a_line(tmp_path: Path) -> None:
    """A secret may stand on it."""
    for text in ("key = hunter2", "key = 'hunter2", "key = hunter2 = 3", '"hunter2', "[hunter2"):
        (only,) = wrong(tmp_path, text)
        assert "hunter2" not in only


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert wrong(tmp_path, b"a = 1\nb = '\xff'") == [":2: is not UTF-8, as TOML has to be"]
    big = b"#" * (MAX_FILE_BYTES + 1)
    assert wrong(tmp_path, big) == [f": a file of settings has at most {MAX_FILE_BYTES} bytes"]
    deep = "a = " + "[" * 100_000
    (only,) = wrong(tmp_path, deep)
    assert "nested too deeply" in only or "is not TOML" in only
    (gone,) = read_file(tmp_path / "gone.toml").problems
    assert str(gone) == f"{tmp_path / 'gone.toml'}: cannot be read: No such file or directory"
    (folder,) = read_file(tmp_path).problems
    assert "cannot be read: Is a directory" in str(folder)


@given(st.one_of(st.binary(max_size=60), st.text(alphabet="ab.=[]{}\"'#\n \\_1d", max_size=60)))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: object
) -> None:
    assert isinstance(text, str | bytes)
    layer = read_file(write(tmp_path_factory.getbasetemp(), text))
    assert all(str(problem) for problem in layer.problems)
