"""Writes docs/reference/cli.md, and the tables of settings.md, from what the commands say.

Run it after a change to the command line or to settings: ``python docs/reference/generate.py``. A
test compares.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from click.testing import CliRunner

from everywire.cli import COMMANDS, cli
from everywire.cli.frame import LazyGroup

_OPENING = """\
# Command line

Written by `docs/reference/generate.py` from `--help`; do not edit it.

Data goes to the standard output, words to the standard error. On a terminal `everywire tail` prints
a line for people; elsewhere, and with `--json`, one JSON object a line. No colour is used where
`NO_COLOR` is set or the output is no terminal.

| Environment variable | |
|---|---|
| `EVERYWIRE_CONFIG` | the file of settings that `serve` and `config` read, in place of `--config` |
| `EVERYWIRE_…` | a setting of a server each: [settings](settings.md) |
| `EVERYWIRE_URL` | the server of `publish`, `tail`, `pipe` and `listen`, in place of `--url` |
| `EVERYWIRE_TOKEN` | the token they show; version 0.1 does not look at it |
| `EVERYWIRE_WEBHOOK_SECRET` | what `listen` signs with, in place of `--secret-file` |
| `NO_COLOR` | no colour |
"""


BELOW = "<!-- what stands above is printed by: everywire config docs -->\n"
"""Ends what is written in settings.md; what follows is kept."""


def reference() -> str:
    """The whole document on the command line."""
    sections = [_section([])]
    for name, lazy in COMMANDS.items():
        sections.append(_section([name]))
        module, _, attribute = lazy.where.partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, LazyGroup):
            sections += [_section([name, inner]) for inner in command.lazy]
    return "\n".join([_OPENING, *sections])


def _section(arguments: list[str]) -> str:
    title = " ".join(["everywire", *arguments])
    return f"## {title}\n\n```text\n{_output(*arguments, '--help').rstrip()}\n```\n"


def settings(before: str) -> str:
    """The whole document on settings.

    Args:
        before: What it is now.
    """
    return f"{_output('config', 'docs')}\n{BELOW}{before.partition(BELOW)[2]}"


def _output(*arguments: str) -> str:
    env = {"COLUMNS": "80"}
    return CliRunner().invoke(cli, arguments, prog_name="everywire", env=env).output


if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "cli.md").write_text(reference(), encoding="utf-8")
    page = folder / "settings.md"
    page.write_text(settings(page.read_text(encoding="utf-8")), encoding="utf-8")
