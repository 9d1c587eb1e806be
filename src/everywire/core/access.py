"""May they? One function decides; everything asks it.

Today every client of an open server holds the `OPEN` grant: all channels but the server's own.
Tokens put other grants in its place; what asks stays as it is.
"""

from __future__ import annotations

from typing import Final, Literal

from everywire.core.errors import RequestError

Action = Literal["subscribe", "publish", "history", "presence"]


class Grant:
    """What somebody may do, and as whom.

    Args:
        user: The ``sub`` of their token; None: anonymous.
    """

    __slots__ = ("user",)

    def __init__(self, user: str | None = None) -> None:
        self.user = user


OPEN: Final = Grant()


def decide(grant: Grant, action: Action, name: str) -> RequestError | None:
    """Whether a grant allows an action on a channel or on all that a pattern covers.

    Returns:
        None if it does, else the error to answer.
    """
    if name.startswith("@"):
        return RequestError(
            "forbidden",
            f"{action} on {name!a} is not allowed: names that begin with '@' are the server's",
            channel=name,
        )
    return None
