"""Asking endpoints whether something may happen, while a client waits.

Each endpoint that wants to be asked is asked, one after the other; the first no ends it, and what
one changes is what the next is asked about. What may go wrong with an endpoint (it is down, slow,
lying, or left alone for having been so) comes to one thing: it did not answer. What that means is a
setting of each hook: *closed*, the client is told to come back (``unavailable``), or *open*, as if
it had said yes.

An endpoint has so many calls at once. More are not queued: they would be over their time when their
turn came.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from everywire.core.errors import RequestError
from everywire.core.messages import Draft
from everywire.webhooks.breaker import Breaker, Input, State
from everywire.webhooks.http_client import EndpointFailed, Transport
from everywire.webhooks.questions import (
    ConnectQuestion,
    ConnectVerdict,
    SubscribeQuestion,
    Verdict,
    envelope,
    overlap,
    publish_question,
    read_connect,
    read_publish,
    read_subscribe,
)
from everywire.webhooks.settings import Endpoint, Hook

logger = logging.getLogger("everywire.webhooks")

RETRY_MS: Final = 2000
"""What a client is told to wait where an endpoint does not answer."""

T = TypeVar("T")

Read = Callable[[bytes], tuple[Verdict, T]]
"""Takes an answer apart: the verdict, and what it comes to; raises `EndpointFailed`."""

Observe = Callable[[str, Hook, float, str], object]
"""Told of each call: endpoint, hook, seconds, and ``allowed``, ``refused``, ``failed`` or
``skipped``."""


class Callee:
    """An endpoint that is asked.

    Args:
        name: Its name.
        endpoint: Its settings.
        transport: Takes requests to it.
        max_calls: At once.
        clock: Seconds, monotonic.
        now: Seconds since the epoch.
        observe: See `Observe`.

    Attributes:
        breakers: One for each hook: one that is slow to judge what is published may well be quick
            to say who may come in.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        transport: Transport,
        *,
        max_calls: int,
        clock: Callable[[], float],
        now: Callable[[], float],
        observe: Observe,
    ) -> None:
        self.name = name
        self.hooks = frozenset(endpoint.hooks)
        self.channels = endpoint.channels
        self.headers = frozenset(map(str.lower, endpoint.headers))
        self.breakers: dict[Hook, Breaker] = {hook: Breaker() for hook in endpoint.hooks}
        self._fail_open = frozenset(endpoint.fail_open)
        self._signer = endpoint.signer
        self._transport = transport
        self._max_calls = max_calls
        self._clock = clock
        self._now = now
        self._observe = observe
        self._calls = 0

    def concerns(self, channel: str) -> bool:
        """Whether it is asked about a channel or pattern."""
        return any(overlap(pattern, channel) for pattern in self.channels)

    async def ask(self, hook: Hook, question: Any, read: Read[T]) -> T | None:
        """Ask it.

        Returns:
            What its answer, which says yes, comes to; None: there is none, and that means yes.

        Raises:
            RequestError: ``forbidden``, with its reason; ``unavailable``: there is no answer, and
                that means no.
        """
        began = self._clock()
        try:
            verdict, meaning = await self._ask(hook, question, read)
        except EndpointFailed as error:
            skipped = isinstance(error, _NotAsked)
            self._observe(self.name, hook, self._clock() - began, _FAILED[skipped])
            if not skipped:
                logger.warning("webhook %s did not answer %s: %s", self.name, hook, error)
            if hook in self._fail_open:
                return None
            raise _unavailable(hook) from None
        seconds = self._clock() - began
        self._observe(self.name, hook, seconds, "allowed" if verdict.allow else "refused")
        if not verdict.allow:
            raise RequestError("forbidden", verdict.words)
        return meaning

    async def _ask(self, hook: Hook, question: Any, read: Read[T]) -> tuple[Verdict, T]:
        breaker = self.breakers[hook]
        if self._calls >= self._max_calls:
            raise _NotAsked("too many calls wait for it")
        ticket = breaker.admit(self._clock())
        if ticket is None:
            raise _NotAsked("it did not answer lately")
        self._calls += 1
        how = Input.ABANDONED
        try:
            answer = read(await self._post(hook, question))
            how = Input.ANSWERED
            return answer
        except EndpointFailed:
            how = Input.FAILED
            raise
        finally:
            self._calls -= 1
            was = breaker.state
            breaker.settle(ticket, how, self._clock())
            self._tell(hook, was, breaker.state)

    async def _post(self, hook: Hook, question: Any) -> bytes:
        now = self._now()
        body = envelope(hook, now, question)
        headers = self._signer.headers(f"call_{secrets.token_hex(12)}", int(now), body)
        answer = await self._transport.post(body, headers)
        if answer.status != 200:
            raise EndpointFailed(f"it answered {answer.status}; only 200 is an answer to a hook")
        return answer.body

    def _tell(self, hook: Hook, was: State, is_: State) -> None:
        if is_ is State.OPEN and was is not State.OPEN:
            meant = "yes" if hook in self._fail_open else "no"
            logger.error("webhook %s: %s is not asked for a while (%s)", self.name, hook, meant)
        elif is_ is State.CLOSED and was is not State.CLOSED:
            logger.info("webhook %s answers %s again", self.name, hook)


