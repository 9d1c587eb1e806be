"""A schedule carried out: the server, everybody who uses it, and what happens to them.

After the steps everything heals: nobody is cut, the log answers, time passes, and everybody has to
come to the end. Then the history is judged.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from everywire.core.messages import Message
from everywire.simulation.asking import LUCKY_WIRES
from everywire.simulation.clients import Client
from everywire.simulation.complaints import InjectedFault, complaints_of_the_server
from everywire.simulation.judging import judge
from everywire.simulation.logs import SlowMemoryLog
from everywire.simulation.loop import SimulatedLoop
from everywire.simulation.machine import HEARTBEAT, Machine, turns
from everywire.simulation.outcome import Outcome
from everywire.simulation.plan import CHANNELS, EXTRAS, PATTERNS, Plan, Step
from everywire.simulation.publishers import SimulatedPublisher
from everywire.simulation.truth import Truth
from everywire.torture.facts import Broken
from everywire.torture.history import Acknowledged, AnyEvent, Attempted, Kept, Received

PUBLISHERS: Final = 6
_PADDING: Final = (0, 5, 40, 200)
_ROUNDS: Final = 60
_TURNS: Final = 4


class World:
    """See the module; `run` is a coroutine of a `SimulatedLoop`.

    Args:
        loop: The loop.
        plan: What happens.
        folder: Empty; for the log's file.
    """

    def __init__(self, loop: SimulatedLoop, plan: Plan, folder: Path) -> None:
        self.truth = Truth()
        self.life = 0
        self.tight = plan.tight
        self.ephemeral: dict[str, str] = {}
        self._loop = loop
        self._plan = plan
        self._outcome = Outcome(plan)
        self._events: list[AnyEvent] = []
        self._saved: Truth | None = None
        self._machine = Machine(loop, plan, folder, self)
        # Each is drawn by itself, so that it stays what it is where others are left out.
        self._clients = [self._new_client(number) for number in plan.clients]
        self._publishers = [SimulatedPublisher(n, self) for n in range(PUBLISHERS)]
        self._acts: dict[str, Callable[[int, int], object]] = {
            act: getattr(self, f"_{act}") for act in set(map(_act, plan.steps))
        }

    def _new_client(self, number: int) -> Client:
        luck = random.Random(f"everywire/{self._plan.seed}/client {number}")
        names: Sequence[str] = luck.sample(CHANNELS, luck.choice((1, 1, 2, 3)))
        if luck.random() < 0.3:
            names = [*names, luck.choice(PATTERNS)]
        ending = any(name.startswith("end.") for name in names)
        since = 0 if ending or luck.random() < 0.4 else None
        return Client(number, names, since, luck.random() < 0.3, self)

    async def run(self) -> Outcome:
        """Carry it out."""
        outcome = self._outcome
        with complaints_of_the_server() as complaints:
            try:
                await self._open(born=True)
                await self._go_through()
                await self._heal()
            except _GoneWrong:
                pass
            except Exception as error:
                self.broken("fault", "the server", f"{type(error).__name__}: {error}")
            finally:
                self._cut_all()
                await self._machine.stop()
        self._end_life(last=True)
        for words in (*complaints, *self._loop.faults):
            self.broken("fault", "the server", words)
        for words in self._loop.overfull:
            self.broken("bounded", "the server", words)
        outcome.counts["published"] = sum(isinstance(e, Acknowledged) for e in outcome.events)
        outcome.counts["received"] = sum(isinstance(e, Received) for e in outcome.events)
        return outcome

    async def _go_through(self) -> None:
        for number, step in enumerate(self._plan.steps):
            self._outcome.counts[step.act] += 1
            self._tell(f"step {number}: {step}")
            done = self._acts[step.act](step.who, step.value)
            if asyncio.iscoroutine(done):
                await done
            if step.value % 4:
                await turns(1)
            self._look()

    def _look(self) -> None:
        """Whether to go on."""
        if self._loop.faults or self._loop.overfull:
            raise _GoneWrong

    # What clients, publishers and the log tell

    def _tell(self, words: str) -> None:
        self._outcome.done.append(f"{self._loop.time():8.3f} s  {words}")

    def note(self, event: AnyEvent) -> None:
        """Write an event down."""
        self._events.append(event)

    def broken(self, promise: str, who: str, what: str) -> None:
        """A promise was broken."""
        self._outcome.broken.append(Broken(promise, who, what))

    def flush(self) -> None:
        """Have the log hand over what it was given."""
        self._machine.log.flush()

    def taken(self, messages: Sequence[Message]) -> None:
        """The log has taken messages."""
        self.truth.taken(messages)

    # Traffic

    def _net(self, who: int, value: int) -> None:
        share = (1, 2, 4, 8)[who % 4]
        for client in self._clients:
            if client.transport is not None and _chosen(client.number, value, share):
                client.serve(1 + who % 3)
        for publisher in self._publishers:
            publisher.serve()

    def _come(self, who: int, value: int) -> None:
        """Half of those who are away come back, each on a wire of its own choice."""
        for client in self._clients:
            away = client.transport is None and not client.done
            if away and _chosen(client.number, who, 4):
                self._connect(client, (who >> 3) + client.number)

    def _connect(self, client: Client, choice: int) -> None:
        wire = LUCKY_WIRES[choice % len(LUCKY_WIRES)]
        self._tell(f"client {client.number} connects: {wire}, for {' '.join(client.names)}")
        client.connect(self._machine.connect(), wire)

    def _publish(self, who: int, value: int) -> None:
        self._post(who, [CHANNELS[value % len(CHANNELS)]], _PADDING[who % len(_PADDING)])

    def _list(self, who: int, value: int) -> None:
        count = 2 + who % 5
        channels = [CHANNELS[(value + n * (1 + who % 3)) % len(CHANNELS)] for n in range(count)]
        self._post(who, channels, 5)

    def _ephemeral(self, who: int, value: int) -> None:
        self._post(who, [CHANNELS[value % len(CHANNELS)]], 5, ephemeral=True)

    def _final(self, who: int, value: int) -> None:
        self._post(who, [("end.1", "end.2")[value % 2]], 0, final=True)

    def _post(self, who: int, channels: Sequence[str], padding: int, **fields: object) -> None:
        publisher = self._publishers[who % PUBLISHERS]
        if publisher.free:
            if who % 5 == 0 and not fields:
                channels = [EXTRAS[who % len(EXTRAS)], *channels]
            self._tell(f"publisher {publisher.number} publishes to {' '.join(channels)}")
            publisher.publish(channels, padding, **fields)
        self._send(publisher)

    def _again(self, who: int, value: int) -> None:
        publisher = self._publishers[who % PUBLISHERS]
        if publisher.free:
            publisher.again()
            self._send(publisher)

    def _send(self, publisher: SimulatedPublisher) -> None:
        fresh = None if publisher.transport is not None else self._machine.connect()
        publisher.send(fresh)

    def _subscribe(self, who: int, value: int) -> None:
        client = self._with_socket(who)
        if client is not None:
            channel = EXTRAS[value % len(EXTRAS)]
            ids = self.truth.ids(channel)
            some = ids[value % len(ids)] if ids else None
            client.subscribe(channel, (None, 0, "history", some)[value // 8 % 4])

    def _unsubscribe(self, who: int, value: int) -> None:
        for client in self._clients:
            if client.ready and client.extras and _chosen(client.number, who, 4):
                client.unsubscribe(value)

    def _talk(self, who: int, value: int) -> None:
        client = self._with_socket(who)
        if client is not None:
            if value % 2:
                client.subscribe("x.echo", None)
            client.talk("x.echo")

    def _with_socket(self, who: int) -> Client | None:
        ready = [client for client in self._clients if client.ready]
        return ready[who % len(ready)] if ready else None

    # What goes wrong

    def _cut(self, who: int, value: int) -> None:
        there = [client for client in self._clients if client.transport is not None]
        if there:
            client = there[who % len(there)]
            self._tell(f"client {client.number} is cut")
            client.leave()
        if value % 8 == 0:
            self._publishers[who % PUBLISHERS].leave()

    def _storm(self, who: int, value: int) -> None:
        for client in self._clients:
            if _chosen(client.number, value, 6):
                client.leave()

    def _read_fails(self, who: int, value: int) -> None:
        self._machine.log.fail_next("read")

    def _append_fails(self, who: int, value: int) -> None:
        self._machine.log.fail_next("append")

    def _deliver_fails(self, who: int, value: int) -> None:
        """The hub fails at its next batch; who hears it has to read it from the log."""
        hub = self._machine.node.hub
        deliver = hub.deliver

        def fails(batch: Sequence[Message]) -> object:
            hub.deliver = deliver
            raise InjectedFault

        hub.deliver = fails  # pyright: ignore[reportAttributeAccessIssue]

    # The log and time

    def _turn(self, who: int, value: int) -> object:
        return turns(1 + value % _TURNS)

    def _time(self, who: int, value: int) -> object:
        self._loop.clock.pass_by((0.001, 0.1, 1.1, HEARTBEAT, 12.0)[who % 5])
        return turns(2)

    def _commit(self, who: int, value: int) -> None:
        for _ in range(1 + value % 3):
            self._machine.log.commit()

    def _answer(self, who: int, value: int) -> None:
        for number in range(1 + value % 8):
            self._machine.log.answer(who + number)

    def _tail(self, who: int, value: int) -> None:
        entries = self.truth.entries
        if entries:
            index = max(0, len(entries) - 1 - value % 30)
            self._machine.log.tail = max(self._machine.log.tail, entries[index].id)

    async def _sync(self, who: int, value: int) -> None:
        # What was committed is handed over first, so that the truth knows what the disk keeps.
        await turns(2)
        self._machine.sync()
        self._saved = self.truth.copy()

    async def _drain(self, who: int, value: int) -> None:
        """An orderly stop: everybody is sent away, hears that or not, and comes to the next."""
        self._machine.send_away()
        self._loop.clock.pass_by(0.1)
        await turns(2)
        self._net(0, value)
        await self._restart(power=False)

    async def _kill(self, who: int, value: int) -> None:
        await self._restart(power=False)

    async def _power(self, who: int, value: int) -> None:
        await self._restart(power=True)

    async def _restart(self, *, power: bool) -> None:
        """The server ends, and begins with what its log has kept."""
        self._tell("power fails" if power else "the server ends")
        machine = self._machine
        self._cut_all()
        await machine.stop()
        memory = isinstance(machine.log, SlowMemoryLog)
        if memory or (power and machine.lose_power()):
            self._end_life(last=False)
            self.life += 1
            self.truth = Truth() if memory or self._saved is None else self._saved.copy()
            self._outlive()
        self._loop.clock.pass_by(1.0)
        await self._open(born=memory)

    async def _open(self, *, born: bool) -> None:
        await self._machine.start()
        self.truth.open(self._machine.log.head(), born=born)

    def _outlive(self) -> None:
        """Note what this life of the log begins with."""
        who = f"the log before life {self.life}"
        for entry in self.truth.entries:
            self.note(Attempted(who, entry.channel, entry.label, entry.digest))
            self.note(Acknowledged(who, entry.channel, entry.label, entry.id))

    def _cut_all(self) -> None:
        for user in (*self._clients, *self._publishers):
            user.leave()

    # The end

    async def _heal(self) -> None:
        """Nothing goes wrong any more: everybody comes to the end."""
        self._tell("everything heals")
        for _ in range(_ROUNDS):
            await self._round()
            if self._all_level():
                break
        else:
            self._name_the_late()
        for client in self._clients:
            client.finish()
        await self._note_kept()

    async def _round(self) -> None:
        log = self._machine.log
        for number, client in enumerate(self._clients):
            if client.transport is None and not client.done:
                self._connect(client, number)
        for publisher in self._publishers:
            self._send(publisher)
        for _ in range(3):
            for _ in range(8):
                log.commit()
                log.answer(0)
            await turns(2)
            for client in self._clients:
                client.serve(64)
            for publisher in self._publishers:
                publisher.serve()
        self._loop.clock.pass_by(HEARTBEAT)
        await turns(2)
        self._look()

    def _all_level(self) -> bool:
        head = self._machine.node.hub.position
        answered = all(publisher.free for publisher in self._publishers)
        return answered and all(client.level_at(head) for client in self._clients)

    def _name_the_late(self) -> None:
        head = self._machine.node.hub.position
        for client in self._clients:
            if not client.level_at(head):
                self.broken("unfinished", client.who, f"never comes to {head}")
        for publisher in self._publishers:
            if not publisher.free:
                self.broken("unfinished", publisher.who, "is never answered")

    async def _note_kept(self) -> None:
        for channel in CHANNELS:
            kept = await self._machine.log.everything(channel)
            entries = [self.truth.at(message.id) for message in kept]
            self.note(Kept(channel, tuple((e.id, e.label, e.digest) for e in entries if e)))

    def _end_life(self, *, last: bool) -> None:
        outcome = self._outcome
        outcome.broken += judge(self._events, self.truth, tight=self.tight, last=last)
        outcome.events += self._events
        self._events = []


class _GoneWrong(Exception):
    """Going on would only tell the same again."""


def _act(step: Step) -> str:
    return step.act


def _chosen(number: int, value: int, eighths: int) -> bool:
    """Whether somebody is among a part of all, drawn by a value."""
    return ((number + 1) * 2_654_435_761 ^ value * 40_503) >> 7 & 7 < eighths
