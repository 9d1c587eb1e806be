"""Rows of the comparison, made of samples: the sentences, and the figures behind them.

The first eleven are the rows of the table that everybody copies; ``claims`` is what it says. The
last two are measured beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from everywire.advice.rules import WIRES, Wire
from everywire.comparison.cuts import Recovery
from everywire.comparison.passing import BYTES, DEADLINE, Passed, cacheable
from everywire.comparison.results import Cell, Figure, Kind, Row, figure
from everywire.comparison.samples import Samples, WireSamples

Claims = tuple[str, str, str]

_ONE_WAY: Final = "server → client"


def rows(samples: Samples) -> tuple[Row, ...]:
    """All of them, in the order in which they are shown."""
    return tuple(make(samples) for make in _ROWS)


def _row(
    samples: Samples,
    name: str,
    title: str,
    kind: Kind,
    how: str,
    cell: Callable[[Wire, WireSamples], Cell],
    claims: Claims | tuple[()] = (),
) -> Row:
    cells: dict[Wire, Cell] = {wire: cell(wire, samples.wires[wire]) for wire in WIRES}
    return Row(name, title, kind, how, cells, dict(zip(WIRES, claims, strict=False)))


def _tested(passed: Sequence[bool]) -> tuple[int, int]:
    return sum(passed), len(passed)


def _verdict(passed: Sequence[bool]) -> str:
    """Yes or no, and of how many runs; a mixed one says so."""
    yes, all_ = _tested(passed)
    word = "yes" if yes == all_ else "no" if yes == 0 else "at times"
    return f"{word} ({yes} of {all_} runs)"


def _passes(tests: Sequence[Passed]) -> str:
    verdict = _verdict([test.yes for test in tests])
    took = [test.ms for test in tests if test.yes]
    return f"{verdict}, in {figure('ms', took)}" if took else verdict


def _direction(samples: Samples) -> Row:
    beside = figure("ms", samples.beside)

    def cell(wire: Wire, of: WireSamples) -> Cell:
        tested = _tested([test.yes for test in of.up])
        took = [test.ms for test in of.up if test.yes]
        if took:
            says = f"both ways: {_passes(of.up)} there and back"
            return Cell(says, {"up_ms": figure("ms", took)}, tested)
        says = (
            f"{_ONE_WAY}; up the same connection: {_verdict([t.yes for t in of.up])}; by a POST "
            f"beside it in {beside}"
        )
        return Cell(says, {"post_ms": beside}, tested)

    how = (
        "A client publishes up the connection on which it hears; it is a yes if that comes back "
        f"within {DEADLINE} s."
    )
    claims = ("both", _ONE_WAY, _ONE_WAY)
    return _row(samples, "direction", "Direction", "tested", how, cell, claims)


def _protocol(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        seen = list(dict.fromkeys(f"HTTP {head.status}, {head.kind}" for head in of.heads))
        then = ", then frames on the same TCP connection" if wire == "websocket" else ""
        return Cell(" or ".join(seen) + then, {}, (len(of.heads), len(of.heads)))

    how = "The status and the type of the answer that brings a message."
    claims = ("WebSocket (TCP)", "HTTP", "HTTP")
    return _row(samples, "protocol", "Protocol", "tested", how, cell, claims)


def _latency(samples: Samples) -> Row:
    plan = samples.plan

    def cell(wire: Wire, of: WireSamples) -> Cell:
        figures = {
            "p50_low_ms": figure("ms", [run.p50 for run in of.low]),
            "p99_low_ms": figure("ms", [run.p99 for run in of.low]),
            "p50_high_ms": figure("ms", [run.p50 for run in of.high]),
            "p99_high_ms": figure("ms", [run.p99 for run in of.high]),
        }
        says = (
            f"at {plan.low:g}/s p50 {figures['p50_low_ms']}, p99 {figures['p99_low_ms']}; "
            f"at {plan.high:g}/s p50 {figures['p50_high_ms']}, p99 {figures['p99_high_ms']}"
        )
        return Cell(says, figures)

    how = (
        "From before the publish, by WebSocket for all, until a client has taken the message "
        "apart; one clock, one process for both. "
        f"{round(plan.low * plan.low_seconds)} messages a run at the low rate, "
        f"{round(plan.high * plan.high_seconds)} at the high one; of fewer than 100, p99 is the "
        "slowest."
    )
    return _row(samples, "latency", "Latency", "measured", how, cell, ("lowest", "low", "medium"))


def _reconnection(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        figures = _cut_figures(of.cuts)
        if wire == "websocket":
            naive = _cut_figures(samples.naive, "naive_")
            says = f"by hand, with since: {_recovered(of.cuts)}; without: {_lost(samples.naive)}"
            return Cell(says, {**figures, **naive})
        manner = "by itself" if wire == "sse" else "the loop goes on"
        return Cell(f"{manner}: {_recovered(of.cuts)}", figures)

    how = (
        "A proxy cuts the connection and lets nobody in for 0.3 s, while 20 messages a second are "
        "published. Time until everything published up to then is there. The waits are those of "
        "the usual clients: full jitter from 0.5 s for loops, the 2 s that the server set for an "
        "EventSource."
    )
    claims = ("manual", "automatic", "manual")
    return _row(samples, "reconnection", "Reconnection", "measured", how, cell, claims)


def _recovered(cuts: Sequence[Recovery]) -> str:
    figures = _cut_figures(cuts)
    whole = f"whole again in {figures['whole_s']}" if "whole_s" in figures else "never whole again"
    return f"{whole}, {_lost(cuts)}, repeated {sum(cut.repeated for cut in cuts)}"


def _lost(cuts: Sequence[Recovery]) -> str:
    """Of all runs together."""
    return f"lost {sum(cut.lost for cut in cuts)} of {sum(cut.missed for cut in cuts)}"


def _cut_figures(cuts: Sequence[Recovery], prefix: str = "") -> dict[str, Figure]:
    figures = {
        f"{prefix}missed": figure("", [cut.missed for cut in cuts]),
        f"{prefix}lost": figure("", [cut.lost for cut in cuts]),
        f"{prefix}repeated": figure("", [cut.repeated for cut in cuts]),
    }
    whole = [cut.seconds for cut in cuts if cut.seconds is not None]
    if len(whole) == len(cuts):
        figures[f"{prefix}whole_s"] = figure("s", whole)
    return figures


def _binary(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        passed = [run.yes for run in of.carried]
        length = figure("", [run.length for run in of.carried])
        as_what = "as they are" if all(passed) else f"as base64, {length.median:.0f} characters"
        says = f"{_verdict(passed)}: {len(BYTES)} bytes come {as_what}"
        return Cell(says, {"length": length}, _tested(passed))

    how = f"{len(BYTES)} bytes, each value once, are published; it is a yes if they come as such."
    return _row(samples, "binary", "Binary data", "tested", how, cell, ("yes", "no", "no"))


def _http2(samples: Samples) -> Row:
    meaning = {
        "websocket": "a proxy in front would have to speak RFC 8441 for it",
        "sse": "behind a proxy that speaks it, streams share a connection",
        "longpoll": "behind a proxy that speaks it, polls share a connection",
    }

    def cell(wire: Wire, of: WireSamples) -> Cell:
        offered = "" if all(samples.http2) else "not offered by this version; "
        says = f"{_verdict(samples.http2)}: {offered}{meaning[wire]}"
        return Cell(says, {}, _tested(samples.http2))

    how = "The preface of HTTP/2 is sent; it is a yes if settings come back (RFC 9113, 3.4)."
    claims = ("no", "yes", "yes")
    return _row(samples, "http2", "HTTP/2 multiplexing", "tested", how, cell, claims)


def _cdn(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        passed = [cacheable(head) for head in of.heads]
        said = list(dict.fromkeys(head.caching for head in of.heads))
        if wire == "websocket":
            says = f"{_verdict(passed)}: a tunnel, nothing to cache"
        else:
            caching = f"Cache-Control: {' or '.join(said) or 'absent'}"
            passes = "" if all(passed) else "; it passes through, uncached"
            says = f"{_verdict(passed)}: {caching}{passes}"
        return Cell(says, {}, _tested(passed))

    how = (
        "The Cache-Control of an answer that brings a message: it is a yes if a shared cache may "
        "answer others with it (RFC 9111)."
    )
    return _row(samples, "cdn", "CDN-friendly", "tested", how, cell, ("no", "yes", "yes"))


def _proxy(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        says = (
            f"one that buffers answers: {_passes(of.buffering)}; "
            f"one that strips Upgrade: {_passes(of.stripping)}"
        )
        if all(head.unbuffered for head in of.heads):
            says += "; X-Accel-Buffering: no is said, which nginx and others obey"
        return Cell(says, {}, _tested([run.yes for run in (*of.buffering, *of.stripping)]))

    how = (
        "Through two proxies, of which one holds answers back until they end or 64 KiB have come, "
        "and one takes Upgrade out of requests. It is a yes if a message comes through within "
        f"{DEADLINE} s. The first obeys nobody; whether the answer asks not to be buffered is read "
        "from it."
    )
    claims = ("sometimes", "yes", "yes")
    return _row(samples, "proxy", "Proxy-friendly", "tested", how, cell, claims)


def _browser_connections(samples: Samples) -> Row:
    says = {
        "websocket": "255 to a host in Chromium, 200 in all in Firefox",
        "sse": "6 to a host on HTTP/1.1, over all tabs, shared with all other requests",
        "longpoll": "6 to a host on HTTP/1.1, over all tabs, shared with all other requests",
    }
    how = (
        "Not measured. Chromium: net/socket/client_socket_pool_manager.cc (6; 255 for WebSockets). "
        "Firefox: network.http.max-persistent-connections-per-server (6), "
        "network.websocket.max-connections (200). One connection carries all channels of a page."
    )
    claims = ("unlimited", "6 a domain (HTTP/1.1)", "6 a domain")
    return _row(
        samples,
        "browser_connections",
        "Browser connections",
        "fact",
        how,
        lambda wire, of: Cell(says[wire]),
        claims,
    )


def _memory(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        each = figure("KiB", of.memory)
        waiting = "a waiting poll" if wire == "longpoll" else "an idle connection"
        return Cell(f"{each} for {waiting}", {"each_kib": each})

    how = (
        f"{samples.counted} of the server's process, before and after {samples.idle} clients that "
        "hear one channel; a fresh server each time. The kernel's socket buffers are not in it."
    )
    claims = ("~2–10 KB", "~1–5 KB", "minimal")
    return _row(samples, "memory", "Server memory a connection", "measured", how, cell, claims)


def _scalability(samples: Samples) -> Row:
    plan = samples.plan

    def cell(wire: Wire, of: WireSamples) -> Cell:
        each = figure("µs", of.processor)
        held = figure("", [float(count) for count in of.held])
        state = (
            "stateless: between polls the server holds nothing of a client"
            if held.high == 0
            else "stateful: between messages the server holds each client"
        )
        request = ", its request included" if wire == "longpoll" else ""
        says = f"{state}; {each} of processor time a delivery{request}"
        return Cell(says, {"processor_us": each, "held": held})

    how = (
        f"The server's processor time, while one message at a time goes to {plan.audience} "
        "clients, divided by the deliveries; and for how many the server says that it holds a "
        "subscription, once a client has had a message."
    )
    claims = ("stateful", "stateful", "stateless")
    return _row(samples, "scalability", "Scalability", "measured", how, cell, claims)


def _bytes(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        figures = {
            "low": figure("bytes", [run.bytes for run in of.low]),
            "high": figure("bytes", [run.bytes for run in of.high]),
        }
        says = f"{figures['low']} at the low rate, {figures['high']} at the high one"
        if of.bare:
            figures["bare"] = figure("bytes", of.bare)
            says += f"; bare data: {figures['bare']}"
        return Cell(says, figures)

    how = (
        "TCP payload both ways, requests included, a message of 120 bytes of data as a message "
        "object with channel, id, event and time; bare: the data alone (format=data). A browser "
        "adds some 500 bytes of headers to each request."
    )
    return _row(samples, "bytes", "Bytes on the wire a message", "measured", how, cell)


def _set_up(samples: Samples) -> Row:
    def cell(wire: Wire, of: WireSamples) -> Cell:
        took = figure("ms", of.set_up)
        return Cell(f"{took}", {"set_up_ms": took})

    how = (
        "From nothing to a client that knows the position where it starts: TCP, HTTP, and for a "
        f"WebSocket a frame both ways. Median of {samples.plan.connects} a run; without TLS and "
        "without a network between, so what it shows are the round trips' price at the ends."
    )
    return _row(samples, "set_up", "Connection set-up", "measured", how, cell)


_ROWS: Final = (
    _direction,
    _protocol,
    _latency,
    _reconnection,
    _binary,
    _http2,
    _cdn,
    _proxy,
    _browser_connections,
    _memory,
    _scalability,
    _bytes,
    _set_up,
)
