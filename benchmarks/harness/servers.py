"""The servers: how each is started, how its wires are spoken to, and what it promises.

The floor is a measure, not a peer: it shows what the kernel and the loop cost. What a peer does not
promise stands beside its figures, since leaving a promise out is the cheapest way to be fast.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import installing
from harness.load import BUILD, HERE

PEERS = HERE / "peers"


@dataclass(frozen=True)
class Wire:
    """How a wire is asked for; ``{c}`` is the channel, ``{s}`` a position.

    Attributes:
        target: What a subscriber asks for.
        since: The same from a position on.
        dialect: ``plain``, ``socketio`` or ``nchan``.
    """

    target: str
    since: str = ""
    dialect: str = "plain"


@dataclass(frozen=True)
class Server:
    """One server, or one setting of ours.

    Attributes:
        name: As on the command line.
        title: As in the report.
        command: Its command line, for a port and a folder of its own that is empty.
        wires: By name: ws, sse, poll.
        publish_target: Where a publish goes.
        publish_body: Its body; ``{d}`` is the data.
        promises: What it keeps and says.
        needs: What has to be installed for it; None: it is there.
        publish_next_port: It takes publishes on the port after its own.
        peer: Whether it is somebody else's.
        keep_target: Where a publish goes that is to be kept for those who come back.
        keep_wires: How those come back, where that differs.
    """

    name: str
    title: str
    command: Callable[[int, Path], list[str]]
    wires: Mapping[str, Wire]
    publish_target: str
    publish_body: str
    promises: str
    needs: str | None = None
    publish_next_port: bool = False
    peer: bool = True
    keep_target: str = ""
    keep_wires: Mapping[str, Wire] | None = None


_OUR_WIRES = {
    "ws": Wire("/ws?channel={c}", "/ws?channel={c}&since={s}"),
    "sse": Wire("/events?channel={c}", "/events?channel={c}&since={s}"),
    "poll": Wire("/updates?channel={c}", "/updates?channel={c}&since={s}"),
}
_OUR_PROMISES = (
    "checked JSON, a position for each message, commit before delivery, resume on every wire, "
    "every hole said, bounded memory"
)


def _everywire(log: str, *more: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, folder: Path) -> list[str]:
        where = log.replace("FOLDER", str(folder))
        serve = [sys.executable, "-m", "everywire", "serve", "--port", str(port), "--log", where]
        return [*serve, *more]

    return command


def _ours(name: str, title: str, command: Callable[[int, Path], list[str]]) -> Server:
    body = '{"channel":"{c}","data":{d}}'
    return Server(name, title, command, _OUR_WIRES, "/publish", body, _OUR_PROMISES, peer=False)


def _script(path: Path, *arguments: str, python: str | None = None) -> Callable[..., list[str]]:
    return lambda port, folder: [python or sys.executable, str(path), *arguments, str(port)]


def _nchan(port: int, folder: Path) -> list[str]:
    template = (PEERS / "nchan.conf").read_text()
    for name, value in (("port", port), ("module", installing.NCHAN), ("folder", folder)):
        template = template.replace("{" + name + "}", str(value))
    configuration = folder / "nginx.conf"
    configuration.write_text(template)
    return [str(installing.NGINX), "-c", str(configuration), "-e", str(folder / "error.log")]


_VENV_PYTHON = str(installing.PYTHON)
_NORMAL = "sqlite:FOLDER/log.db?synchronous=normal"
_FULL = "sqlite:FOLDER/log.db?synchronous=full"
_NOTHING_KEPT = "at most once: no positions, no history, no resume; a slow client's copies pile up"

SERVERS: Mapping[str, Server] = {
    server.name: server
    for server in (
        _ours("ours", "Everywire, memory log", _everywire("memory:")),
        _ours("ours-normal", "Everywire, SQLite NORMAL", _everywire(_NORMAL)),
        _ours("ours-full", "Everywire, SQLite FULL", _everywire(_FULL)),
        _ours(
            "ours-linger",
            "Everywire, polls linger 0.1 s",
            _everywire("memory:", "--rule", "**:linger=0.1"),
        ),
        _ours("ours-mounted", "Everywire around an app", _script(HERE / "mounted.py", "own")),
        _ours("ours-asgi", "Everywire, plain ASGI", _script(HERE / "mounted.py", "plain")),
        Server(
            "floor",
            "the Python floor",
            _script(HERE / "floor.py"),
            {"ws": Wire("/ws?{c}"), "sse": Wire("/events?{c}")},
            "/publish?{c}",
            "{d}",
            "nothing: no checks, no log, no resume, no bound on memory",
            peer=False,
        ),
        Server(
            "nchan",
            "nchan (nginx)",
            _nchan,
            {
                "ws": Wire("/sub?id={c}"),
                "sse": Wire("/sub?id={c}"),
                "poll": Wire("/sub?id={c}", dialect="nchan"),
            },
            "/pub?id={c}",
            "{d}",
            "10 messages kept a channel (1,000 in S5); who falls behind is not told of the gap",
            needs="nginx",
            keep_target="/keep?id={c}",
            keep_wires={"ws": Wire("/old?id={c}"), "sse": Wire("/old?id={c}")},
        ),
        Server(
            "websockets",
            "websockets broadcast",
            _script(PEERS / "websockets_broadcast.py", python=_VENV_PYTHON),
            {"ws": Wire("/ws?{c}")},
            "/publish?{c}",
            "{d}",
            _NOTHING_KEPT,
            needs="python",
            publish_next_port=True,
        ),
        Server(
            "python-socketio",
            "python-socketio on uvicorn",
            _script(PEERS / "socketio_uvicorn.py", python=_VENV_PYTHON),
            {"ws": Wire("/socket.io/?EIO=4&transport=websocket&channel={c}", dialect="socketio")},
            "/pub",
            '{"channel":"{c}","data":{d}}',
            _NOTHING_KEPT,
            needs="python",
        ),
        Server(
            "starlette",
            "Starlette, a queue a client",
            _script(PEERS / "starlette_queues.py", python=_VENV_PYTHON),
            {"sse": Wire("/events?channel={c}")},
            "/publish?channel={c}",
            "{d}",
            _NOTHING_KEPT,
            needs="python",
        ),
        Server(
            "socketio",
            "Socket.IO on Node",
            _script(PEERS / "node" / "server.js", python="node"),
            {"ws": Wire("/socket.io/?EIO=4&transport=websocket&channel={c}", dialect="socketio")},
            "/pub",
            '{"channel":"{c}","data":{d}}',
            _NOTHING_KEPT,
            needs="node",
        ),
    )
}


def versions() -> dict[str, str]:
    """What is measured, by name; only what is there."""
    found = {"Python": platform.python_version(), "Linux": platform.release()}
    for package in ("everywire", "uvloop", "httptools", "msgspec", "apsw", "uvicorn"):
        found[package] = importlib.metadata.version(package)
    pinned = (HERE / "requirements.txt").read_text().splitlines()
    for name in ("websockets", "python-socketio", "starlette"):
        found[name] = next(line for line in pinned if line.startswith(f"{name}==")).split("==")[1]
    node = PEERS / "node" / "node_modules" / "socket.io" / "package.json"
    if node.exists():
        found["Node"] = _output("node", "--version")
        found["Socket.IO"] = json.loads(node.read_text())["version"]
    if installing.NGINX.exists():
        found["nginx"] = _output(str(installing.NGINX), "-v").rpartition("/")[2]
        found["nchan"] = "Debian's libnginx-mod-nchan"
    return found


def _output(*command: str) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return (result.stdout or result.stderr).strip()


DATA = BUILD / "data"
