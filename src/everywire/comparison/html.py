"""A comparison as one HTML file that needs nothing else: no script, no font, no request.

It is made for a design review: the plots first, then every row with what is commonly said beside
what came out here, how each was found out, and what it does not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

from everywire.advice.rules import NAMES, WIRES, Wire
from everywire.comparison.findings import findings
from everywire.comparison.plots import Line, plot
from everywire.comparison.report import NOISE
from everywire.comparison.results import Comparison, Figure, Row, number


class _Plot(NamedTuple):
    """One plot: figures of a row.

    Attributes:
        title: Above it.
        says: Under the title.
        row: Where its figures are.
        figures: Their names, each with a word for the label; empty: the label is the wire alone.
        logarithmic: Where values lie far apart.
    """

    title: str
    says: str
    row: str
    figures: tuple[tuple[str, str], ...]
    logarithmic: bool = False


_PLOTS: Final = (
    _Plot(
        "Latency at a low rate",
        "From publish to arrival, half of the messages and 99 in 100.",
        "latency",
        (("p50_low_ms", "p50"), ("p99_low_ms", "p99")),
        True,
    ),
    _Plot(
        "Latency at a high rate",
        "The same with many messages a second to one client.",
        "latency",
        (("p50_high_ms", "p50"), ("p99_high_ms", "p99")),
        True,
    ),
    _Plot(
        "Whole again after a cut",
        "Until everything published in the meantime was there; nearly all of it is the wait that "
        "clients of the wire choose.",
        "reconnection",
        (("whole_s", ""),),
    ),
    _Plot(
        "Server memory a connection",
        "Of the server's process, for a client that hears and is sent nothing.",
        "memory",
        (("each_kib", ""),),
    ),
    _Plot(
        "Processor time a delivery",
        "Of the server, one message at a time to many clients. A poll's is with its request.",
        "scalability",
        (("processor_us", ""),),
        True,
    ),
    _Plot(
        "Bytes on the wire a message",
        "120 bytes of data, both ways, with all that is around them, at the low rate, at the high "
        "one, and bare.",
        "bytes",
        (("low", "low"), ("high", "high"), ("bare", "bare")),
    ),
    _Plot(
        "Connection set-up",
        "From nothing to knowing where one stands, without TLS.",
        "set_up",
        (("set_up_ms", ""),),
    ),
)

_SHORT: Final[Mapping[Wire, str]] = {
    "websocket": "WebSocket",
    "sse": "SSE",
    "longpoll": "Long polling",
}
_KINDS: Final = {"measured": "measured", "tested": "tested", "fact": "fact, not measured"}


def as_html(comparison: Comparison) -> str:
    """The whole report."""
    style = files("everywire.comparison").joinpath("report.css").read_text(encoding="utf-8")
    plots = "\n".join(filter(None, (_figure(comparison, plot) for plot in _PLOTS)))
    rows = "\n".join(map(_row, comparison.rows))
    heads = "".join(
        f'<th scope="col" class="{wire}">{_mark(wire)}{escape(_title(wire))}</th>' for wire in WIRES
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Three wires, measured</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<h1>Three wires, measured</h1>
<p class="lead">WebSocket, Server-Sent Events and long polling, carrying the same channel of the
same server: what each costs and what each can do, on one machine.</p>
{_machine(comparison)}
</header>
<section>
<h2>What came out</h2>
<ul>
{"".join(f"<li>{escape(finding)}</li>" for finding in findings(comparison))}
</ul>
</section>
<section>
<h2>Figures</h2>
<p>{_legend(comparison)}</p>
<div class="plots">
{plots}
</div>
</section>
<section>
<h2>The table, claim by claim</h2>
<p>Grey is what is commonly said of the wire; under it is what came out here. A test that says
<em>yes</em> or <em>no</em> says in how many runs.</p>
<div class="wide">
<table>
<thead><tr><th scope="col">What</th>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</section>
<section>
<h2>How it was found out</h2>
<dl class="how">
{"".join(_how(row) for row in comparison.rows)}
</dl>
</section>
<section>
<h2>What this does not show</h2>
<ul>
<li>{escape(NOISE)}</li>
<li>Server and client shared the processors of one machine. Latencies have a client in Python in
them, alike for all wires; the server's memory and processor time have not.</li>
<li>A network adds its round trips: one to a message on an open connection, one more to a poll
that has to be asked again, two or three to a set-up, and TLS its own.</li>
<li>All of it is Everywire. Another server has other figures; what passes through proxies and what
browsers do is the same for all.</li>
</ul>
</section>
<section>
<h2>Every run</h2>
<details>
<summary>All figures, with each run</summary>
<div class="wide">
<table class="runs">
<thead><tr><th scope="col">Row</th><th scope="col">Wire</th><th scope="col">Figure</th>
<th scope="col">Median</th><th scope="col">Runs</th></tr></thead>
<tbody>
{"".join(_runs(comparison))}
</tbody>
</table>
</div>
</details>
</section>
</main>
</body>
</html>
"""


