"""Settings as a file: each with what it is for; those that are as usual are commented out.

What is written is read back to the same settings. Who has never seen the file learns from it what
can be set, in which unit, and what holds if nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

from everywire.core.rules import ChannelRule
from everywire.server.configuration.loading import default_retention
from everywire.server.configuration.origins import Path
from everywire.server.configuration.schema import CHANNELS, RULE, SECTIONS, SERVER, Setting
from everywire.server.configuration.values import plain, toml_value
from everywire.server.settings import Settings

_WIDTH: Final = 98

_OPENING: Final = """\
# Settings of an Everywire server. What is commented out shows what holds if nothing is said.
#
#   everywire config check    says whether this file can be used
#   everywire config show     says what holds, and where it comes from
#
# Variables (EVERYWIRE_PORT, EVERYWIRE_LIMITS_MAX_WAIT) win over this file, options of the command
# line over both. A SIGHUP makes a running server read the file again.
"""

_ABOUT_RULES: Final = """\
# Rules for channels: a table for each pattern. The first that covers a channel counts, whole, so
# put the special before the general. What a rule may say:
#
"""

_EXAMPLE: Final = """\
#
#[channels."prices.**"]
#slow = "latest"
#max_messages = 100
"""


def write_settings(settings: Settings) -> str:
    """A file that stands for settings.

    Args:
        settings: Those that are to hold.
    """
    parts = [_OPENING, *_plain(settings, ())]
    for section in SECTIONS:
        parts += [f"[{section}]\n", *_plain(settings, (section,))]
    parts.append(_ABOUT_RULES + "".join(_comment(_line_of_rule(rule)) for rule in RULE) + _EXAMPLE)
    # The last one is the default, which is always there.
    parts += [_rule(rule) for rule in settings.rules.rules[:-1]]
    return "\n".join(parts)


def _plain(settings: Settings, section: Path) -> Iterator[str]:
    for setting in SERVER:
        if setting.path[:-1] == section:
            usual, value = _usual(setting, settings), _value(setting, settings)
            mark = "#" if value == usual else ""
            line = f"{mark}{setting.path[-1]} = {toml_value(setting, value)}\n"
            yield _comment(setting.about) + line


def _usual(setting: Setting, settings: Settings) -> Any:
    if setting.path[0] == "retention":
        return getattr(default_retention(settings.log), setting.path[1])
    return setting.default


def _value(setting: Setting, settings: Settings) -> Any:
    found: Any = settings
    for name in setting.path:
        found = getattr(found, name)
        if found is None and name != setting.path[-1]:
            return _usual(setting, settings)
    return found


def _comment(text: str) -> str:
    lines = wrap(text.replace("`", ""), _WIDTH - 2, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _line_of_rule(setting: Setting) -> str:
    return f"{setting.path[-1]}: {setting.about}"


def _rule(rule: ChannelRule) -> str:
    lines = [f"[{CHANNELS}.{plain(rule.pattern)}]"]
    for setting in RULE:
        value = getattr(rule, setting.path[-1])
        if value != setting.default:
            lines.append(f"{setting.path[-1]} = {toml_value(setting, value)}")
    return "\n".join(lines) + "\n"
