"""Whoever mistypes a name is told the right one."""

from __future__ import annotations

import pytest

from everywire.server.configuration.naming import unknown_setting, unknown_variable
from everywire.server.configuration.schema import SERVER


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("prot",), "there is no setting prot: did you mean port?"),
        (("alowed_host",), "did you mean allowed_hosts?"),
        (("limts",), "did you mean limits?"),
        (("max_wait",), "did you mean limits.max_wait, in the table [limits]?"),
        (("max_wiat",), "did you mean limits.max_wait?"),
        (("limits", "max_wiat"), "did you mean limits.max_wait?"),
        (("limits", "port"), "port stands in no table; write it above the first line in brackets"),
        (("limits", "max_age"), "did you mean retention.max_age, in the table [retention]?"),
        (("limit", "max_wait"), "did you mean limits.max_wait, in the table [limits]?"),
        (("limit", "zzz"), "did you mean limits?"),
        (("chanels", "chat.**"), "did you mean channels?"),
        (("zzz", "zzz"), "the table is one of retention, limits, channels"),
        (("retention", "zzz"), "there are max_age, max_bytes"),
        (
            ("channels", "a.**", "count"),
            'no setting channels."a.**".count: did you mean max_messages?',
        ),
        (("channels", "a.**", "slwo"), "did you mean slow?"),
        (("channels", "a.**", "zzz"), "a rule has max_messages, max_age, max_bytes, slow, linger"),
    ],
)
def test_a_name_in_a_file(path: tuple[str, ...], words: str) -> None:
    assert words in unknown_setting(path)


@pytest.mark.parametrize("setting", SERVER, ids=lambda setting: setting.name)
def test_a_slip_in_any_name_is_understood(setting: object) -> None:
    path = setting.path  # type: ignore[attr-defined]
    name = path[-1]
    slip = (*path[:-1], name[:-2] + name[-1] + name[-2] + "x")
    near = unknown_setting(slip)
    # Names one letter apart stand for each other.
    assert "did you mean" in near or len(name) <= 4


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("EVERYWIRE_PROT", "did you mean EVERYWIRE_PORT?"),
        ("EVERYWIRE_MAX_WAIT", "did you mean EVERYWIRE_LIMITS_MAX_WAIT?"),
        ("EVERYWIRE_CONFG", "did you mean EVERYWIRE_CONFIG?"),
    ],
)
def test_a_variable(variable: str, words: str) -> None:
    assert words in unknown_variable(variable, ("EVERYWIRE_CONFIG",))
