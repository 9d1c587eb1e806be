"""The reference has every setting, and is Markdown."""

from __future__ import annotations

from everywire.server.configuration.describing import reference
from everywire.server.configuration.reloading import reloads
from everywire.server.configuration.schema import RULE, SERVER


def rows() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    section = ""
    for line in reference({("port",): "--port", ("limits", "max_wait"): "a|b"}).splitlines():
        if line.startswith("## "):
            section = line.partition("[")[2].rstrip("]")
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")]
            found[f"{section}.{cells[0].strip('`')}".lstrip(".")] = cells
    return found


def test_every_setting_has_its_row() -> None:
    names = [setting.name for setting in SERVER]
    rules = [f'channels."PATTERN".{setting.path[2]}' for setting in RULE]
    assert sorted(rows()) == sorted(names + rules)
    assert all(len(cells) == 5 and len(cells[4]) > 5 for cells in rows().values())


def test_a_row_says_all_there_is_to_say() -> None:
    found = rows()
    assert found["port"] == ["`port`", "`--port`", "`8000`", "", "Port; 0: any that is free."]
    assert found["limits.max_wait"][1:4] == ["`a¦b`", '`"30s"`', "live"]
    assert found["retention.max_age"][2] == "by the log"
    assert found["allowed_hosts"][2] == "none"


def test_what_needs_no_restart_is_marked() -> None:
    marked = {name for name, cells in rows().items() if cells[3] == "live"}
    live = {s.name for s in SERVER if reloads(s.path)}
    live |= {f'channels."PATTERN".{s.path[2]}' for s in RULE if reloads(s.path)}
    assert marked == live
    assert {"host", "port", "log", "open", "retention.max_age"} & live == set()
