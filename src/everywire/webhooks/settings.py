"""Who is asked and told what.

An endpoint is one address with one secret: of the back end that decides, or of whoever wants to
know. Each has a name, by which it is set, logged and counted. `check` says at the start what is
wrong, before the first request would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta

from everywire.core.channels import check_channel_or_pattern
from everywire.core.errors import RequestError, UsageError
from everywire.core.units import (
    Name,
    PositiveBytes,
    PositiveCount,
    PositiveSeconds,
    Secret,
)
from everywire.webhooks.addresses import Reach, Target, target_of
from everywire.webhooks.signing import Signer

Hook = Literal["connect", "subscribe", "publish"]
EventName = Literal["connected", "disconnected", "occupied", "vacated", "presence", "gap"]

HOOKS: Final[tuple[Hook, ...]] = get_args(Hook)
EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)

HookName = Annotated[Hook, Meta(extra={"allowed": f"one of {', '.join(HOOKS)}"})]
ToldEvent = Annotated[EventName, Meta(extra={"allowed": f"one of {', '.join(EVENTS)}"})]

HiddenUrl = Annotated[str, Meta(max_length=4096, extra={"hidden": "password"})]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


@dataclass(frozen=True)
class Endpoint:
    """Somebody who is asked, told, or both.

    Attributes:
        url: Where requests go.
        secret: Signs them; `whsec_…`.
        old_secret: The one before it, which signs too while the receiver is being changed.
        hooks: Before what it is asked: `connect`, `subscribe`, `publish`.
        events: After what it is told: `connected`, `disconnected`, `occupied`, `vacated`,
            `presence`, `gap`.
        channels: Patterns of the channels that it is asked and told about.
        fail_open: Hooks at which no answer means yes; at the others it means no.
        timeout: How long an answer to a hook may take in all.
        delivery_timeout: The same for events, for which no client waits.
        headers: Headers of a client's request that `connect` tells, such as `cookie`.
        allow_private: Whether its address may be on this machine or in a private network.
        allow_http: Whether it may be spoken to without TLS.
    """

    url: HiddenUrl = ""
    secret: Secret = ""
    old_secret: Secret = ""
    hooks: tuple[HookName, ...] = ()
    events: tuple[ToldEvent, ...] = ()
    channels: tuple[Name, ...] = ("**",)
    fail_open: tuple[HookName, ...] = ()
    timeout: PositiveSeconds = 2.0
    delivery_timeout: PositiveSeconds = 15.0
    headers: tuple[Name, ...] = ()
    allow_private: bool = False
    allow_http: bool = False

    @property
    def reach(self) -> Reach:
        """Which addresses it may have."""
        return Reach(self.allow_private, self.allow_http)

    @property
    def target(self) -> Target:
        """Where requests go.

        Raises:
            UsageError: ``url`` is none.
        """
        return target_of(self.url, self.reach)

    @property
    def signer(self) -> Signer:
        """Signs requests to it.

        Raises:
            UsageError: A secret is none.
        """
        return Signer(self.secret, *filter(None, [self.old_secret]))


@dataclass(frozen=True)
class WebhookSettings:
    """Webhooks: who is asked and told, and how events are kept until they are delivered.

    Attributes:
        outbox: File in which events wait; there is none where no endpoint is told anything.
        max_events: Events that wait for one endpoint; of more the oldest are dropped, and counted.
        max_event_bytes: Bytes of them; likewise.
        batch_events: Events in one request.
        batch_bytes: Bytes in one request; one event larger than that goes alone.
        give_up_after: How long one batch is tried before it is dropped, and counted.
        max_answer_bytes: Bytes of an answer; a larger one is a failure.
        max_calls: Hooks of one endpoint that wait for an answer at once; more fail at once.
        endpoints: By name.
    """

    outbox: Name = "everywire-webhooks.db"
    max_events: PositiveCount = 100_000
    max_event_bytes: PositiveBytes = 64 * 1024 * 1024
    batch_events: PositiveCount = 100
    batch_bytes: PositiveBytes = 256 * 1024
    give_up_after: PositiveSeconds = 86_400.0
    max_answer_bytes: PositiveBytes = 256 * 1024
    max_calls: PositiveCount = 256
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict[str, Endpoint])


def check(settings: WebhookSettings) -> None:
    """Whether webhooks can be as they are set.

    Raises:
        UsageError: They cannot; the message begins with the endpoint and holds no secret.
    """
    for name, endpoint in settings.endpoints.items():
        if _NAME.fullmatch(name) is None:
            raise UsageError(
                f"{name!r} is no name for an endpoint: 1 to 32 of a-z 0-9 _ -, and a letter or "
                "digit at either end"
            )
        try:
            _check(endpoint)
        except UsageError as error:
            raise UsageError(f"webhooks.endpoints.{name}: {error}") from None
        except RequestError as error:
            raise UsageError(f"webhooks.endpoints.{name}: channels: {error.message}") from None


def _check(endpoint: Endpoint) -> None:
    assert endpoint.target
    assert endpoint.signer
    if not endpoint.hooks and not endpoint.events:
        raise UsageError(
            f"it is asked and told nothing; give it hooks ({', '.join(HOOKS)}) or events "
            f"({', '.join(EVENTS)})"
        )
    unasked = set(endpoint.fail_open).difference(endpoint.hooks)
    if unasked:
        raise UsageError(f"fail_open names {min(unasked)}, which is not among its hooks")
    for pattern in endpoint.channels:
        check_channel_or_pattern(pattern)
    for header in endpoint.headers:
        if _HEADER.fullmatch(header) is None:
            raise UsageError(f"headers: {header!a} is no name of a header")
