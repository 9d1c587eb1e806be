"""What counted once and does so no more.

A token is revoked by its ``jti``; a user, by naming a moment: tokens of theirs made up to then
count no more, later ones do. So nobody is locked out: who signs in again gets a token that counts.
A token that does not say when it was made (``iat``) counts as made before. ``iat`` is in whole
seconds, so one made in the same second as the revocation is taken for older.

An entry is kept until the tokens that it is about would have expired anyway. The number of entries
is bounded; a new one over it is refused, for to forget an old one would let somebody in again.
"""

from __future__ import annotations

from typing import Final

from everywire.core.access import Grant
from everywire.core.errors import RequestError

MAX_REVOCATIONS: Final = 100_000
"""Entries of each kind."""


class Revocations:
    """The list of what is revoked.

    Args:
        most: Entries of each kind.
    """

    def __init__(self, most: int = MAX_REVOCATIONS) -> None:
        self._most = most
        self._tokens: dict[str, int] = {}
        self._users: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._tokens) + len(self._users)

    def revoke_token(self, token_id: str, expires_ms: int, now_ms: int) -> None:
        """Revoke the tokens of a ``jti``.

        Args:
            token_id: The ``jti``.
            expires_ms: When they expire by themselves, milliseconds since the epoch.
            now_ms: Now, likewise.

        Raises:
            RequestError: ``unavailable``: the list is full.
        """
        self._make_room(self._tokens, token_id, now_ms)
        self._tokens[token_id] = max(expires_ms, self._tokens.get(token_id, 0))

    def revoke_user(self, user: str, issued_until_ms: int, expires_ms: int, now_ms: int) -> None:
        """Revoke the tokens of a user that were made up to a moment.

        Args:
            user: Whose.
            issued_until_ms: The moment, milliseconds since the epoch.
            expires_ms: When the last of them expires by itself.
            now_ms: Now.

        Raises:
            RequestError: ``unavailable``: the list is full.
        """
        self._make_room(self._users, user, now_ms)
        until, expires = self._users.get(user, (0, 0))
        self._users[user] = (max(until, issued_until_ms), max(expires, expires_ms))

    def revoked(self, grant: Grant) -> bool:
        """Whether a grant is revoked."""
        if grant.key is not None:
            # An API key is revoked where it is kept; its token_id is no jti.
            return False
        if grant.token_id is not None and grant.token_id in self._tokens:
            return True
        entry = self._users.get(grant.user) if grant.user is not None else None
        return entry is not None and (grant.issued_ms is None or grant.issued_ms <= entry[0])

    def _make_room(
        self, entries: dict[str, int] | dict[str, tuple[int, int]], name: str, now_ms: int
    ) -> None:
        if name in entries or len(entries) < self._most:
            return
        self.forget_expired(now_ms)
        if len(entries) >= self._most:
            raise RequestError(
                "unavailable",
                f"{self._most} revocations are kept, and none of them has expired; "
                "change the key that these tokens are signed with",
            )

    def forget_expired(self, now_ms: int) -> None:
        """Drop the entries about tokens that have expired by now."""
        for token_id in [name for name, expires in self._tokens.items() if expires <= now_ms]:
            del self._tokens[token_id]
        for user in [name for name, (_, expires) in self._users.items() if expires <= now_ms]:
            del self._users[user]
