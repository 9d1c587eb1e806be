"""``everywire serve``: a whole server."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Final

import click

import everywire
from everywire.cli.frame import ExampleCommand
from everywire.cli.serving_options import config_option, serving_options, sources_of
from everywire.server.configuration import Configuration, load
from everywire.server.configuration.reloading import Reloading
from everywire.server.node import Node
from everywire.server.settings import LogLevel, Settings
from everywire.server.trust import is_loopback

_EXAMPLES: Final = (
    "everywire serve                                  # keeps messages in ./everywire.db",
    "everywire serve --port 9000 --log memory:",
    "everywire serve --rule 'prices.**:slow=latest' --rule 'build.*:age=30d'",
    "everywire serve --host 0.0.0.0 --open --allowed-host push.example",
    "everywire serve --config /etc/everywire.toml     # see: everywire config --help",
)


@click.command(cls=ExampleCommand, examples=_EXAMPLES, short_help="Run a server.")
@serving_options
@config_option
def serve(file: Path | None, **options: Any) -> None:
    """Run a server until it is told to stop (Ctrl-C, SIGTERM).

    It then sends its clients away in an orderly way: they come back to where they were. Messages
    are kept in the file everywire.db of the current directory, if nothing else is said.

    Settings come from these options, from the environment and from a file, in that order. On
    SIGHUP they are read again, and what changed holds where it can without a restart.
    """
    running = load(sources_of(file, options))
    set_up_logging(running.settings.log_level)

    def read_again() -> Configuration:
        return load(sources_of(running.file or file, options))

    reloading = Reloading(running, read_again)

    def reload() -> Settings | None:
        settings = reloading.reload()
        if settings is not None:
            set_log_level(settings.log_level)
        return settings

    from everywire.server.serving import serve as run

    run(
        running.settings,
        started=lambda node, port: banner(running.settings, node, port, running.file),
        reload=reload,
    )


def set_up_logging(level: LogLevel) -> None:
    """What the server has to say goes to stderr."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    set_log_level(level)
    # Who tells the server to read its settings again is answered, whatever they are.
    logging.getLogger("everywire.settings").setLevel(logging.INFO)


def set_log_level(level: LogLevel) -> None:
    """Say no less than this, of what is ours."""
    logging.getLogger("everywire").setLevel(level.upper())


def banner(settings: Settings, node: Node, port: int, file: Path | None = None) -> None:
    """Say what is served, where the data is, what is open to whom, and what to try.

    Args:
        settings: The server's.
        node: It.
        port: Where it listens.
        file: The file that settings were read from; None: none was.
    """
    host = settings.host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{shown}:{port}"
    if is_loopback(host):
        whom = "everybody on this machine, for everything; pages of other sites are refused"
    else:
        whom = "EVERYBODY who reaches it, for everything (--open)"
    lines = (
        f"Everywire {everywire.__version__} serves {base}",
        *((f"  settings {file}",) if file else ()),
        f"  wires    ws{base[4:]}/ws   {base}/events   {base}/updates",
        f"  data     {node.log.where}",
        f"  open to  {whom}",
        "  try      in two other terminals:",
        f"             everywire tail chat.lobby{_url(base)}",
        f"             everywire publish chat.lobby hello{_url(base)}",
    )
    click.echo("\n".join(lines), err=True)


def _url(base: str) -> str:
    """What a client command has to be told, where it would not guess it."""
    return "" if base == "http://127.0.0.1:8000" else f" --url {base}"
