"""A name that there is not: what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from everywire.server.configuration.origins import Path
from everywire.server.configuration.rule_text import SHORT
from everywire.server.configuration.schema import (
    CHANNELS,
    RULE,
    SECTIONS,
    SERVER,
    VARIABLE_PREFIX,
    find,
    written,
)

_CUTOFF: Final = 0.6


def unknown_setting(path: Path) -> str:
    """What to say of a name in a file that is no setting's.

    Args:
        path: The name, tables included.
    """
    return f"there is no setting {written(path)}: {_meant(path)}"


def _meant(path: Path) -> str:
    name = path[-1]
    if path[0] == CHANNELS and len(path) > 2:
        return _of_rule(name)
    names = {s.path[-1]: s for s in reversed(SERVER)}
    inside = [s.path[-1] for s in SERVER if s.path[:-1] == path[:-1]]
    if len(path) == 1:
        inside += [*SECTIONS, CHANNELS]
    if len(path) > 1 and find((name,)):
        return f"{name} stands in no table; write it above the first line in brackets"
    if name in names and path[:-1] != names[name].path[:-1]:
        return f"did you mean {names[name].name}, in the table [{names[name].path[0]}]?"
    if len(path) > 1 and path[0] not in SECTIONS:
        return _near(path[0], [*SECTIONS, CHANNELS], "the table is one of")
    near = get_close_matches(name, inside, 1, _CUTOFF)
    if near:
        return f"did you mean {'.'.join((*path[:-1], near[0]))}?"
    elsewhere = get_close_matches(name, names, 1, _CUTOFF)
    if elsewhere:
        return f"did you mean {names[elsewhere[0]].name}?"
    return f"there are {', '.join(inside)}"


def _of_rule(name: str) -> str:
    keys = [setting.path[-1] for setting in RULE]
    return f"did you mean {SHORT[name]}?" if name in SHORT else _near(name, keys, "a rule has")


def _near(name: str, names: list[str], otherwise: str) -> str:
    near = get_close_matches(name, names, 1, _CUTOFF)
    return f"did you mean {near[0]}?" if near else f"{otherwise} {', '.join(names)}"


def unknown_variable(variable: str, others: tuple[str, ...]) -> str:
    """What to say of an environment variable that looks like ours and is none.

    Args:
        variable: Its name.
        others: Variables of ours that are no settings.
    """
    names = [setting.variable for setting in SERVER] + list(others)
    near = get_close_matches(variable, names, 1, _CUTOFF)
    guess = f"did you mean {near[0]}?" if near else "everywire config docs lists what there is"
    return f"there is no setting for {VARIABLE_PREFIX}…: {guess}"
