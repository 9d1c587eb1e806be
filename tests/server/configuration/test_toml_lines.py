"""The line of a key is where a reader would look for it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.server.configuration.toml_lines import line_of, lines_of
from everywire.server.configuration.values import plain

FILE = """\
# port = 1
port = 2
allowed_hosts = [   # over
    "a]",
    "port = 3",

    "b",
]

[limits]
max_wait = '''
[retention]
'''
  "max_batch"   =   5

[channels."chat.**"]
slow = "latest"
[channels]
'a=b'.max_age = 1
inline = { max_age = 1, slow = "latest" }
[ channels . "x.y" ]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("port",), 2),
        (("allowed_hosts",), 3),
        (("limits",), 10),
        (("limits", "max_wait"), 11),
        (("limits", "max_batch"), 14),
        (("channels", "chat.**"), 16),
        (("channels", "chat.**", "slow"), 17),
        (("channels", "a=b", "max_age"), 19),
        (("channels", "inline", "slow"), 20),
        (("channels", "x.y"), 21),
        (("channels", "x.y", "slow"), 21),
        (("retention",), None),
        (("nothing", "at all"), None),
    ],
)
def test_where_a_key_stands(path: tuple[str, ...], line: int | None) -> None:
    assert line_of(lines_of(FILE), path) == line


def test_a_list_of_tables_stands_where_its_first_does() -> None:
    lines = lines_of("a = 1\n[[issuers]]\nname = 1\n[[issuers]]\nname = 2\n")
    assert line_of(lines, ("issuers",)) == 2


def test_a_long_list_is_gone_through_once() -> None:
    text = "allowed_hosts = [\n" + '  "host.example",\n' * 20_000 + "]\nport = 1\n"
    assert lines_of(text) == {("allowed_hosts",): 1, ("port",): 20_003}


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(st.integers(), st.booleans(), NAMES, st.lists(NAMES))


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.dictionaries(NAMES, VALUES, max_size=6))
def test_every_key_of_any_file_is_found(top: dict[str, object], table: dict[str, object]) -> None:
    lines = [f"{plain(name)} = {plain(value)}" for name, value in top.items()]
    lines += ["", '["\\u0000 table"]']
    lines += [f"{plain(name)} = {plain(value)} # {plain(name)}" for name, value in table.items()]
    text = "\n".join(lines)
    tomllib.loads(text)
    found = lines_of(text)
    expected = {(name,): number for number, name in enumerate(top, 1)}
    expected["\0 table",] = len(top) + 2
    expected |= {("\0 table", name): number for number, name in enumerate(table, len(top) + 3)}
    assert found == expected
