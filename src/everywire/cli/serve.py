"""``everywire serve``: a whole server."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import click

import everywire
from everywire.cli.frame import ExampleCommand
from everywire.cli.serving_options import serving_options, settings_of
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.trust import is_loopback

DEFAULT_LOG: Final = "sqlite:everywire.db"

_EXAMPLES: Final = (
    "everywire serve                                  # keeps messages in ./everywire.db",
    "everywire serve --port 9000 --log memory:",
    "everywire serve --rule 'prices.**:slow=latest' --rule 'build.*:age=30d'",
    "everywire serve --host 0.0.0.0 --open --allowed-host push.example",
)


@click.command(cls=ExampleCommand, examples=_EXAMPLES, short_help="Run a server.")
@serving_options
def serve(**options: Any) -> None:
    """Run a server until it is told to stop (Ctrl-C, SIGTERM).

    It then sends its clients away in an orderly way: they come back to where they were. Without
    --log, messages are kept in the file everywire.db of the current directory.
    """
    settings = settings_of(DEFAULT_LOG, options)
    set_up_logging(options["verbose"])
    from everywire.server.serving import serve as run

    run(settings, started=lambda node, port: banner(settings, node, port))


def set_up_logging(verbose: bool) -> None:
    """What the server has to say goes to stderr."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("everywire").setLevel(logging.DEBUG if verbose else logging.INFO)


def banner(settings: Settings, node: Node, port: int) -> None:
    """Say what is served, where the data is, what is open to whom, and what to try."""
    host = settings.host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{shown}:{port}"
    if is_loopback(host):
        whom = "everybody on this machine, for everything; pages of other sites are refused"
    else:
        whom = "EVERYBODY who reaches it, for everything (--open)"
    lines = (
        f"Everywire {everywire.__version__} serves {base}",
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
