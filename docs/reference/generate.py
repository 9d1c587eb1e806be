"""Writes docs/reference/cli.md from what the commands say of themselves.

Run it after a change to the command line: ``python docs/reference/generate.py``. A test compares.
"""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from everywire.cli import COMMANDS, cli

_OPENING = """\
# Command line

Written by `docs/reference/generate.py` from `--help`; do not edit it.

Data goes to the standard output, words to the standard error. On a terminal `everywire tail` prints
a line for people; elsewhere, and with `--json`, one JSON object a line. No colour is used where
`NO_COLOR` is set or the output is no terminal.

| Environment variable | |
|---|---|
| `EVERYWIRE_URL` | the server that `publish`, `tail` and `pipe` talk to, in place of `--url` |
| `EVERYWIRE_TOKEN` | the token they show; version 0.1 does not look at it |
| `NO_COLOR` | no colour |
"""


def reference() -> str:
    """The whole document."""
    sections = [_section("everywire", [])]
    sections += [_section(f"everywire {name}", [name]) for name in COMMANDS]
    return "\n".join([_OPENING, *sections])


def _section(title: str, arguments: list[str]) -> str:
    shown = CliRunner().invoke(
        cli, [*arguments, "--help"], prog_name="everywire", env={"COLUMNS": "80"}
    )
    return f"## {title}\n\n```text\n{shown.output.rstrip()}\n```\n"


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(reference(), encoding="utf-8")
