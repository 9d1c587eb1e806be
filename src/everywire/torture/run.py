"""One run: a server, a proxy that torments its connections, traffic, and the verdict.

Three parts. While it rages, publishers publish and hoppers listen through the proxy; connections
are unlucky as planned for each, everybody is cut now and then, and the server is killed, stopped
and frozen. Then it heals: the proxy is clean, each channel gets a last message, and everybody has
to come to it. Last, the log is read, and the history is checked.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

from everywire.client import Publisher
from everywire.client.address import Address
from everywire.core.errors import UsageError
from everywire.torture.chaos import ChaosProxy
from everywire.torture.checker import check
from everywire.torture.faults import Step, planned, schedule
from everywire.torture.history import (
    Acknowledged,
    Connected,
    Event,
    Failed,
    Missed,
    Received,
)
from everywire.torture.hoppers import END_LABEL, Hopper
from everywire.torture.links import Link
from everywire.torture.proxy_thread import ProxyThread
from everywire.torture.publishers import TortureLoad, attempt
from everywire.torture.reading import LogReader
from everywire.torture.server import TorturedServer
from everywire.torture.verdict import Ordered, Verdict

PUBLISHERS: Final = 4
HOPPERS: Final = 8
FEW: Final = 40
"""Messages that a channel with a count rule keeps: so few that who is away misses some."""

HEALING: Final = 30.0
"""Seconds in which everybody has to come to the end, once nothing goes wrong any more."""

_PROGRESS: Final = 5.0
_CHANNELS: Final = ("all.a", "all.b", "all.c", "few.a", "few.b")


def torture(ordered: Ordered, say: Callable[[str], object] = lambda words: None) -> Verdict:
    """Run it.

    Args:
        ordered: What to run.
        say: Told in words how it goes.

    Raises:
        UsageError: The URL is none that a proxy can stand before.
        ServerFailed: The server does not start, or does not stop.
        Unreachable: Nothing answers at the URL.
    """
    with _server(ordered) as server:
        target = _target(ordered, server)
        with ProxyThread(target.port, planned(ordered.seed), target.host) as proxy:
            return _Run(ordered, say, server, target, proxy).run()


@contextmanager
def _server(ordered: Ordered) -> Generator[TorturedServer | None]:
    if ordered.url is not None:
        yield None
        return
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="everywire-torture-", ignore_cleanup_errors=True)
        )
        log = ordered.log or f"sqlite:{Path(folder) / 'log.db'}"
        few = f"*.few.*:count={FEW}"
        yield stack.enter_context(TorturedServer(["--log", log, "--rule", few]))


def _target(ordered: Ordered, server: TorturedServer | None) -> Address:
    if server is not None:
        return Address(f"http://127.0.0.1:{server.port}")
    target = Address(ordered.url or "")
    if target.secure:
        raise UsageError("the proxy that torments connections cannot stand before https; give http")
    return target


class _Run:
    """A run and its threads; see the module."""

    def __init__(
        self,
        ordered: Ordered,
        say: Callable[[str], object],
        server: TorturedServer | None,
        target: Address,
        proxy: ProxyThread,
    ) -> None:
        self._ordered = ordered
        self._say = say
        self._server = server
        self._target = target
        self._proxy = proxy
        self._log = LogReader(target)
        self._draw = random.Random(f"{ordered.seed}/run")
        self._verdict = Verdict(ordered)
        self._history = self._verdict.history
        # Of its own, so that a server that is there already has no other messages in them.
        prefix = f"torture-{token_hex(4)}"
        self._channels = [f"{prefix}.{name}" for name in _CHANNELS]
        self._pattern = f"{prefix}.**"
        self._enough, self._healed, self._stop = (threading.Event() for _ in range(3))
        self._url = f"{proxy.url}{target.base}"
        self._hoppers: list[Hopper] = []
        self._threads: list[threading.Thread] = []

    def run(self) -> Verdict:
        try:
            start = self._log.head(self._channels[0])
            self._listen(start)
            publishers = self._publish()
            self._rage()
            self._heal(publishers)
            for channel in self._channels:
                self._history.add(self._log.kept(channel))
        finally:
            self._end()
        return self._judge()

    # The traffic

    def _listen(self, start: int) -> None:
        for number in range(HOPPERS):
            draw = self._luck(f"hopper/{number}")
            names = [self._pattern] if number % 4 == 3 else draw.sample(self._channels, 3)
            self._add_hopper(f"hopper {number}", names, 0 if number % 4 == 2 else start, draw)

    def _add_hopper(self, name: str, names: list[str], since: int, draw: random.Random) -> None:
        channels = self._channels if names == [self._pattern] else names
        hopper = Hopper(
            name,
            self._url,
            names,
            since,
            self._history,
            draw,
            self._stop,
            channels,
            self._healed,
        )
        self._hoppers.append(hopper)
        self._start(hopper.run, name)

    def _publish(self) -> list[threading.Thread]:
        loads = [
            TortureLoad(
                f"publisher {number}",
                self._url,
                self._channels,
                self._history,
                self._luck(f"publisher/{number}"),
                self._enough,
                self._stop,
            )
            for number in range(PUBLISHERS)
        ]
        return [self._start(load.run, load.name) for load in loads]

    def _start(self, work: Callable[[], None], name: str) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # whatever it is, it must not end in silence
                self._history.add(Failed(name, f"ended by {type(error).__name__}: {error}"))

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _luck(self, whose: str) -> random.Random:
        return random.Random(f"{self._ordered.seed}/{whose}")

    # What goes wrong

    def _rage(self) -> None:
        began = time.monotonic()
        seconds = self._ordered.seconds
        told = 0.0
        for step in schedule(self._ordered.seed, seconds, server=self._server is not None):
            self._wait_until(began + step.at)
            self._do(step)
            if step.at >= told + _PROGRESS:
                told = step.at
                self._say(f"{step.at:.0f} s: {self._progress()}")
        self._wait_until(began + seconds)

    def _wait_until(self, moment: float) -> None:
        self._stop.wait(max(0.0, moment - time.monotonic()))

    def _do(self, step: Step) -> None:
        self._verdict.counts[step.act] += 1
        server = self._server
        if step.act in ("kill", "stop", "freeze"):
            assert server is not None
            if step.act == "freeze":
                server.freeze()
                self._stop.wait(step.seconds)
                server.thaw()
                return
            server.kill() if step.act == "kill" else server.stop()
            server.start()
            return
        self._proxy.call(lambda proxy: self._torment(proxy, step))

    def _torment(self, proxy: ChaosProxy, step: Step) -> None:
        """On the proxy's loop."""
        loop = self._proxy.loop
        for link in list(proxy.links.values()):
            if self._draw.random() >= step.share:
                continue
            if step.act in ("cut", "reset", "stall", "half_close_up", "half_close_down"):
                link.do(step.act)
            if step.act == "stall":
                loop.call_later(step.seconds, link.go_on)
            elif step.act.startswith("half_close"):
                loop.call_later(step.seconds, link.cut)

    # The end

    def _heal(self, publishers: list[threading.Thread]) -> None:
        self._say("nothing goes wrong any more; everybody has to come to the end")
        deadline = time.monotonic() + HEALING
        self._proxy.call(ChaosProxy.heal)
        self._enough.set()
        self._healed.set()
        for thread in publishers:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._history.add(Failed(thread.name, "has a publish that is never answered"))
        self._say_the_last(max(1.0, deadline - time.monotonic()))
        # Who comes late, by since=0, gets what is kept.
        self._add_hopper("latecomer", [self._pattern], 0, self._luck("latecomer"))
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _say_the_last(self, patience: float) -> None:
        with Publisher(self._target.url, patience=patience) as publisher:
            for channel in self._channels:
                data = {"label": f"{END_LABEL}{channel}"}
                attempt(self._history, "the end", channel, data)
                position = publisher.publish(channel, data).id or 0
                self._history.add(Acknowledged("the end", channel, data["label"], position))

    def _end(self) -> None:
        self._stop.set()
        self._enough.set()
        self._proxy.each(Link.cut)
        for thread in self._threads:
            thread.join(1)

    # The verdict

    def _progress(self) -> str:
        counts = self._counted()
        return f"{counts['acknowledged']:,} acknowledged, {counts['received']:,} received"

    def _counted(self) -> Counter[str]:
        kinds: dict[str, type[Event]] = {
            "acknowledged": Acknowledged,
            "received": Received,
            "connections": Connected,
            "gaps": Missed,
        }
        return Counter({name: self._history.count(kind) for name, kind in kinds.items()})

    def _judge(self) -> Verdict:
        verdict = self._verdict
        verdict.counts.update(self._counted())
        for hopper in self._hoppers:
            verdict.counts.update(hopper.connections)
        if self._server is not None:
            verdict.complaints = list(self._server.complaints)
        verdict.broken = check(list(self._history.events), self._lossless)
        return verdict

    def _lossless(self, channel: str) -> bool:
        # What a server that is there already keeps, we do not know.
        return self._server is not None and ".few." not in channel
