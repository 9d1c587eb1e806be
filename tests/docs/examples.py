"""Running the examples of a document, in order, as a reader would.

What is run: ``console`` blocks. A line that begins with ``$`` is typed, and so is the next one
where it ends with a backslash; what follows is what has to be shown.

Directives before a block::

    in NAME              typed in the terminal NAME, where the program goes on running. Of a ``js``
                         block: run by Node, with an EventSource and a WebSocket as browsers have
    goes on in NAME      the block is what that terminal shows next
    file NAME            the block is put into this file
    exit N               its last command ends with this status
    not run: REASON      it is only looked at

Directives between blocks::

    setup: COMMAND                   typed where readers do not see it
    start in NAME: COMMAND           the same, in the terminal NAME, where it goes on running
    Ctrl-C in NAME, kill in NAME     end what runs there
    heard: N on CHANNEL              wait until so many are subscribed
    needs: PROGRAM                   where it is not installed, the test fails and says so
    browser: ...                     see `browsing`

What is shown may differ from the document in this: ``…`` stands for anything on a line, a line of
nothing else for any lines; a position (16 digits) for any, but always the same, and later commands
get the one that it stood for; a time for any. Ports are others, so that nothing else is in the way.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import sys
import time
import urllib.request
from pathlib import Path

from .browsing import Browser
from .markdown import ROOT, Block, Document
from .terminals import DEADLINE, Terminal

PORTS = ("8000", "8080", "9000")
"""Ports that the documents use: the server's, a second server's, a page's."""

NODE_MODULES = ROOT / "tests" / "node" / "node_modules"

_POSITION = re.compile(r"(?<!\d)\d{16}(?!\d)")
_VARYING = re.compile(
    r"(?P<position>(?<!\d)\d{16}(?!\d))|(?P<ts>(?<!\d)\d{13}(?!\d))"
    r"|(?P<time>\d\d:\d\d:\d\d\.\d{3})|(?P<lines>^…\n)|(?P<rest>^…\Z)|(?P<any>…)",
    re.MULTILINE,
)
_SERVES = re.compile(r"\beverywire (?:serve|demo)\b(?!.*--port)(?!.*--help)")
_PRELUDE = """
import {{ EventSource }} from "{modules}/eventsource/dist/index.js";
globalThis.EventSource ??= EventSource;

// Where a connection is refused, Node 20 sends no `close` after its `error`, as browsers do.
globalThis.WebSocket = class extends WebSocket {{
  constructor(...args) {{
    super(...args);
    this.addEventListener("error", () => {{
      if (this.readyState === WebSocket.CONNECTING)
        this.dispatchEvent(Object.assign(new Event("close"), {{ code: 1006, reason: "" }}));
    }});
  }}
}};
"""


