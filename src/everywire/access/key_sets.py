"""The keys that an issuer publishes at an address (JWKS, RFC 7517 5).

They are fetched when they are first needed, again when they are old, and again when a token names a
key that is not among them: then the issuer may have begun to sign with a new one. Anybody can make
up such a name, so between two requests to the issuer there is always a pause, whatever is asked.

While an issuer does not answer, the keys that it last published count on: a day at most, since it
may have withdrawn one for a reason. All who wait, wait for one request. A set that came is the
whole truth: keys that are not in it any more count no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from everywire.access.fetching import check_url
from everywire.access.keys import Key, by_id, keys_of_set

logger = logging.getLogger("everywire.access")

REFRESH_SECONDS: Final = 600.0
"""Age from which on keys are fetched again, in the background (PyJWT's client: 300 s)."""

COOLDOWN_SECONDS: Final = 30.0
"""The shortest time between two requests to an issuer (panva's jose: 30 s)."""

STALE_SECONDS: Final = 86_400.0
"""How long keys count while their issuer cannot be reached."""

Fetch = Callable[[str], Awaitable[bytes]]


class KeySet:
    """The keys at an address.

    Args:
        url: Where; checked.
        fetch: Gets the bytes at an address, or raises what says why not.
        clock: Seconds, monotonic.

    Attributes:
        version: Counts the changes of the keys.
        trouble: Why the last request failed; empty where it did not.

    Raises:
        UsageError: The address is none that can be trusted.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self.url = check_url(url)
        self.version = 0
        self.trouble = ""
        self._fetch = fetch
        self._clock = clock
        self._text: str | None = None
        self._keys: dict[str | None, list[Key]] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._running: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether there are keys that count."""
        self._forget_if_stale()
        return self._text is not None

    def keys(self) -> dict[str | None, list[Key]]:
        """The keys that count now, by ``kid``."""
        self._forget_if_stale()
        return self._keys

    def may_ask(self) -> bool:
        """Whether the issuer may be asked now, or is being asked."""
        return self._running is not None or self._clock() - self._asked_at >= COOLDOWN_SECONDS

    def renew(self) -> None:
        """Fetch the keys again if they are old; nobody waits for it. Called in a running loop."""
        if self._clock() - self._fetched_at >= REFRESH_SECONDS and self.may_ask():
            self._begin()

    async def refresh(self) -> None:
        """Fetch the keys again if the issuer may be asked; what went wrong is in ``trouble``."""
        if self.may_ask():
            # One who stops waiting leaves the others their answer.
            await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._running is None:
            self._asked_at = self._clock()
            self._running = asyncio.get_running_loop().create_task(self._ask())
        return self._running

    async def _ask(self) -> None:
        try:
            self._take((await self._fetch(self.url)).decode())
            self.trouble = ""
        except Exception as error:
            # Whatever a fetch may raise: the keys that are here go on counting.
            self.trouble = str(error) or type(error).__name__
            logger.warning("the keys at %s could not be fetched: %s", self.url, error)
        finally:
            self._running = None

    def _take(self, text: str) -> None:
        if text != self._text:
            self._keys = by_id(keys_of_set(text, self.url, public=True))
            self._text = text
            self.version += 1
        self._fetched_at = self._clock()

    def _forget_if_stale(self) -> None:
        if self._text is not None and self._clock() - self._fetched_at >= STALE_SECONDS:
            logger.error(
                "the keys at %s count no more: they could not be fetched for a day", self.url
            )
            self._text = None
            self._keys = {}
            self.version += 1
