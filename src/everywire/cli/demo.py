"""``everywire demo``: a server with something to see, and the page to see it on.

It needs nothing: no file stays behind, and where its usual port is taken it takes another.
"""

from __future__ import annotations

import asyncio
import threading
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import click
from click.core import ParameterSource

import everywire
from everywire.cli.frame import ExampleCommand
from everywire.cli.machine import CHANNEL, publish_load
from everywire.cli.serve import set_up_logging
from everywire.cli.serving_options import serving_options, settings_of
from everywire.core.errors import UsageError
from everywire.server.node import Node
from everywire.server.settings import Settings
from everywire.server.trust import is_loopback

KEEP_SECONDS: Final = 3600.0
"""How long messages are kept where nothing is said of it, in a log that is thrown away."""

_EXAMPLES: Final = (
    "everywire demo                                   # then open http://127.0.0.1:8000/",
    "everywire demo --open-browser",
    "everywire demo --port 9000 --log sqlite:demo.db  # kept: kill it, start it again, look",
)

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Listening on every address, it is seen from this machine at one of them."""


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Run a server with live data and a page to see it.",
)
@serving_options
@click.option("--open-browser", is_flag=True, help="Open the page in your browser.")
@click.pass_context
def demo(ctx: click.Context, open_browser: bool, **options: Any) -> None:
    """Run a server that publishes this machine's load, with a page that shows it.

    The page shows one channel over WebSocket, Server-Sent Events and long polling side by side,
    lets you cut each, and proves that nothing is lost. Without --log, messages are kept in a
    temporary file, for an hour at most, which goes when the server stops. Without --port, another
    port is taken where 8000 is in use.
    """
    set_up_logging(options["log_level"] or "info")
    with _log(options) as url:
        settings = settings_of(url, options)
        if ctx.get_parameter_source("port") is ParameterSource.DEFAULT:
            settings = _with_a_free_port(settings)
        _run(settings, open_browser)


def _run(settings: Settings, open_browser: bool) -> None:
    from everywire.server.pages import web_pages
    from everywire.server.serving import serve

    publishers: list[asyncio.Task[None]] = []

    def started(node: Node, port: int) -> None:
        publishers.append(asyncio.get_running_loop().create_task(publish_load(node)))
        page = page_url(settings.host, port)
        click.echo(banner(page, settings, node.log.where), err=True)
        if open_browser:
            # Some browsers keep the call until they are closed.
            threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()

    serve(settings, pages=web_pages(), started=started)


@contextmanager
def _log(options: dict[str, Any]) -> Generator[str]:
    """The URL of the log: the one asked for, or that of a file that goes at the end."""
    if options["log"] is not None:
        yield options["log"]
        return
    if options["keep_age"] is None:
        options["keep_age"] = KEEP_SECONDS
    with TemporaryDirectory(prefix="everywire-demo-", ignore_cleanup_errors=True) as folder:
        # What does not outlive the process need not outlive a power cut.
        yield f"sqlite:{Path(folder) / 'everywire.db'}?synchronous=normal"


def _with_a_free_port(settings: Settings) -> Settings:
    """The settings with another port, where theirs is taken."""
    from everywire.server.serving import listen

    try:
        listen(settings.host, settings.port).close()
    except UsageError:
        listener = listen(settings.host, 0)
        port = listener.getsockname()[1]
        listener.close()
        click.echo(
            f"everywire: port {settings.port} is taken, so this is {port} (--port chooses one)",
            err=True,
        )
        return replace(settings, port=port)
    return settings


def page_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    host = host.strip("[]")
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def banner(page: str, settings: Settings, where: str) -> str:
    """The page's address, then the same channel by hand.

    Args:
        page: URL of the page.
        settings: The server's.
        where: Where the data is.
    """
    channel = quote(CHANNEL, safe="")
    if is_loopback(settings.host.strip("[]")):
        whom = "everybody on this machine, for everything; pages of other sites are refused"
    else:
        whom = "EVERYBODY who reaches it, for everything (--open)"
    return "\n".join(
        (
            f"Everywire {everywire.__version__}. Open  {page}",
            f"  shows    this machine's load, four times a second, on channel {CHANNEL}",
            f"  data     {where}",
            f"  open to  {whom}",
            "  by hand, in another terminal:",
            "    # WebSocket (the bytes before each frame's JSON are its header)",
            "    curl -sN --http1.1 -o - -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\",
            "      -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: "
            "ZXZlcnl3aXJlLWRlbW8tMQ==' \\",
            f"      '{page}ws?channel={channel}'",
            "    # Server-Sent Events",
            f"    curl -sN '{page}events?channel={channel}'",
            "    # long polling: where the log stands; then go on with since=LAST_ID",
            f"    curl -s '{page}updates?channel={channel}'",
            "    # say something into it",
            f"    curl -s {page}publish -d "
            f"""'{{"channel": "{CHANNEL}", "event": "note", "data": "hello"}}'""",
            "  Ctrl-C stops it.",
        )
    )
