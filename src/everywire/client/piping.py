"""Lines into messages, through server restarts, each once.

Two threads: one reads (`feed`), the other gathers and sends (`run`). What gathered is sent
as one list with one idempotency key, one list at a time; so order is kept, and a list whose answer
was lost can be repeated until it is acknowledged, though not longer than the server remembers the
key. While the server is away a bounded amount is held, then the reader stops reading.

The last line carries ``final``. It is known as the last only when the input ends while it is still
here; else the end is a message of its own.

`interrupt` may be called from a signal handler: it takes no lock. What was read by then is sent,
as far as that takes a few seconds only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from everywire.client.errors import Refused, Unreachable
from everywire.client.lines import SLICE, LineBuffer, Piece
from everywire.client.publisher import Publisher, draft
from everywire.client.retry import MAX_PATIENCE, Backoff, Patience

LINGER: Final = 0.05
"""Seconds that a line waits for others."""

MAX_LINES: Final = 200
MAX_BYTES: Final = 256 * 1024
"""Of one list; the protocol's own limits are 1000 messages and 8 MiB."""

_LAST_WORDS: Final = 3.0
"""Seconds for sending what is held, once interrupted."""

_STRAGGLERS: Final = 1.0
"""Seconds, once interrupted, in which what the producer still writes is read."""


class Pipe:
    """Publishes lines to a channel.

    Args:
        url: The server.
        channel: A channel.
        event: The event name of the messages.
        final: Whether the end of the lines ends the channel.
        token: Sent as ``Authorization: Bearer``.
        patience: Seconds for which one list is repeated; at most `MAX_PATIENCE`.
        notify: Told in words when the server is lost (once) and when it is there again.
        backoff: Waits between tries.
        buffer: Where lines are held.
        clock: Seconds, never going back.
        sleep: Waits so many seconds.

    Attributes:
        lines: Lines that the server has acknowledged.
        last_id: Position of the last message, or None.
        interrupted: Whether `interrupt` was called.

    Raises:
        UsageError: The URL is not a server's.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        *,
        event: str = "line",
        final: bool = True,
        token: str | None = None,
        patience: float = MAX_PATIENCE,
        notify: Callable[[str], object] = lambda words: None,
        backoff: Backoff | None = None,
        buffer: LineBuffer | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.lines = 0
        self.last_id: int | None = None
        self.interrupted = False
        self._channel = channel
        self._event = event
        self._final = final
        self._patience = min(patience, MAX_PATIENCE)
        self._notify = notify
        self._buffer = LineBuffer(clock=clock) if buffer is None else buffer
        self._clock = clock
        self._sleep = sleep
        self._run_id = secrets.token_urlsafe(16)
        self._sequence = 0
        self._away_since: float | None = None
        self._current: Patience | None = None
        self._read_until = 0.0
        self._publisher = Publisher(
            url, token=token, notify=self._away, backoff=backoff, clock=clock, sleep=self._nap
        )

    def feed(self, read: Callable[[], bytes]) -> None:
        """Read to the end; for the thread that reads.

        Args:
            read: Returns the next bytes, nothing at the end.
        """
        try:
            while chunk := read():
                if not self._buffer.feed(chunk):
                    return
        finally:
            self._buffer.finish()

    def run(self) -> None:
        """Send until the end; for the main thread.

        Raises:
            Refused: The server said no; ``conflict`` where the channel has ended.
            GaveUp: The server was away for longer than a list may be repeated.
        """
        ended = False
        try:
            while not ended:
                self._gather()
                pieces = self._buffer.take(MAX_LINES, MAX_BYTES)
                ended = self._buffer.drained
                self._send(pieces, ended)
        finally:
            # Where sending failed, the reader must not wait for room for ever.
            self._buffer.finish()
            self._publisher.close()

    def interrupt(self) -> None:
        """Come to an end. Takes no lock: a signal handler may call it."""
        self._read_until = self._clock() + _STRAGGLERS
        self.interrupted = True
        if self._current is not None:
            self._current.shorten(_LAST_WORDS)

    def _gather(self) -> None:
        """Wait for a line, and a little for others."""
        buffer = self._buffer
        while not self.interrupted and not buffer.wait(SLICE):
            pass
        more = buffer.settle(MAX_LINES, MAX_BYTES, LINGER)
        if self.interrupted and not (more and self._clock() < self._read_until):
            buffer.finish()

    def _send(self, pieces: list[Piece], ended: bool) -> None:
        drafts = [_draft(self._channel, self._event, piece.data) for piece in pieces]
        if ended and self._final:
            if not drafts:
                drafts.append(draft(self._channel, "", event="end"))
            drafts[-1]["final"] = True
        if not drafts:
            return
        self._sequence += 1
        seconds = _LAST_WORDS if self.interrupted else self._patience
        self._current = Patience(seconds, self._clock)
        ids = self._publisher.publish_many(
            drafts, idempotency_key=f"{self._run_id}-{self._sequence}", patience=self._current
        )
        self.lines += sum(piece.ends_line for piece in pieces)
        self.last_id = ids[-1] if ids else self.last_id
        self._back()

    def _away(self, fault: Unreachable | Refused) -> None:
        if self._away_since is None:
            self._away_since = self._clock()
            self._notify(f"{fault}; lines are held, trying again")

    def _back(self) -> None:
        if self._away_since is not None:
            self._notify(f"connected again after {self._clock() - self._away_since:.1f} s")
            self._away_since = None

    def _nap(self, seconds: float) -> None:
        """Sleep in slices; an interrupt ends it."""
        was_interrupted = self.interrupted
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and self.interrupted == was_interrupted:
            self._sleep(min(left, SLICE))


def _draft(channel: str, event: str, data: bytes) -> dict[str, Any]:
    try:
        return draft(channel, data.decode(), event=event)
    except UnicodeDecodeError:
        return draft(channel, data, event=event)
