"""Access from a few settings: where keys are, what their tokens have to say, who needs none.

A source of keys is written in one of three ways: ``env:NAME``, an environment variable;
``https://…``, the address of a JWKS; or else the path of a file. A secret itself is never a
setting: settings are shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everywire.access.authenticator import Authenticator
from everywire.access.key_file import KeyFile
from everywire.access.revocations import Revocations
from everywire.core.access import OPEN, Grant, permissions
from everywire.core.errors import UsageError

if TYPE_CHECKING:
    from everywire.access.key_sets import Fetch

LEEWAY_SECONDS: Final = 1.0
"""How far an issuer's clock may be from ours. Machines with NTP differ by less (PyJWT: 0 s)."""


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """Whose tokens count.

    Attributes:
        keys: Sources of the keys that they are signed with.
        issuer: What their ``iss`` has to be; needed where keys are at an address, and where there
            are several issuers.
        audiences: Their ``aud`` has to hold one of them.
        leeway: Seconds by which the clocks may differ.
        require_expiry: Whether a token without ``exp`` is refused.
        grants_claim: The claim that holds the grants.
        user_prefix: Put before each ``sub``.
        grants: What each token may do beside what it says itself, by pattern.
    """

    keys: tuple[str, ...]
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    leeway: float = LEEWAY_SECONDS
    require_expiry: bool = False
    grants_claim: str = "grants"
    user_prefix: str = ""
    grants: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may come in.

    Attributes:
        issuers: Whose tokens count.
        api_keys: Path of the file with the API keys; None: there are none.
        public: What everybody may do, by pattern, without a token too.
        open: Whether everybody may do everything.
    """

    issuers: tuple[IssuerSettings, ...] = ()
    api_keys: str | None = None
    public: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    open: bool = False


def open_access(
    settings: AccessSettings,
    *,
    on_loopback: bool,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    monotonic: Callable[[], float] = time.monotonic,
    fetch: Fetch | None = None,
    revocations: Revocations | None = None,
) -> Authenticator:
    """Make what a server asks who somebody is.

    Args:
        settings: Who may come in.
        on_loopback: Whether the server can be reached from this machine only.
        clock_ms: Milliseconds since the epoch.
        monotonic: Seconds.
        fetch: Gets the bytes at an address; None: `everywire.access.fetching.fetch`.
        revocations: Of an authenticator that this one takes the place of.

    Raises:
        UsageError: A key cannot be read; or there are none, and others could reach the server.
        RequestError: A pattern or action is none.
    """
    keyless = not settings.issuers and settings.api_keys is None
    if keyless and not (on_loopback or settings.open):
        raise UsageError(
            "there are no keys, and the server would listen beyond this machine: everybody who "
            "reaches it could do everything. Give it keys (everywire key create NAME makes one), "
            "or say --open if that is meant"
        )
    anonymous: Grant | None = None
    if keyless or settings.open:
        anonymous = OPEN
    elif settings.public:
        anonymous = Grant(allowed=permissions(settings.public), anonymous=True)
    key_file = None
    if settings.api_keys is not None:
        key_file = KeyFile(Path(settings.api_keys))
        key_file.load()
    tokens = None
    if settings.issuers:
        # A server without tokens does not load what checks them: 0.1 s and 15 MiB.
        from everywire.access.sources import verifier_of  # noqa: PLC0415

        tokens = verifier_of(settings.issuers, clock_ms, monotonic, fetch)
    return Authenticator(
        clock_ms, tokens=tokens, key_file=key_file, anonymous=anonymous, revocations=revocations
    )
