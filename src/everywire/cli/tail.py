"""``everywire tail``: hear channels."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from everywire.cli.frame import ExampleCommand
from everywire.cli.options import (
    CHANNEL_OR_PATTERN,
    POSITION,
    first_contact_option,
    read_token,
    server_options,
    wire_option,
)
from everywire.cli.output import formatter, gap_in_words, say, warn, write
from everywire.client import Gap, Tail, Wire

_EXAMPLES: Final = (
    "everywire tail chat.lobby                 # what is new, as it comes",
    "everywire tail 'chat.**' prices           # patterns and channels (quote the stars)",
    "everywire tail build.42 --since 0         # all that is kept, then what is new",
    "everywire tail prices --last 10           # the last ten, then what is new",
    "everywire tail prices --wire sse --count 3",
    "everywire tail prices | jq .data          # off a terminal: one JSON object a line",
    "everywire tail build.42 --since 0 --data > build.log",
)


@click.command(
    cls=ExampleCommand,
    examples=_EXAMPLES,
    short_help="Print what channels bring, as it comes.",
)
@click.argument("channels", metavar="CHANNEL...", type=CHANNEL_OR_PATTERN, nargs=-1, required=True)
@click.option(
    "--since",
    type=POSITION,
    metavar="POSITION",
    help="Start after this position; 0: with all that is kept. Default: what is new.",
)
@click.option(
    "--last",
    type=click.IntRange(1),
    metavar="N",
    help="Start with the last N messages of each channel (only with --wire ws).",
)
@wire_option
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N messages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, on a terminal too.")
@click.option("--data", "only_data", is_flag=True, help="Print only the data of each message.")
@first_contact_option
@server_options
def tail(
    channels: tuple[str, ...],
    since: int | None,
    last: int | None,
    wire: Wire,
    count: int | None,
    as_json: bool,
    only_data: bool,
    timeout: float,
    url: str,
    token_file: Path | None,
) -> None:
    """Print what channels bring, as it comes.

    CHANNEL is a channel or a pattern: in a pattern, a whole segment may be * (any one segment),
    and the last may be ** (one or more).

    On a terminal each message is a line: time, channel, event, data. Elsewhere, and with --json,
    it is a JSON object as the protocol has it.

    A lost connection is made again, and nothing is printed twice. If messages may be missing, this
    is said on stderr, and with --json by an object {"type":"gap","channel","after","before",
    "reason"}. When all channels have ended, tail ends with 0.
    """
    if as_json and only_data:
        raise click.UsageError("--json and --data both say what to print; give one")
    hearing = Tail(
        url,
        channels,
        since,
        wire,
        history=last,
        token=read_token(token_file),
        patience=timeout,
        notify=say,
    )
    with hearing:
        try:
            _print(hearing, count, as_json, only_data)
        except KeyboardInterrupt:
            if hearing.position is not None:
                say(f"stopped; go on with --since {hearing.position}")
            raise


def _print(hearing: Tail, count: int | None, json: bool, data: bool) -> None:
    format_ = formatter(json, data)
    printed = 0
    for item in hearing:
        if isinstance(item, Gap):
            warn(gap_in_words(item))
        line = format_(item)
        if line is not None:
            write(line)
        printed += not isinstance(item, Gap)
        if printed == count:
            return
