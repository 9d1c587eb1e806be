"""The answers of one turn of the loop, written together.

What a turn of the loop brings is published and answered before it is handed to those who listen. A
log in memory has it at once; but to answer each publish at once costs more than to gather the
answers and write them in one go, right before the log hands over what the turn has gathered:

* The processor goes from our code into the kernel and back once a turn, not once a publish; both
  find less of what they need in its caches after each change.
* The other end is woken once for several answers, not once for each.
* While those who listen are written to, the publishers already send what comes next, so the next
  turn finds more of it together. (Answered behind the deliveries, they would all be late for it: a
  channel with a thousand subscribers was written out for a few publishes at a time.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from everywire.server.messages import Response

logger = logging.getLogger("everywire.server")

Respond = Callable[[Response], None]
Cut = Callable[[], None]


class TurnAnswers:
    """The answers of a node that wait for the end of this turn."""

    __slots__ = ("_gathering", "_waiting")

    def __init__(self) -> None:
        self._gathering = False
        self._waiting: list[tuple[Respond, Response, Cut]] = []

    def gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gather the answers of this turn. Said before publishing, so that they are first."""
        if not self._gathering:
            self._gathering = True
            loop.call_soon(self._answer)

    def add(self, respond: Respond, response: Response, cut: Cut) -> None:
        """Answer with the others of this turn; at once where none are gathered.

        That is where a log answers later: then it answers many together itself.

        Args:
            respond: Writes the answer.
            response: The answer.
            cut: Ends the connection; called where writing a gathered answer raises.
        """
        if self._gathering:
            self._waiting.append((respond, response, cut))
        else:
            respond(response)

    def _answer(self) -> None:
        self._gathering = False
        waiting, self._waiting = self._waiting, []
        for respond, response, cut in waiting:
            try:
                respond(response)
            except Exception:
                # One publisher's trouble is not the next one's.
                logger.exception("a publisher could not be answered")
                cut()
