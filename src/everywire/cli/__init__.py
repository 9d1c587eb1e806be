"""The command line: ``everywire``.

A command is a module here and a line in the table below. Data goes to stdout, words to stderr;
exit codes are in ``frame``.
"""

from __future__ import annotations

import sys
from typing import Final

import click

import everywire
from everywire.cli.frame import INTERRUPTED, Lazy, LazyGroup

COMMANDS: Final = {
    "serve": Lazy("everywire.cli.serve:serve", "Run a server."),
    "demo": Lazy("everywire.cli.demo:demo", "Run a server with live data and a page to see it."),
    "publish": Lazy("everywire.cli.publish:publish", "Publish one message and print its position."),
    "tail": Lazy("everywire.cli.tail:tail", "Print what channels bring, as it comes."),
    "pipe": Lazy(
        "everywire.cli.pipe:pipe", "Publish the lines of stdin, through restarts of the server."
    ),
    "listen": Lazy(
        "everywire.cli.listen:listen", "Forward each message to a URL as a signed request."
    ),
    "config": Lazy("everywire.cli.config:config", "Write, check and show a server's settings."),
    "token": Lazy("everywire.cli.token:token", "Make tokens, and say what one is good for."),
    "key": Lazy(
        "everywire.cli.key:key", "Make, list, rotate and revoke the API keys of back ends."
    ),
    "advise": Lazy("everywire.cli.advise:advise", "Say which wire to take, and why."),
    "compare": Lazy("everywire.cli.compare:compare", "Measure the three wires on this machine."),
    "torture": Lazy(
        "everywire.cli.torture:torture", "Torment a server and check that it keeps its promises."
    ),
    "simulate": Lazy(
        "everywire.cli.simulate:simulate",
        "Play a server and 100 clients through schedules by seed.",
    ),
}

_EXAMPLES: Final = (
    "everywire demo                                   # see it",
    "everywire serve                                  # run it",
    "everywire tail 'chat.**'                         # hear channels",
    """everywire publish chat.lobby '{"text": "hello"}' # say something""",
    "make 2>&1 | everywire pipe build.42              # stream a build",
)


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    examples=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(everywire.__version__, prog_name="everywire")
def cli() -> None:
    """One channel on every wire: WebSocket, Server-Sent Events and long polling.

    The commands that talk to a server find it by --url or EVERYWIRE_URL, and have --help of their
    own.
    """


def main() -> None:
    """Run the command line of this process."""
    try:
        cli(prog_name="everywire")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
