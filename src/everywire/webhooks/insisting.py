"""Sending one thing until it is taken, given up, or wanted no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from everywire.webhooks.delivery import Delivery, Outcome
from everywire.webhooks.http_client import Answer, EndpointFailed, Transport
from everywire.webhooks.signing import Signer


class Clocks(NamedTuple):
    """What time it is, and how to wait.

    Attributes:
        monotonic: Seconds that do not go back.
        epoch: Seconds since the epoch.
        sleep: Waits so many seconds.
    """

    monotonic: Callable[[], float]
    epoch: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]


async def insist(
    message_id: str,
    body: bytes,
    *,
    transport: Transport,
    signer: Signer,
    delivery: Delivery,
    clocks: Clocks,
    notify: Callable[[str], object],
) -> Outcome:
    """Send one thing, again and again if need be; each attempt with the same id and body.

    Args:
        message_id: Its id.
        body: What is sent.
        transport: Takes it to the endpoint.
        signer: Signs each attempt.
        delivery: Of the endpoint; idle.
        clocks: What time it is.
        notify: Told of each attempt that failed, in words.
    """
    delivery.begin(clocks.monotonic())
    while True:
        headers = signer.headers(message_id, int(clocks.epoch()), body)
        answer, trouble = await _attempt(transport, body, headers)
        outcome = delivery.answered(answer, clocks.monotonic(), clocks.epoch())
        if outcome is Outcome.TAKEN:
            return outcome
        notify(trouble)
        if outcome is not None:
            return outcome
        await clocks.sleep(delivery.due - clocks.monotonic())
        delivery.again()


async def _attempt(
    transport: Transport, body: bytes, headers: Mapping[str, str]
) -> tuple[Answer | None, str]:
    """The answer, if there is one; and what to say of it if it is not a good one."""
    try:
        answer = await transport.post(body, headers)
    except EndpointFailed as error:
        return None, str(error)
    return answer, f"it answered {answer.status}"