def _title(wire: Wire) -> str:
    name = NAMES[wire]
    return name[0].upper() + name[1:]


def _machine(comparison: Comparison) -> str:
    facts = {
        "Measured": comparison.measured_at.replace("T", " ").replace("Z", " UTC"),
        "Took": f"{comparison.seconds:g} s, {comparison.runs} runs"
        + (", quick" if comparison.quick else ""),
        **{name[0].upper() + name[1:]: value for name, value in comparison.machine.items()},
    }
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def _legend(comparison: Comparison) -> str:
    wires = ", ".join(
        f'<span class="{wire}">{_mark(wire)}{escape(_title(wire))}</span>' for wire in WIRES
    )
    return (
        f"{wires}; SSE is Server-Sent Events. Each small dot is one of {comparison.runs} runs, "
        "the line is their spread, the mark is the median."
    )


def _mark(wire: Wire) -> str:
    """The wire's mark, for the eye; its name stands beside it."""
    shapes = {
        "websocket": '<circle cx="6" cy="6" r="5"/>',
        "sse": '<rect x="1.5" y="1.5" width="9" height="9"/>',
        "longpoll": '<path d="M 6 0 l 6 6 l -6 6 l -6 -6 z"/>',
    }
    return f'<svg class="key" viewBox="0 0 12 12" aria-hidden="true">{shapes[wire]}</svg>'


def _figure(comparison: Comparison, wanted: _Plot) -> str:
    row = comparison.row(wanted.row)
    if row is None:
        return ""
    lines = [
        Line(f"{_SHORT[wire]}, {word}" if word else _SHORT[wire], wire, figure)
        for name, word in wanted.figures
        for wire in WIRES
        if (figure := row.cells[wire].figures.get(name)) is not None
    ]
    if not lines:
        return ""
    unit = lines[0].figure.unit
    axis = f"{unit}, logarithmic" if wanted.logarithmic else unit
    drawn = plot(wanted.title, axis, lines, logarithmic=wanted.logarithmic)
    return (
        f"<figure><figcaption><h3>{escape(wanted.title)}</h3><p>{escape(wanted.says)}</p>"
        f"</figcaption>\n{drawn}\n</figure>"
    )


def _row(row: Row) -> str:
    cells = "".join(
        f"<td>{_claim(row, wire)}<p>{_says(row.cells[wire].says)}</p></td>" for wire in WIRES
    )
    kind = f'<span class="kind {row.kind}">{_KINDS[row.kind]}</span>'
    return f'<tr><th scope="row">{escape(row.title)}{kind}</th>{cells}</tr>'


def _says(says: str) -> str:
    """With a yes or no that it begins with made visible."""
    word, space, rest = says.partition(" ")
    verdict = f"<strong>{word}</strong>" if word in ("yes", "no") else escape(word)
    return f"{verdict}{space}{escape(rest)}"


def _claim(row: Row, wire: Wire) -> str:
    claim = row.claims.get(wire)
    return f'<p class="claim">said: {escape(claim)}</p>' if claim else ""


def _how(row: Row) -> str:
    return f"<dt>{escape(row.title)}</dt><dd>{escape(row.how)}</dd>"


def _runs(comparison: Comparison) -> Iterator[str]:
    for row in comparison.rows:
        for wire in WIRES:
            for name, figure in row.cells[wire].figures.items():
                yield _run(row, wire, name, figure)


def _run(row: Row, wire: Wire, name: str, figure: Figure) -> str:
    runs = ", ".join(map(number, figure.runs))
    cells = (row.title, _title(wire), name, f"{number(figure.median)} {figure.unit}", runs)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"
