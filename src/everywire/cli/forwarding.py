"""Each message as a signed request to one receiver, in order, until it is taken.

The body is the message as the protocol has it, byte for byte; of a gap it is the object with
``"type": "gap"``. The id (``webhook-id``) comes of the position, so it is the same when a message
is sent again, by this process or the next.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec

from everywire.client import Gap, Message
from everywire.client.address import Address
from everywire.client.errors import Lost, Unreachable, checked, refusal
from everywire.client.http import HttpClient
from everywire.client.retry import Backoff, Patience, insist
from everywire.core.errors import EverywireError
from everywire.webhooks.addresses import Reach, target_of
from everywire.webhooks.delivery import Delivery, Outcome
from everywire.webhooks.http_client import HttpTransport
from everywire.webhooks.insisting import Clocks
from everywire.webhooks.insisting import insist as insist_on_delivery
from everywire.webhooks.signing import Signer

ANSWER_SECONDS: Final = 15.0
"""How long a receiver may take for an answer (Standard Webhooks: 15 to 30 s)."""

MAX_WAIT: Final = 30.0
"""Seconds between two attempts at most: somebody may be looking on."""

_MAX_ANSWER: Final = 1024 * 1024

_CLOCKS: Final = Clocks(time.monotonic, time.time, asyncio.sleep)

# The user names the receiver, on this machine as like as not.
_REACH: Final = Reach(private=True, plain=True)


class NotForwarded(EverywireError):
    """A message was not taken, for good; the message says why."""


class Forwarder:
    """See the module.

    Args:
        url: The receiver's.
        secret: Signs what is sent.
        give_up_after: Seconds for which one message is tried; None: for ever.
        notify: Told in words when the receiver fails (once), and when it is there again.

    Raises:
        UsageError: The URL or the secret is none.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        give_up_after: float | None,
        notify: Callable[[str], object],
    ) -> None:
        target = target_of(url, _REACH)
        self.where = target.origin
        self._signer = Signer(secret)
        self._transport = HttpTransport(
            target, _REACH, timeout=ANSWER_SECONDS, max_bytes=_MAX_ANSWER
        )
        self._delivery = Delivery(give_up_after, max_wait=MAX_WAIT)
        self._notify = notify
        self._failing = False
        self._runner = asyncio.Runner()

    def forward(self, item: Message | Gap) -> None:
        """Send a message or gap until it is taken.

        Raises:
            NotForwarded: It was not, for as long as it is tried; or the receiver wants nothing
                more (410).
        """
        body = item.raw if isinstance(item, Message) else msgspec.json.encode(item)
        outcome = self._runner.run(
            insist_on_delivery(
                id_of(item),
                body,
                transport=self._transport,
                signer=self._signer,
                delivery=self._delivery,
                clocks=_CLOCKS,
                notify=self._say_failing,
            )
        )
        if outcome is Outcome.GONE:
            raise NotForwarded(f"{self.where} wants nothing more (410)")
        if outcome is Outcome.GIVEN_UP:
            tries = self._delivery.attempts
            raise NotForwarded(f"{self.where} did not take {id_of(item)} in {tries} attempts")
        if self._failing:
            self._failing = False
            self._notify(f"{self.where} takes messages again")

    def close(self) -> None:
        """Let go of the connection."""
        try:
            self._runner.run(self._transport.close())
        finally:
            self._runner.close()

    def _say_failing(self, trouble: str) -> None:
        if not self._failing:
            self._failing = True
            self._notify(f"{self.where} does not take messages: {trouble}; trying again")


def id_of(item: Message | Gap) -> str:
    """The ``webhook-id`` of a message or gap; an ephemeral message gets one that is new."""
    if isinstance(item, Gap):
        channel = hashlib.sha256(item.channel.encode()).hexdigest()[:16]
        return f"gap_{channel}_{item.after}_{item.before}"
    return f"eph_{secrets.token_hex(12)}" if item.id is None else f"msg_{item.id}"


class _Head(msgspec.Struct):
    last_id: int


_head = msgspec.json.Decoder(_Head).decode


def head_of(
    url: str,
    channels: tuple[str, ...],
    token: str | None,
    patience: float,
    notify: Callable[[str], object],
) -> int:
    """The position that is now, after which everything is new.

    Args:
        url: The server.
        channels: What is going to be heard; it has to be allowed.
        token: Sent as ``Authorization: Bearer``.
        patience: Seconds in which the server has to be reached.
        notify: Told in words when it is not, once.

    Raises:
        Refused: The server said no.
        GaveUp: It was not reached in time.
    """
    address = Address(url)
    query = [("channel", name) for name in sorted(channels)]
    told: list[str] = []

    def say_once(fault: Exception) -> None:
        if not told:
            told.append(str(fault))
            notify(f"{fault}; trying again")

    with HttpClient(address, token=token) as client:

        def ask() -> int:
            answer = client.request("GET", address.target("/updates", query))
            if answer.status != 200:
                raise refusal(answer.status, answer.headers, answer.body)
            try:
                return checked(_head, answer.body).last_id
            except Lost as error:
                raise Unreachable(address.url, error.reason) from None

        return insist(ask, Patience(patience, time.monotonic), Backoff(), time.sleep, say_once)
