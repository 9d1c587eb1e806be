"""The rules: what speaks for which wire, and what decides.

`RULES` is a list in order of force: the first that applies decides, and the others that speak for
the same wire are reasons beside it. What people say of the wires, without refinement: both ways,
bytes or a high rate take WebSocket; one way takes Server-Sent Events; rare updates and networks
that let nothing else through take long polling. Facts refine it: a proxy that strips ``Upgrade``
leaves no WebSocket, one that buffers leaves no stream, and a browser on HTTP/1.1 opens six
connections to a site, over all tabs.

A reason may name a row of ``everywire compare``; where there is a last comparison, the row's
figures stand behind the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Wire = Literal["websocket", "sse", "longpoll"]
Network = Literal["open", "proxied", "hostile"]

WIRES: Final[tuple[Wire, ...]] = ("websocket", "sse", "longpoll")
NETWORKS: Final[tuple[Network, ...]] = ("open", "proxied", "hostile")

NAMES: Final[Mapping[Wire, str]] = {
    "websocket": "WebSocket",
    "sse": "Server-Sent Events",
    "longpoll": "long polling",
}

HIGH_RATE: Final = 20.0
"""Messages a second to one client from which the rate is a high one."""

RARE_RATE: Final = 1 / 30
"""Messages a second to one client up to which they are rare: one in 30 seconds."""

MANY_CLIENTS: Final = 10_000
"""Clients from which what each costs the server is worth a word."""


@dataclass(frozen=True)
class Situation:
    """What is known of the case.

    Attributes:
        two_way: Clients send too, and often.
        binary: The data is bytes.
        rate: Messages a second to one client; None: not known, taken as neither high nor rare.
        clients: Connected at once; None: not known.
        network: ``open``: nothing between that you do not set up yourself. ``proxied``: proxies of
            others, which may strip ``Upgrade``. ``hostile``: they strip it and buffer answers.
        cdn: Answers come through a content delivery network.
        browser: Clients are web pages.
        http1: The browser reaches the site by HTTP/1.1 only.
        llm: It streams the answers of a language model.
    """

    two_way: bool = False
    binary: bool = False
    rate: float | None = None
    clients: int | None = None
    network: Network = "open"
    cdn: bool = False
    browser: bool = False
    http1: bool = False
    llm: bool = False

    @property
    def high(self) -> bool:
        """Whether the rate is a high one."""
        return self.rate is not None and self.rate >= HIGH_RATE

    @property
    def rare(self) -> bool:
        """Whether messages are rare."""
        return self.rate is not None and self.rate <= RARE_RATE

    @property
    def many(self) -> bool:
        """Whether there are many clients."""
        return self.clients is not None and self.clients >= MANY_CLIENTS


@dataclass(frozen=True)
class Rule:
    """One rule of the framework.

    Attributes:
        wire: What it speaks for.
        applies: When.
        because: The reason, as a sentence.
        figure: The row of a comparison that measures it; empty: none does.
    """

    wire: Wire
    applies: Callable[[Situation], bool]
    because: str
    figure: str = ""


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "longpoll",
        lambda s: s.network == "hostile",
        "The network strips Upgrade, which leaves no WebSocket, and holds answers back until they "
        "end, which leaves no stream. A poll is an ordinary request with an ordinary end: it "
        "passes wherever the web does.",
        "proxy",
    ),
    Rule(
        "websocket",
        lambda s: s.two_way,
        "Clients send often. A WebSocket carries both ways on one connection; on the other wires "
        "each message up is an HTTP request of its own.",
        "direction",
    ),
    Rule(
        "websocket",
        lambda s: s.binary,
        "The data is bytes. A WebSocket carries them as they are; Server-Sent Events and the "
        "JSON of a poll are text, so there they become base64, a third larger.",
        "binary",
    ),
    Rule(
        "sse",
        lambda s: s.llm,
        "A language model's answer goes one way, in pieces, and ends: what an event stream is "
        "for. The prompt is a request; a reload of the page resumes the answer by its last id.",
        "reconnection",
    ),
    Rule(
        "sse",
        lambda s: s.cdn,
        "A CDN carries plain HTTP. An event stream passes through it as a long answer, with the "
        "CDN's TLS, routing and rules; a WebSocket is a tunnel that many treat apart.",
        "cdn",
    ),
    Rule(
        "longpoll",
        lambda s: s.rare,
        "Messages are rare, 30 s or more apart. A poll that waits costs no more than a "
        "stream then, works everywhere, and between two polls the server keeps nothing of the "
        "client.",
        "scalability",
    ),
    Rule(
        "sse",
        lambda s: s.network == "proxied",
        "Messages go one way and there are proxies of others between, some of which strip "
        "Upgrade. An event stream is plain HTTP, and says to proxies that it is not to be "
        "buffered (X-Accel-Buffering, no-transform).",
        "proxy",
    ),
    Rule(
        "websocket",
        lambda s: s.high,
        "The rate is high. A frame of a WebSocket has 2 to 10 bytes around its payload, and "
        "nothing is asked again for it.",
        "latency",
    ),
    Rule(
        "websocket",
        lambda s: s.browser and s.http1,
        "On HTTP/1.1 a browser opens six connections to a site, over all tabs: six tabs with an "
        "event stream each, and the seventh loads nothing. WebSockets are counted apart, "
        "about 200.",
        "browser_connections",
    ),
    Rule(
        "sse",
        lambda s: not s.two_way,
        "Messages go one way, from the server to the client. That is an ordinary HTTP answer that "
        "goes on: proxies, load balancers, logs and authentication work as they do for the rest.",
        "direction",
    ),
    Rule(
        "sse",
        lambda s: s.browser,
        "A browser's EventSource comes back by itself and says where it was; with the other wires "
        "that is code of yours.",
        "reconnection",
    ),
)
"""In order of force: the first that applies decides. One of the last two always does, unless one
above has."""


@dataclass(frozen=True)
class Note:
    """Something that is worth knowing once a wire was chosen.

    Attributes:
        applies: When, given the wire.
        says: A sentence.
        figure: The row of a comparison that measures it; empty: none does.
    """

    applies: Callable[[Situation, Wire], bool]
    says: str
    figure: str = ""


NOTES: Final[tuple[Note, ...]] = (
    Note(
        lambda s, wire: wire == "websocket" and s.network == "proxied",
        "Some of the proxies between may strip Upgrade. Over TLS (wss://) most let it pass, for "
        "they do not see it; where one does not, the client goes on by Server-Sent Events and "
        "sends by POST.",
        "proxy",
    ),
    Note(
        lambda s, wire: wire == "websocket" and s.cdn,
        "A CDN passes a WebSocket on, where it is allowed to, and caches nothing of it.",
        "cdn",
    ),
    Note(
        lambda s, wire: wire == "sse" and s.cdn,
        "If the CDN is to answer in the server's place, and not only to pass on, long polling is "
        "the wire that it can cache: all who wait at one position get the same answer.",
        "cdn",
    ),
    Note(
        lambda s, wire: wire == "longpoll",
        "Long polling asks least of what is between and of the server: any load balancer will "
        "do, and a client between two polls is nothing but the position it will ask with.",
        "scalability",
    ),
    Note(
        lambda s, wire: wire == "longpoll" and s.two_way,
        "Beside long polling, what clients send goes by POST, a request each.",
        "direction",
    ),
    Note(
        lambda s, wire: wire == "longpoll" and s.binary,
        "In the JSON of a poll's answer bytes travel as base64, a third larger.",
        "binary",
    ),
    Note(
        lambda s, wire: wire == "longpoll" and s.high,
        "At a high rate a poll's answer carries all that came since the last one, so the requests "
        "do not grow with the messages; each message waits for a round trip at most.",
        "latency",
    ),
    Note(
        lambda s, wire: wire == "sse" and s.high,
        "A high rate is no hindrance to an event stream: one way, an event costs about what a "
        "frame costs.",
        "latency",
    ),
    Note(
        lambda s, wire: wire != "websocket" and s.browser and s.http1,
        "On HTTP/1.1 a browser opens six connections to a site, over all tabs. Take one stream for "
        "all channels of a page, share it between tabs, or put a proxy in front that speaks "
        "HTTP/2.",
        "browser_connections",
    ),
    Note(
        lambda s, wire: s.many,
        "With so many clients, what the server keeps for each is what counts.",
        "memory",
    ),
    Note(
        lambda s, wire: wire == "websocket",
        "Coming back to a WebSocket is code of yours: remember the id, wait at random, subscribe "
        "with since. The code that is printed does it.",
        "reconnection",
    ),
)

ALWAYS: Final = (
    "It is no choice for ever: with Everywire every channel is on all three wires, and the "
    "position moves between them. A client may go on by another wire where it was, and nothing is "
    "lost."
)


def choose(situation: Situation) -> Wire:
    """The wire of the first rule that applies."""
    return next(rule.wire for rule in RULES if rule.applies(situation))
