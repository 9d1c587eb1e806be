"""A publisher over HTTP: one publish at a time, repeated with its key until it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from everywire.simulation.decoding import answer_of
from everywire.simulation.network import SimulatedTransport
from everywire.simulation.scribe import Scribe
from everywire.torture.history import Acknowledged, Attempted, digest

_HEAD = "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@dataclass(slots=True)
class _Publish:
    labels: Sequence[str]
    channels: Sequence[str]
    body: bytes
    key: str
    digests: Sequence[int]
    kept: bool = True
    again: bool = False
    life: int = -1


class _Answer(msgspec.Struct):
    id: int | None = None
    ids: list[int | None] = []


_answer = msgspec.json.Decoder(_Answer).decode


class SimulatedPublisher:
    """See the module.

    Args:
        number: Unlike all others.
        world: Where it writes.
    """

    def __init__(self, number: int, world: Scribe) -> None:
        self.number = number
        self.transport: SimulatedTransport | None = None
        self._world = world
        self._count = 0
        self._pending: _Publish | None = None
        self._sent = False
        self._last: _Publish | None = None

    @property
    def free(self) -> bool:
        """Whether nothing of it is unanswered."""
        return self._pending is None

    @property
    def who(self) -> str:
        """Its name in the history: another one in each life of the log."""
        life = self._world.life
        return f"publisher {self.number}" + (f" (life {life})" if life else "")

    def publish(self, channels: Sequence[str], padding: int, **fields: object) -> None:
        """Publish a message to each of some channels, all or nothing."""
        labels: list[str] = []
        objects: list[bytes] = []
        digests: list[int] = []
        ephemeral = fields.get("ephemeral") is True
        for channel in channels:
            self._count += 1
            label = f"p{self.number}/{self._count}"
            data = msgspec.json.encode({"label": label, "pad": "x" * padding})
            labels.append(label)
            digests.append(digest(data))
            if ephemeral:
                self._world.ephemeral[label] = channel
            draft = {"channel": channel, "data": msgspec.Raw(data), **fields}
            objects.append(msgspec.json.encode(draft))
        body = objects[0] if len(objects) == 1 else b"[" + b",".join(objects) + b"]"
        key = f"key-{self.number}-{self._count:08d}"
        self._pending = _Publish(labels, channels, body, key, digests, kept=not ephemeral)
        self._sent = False

    def again(self) -> None:
        """Publish once more what was acknowledged last, with the same key."""
        if self._last is not None and self._last.life == self._world.life:
            self._pending, self._last = self._last, None
            self._pending.again = True
            self._sent = False

    def send(self, transport: SimulatedTransport | None = None) -> None:
        """Send what is unanswered and not under way; by a new connection where one is given."""
        pending = self._pending
        if transport is not None:
            self.transport = transport
        if pending is None or self._sent or self.transport is None:
            return
        if pending.life != self._world.life:
            pending.life = self._world.life
            if pending.kept:
                self._note_attempt(pending)
        self._sent = True
        head = (
            f"{_HEAD}Idempotency-Key: {pending.key}\r\nContent-Length: {len(pending.body)}\r\n\r\n"
        )
        self.transport.send(head.encode() + pending.body)

    def _note_attempt(self, pending: _Publish) -> None:
        for label, channel, crc in zip(
            pending.labels, pending.channels, pending.digests, strict=True
        ):
            self._world.note(Attempted(self.who, channel, label, crc))

    def serve(self) -> None:
        """Take the answer, if it is there."""
        transport = self.transport
        if transport is None:
            return
        data = transport.take()
        if data is not None:
            self._answered(*answer_of(data))
        elif transport.finished:
            self.leave()

    def leave(self) -> None:
        """Have no connection any more; what is unanswered will be sent again."""
        transport, self.transport = self.transport, None
        if self._sent and self._pending is not None and not self._pending.kept:
            # Nothing keeps an ephemeral message from coming twice.
            self._pending = None
        self._sent = False
        if transport is not None:
            transport.cut()

    def _answered(self, status: int, body: bytes) -> None:
        pending = self._pending
        assert pending is not None
        if status == 503:
            self._sent = False
            return
        self._pending = None
        if status == 409:
            return
        if status != 200:
            self._world.broken("error", self.who, f"was answered {status}: {body[:200]!r}")
        elif pending.kept:
            answer = _answer(body)
            ids = answer.ids or [answer.id]
            for label, channel, position in zip(pending.labels, pending.channels, ids, strict=True):
                event = Acknowledged(self.who, channel, label, position or 0, pending.again)
                self._world.note(event)
            self._last = pending
