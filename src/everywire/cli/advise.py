"""``everywire advise``: which wire, why, and code that runs."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Final, get_args

import click
import msgspec

from everywire.advice.examples import Code, code_for
from everywire.advice.framework import QUESTIONS, Reason, Verdict, advise_on
from everywire.advice.rules import NAMES, WIRES, Network, Situation
from everywire.cli.frame import ExampleCommand
from everywire.cli.output import paint
from everywire.comparison import results

_EXAMPLES: Final = (
    "everywire advise                                  # it asks",
    "everywire advise --two-way                        # chat, games, editing together",
    "everywire advise --browser --llm                  # a model's answers, to web pages",
    "everywire advise --rate 0.02 --network hostile    # rare, through whatever is there",
    "everywire advise --network open                   # nothing special",
    "everywire advise --binary --rate 50 --json | jq -r .code.client",
)

_WIDTH: Final = 88


@click.command(
    cls=ExampleCommand, examples=_EXAMPLES, short_help="Say which wire to take, and why."
)
@click.option("--two-way", is_flag=True, help="Clients send too, and often.")
@click.option("--binary", is_flag=True, help="The data is bytes.")
@click.option(
    "--rate",
    type=click.FloatRange(0),
    metavar="N",
    help="Messages a second to one client (0.02: one in 50 seconds).",
)
@click.option("--clients", type=click.IntRange(1), metavar="N", help="Clients at once.")
@click.option(
    "--network",
    type=click.Choice(get_args(Network)),
    help="open: nothing between that you do not set up yourself; proxied: proxies of others; "
    "hostile: they strip Upgrade and hold answers back.",
)
@click.option("--cdn", is_flag=True, help="It goes through a content delivery network.")
@click.option("--browser", is_flag=True, help="Clients are web pages.")
@click.option("--http1", is_flag=True, help="Browsers come by HTTP/1.1, without HTTP/2.")
@click.option("--llm", is_flag=True, help="It streams the answers of a language model.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help='Print {"wire", "reasons", "would_change", "code"} as JSON.',
)
def advise(as_json: bool, **answers: Any) -> None:
    """Say which wire to take, and why.

    Flags say what is known of the case; what is not said is not so. Without flags it asks, on a
    terminal.

    Behind the reasons stand the figures of the last everywire compare on this machine, where there
    is one.
    """
    if all(value is None or value is False for value in answers.values()):
        if not at_a_terminal():
            raise click.UsageError(
                "say something of the case, for there is no terminal to ask at. For example:\n  "
                + "\n  ".join(_EXAMPLES[1:])
            )
        answers = ask()
    # What was neither said nor asked is as it is for a `Situation`.
    case = Situation(**{name: value for name, value in answers.items() if value is not None})
    verdict, comparison = advise_on(case), results.last()
    reasons = in_words(verdict.reasons, comparison)
    code = code_for(verdict.wire, case)
    if as_json:
        click.echo(as_object(verdict, reasons, code))
    else:
        click.echo(as_text(verdict, reasons, code))
        if comparison is None:
            click.echo("everywire compare measures the wires here; its figures go in.", err=True)


def at_a_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def ask() -> dict[str, Any]:
    """Ask a person, on stderr."""
    answers: dict[str, Any] = {}
    for question in QUESTIONS:
        if question.field == "http1" and not answers["browser"]:
            continue
        answers[question.field] = _answer(question.field, question.asks)
    return answers


def _answer(field: str, asks: str) -> Any:
    if field == "network":
        choice = click.Choice(get_args(Network))
        return click.prompt(asks, type=choice, default="open", err=True)
    if field in ("rate", "clients"):
        kind: click.ParamType[Any] = click.FloatRange(0) if field == "rate" else click.IntRange(1)
        return click.prompt(
            f"{asks} (Enter: not known)",
            default="",
            show_default=False,
            err=True,
            value_proc=lambda text: None if text == "" else kind(text),
        )
    return click.confirm(asks, default=False, err=True)


def in_words(reasons: Sequence[Reason], comparison: results.Comparison | None) -> list[str]:
    """Reasons, with the figures of the last comparison where it has some; each row's once."""
    shown: set[str] = set()
    sentences: list[str] = []
    for reason in reasons:
        new = reason.figure not in shown
        shown.add(reason.figure)
        row = comparison.row(reason.figure) if comparison is not None and new else None
        if comparison is None or row is None:
            sentences.append(reason.text)
        else:
            sentences.append(f"{reason.text} {_figures(row, comparison.measured_at[:10])}")
    return sentences


def _figures(row: results.Row, day: str) -> str:
    """What came out, a sentence a wire."""
    found = "By its sources" if row.kind == "fact" else f"Measured here on {day}"
    cells = " ".join(f"{NAMES[wire]}: {row.cells[wire].says}." for wire in WIRES)
    return f"{found}. {cells}"


def as_object(verdict: Verdict, reasons: list[str], code: Code) -> bytes:
    """The answer for programs."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "wire": verdict.wire,
                "reasons": reasons,
                "would_change": verdict.would_change,
                "code": {
                    "server": code.server,
                    "client": code.javascript,
                    "client_python": code.python,
                    "client_shell": code.shell,
                },
            }
        ),
        indent=2,
    )


def as_text(verdict: Verdict, reasons: list[str], code: Code) -> str:
    """The answer for a person."""
    terminal = sys.stdout.isatty()
    name = NAMES[verdict.wire]
    parts = [
        f"Take {paint(name, terminal, bold=True)}.",
        _section("Why", _items(reasons), terminal),
        _section("What would change it", _items(verdict.would_change), terminal),
        _section("The server's side, in Python", _indented(code.server), terminal),
        _section("A client in JavaScript", _indented(code.javascript), terminal),
        _section("A client in Python", _indented(code.python), terminal),
        _section("A client in the shell", _indented(code.shell), terminal),
    ]
    return "\n\n".join(parts)


def _section(title: str, body: str, terminal: bool) -> str:
    return f"{paint(title, terminal, bold=True)}\n{body}"


def _items(sentences: Sequence[str]) -> str:
    return "\n".join(
        textwrap.fill(
            sentence,
            _WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for sentence in sentences
    )


def _indented(code: str) -> str:
    return textwrap.indent(code.rstrip("\n"), "    ")