class Examples:
    """Runs the examples of one document.

    Args:
        folder: Where they are run; empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._positions: dict[str, str] = {}
        self._terminals: dict[str, Terminal] = {}
        self._browser = Browser(self._real)
        self._environment = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "NODE_NO_WARNINGS": "1",
            "PYTHONUNBUFFERED": "1",
            "EVERYWIRE_URL": self._real("http://127.0.0.1:8000"),
        }

    def close(self) -> None:
        """End everything that was started."""
        self._browser.close()
        for terminal in self._terminals.values():
            terminal.close()

    def run(self, document: Document) -> None:
        """Run all there is in a document."""
        before: list[str] = []
        for block in document.blocks:
            where = f"{document.name}:{block.line}"
            if not block.directive:
                self._block(block, before, where)
                before = []
            elif not self._between(block.text, where):
                before.append(block.text)
        assert not before, f"{document.name}: nothing follows {before}"

    # Blocks

    def _block(self, block: Block, before: list[str], where: str) -> None:
        terminal, status = "", 0
        for directive in before:
            kind, _, rest = directive.partition(" ")
            if directive.startswith("not run: "):
                return
            if directive.startswith("goes on in "):
                name = directive.removeprefix("goes on in ")
                self._shows(self._terminals[name], block.text + "\n", where)
                return
            if kind == "file":
                file = self._folder / rest
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(self._real(block.text) + "\n", encoding="utf-8")
                return
            if kind == "in":
                terminal = rest
            elif kind == "exit":
                status = int(rest)
            else:
                raise AssertionError(f"{where}: there is no directive {directive!r}")
        if block.language == "js" and terminal:
            self._start(terminal, self._node(block.text), "", where)
        elif block.language == "console":
            self._console(block.text, terminal, status, where)
        else:
            assert not before, f"{where}: {before} is not for a block of {block.language!r}"

    def _console(self, text: str, terminal: str, status: int, where: str) -> None:
        commands = split(text)
        assert commands, f"{where}: no line begins with '$ '"
        if terminal:
            (only,) = commands
            self._start(terminal, *only, where)
            return
        for number, (command, expected) in enumerate(commands):
            wanted = status if number == len(commands) - 1 else 0
            shown, ended_with = self._terminal("").run(self._real(command))
            self._compare(shown, expected, f"{where}: {command}")
            assert ended_with == wanted, f"{where}: {command} ended with {ended_with}:\n{shown}"

    def _start(self, name: str, command: str, expected: str, where: str) -> None:
        terminal = self._terminal(name)
        terminal.start(self._real(command))
        if expected:
            self._shows(terminal, expected, where)

    def _shows(self, terminal: Terminal, expected: str, where: str) -> None:
        pattern, names = self._pattern(expected)
        found = terminal.show(re.compile(pattern), f"{where}: this was not shown:\n{expected}")
        self._bind(found, names)

    def _compare(self, shown: str, expected: str, where: str) -> None:
        # A body that ends without a line feed is followed by the prompt.
        pattern, names = self._pattern(expected.rstrip("\n"))
        found = re.fullmatch(pattern, shown.rstrip("\n"))
        assert found, f"{where}\nshould show\n{expected}\nshows\n{self._documented(shown)}"
        self._bind(found, names)

    # Between blocks

    def _between(self, directive: str, where: str) -> bool:
        """Obey a directive that stands for itself; False: it belongs to the next block."""
        if directive.startswith("setup: "):
            command = directive.removeprefix("setup: ")
            shown, status = self._terminal("").run(self._real(command))
            assert status == 0, f"{where}: {command}: {shown}"
        elif directive.startswith("start in "):
            name, _, command = directive.removeprefix("start in ").partition(": ")
            self._start(name, command, "", where)
        elif directive.startswith("Ctrl-C in "):
            terminal = self._terminals[directive.removeprefix("Ctrl-C in ")]
            terminal.press_ctrl_c()
            terminal.finish(f"{where}: what was interrupted")
        elif directive.startswith("kill in "):
            terminal = self._terminals[directive.removeprefix("kill in ")]
            terminal.kill()
            terminal.finish(f"{where}: what was killed")
        elif directive.startswith("heard: "):
            count, _, channel = directive.removeprefix("heard: ").partition(" on ")
            self._wait_until_heard(channel, int(count), where)
        elif directive.startswith("needs: "):
            program = directive.removeprefix("needs: ")
            assert shutil.which(program) is not None, f"{where}: {program} is not installed"
        elif directive.startswith("browser: "):
            self._browser.obey(directive.removeprefix("browser: "), where)
        else:
            return False
        return True

    def _wait_until_heard(self, channel: str, count: int, where: str) -> None:
        url = self._real(f"http://127.0.0.1:8000/channels/{channel}")
        until = time.monotonic() + DEADLINE
        while True:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                if f'"subscribers":{count}}}' in answer.read().decode():
                    return
            assert time.monotonic() < until, f"{where}: not heard by {count}"
            time.sleep(0.01)

    # From the document to here, and back

    def _terminal(self, name: str) -> Terminal:
        terminal = self._terminals.get(name)
        if terminal is None:
            terminal = self._terminals[name] = Terminal(self._folder, self._environment)
        return terminal

    def _node(self, code: str) -> str:
        node = shutil.which("node")
        assert node, "node is needed for these tests: install Node 20 or later"
        prelude = self._folder / "prelude.mjs"
        prelude.write_text(_PRELUDE.format(modules=NODE_MODULES), encoding="utf-8")
        script = self._folder / f"script{len(list(self._folder.glob('script*.mjs')))}.mjs"
        script.write_text(self._real(code), encoding="utf-8")
        return shlex.join(
            (node, "--experimental-websocket", "--import", prelude.as_uri(), str(script))
        )

    def _real(self, text: str) -> str:
        """What stands in the document, with the ports and positions of this run."""
        text = _SERVES.sub(r"\g<0> --port 8000", text)
        for documented, real in self._ports.items():
            text = re.sub(rf"(?<!\d){documented}(?!\d)", real, text)
        return _POSITION.sub(lambda found: self._positions.get(found[0], found[0]), text)

    def _documented(self, text: str) -> str:
        for documented, real in self._ports.items():
            text = re.sub(rf"(?<!\d){real}(?!\d)", documented, text)
        return text

    def _pattern(self, expected: str) -> tuple[str, dict[str, str]]:
        """A regular expression for what is expected; its groups and the positions they are."""
        names: dict[str, str] = {}
        parts: list[str] = []
        end = 0
        for found in _VARYING.finditer(expected):
            parts.append(re.escape(self._real_ports(expected[end : found.start()])))
            end = found.end()
            if found["position"]:
                parts.append(self._position_pattern(found[0], names))
            elif found["ts"]:
                parts.append(r"\d{13}")
            elif found["time"]:
                parts.append(r"\d\d:\d\d:\d\d\.\d{3}")
            elif found["lines"]:
                parts.append(r"(?:[^\n]*\n)*?")
            elif found["rest"]:
                parts.append(r"[\s\S]*")
            else:
                parts.append(r"[^\n]*?")
        parts.append(re.escape(self._real_ports(expected[end:])))
        return "".join(parts), names

    def _position_pattern(self, documented: str, names: dict[str, str]) -> str:
        if documented in self._positions:
            return self._positions[documented]
        for group, position in names.items():
            if position == documented:
                return f"(?P={group})"
        group = f"p{len(names)}"
        names[group] = documented
        return rf"(?P<{group}>\d{{16}})"

    def _real_ports(self, text: str) -> str:
        for documented, real in self._ports.items():
            text = re.sub(rf"(?<!\d){documented}(?!\d)", real, text)
        return text

    def _bind(self, found: re.Match[str], names: dict[str, str]) -> None:
        self._positions.update((position, found[group]) for group, position in names.items())


def split(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it has to show."""
    commands: list[tuple[str, str]] = []
    for line in text.split("\n"):
        if line.startswith("$ "):
            commands.append((line[2:], ""))
            continue
        assert commands, f"a console block begins with a command, not with {line!r}"
        command, expected = commands[-1]
        if command.endswith("\\") and not expected:
            commands[-1] = (f"{command}\n{line}", "")
        else:
            commands[-1] = (command, f"{expected}{line}\n")
    return commands


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
