"""Making tokens: for the command line, for tests, for back ends in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from everywire.access.keys import Key
from everywire.access.refusals import MAX_TOKEN_BYTES
from everywire.core.errors import UsageError


def mint(claims: Mapping[str, Any], key: Key) -> str:
    """Sign claims.

    Args:
        claims: What the token says; times are seconds since the epoch.
        key: The key, with its private part; its ``kid`` goes into the header.

    Raises:
        UsageError: The key can only check signatures, or the token would be too long.
    """
    if key.signing is None:
        raise UsageError(
            f"{key.where} holds a public key, which can only check tokens; to make one, the "
            "private key is needed"
        )
    headers = {} if key.id is None else {"kid": key.id}
    payload = msgspec.json.encode(claims)
    token = jwt.PyJWS().encode(payload, key.signing, algorithm=key.algorithm, headers=headers)
    if len(token) > MAX_TOKEN_BYTES:
        raise UsageError(f"the token would have {len(token)} bytes; {MAX_TOKEN_BYTES} are allowed")
    return token
