"""What a token is, and everything that is wrong with it.

A server stops at the first reason to refuse a token. A person wants all of them, and to see what
the token says even so; so what cannot be trusted is shown here, and is called unverified.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import Any

import msgspec

from everywire.access.api_keys import KeyRing
from everywire.access.claims import grant_of, read_object
from everywire.access.explaining import Explanation, explain
from everywire.access.refusals import MAX_TOKEN_BYTES
from everywire.access.tokens import KeysNeeded, TokenVerifier
from everywire.core.access import ACTIONS, Action, Grant
from everywire.core.errors import RequestError


class Inspection(msgspec.Struct, omit_defaults=True):
    """What was found.

    Attributes:
        valid: Whether a server with these keys would take the token now.
        signature: ``good``, ``bad``, or ``unchecked`` where no keys were given.
        key: The key that has signed it.
        code: Of the error that a server would answer.
        problem: What is wrong, in words.
        header: What the token's header says.
        claims: What the token says.
        can: What its holder may do, as far as it was asked.
    """

    valid: bool
    signature: str
    key: str | None = None
    code: str | None = None
    problem: str | None = None
    header: dict[str, Any] = {}
    claims: dict[str, Any] = {}
    can: list[Explanation] = []


async def inspect(
    token: str,
    verifier: TokenVerifier | None,
    now_ms: int,
    asked: Sequence[tuple[Action, str]] = (),
) -> Inspection:
    """Look at a token.

    Args:
        token: The token.
        verifier: Has the keys; None: the signature cannot be checked.
        now_ms: Milliseconds since the epoch.
        asked: Actions, each on a checked channel or pattern.
    """
    header, claims = unverified(token)
    if verifier is None:
        return Inspection(False, "unchecked", header=header, claims=claims)
    found = Inspection(False, "bad", header=header, claims=claims)
    await verifier.fetch_for(token)
    try:
        signed = verifier.signed(token)
        found.signature, found.key = "good", signed.key.name
        grant = grant_of(signed.claims, signed.issuer.terms, now_ms)
    except RequestError as error:
        found.code, found.problem = error.code, error.message
        return found
    except KeysNeeded as error:
        found.code, found.problem = "unavailable", str(error)
        return found
    found.valid = True
    found.can = explained(grant, asked)
    return found


def inspect_api_key(
    text: str, ring: KeyRing, now_ms: int, asked: Sequence[tuple[Action, str]] = ()
) -> Inspection:
    """Look at an API key; see `inspect`.

    Args:
        text: The key.
        ring: The keys that are known.
        now_ms: Milliseconds since the epoch.
        asked: Actions, each on a checked channel or pattern.
    """
    try:
        grant = ring.check(text, now_ms)
    except RequestError as error:
        return Inspection(False, "bad", code=error.code, problem=error.message)
    claims: dict[str, Any] = {"key": grant.key, "admin": grant.admin}
    if grant.expires_ms is not None:
        claims["exp"] = grant.expires_ms // 1000
    claims["grants"] = {
        pattern: [action for action in ACTIONS if action in actions]
        for pattern, actions in grant.allowed.patterns
    }
    return Inspection(True, "good", claims=claims, can=explained(grant, asked))


def explained(grant: Grant, asked: Sequence[tuple[Action, str]]) -> list[Explanation]:
    """Answer what was asked of a grant."""
    return [explain(grant, action, name) for action, name in asked]


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a token says of itself, for people to look at; empty where it cannot be read."""
    if len(token) > MAX_TOKEN_BYTES:
        return {}, {}
    return _part(token, 0, "header"), _part(token, 1, "payload")


def _part(token: str, number: int, what: str) -> dict[str, Any]:
    try:
        text = token.split(".")[number]
        return read_object(urlsafe_b64decode(text + "=" * (-len(text) % 4)), what)
    except (RequestError, IndexError, ValueError):
        return {}
