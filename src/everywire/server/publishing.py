"""From checked drafts to an answer: access, the log, and who published.

Ephemeral drafts do not pass the log: they go to the hub at once, and are answered without a
position. In a list they go after the kept ones are in the log, so that all or nothing holds.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

import msgspec

from everywire.core.access import Grant, decide
from everywire.core.errors import EverywireError
from everywire.core.hub import Delivery, Hub
from everywire.core.messages import Draft, message_from
from everywire.logs.base import Append, Appended, Log, ended_conflict, first_ended
from everywire.server.turn_answers import TurnAnswers


class Published(msgspec.Struct, gc=False):
    """What a publish answers.

    Attributes:
        ids: One a draft, in order; None for an ephemeral one.
        duplicate: The idempotency key was known; nothing was published.
    """

    ids: Sequence[int | None]
    duplicate: bool = False


Done = Callable[[Published | EverywireError], None]


def public_name(secret: str) -> str:
    """What others see of a connection's secret (docs/protocol.md, connection)."""
    return urlsafe_b64encode(sha256(secret.encode()).digest())[:16].decode()


class Publishing:
    """Takes drafts from every wire.

    Args:
        log: Where kept messages go.
        hub: Where ephemeral ones go.
        clock: Microseconds since the epoch.
        write: Carries out what the hub decides.

    Attributes:
        answers: Those to HTTP, which go out together.
    """

    def __init__(
        self,
        log: Log,
        hub: Hub,
        clock: Callable[[], int],
        write: Callable[[Delivery], None],
    ) -> None:
        self._log = log
        self._hub = hub
        self._clock = clock
        self._write = write
        self.answers = TurnAnswers()

    def publish(self, grant: Grant, drafts: Sequence[Draft], key: str | None, done: Done) -> None:
        """Publish drafts, all or nothing.

        Args:
            grant: Whose publish it is.
            drafts: Checked drafts; their connection and user are set.
            key: Idempotency key.
            done: Called once, now or later, with what came of it.
        """
        size, ephemeral = 0, False
        for draft in drafts:
            refused = decide(grant, "publish", draft.channel)
            if refused is not None:
                done(refused)
                return
            size += len(draft.data)
            ephemeral = ephemeral or draft.ephemeral
        if ephemeral or not drafts:
            self._publish_mixed(grant, drafts, key, done)
            return

        def appended(result: Appended | EverywireError) -> None:
            if isinstance(result, Appended):
                done(Published(result.positions, result.duplicate))
            else:
                done(result)

        self._log.submit(Append(drafts, appended, grant.user or "", key, size))

    def _publish_mixed(
        self, grant: Grant, drafts: Sequence[Draft], key: str | None, done: Done
    ) -> None:
        kept = [draft for draft in drafts if not draft.ephemeral]
        ended = first_ended(drafts, lambda channel: self._log.ended(channel) > 0)
        if ended is not None and all(draft.channel != ended for draft in kept):
            # The log, which looks at the kept ones, would not notice.
            done(ended_conflict(ended))
            return

        def appended(result: Appended | EverywireError) -> None:
            if isinstance(result, EverywireError):
                done(result)
                return
            if not result.duplicate:
                self._tell(draft for draft in drafts if draft.ephemeral)
            positions = iter(result.positions)
            ids = [None if draft.ephemeral else next(positions, None) for draft in drafts]
            done(Published(ids, result.duplicate))

        if kept:
            size = sum(len(draft.data) for draft in kept)
            self._log.submit(Append(kept, appended, grant.user or "", key, size))
        else:
            appended(Appended(()))

    def _tell(self, drafts: Iterable[Draft]) -> None:
        now_ms = self._clock() // 1000
        for draft in drafts:
            message = message_from(draft, 0, now_ms)
            self._write(self._hub.deliver_ephemeral(message))
