"""The one object that a server asks who somebody is.

Most answers are there at once: of a token that was seen before, of an API key, of nobody. So
`recall` never waits, and the server needs no task for it; only where a key set has to be fetched
first is there something to wait for, in `authenticate`.

What a token was found to grant is remembered under the token's hash, so that a client that polls
does not cost a signature each time; under its hash, so that a dump of memory holds no tokens. It
counts until the token expires, is revoked, or a key set changes.

A grant that was good may not be so for ever. `refusal` says what has become of it, of a grant of a
live connection too: expired, revoked, its API key gone. Nothing here watches clocks; a server asks
at ``grant.expires_ms``, and for all its connections after `revoke_user`, `revoke_token` and a
`reload` that says that something changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from everywire.access.api_keys import is_api_key
from everywire.access.credentials import Credential
from everywire.access.refusals import bad_token, expired
from everywire.access.revocations import Revocations
from everywire.core.access import NOTHING, Grant, both
from everywire.core.errors import RequestError

if TYPE_CHECKING:
    from everywire.access.key_file import KeyFile
    from everywire.access.tokens import TokenVerifier

MAX_REMEMBERED: Final = 10_000
"""Tokens of which is remembered what they grant."""


class Authenticator:
    """See the module.

    Args:
        clock_ms: Milliseconds since the epoch.
        tokens: Checks tokens; None: no key is known that could have signed one.
        key_file: The API keys; None: there are none.
        anonymous: What who shows no credential may do; None: nothing at all, not even connect.
            Who shows one may do it too.
        revocations: What counts no more; it outlives an authenticator made of changed settings.

    Attributes:
        revocations: What counts no more.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        *,
        tokens: TokenVerifier | None = None,
        key_file: KeyFile | None = None,
        anonymous: Grant | None = None,
        revocations: Revocations | None = None,
    ) -> None:
        self.revocations = Revocations() if revocations is None else revocations
        self._clock_ms = clock_ms
        self._tokens = tokens
        self._key_file = key_file
        self._anonymous = anonymous
        self._public = NOTHING if anonymous is None else anonymous.allowed
        self._remembered: OrderedDict[bytes, Grant] = OrderedDict()
        self._version = 0

    @property
    def keyless(self) -> bool:
        """Whether there can be no keys, so that nobody can be told from anybody.

        A file of API keys that is empty is no such thing: to revoke the last key must not open
        the server.
        """
        return self._tokens is None and self._key_file is None

    def recall(self, credential: Credential | None) -> Grant | None:
        """What somebody may do, where that can be said at once.

        On a server without keys that is open to all, a credential says nothing, and is not looked
        at: its holder is who everybody is there.

        Returns:
            None where a key set has to be fetched first: wait for `authenticate`.

        Raises:
            RequestError: ``no_token``, ``bad_token``, ``token_expired``, ``unavailable``.
        """
        if credential is None or (self.keyless and self._anonymous is not None):
            if self._anonymous is None:
                raise RequestError(
                    "no_token",
                    "a token is needed: Authorization: Bearer <token>, ?token=, the WebSocket "
                    "subprotocol everywire.token.<token> or the cookie everywire_token",
                )
            return self._anonymous
        if is_api_key(credential.token):
            return self._of_key(credential.token)
        return self._of_token(credential.token)

    async def authenticate(self, credential: Credential | None) -> Grant:
        """The same as `recall`, with key sets fetched where they are needed."""
        grant = self.recall(credential)
        if grant is None and self._tokens is not None:
            await self._tokens.fetch_for(credential.token if credential else "")
            # What could not be fetched will not be asked for again for a while.
            grant = self.recall(credential)
        if grant is None:
            raise RequestError(
                "unavailable", "the keys of the token's issuer cannot be had now; try later"
            )
        return grant

    def renewed(self, grant: Grant, fresh: Grant) -> Grant:
        """Take a fresh grant in place of one, on the same connection.

        Args:
            grant: The one that counts, or did until now.
            fresh: What the new credential grants.

        Raises:
            RequestError: ``forbidden``: it is somebody else's.
        """
        if (fresh.user, fresh.key, fresh.anonymous) != (grant.user, grant.key, grant.anonymous):
            raise RequestError(
                "forbidden",
                "the token is another user's; a connection stays that of one user: open another",
            )
        return fresh

    def refusal(self, grant: Grant) -> RequestError | None:
        """Why a grant counts no more, now; None: it does."""
        if grant.key is not None:
            ring = self._key_file.ring if self._key_file is not None else None
            return None if ring is None else ring.refusal(grant, self._clock_ms())
        now_ms = self._clock_ms()
        if grant.expires_ms is not None and now_ms >= grant.expires_ms:
            return expired("token", grant.expires_ms, now_ms)
        if self.revocations.revoked(grant):
            return bad_token("the token has been revoked")
        return None

    def revoke_token(self, token_id: str, expires_ms: int) -> None:
        """Revoke the tokens of a ``jti``; see `Revocations.revoke_token`."""
        self.revocations.revoke_token(token_id, expires_ms, self._clock_ms())

    def revoke_user(self, user: str, expires_ms: int) -> None:
        """Revoke the tokens of a user that were made up to now; see `Revocations.revoke_user`."""
        now_ms = self._clock_ms()
        self.revocations.revoke_user(user, now_ms, expires_ms, now_ms)

    def reload(self) -> bool:
        """Read the API keys again if their file changed; whether it did.

        It costs a look at the file, so a server may ask each second.

        Raises:
            UsageError: The file cannot be used; the keys that were read before go on counting.
        """
        return self._key_file is not None and self._key_file.load()

    def _of_key(self, text: str) -> Grant:
        if self._key_file is None:
            raise bad_token("this server has no API keys; a token (JWT) is expected")
        return self._with_public(self._key_file.ring.check(text, self._clock_ms()))

    def _with_public(self, grant: Grant) -> Grant:
        grant.allowed = both(grant.allowed, self._public)
        return grant

    def _of_token(self, token: str) -> Grant | None:
        if self._tokens is None:
            raise bad_token("this server takes API keys only (ew_…), and no tokens")
        self._tokens.renew()
        self._forget_where_keys_changed(self._tokens.version)
        name = sha256(token.encode()).digest()
        grant = self._remembered.get(name)
        if grant is None:
            grant = self._tokens.verify_or_ask(token)
            if grant is None:
                return None
            self._with_public(grant)
        refused = self.refusal(grant)
        if refused is not None:
            self._remembered.pop(name, None)
            raise refused
        self._remember(name, grant)
        return grant

    def _forget_where_keys_changed(self, version: int) -> None:
        if version != self._version:
            self._version = version
            self._remembered.clear()

    def _remember(self, name: bytes, grant: Grant) -> None:
        self._remembered[name] = grant
        self._remembered.move_to_end(name)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