class Calls:
    """Asks all endpoints that want to be asked.

    Args:
        callees: In the order in which they are asked.
        max_data_bytes: Data of one message that may be put in place of another's.
    """

    def __init__(self, callees: Sequence[Callee], max_data_bytes: int) -> None:
        self._callees: dict[Hook, tuple[Callee, ...]] = {}
        for hook in ("connect", "subscribe", "publish"):
            self._callees[hook] = tuple(one for one in callees if hook in one.hooks)
        self._max_data_bytes = max_data_bytes
        self.wanted_headers = frozenset[str]().union(
            *(one.headers for one in self._callees["connect"])
        )

    def asks(self, hook: Hook, channel: str | None = None) -> bool:
        """Whether anybody has to be asked; cheap.

        Args:
            hook: Before what.
            channel: The channel or pattern it is about.
        """
        callees = self._callees[hook]
        return bool(callees) and (channel is None or any(one.concerns(channel) for one in callees))

    async def connect(self, question: ConnectQuestion) -> ConnectVerdict:
        """Ask whether somebody may connect.

        Returns:
            What is to be changed; nothing where nobody says so.

        Raises:
            RequestError: ``forbidden`` or ``unavailable``.
        """
        changes = ConnectVerdict(allow=True)
        for callee in self._callees["connect"]:
            headers = {
                name: value for name, value in question.headers.items() if name in callee.headers
            }
            asked = msgspec.structs.replace(question, headers=headers)
            verdict = await callee.ask("connect", asked, read_connect)
            if verdict is None:
                continue
            if verdict.user is not UNSET:
                changes.user = verdict.user
                question = msgspec.structs.replace(question, user=verdict.user)
            if verdict.grants is not UNSET:
                changes.grants = verdict.grants
        return changes

    async def subscribe(self, question: SubscribeQuestion) -> None:
        """Ask whether somebody may hear a channel or pattern.

        Raises:
            RequestError: ``forbidden`` or ``unavailable``.
        """
        for callee in self._about("subscribe", question.channel):
            await callee.ask("subscribe", question, read_subscribe)

    async def publish(self, draft: Draft) -> Draft:
        """Ask whether something may be published.

        Returns:
            What is published: the draft, or another in its place.

        Raises:
            RequestError: ``forbidden`` or ``unavailable``.
        """
        for callee in self._about("publish", draft.channel):
            read = partial(read_publish, draft, self._max_data_bytes)
            draft = await callee.ask("publish", publish_question(draft), read) or draft
        return draft

    def _about(self, hook: Hook, channel: str) -> Iterator[Callee]:
        return (one for one in self._callees[hook] if one.concerns(channel))


class _NotAsked(EndpointFailed):
    """An endpoint was left alone; that is no failure of its own."""


_FAILED: Final = {False: "failed", True: "skipped"}


def _unavailable(hook: Hook) -> RequestError:
    return RequestError(
        "unavailable",
        f"{hook} has to be allowed by the application, which does not answer now; "
        f"try again after {RETRY_MS} ms",
    )
