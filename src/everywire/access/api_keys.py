"""API keys: what back ends show.

A key reads ``ew_<name>_<secret><checksum>``. The prefix lets scanners find one that was committed
by mistake; the checksum tells a key that was cut when it was copied from one that was revoked, and
both without asking anybody. The name finds its entry, so a look-up is one step, however many there
are.

What is kept is the SHA-256 of the whole key. A slow hash such as argon2 is for passwords, which
people choose and others can guess: it makes each guess dear. A secret here has 256 random bits;
there is nothing to guess at any price, and a slow hash would only make each request dear.

A name may have two secrets that count, the newer and the older, so that a key is changed without a
moment in which neither does: make the second, roll it out, drop the first.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from zlib import crc32

import msgspec

from everywire.access.refusals import bad_token, expired
from everywire.core.access import Grant, permissions
from everywire.core.errors import RequestError, UsageError

KEY_PREFIX: Final = "ew_"
"""How every API key begins. No JWT does: this would decode to ``{`` and a control character."""

MAX_API_KEYS: Final = 10_000
"""Keys of one server."""

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LETTERS: Final = 43  # 62 ** 43 is above 2 ** 256
_CHECK_LETTERS: Final = 6  # 62 ** 6 is above 2 ** 32

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_KEY = re.compile(
    rf"ew_({_NAME.pattern})_([0-9A-Za-z]{{{_SECRET_LETTERS}}})([0-9A-Za-z]{{{_CHECK_LETTERS}}})"
)
_NO_HASH: Final = "sha256:" + "0" * 64


class StoredSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One secret of a key.

    Attributes:
        hash: ``sha256:`` and the digest of the whole key in hexadecimal.
        created_ms: Milliseconds since the epoch.
        expires_ms: From when on it counts no more; None: as the key.
    """

    hash: str
    created_ms: int
    expires_ms: int | None = None


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key as it is kept.

    Attributes:
        grants: What may be done with it: patterns of channels, each with its actions.
        created_ms: Milliseconds since the epoch.
        secrets: The one or two that count, the newest first.
        admin: Whether it is good for the admin API.
        expires_ms: From when on none of its secrets counts.
    """

    grants: dict[str, list[str]]
    created_ms: int
    secrets: tuple[StoredSecret, ...]
    admin: bool = False
    expires_ms: int | None = None


class KeyRing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All API keys of a server. Nothing changes one; a change makes another.

    Attributes:
        keys: By name.
        version: Of the form in which this is written down.
    """

    keys: dict[str, StoredKey] = {}
    version: int = 1

    def check(self, text: str, now_ms: int) -> Grant:
        """What the holder of a key may do.

        Raises:
            RequestError: ``bad_token``, ``token_expired``.
        """
        name = name_of(text)
        shown = hash_of(text)
        key = self.keys.get(name)
        # As many comparisons, each of as long, whether the name is known or not.
        stored = () if key is None else key.secrets
        hashes = [*(secret.hash for secret in stored), _NO_HASH, _NO_HASH][:2]
        matching = [
            secret
            for secret, equal in zip(
                stored, [hmac.compare_digest(shown, known) for known in hashes], strict=False
            )
            if equal
        ]
        if key is None or not matching:
            raise bad_token(f"the API key {name!a} is not known here, or this secret of it no more")
        expires_ms = _earliest(key.expires_ms, matching[0].expires_ms)
        if expires_ms is not None and now_ms >= expires_ms:
            raise expired(f"API key {name!a}", expires_ms, now_ms)
        return Grant(
            allowed=permissions(key.grants),
            expires_ms=expires_ms,
            token_id=shown,
            key=name,
            admin=key.admin,
        )

    def refusal(self, grant: Grant, now_ms: int) -> RequestError | None:
        """Why a grant that `check` gave counts no more; None: it does, as it was given."""
        key = self.keys.get(grant.key or "")
        secret = (
            next((one for one in key.secrets if one.hash == grant.token_id), None) if key else None
        )
        if key is None or secret is None:
            return bad_token(f"the API key {grant.key!a} has been revoked")
        expires_ms = _earliest(key.expires_ms, secret.expires_ms)
        if expires_ms is not None and now_ms >= expires_ms:
            return expired(f"API key {grant.key!a}", expires_ms, now_ms)
        return None

    def create(
        self,
        name: str,
        grants: Mapping[str, list[str]],
        now_ms: int,
        *,
        admin: bool = False,
        expires_ms: int | None = None,
    ) -> tuple[KeyRing, str]:
        """Add a key; it is shown this once.

        Raises:
            UsageError: The name is taken or malformed, or there are too many.
            RequestError: The grants are malformed.
        """
        check_name(name)
        if name in self.keys:
            raise UsageError(f"there is an API key {name!r} already; rotate it, or choose another")
        if len(self.keys) >= MAX_API_KEYS:
            raise UsageError(f"there are {MAX_API_KEYS} API keys; revoke some")
        permissions(grants)
        text = new_key(name)
        stored = StoredKey(
            {pattern: list(actions) for pattern, actions in grants.items()},
            now_ms,
            (StoredSecret(hash_of(text), now_ms),),
            admin,
            expires_ms,
        )
        return self._with(name, stored), text

    def rotate(
        self, name: str, now_ms: int, old_until_ms: int | None = None
    ) -> tuple[KeyRing, str]:
        """Give a key a new secret; of the older ones the newest goes on counting.

        Args:
            name: Of the key.
            now_ms: Now.
            old_until_ms: Until when; None: until it is revoked.

        Raises:
            UsageError: There is no such key.
        """
        key = self._known(name)
        text = new_key(name)
        last = key.secrets[0]
        last = msgspec.structs.replace(last, expires_ms=_earliest(last.expires_ms, old_until_ms))
        both = (StoredSecret(hash_of(text), now_ms), last)
        return self._with(name, msgspec.structs.replace(key, secrets=both)), text

    def revoke(self, name: str, *, old_only: bool = False) -> KeyRing:
        """Take a key away, or all of its secrets but the newest.

        Raises:
            UsageError: There is no such key, or it has no older secret.
        """
        key = self._known(name)
        if not old_only:
            return KeyRing({other: kept for other, kept in self.keys.items() if other != name})
        if len(key.secrets) < 2:
            raise UsageError(f"the API key {name!r} has no older secret")
        return self._with(name, msgspec.structs.replace(key, secrets=key.secrets[:1]))

    def _known(self, name: str) -> StoredKey:
        key = self.keys.get(name)
        if key is None:
            there = ", ".join(sorted(self.keys)[:10]) or "none yet"
            raise UsageError(f"there is no API key {name!r}; there are: {there}")
        return key

    def _with(self, name: str, key: StoredKey) -> KeyRing:
        return KeyRing({**self.keys, name: key})


def is_api_key(text: str) -> bool:
    """Whether a credential is meant to be an API key."""
    return text.startswith(KEY_PREFIX)


def check_name(name: str) -> str:
    """Return the name of a key if it can be one.

    Raises:
        UsageError: It cannot.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} is no name for an API key: 1 to 32 of a-z 0-9 -, no - at either end"
        )
    return name


def new_key(name: str) -> str:
    """Make a key of 256 random bits."""
    start = f"{KEY_PREFIX}{name}_" + "".join(
        secrets.choice(_LETTERS) for _ in range(_SECRET_LETTERS)
    )
    return start + _checksum(start)


def name_of(text: str) -> str:
    """The name in a key that is whole.

    Raises:
        RequestError: ``bad_token``.
    """
    parts = _KEY.fullmatch(text)
    if parts is None or _checksum(text[:-_CHECK_LETTERS]) != parts[3]:
        raise bad_token("the API key is not whole: was it cut or changed when it was copied?")
    return parts[1]


def hash_of(text: str) -> str:
    """What is kept of a key."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _checksum(start: str) -> str:
    number, letters = crc32(start.encode()), ""
    for _ in range(_CHECK_LETTERS):
        number, digit = divmod(number, len(_LETTERS))
        letters = _LETTERS[digit] + letters
    return letters


def _earliest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
