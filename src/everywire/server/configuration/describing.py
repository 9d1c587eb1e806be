"""The reference of all settings, in Markdown, written from the types and docstrings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from everywire.server.configuration.environment import CHANNELS_VARIABLE
from everywire.server.configuration.origins import Path
from everywire.server.configuration.reloading import reloads
from everywire.server.configuration.schema import PATTERN, RULE, SECTIONS, SERVER, Setting
from everywire.server.configuration.values import toml_value

_OPENING: Final = """\
# Settings

What a server is started with, from four places. Each wins over those below it:

1. options of the command line, such as `--port 9000`;
2. environment variables: `EVERYWIRE_` and the name in capitals, `_` for each dot, as in
   `EVERYWIRE_LIMITS_MAX_WAIT=20s`;
3. a TOML file: the one that `--config` or `EVERYWIRE_CONFIG` names, else everywire.toml in the
   working directory where there is one;
4. the default.

A name that is no setting is an error in each of them, and so is a value that is not allowed.

Durations are a number and `ms`, `s`, `m`, `h`, `d` or `w`; sizes a number and `k`, `M`, `G` or
`T`, with or without `B` or `iB`, 1024 each; case does not matter, fractions are allowed. In a file
such a value is in quotes (`"7d"`); a bare number counts seconds, milliseconds (where the name ends
in `_ms`) or bytes. A list in a variable has commas between its items.

A setting marked *live* takes a new value when the server is told to read its settings again
(`SIGHUP`); the others need a restart. Connections that are open keep the limits of frames, heads
and bodies they began with.
"""

_RULES: Final = f"""\
## Rules for channels, [channels."{PATTERN}"]

A table for each pattern. The first rule that covers a channel counts, whole: what it leaves open
is the default, and not the next rule's. A rule of the environment (`{CHANNELS_VARIABLE}`, with
spaces between rules) or the command line (`--rule`) is `PATTERN:KEY=VALUE,…`. It changes the keys
it names in the file's rule for the same pattern; where the file has none, it goes ahead of all
rules of the file.
"""


_HEAD: Final = "| Setting | Option | Default | | Meaning |\n|---|---|---|---|---|"


def reference(options: Mapping[Path, str]) -> str:
    """The whole reference.

    Args:
        options: The option of the command line that sets a setting.
    """
    parts = [_OPENING, "## The server\n", _table(_of(()), options)]
    for section, title in SECTIONS.items():
        parts += [f"## {title}, [{section}]\n", _table(_of((section,)), options)]
    parts += [_RULES, _table(RULE, options)]
    return "\n".join(parts)


def _of(section: Path) -> list[Setting]:
    return [setting for setting in SERVER if setting.path[:-1] == section]


def _table(settings: Iterable[Setting], options: Mapping[Path, str]) -> str:
    rows = [_row(setting, options.get(setting.path, "")) for setting in settings]
    return "\n".join(
        ("| Setting | Option | Default | | Meaning |", "|---|---|---|---|---|", *rows, "")
    )


def _row(setting: Setting, option: str) -> str:
    name = setting.path[-1]
    cells = (
        f"`{name}`",
        f"`{option}`" if option else "",
        _default(setting),
        "live" if reloads(setting.path) else "",
        _sentence(setting.about),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(setting: Setting) -> str:
    if setting.path[0] == "retention":
        return "by the log"
    value: Any = setting.default
    if value is None or value == ():
        return "none"
    return f"`{toml_value(setting, value)}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
