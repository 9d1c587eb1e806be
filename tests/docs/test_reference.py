"""The reference is the code's: nothing is missing in it, nothing invented, no default is off."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import fields
from types import ModuleType
from typing import Any

import click
import pytest

from everywire.access import (
    api_keys,
    authenticator,
    claims,
    fetching,
    refusals,
    revocations,
    tokens,
)
from everywire.access import keys as access_keys
from everywire.cli.frame import EXIT_CODES
from everywire.cli.serve import serve
from everywire.core import access, channels, pages, payload, positions, watermarks
from everywire.core.errors import CLOSE_CODE, STATUS
from everywire.core.limits import Limits
from everywire.core.rules import ChannelRule, LogRetention
from everywire.logs import base, keys, tail
from everywire.logs.memory import DEFAULT_RETENTION
from everywire.logs.sqlite import appending
from everywire.server.configuration.rule_text import SHORT, rule_keys
from everywire.server.configuration.schema import RULE, SERVER

from .markdown import ROOT, Document, read

REFERENCE = ROOT / "docs" / "reference"


def document(name: str) -> Document:
    return read(REFERENCE / name)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_line_is_what_help_says() -> None:
    written = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert written == generator().reference(), "run: python docs/reference/generate.py"


def test_every_limit_is_there_with_its_default() -> None:
    rows = document("limits.md").table_under("Limits")
    limits = Limits()
    expected = [(f"`{field.name}`", str(getattr(limits, field.name))) for field in fields(Limits)]
    assert [(row[0], row[1]) for row in rows] == expected


BOUNDS: dict[str, tuple[int, ...]] = {
    "name of a channel or pattern": (channels.MAX_NAME_BYTES,),
    "depth of JSON": (payload.MAX_DEPTH,),
    "recent messages in memory, beside a file": (tail.TAIL_BYTES >> 20, tail.TAIL_MESSAGES),
    "idempotency keys within their window": (keys.MAX_KEYS, appending.MAX_KEYS_ON_DISK),
    "watermarks and ended channels that are remembered": (watermarks.MAX_WATERMARKS,),
    "openings of a log that are remembered": (positions.MAX_HOLES,),
    "a page of an answer": (pages.PAGE_BYTES >> 20,),
    "a token or API key": (refusals.MAX_TOKEN_BYTES,),
    "patterns in a grant": (access.MAX_GRANT_PATTERNS,),
    "a `sub`, a `jti`": (claims.MAX_USER_BYTES, claims.MAX_TOKEN_ID_BYTES),
    "keys of an issuer's set; bytes of it": (access_keys.MAX_KEYS, fetching.MAX_KEY_SET_BYTES),
    "keys tried for one token": (tokens.MAX_TRIES,),
    "API keys; secrets of one": (api_keys.MAX_API_KEYS, 2),
    "tokens of which is remembered what they grant": (authenticator.MAX_REMEMBERED,),
    "revocations": (revocations.MAX_REVOCATIONS,),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_that_are_no_settings_are_those_of_the_code(name: str) -> None:
    rows = {
        row[0]: row[1] for row in document("limits.md").table_under("Bounds that are no settings")
    }
    numbers = {int(number) for number in re.findall(r"\d+", rows[name])}
    assert set(BOUNDS[name]) <= numbers


def test_as_many_channels_are_remembered_as_ended_as_have_watermarks() -> None:
    assert base.MAX_ENDED == watermarks.MAX_WATERMARKS


def test_the_settings_are_what_config_docs_says() -> None:
    written = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert generator().BELOW in written
    assert written == generator().settings(written), "run: python docs/reference/generate.py"


def test_every_setting_is_there() -> None:
    rows = [row for name in document("settings.md").headings for row in tables(name)]
    names = [setting.path[-1] for setting in (*SERVER, *RULE)]
    assert sorted(row[0].strip("`") for row in rows) == sorted(names)


def tables(heading: str) -> list[list[str]]:
    """The rows of the tables of settings: those of five cells."""
    return [row for row in document("settings.md").table_under(heading) if len(row) == 5]


def test_every_option_that_starts_a_server_is_among_the_settings() -> None:
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    options = [param for param in serve.params if isinstance(param, click.Option)]
    flags = [flag for option in options for flag in option.opts if flag.startswith("--")]
    assert flags
    for flag in flags:
        assert f"`{flag}`" in text, flag


def test_every_key_of_a_rule_is_there_with_its_field_and_default() -> None:
    rows = document("rules.md").table_under("Rules for channels")
    expected = {
        f"`{key}=`": (f"`{SHORT.get(key, key)}`", _shown(SHORT.get(key, key)))
        for key in rule_keys()
    }
    assert {row[0]: (row[1], row[2].strip("`")) for row in rows} == expected


def _shown(field: str) -> str:
    value: Any = getattr(ChannelRule(), field)
    if value is None:
        return "as the log" if field == "max_age" else "any number"
    return str(value)


def test_what_the_whole_log_keeps_is_what_it_says() -> None:
    rows = {row[0]: row[2:] for row in document("rules.md").table_under("The whole log")}
    file = LogRetention()
    assert file.max_age == 7 * 86_400
    assert file.max_bytes == 1024**3
    assert LogRetention(3600, 256 * 1024**2) == DEFAULT_RETENTION
    assert rows == {"`--keep-age`": ["7 days", "1 hour"], "`--keep-size`": ["1 GiB", "256 MiB"]}


@pytest.mark.parametrize(
    "where", [lambda: document("errors.md"), lambda: read(ROOT / "docs" / "protocol.md")]
)
def test_every_code_is_there_with_its_status(where: Callable[[], Document]) -> None:
    rows = where().table_under("Errors")
    assert {row[0].strip("`"): int(row[1]) for row in rows} == STATUS


def test_every_code_has_a_section_of_its_own() -> None:
    headings = document("errors.md").headings
    assert [heading for heading in headings if heading in STATUS] == list(STATUS)


def test_the_close_codes_are_the_same_everywhere() -> None:
    protocol = {row[0] for row in read(ROOT / "docs" / "protocol.md").table_under("Close codes")}
    reference = {row[0] for row in document("errors.md").table_under("Close codes of a WebSocket")}
    assert reference - protocol == {"1000, or the client's own"}
    assert protocol <= reference
    assert {str(code) for code in CLOSE_CODE.values()} <= protocol


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    rows = document("errors.md").table_under("Exit codes of the command line")
    assert [row[0] for row in rows] == [code for code, _ in EXIT_CODES]
