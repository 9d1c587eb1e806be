"""May they? One function decides; everything asks it.

A grant says as whom somebody is here and what they may do: patterns of channels, each with the
actions allowed on it. `decide` compares that with what is asked and answers None or the error. It
knows no token, no clock and no socket: that a grant has expired is data here (``expires_ms``), and
for the server to act on.

Rule 1: ONE pattern of the grant has to cover all that is asked. Two that cover it together do not:
whether they do would be a puzzle to solve at each publish, and to read in each token.
Rule 2: names are compared byte for byte. ``chat.A`` is not ``chat.a``, and two ways of writing the
same letter in Unicode are two channels here as they are everywhere else.
Rule 3: names that begin with ``@`` are the server's. No ``*`` and no ``**`` covers them.
``@user.<sub>`` is heard by that user and ``@connection.<public name>`` by that connection, whatever
a grant says. Back ends publish there: with a grant that writes the first segment out, such as
``{"@user.*": ["publish"]}``. That a back end may say to somebody what nobody else may hear is the
point of these channels, so publishing to them is given apart from hearing them.

What a set of patterns allows is kept once, however many hold it: a million users with the grants of
one application share one `Permissions`, and with it what was found out about channels before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal, cast, get_args

from everywire.core.channels import check_channel_or_pattern, is_pattern
from everywire.core.errors import RequestError, bad_request

Action = Literal["subscribe", "publish", "history", "presence"]

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

MAX_GRANT_PATTERNS: Final = 256
"""Patterns that one grant may have; each is looked at when a channel is new to it."""

_MAX_KNOWN: Final = 128
"""Channels remembered of a set of patterns for each action; more begin anew."""

_MAX_SHARED: Final = 1024
"""Sets of patterns that are kept for the next grant that has the same."""

_SHOWN: Final = 3


def covers(granted: str, asked: str) -> bool:
    """Whether every channel that one pattern covers is covered by another.

    Args:
        granted: A checked pattern or channel.
        asked: Likewise.
    """
    if granted == asked:
        return True
    if "*" not in granted or (granted[0] == "*" and asked[0] == "@"):
        return False
    given, wanted = granted.split("."), asked.split(".")
    if given[-1] == "**":
        # What is left of the other is one segment or more, any of which ** covers.
        given.pop()
        if len(wanted) <= len(given):
            return False
    elif len(given) != len(wanted):
        return False
    return all(
        mine == other or (mine == "*" and other != "**")
        for mine, other in zip(given, wanted, strict=False)
    )


class Permissions:
    """Patterns and what each allows; shared by all who hold the same. See `permissions`.

    Attributes:
        patterns: Each with its actions, in the order given.
        everything: Whether every action is allowed on every channel but the server's own.
    """

    __slots__ = ("_by_action", "_known", "everything", "patterns")

    def __init__(self, patterns: tuple[tuple[str, frozenset[Action]], ...]) -> None:
        self.patterns = patterns
        self.everything = any(
            pattern == "**" and len(actions) == len(ACTIONS) for pattern, actions in patterns
        )
        self._by_action: dict[Action, tuple[str, ...]] = {
            action: tuple(pattern for pattern, actions in patterns if action in actions)
            for action in ACTIONS
        }
        self._known: dict[Action, set[str]] = {action: set() for action in ACTIONS}

    def of(self, action: Action) -> tuple[str, ...]:
        """The patterns on which an action is allowed."""
        return self._by_action[action]

    def allows(self, action: Action, name: str) -> bool:
        """Whether one pattern covers a channel, or all that a pattern covers."""
        known = self._known[action]
        if name in known:
            return True
        if not any(covers(pattern, name) for pattern in self._by_action[action]):
            return False
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known.add(name)
        return True


@lru_cache(_MAX_SHARED)
def _shared(patterns: tuple[tuple[str, frozenset[Action]], ...]) -> Permissions:
    return Permissions(patterns)


def permissions(grants: Mapping[str, Iterable[str]]) -> Permissions:
    """Check what a token, a key or a setting grants.

    Args:
        grants: Patterns of channels, each with the actions allowed on it.

    Raises:
        RequestError: ``bad_request``, or ``bad_channel`` for a pattern that is none.
    """
    if len(grants) > MAX_GRANT_PATTERNS:
        raise bad_request(f"{len(grants)} patterns in one grant; {MAX_GRANT_PATTERNS} are allowed")
    checked: list[tuple[str, frozenset[Action]]] = []
    for pattern, actions in grants.items():
        check_channel_or_pattern(pattern)
        if pattern[0] == "@" and not pattern.startswith(("@user.", "@connection.")):
            raise bad_request(
                f"nothing can be granted on {pattern[:60]!a}: of the names that begin with '@', "
                "@user.<sub> and @connection.<name> can be published to"
            )
        wanted = frozenset(actions)
        unknown = wanted.difference(ACTIONS)
        if unknown:
            raise bad_request(f"{min(unknown)[:60]!a} is no action; there are {', '.join(ACTIONS)}")
        checked.append((pattern, cast("frozenset[Action]", wanted)))
    return _shared(tuple(checked))


@lru_cache(_MAX_SHARED)
def both(one: Permissions, other: Permissions) -> Permissions:
    """What either allows. That is still for one pattern to cover."""
    patterns = dict(one.patterns)
    for pattern, actions in other.patterns:
        patterns[pattern] = patterns.get(pattern, frozenset()) | actions
    return _shared(tuple(patterns.items()))


NOTHING: Final = permissions({})
EVERYTHING: Final = permissions({"**": ACTIONS})


class Grant:
    """As whom somebody is here, and what they may do.

    Args:
        user: The ``sub`` of their token; None: nobody in particular.
        allowed: What they may do; nothing where it is left out.
        expires_ms: Milliseconds since the epoch from which on it counts no more; None: never.
        issued_ms: When the token says it was made; None: it does not say.
        token_id: The ``jti`` of the token; of an API key, which of its secrets it was.
        key: The name of the API key.
        admin: Whether the key is good for the admin API.
        anonymous: They showed no credential; what is refused might be allowed with one.
    """

    __slots__ = (
        "admin",
        "allowed",
        "anonymous",
        "expires_ms",
        "issued_ms",
        "key",
        "token_id",
        "user",
    )

    def __init__(
        self,
        user: str | None = None,
        allowed: Permissions = NOTHING,
        *,
        expires_ms: int | None = None,
        issued_ms: int | None = None,
        token_id: str | None = None,
        key: str | None = None,
        admin: bool = False,
        anonymous: bool = False,
    ) -> None:
        self.user = user
        self.allowed = allowed
        self.expires_ms = expires_ms
        self.issued_ms = issued_ms
        self.token_id = token_id
        self.key = key
        self.admin = admin
        self.anonymous = anonymous

    @property
    def publisher(self) -> str:
        """Whose idempotency keys these are: a user's, an API key's, or those of all others."""
        if self.user is not None:
            return f"user:{self.user}"
        return "" if self.key is None else f"key:{self.key}"


OPEN: Final = Grant(allowed=EVERYTHING)
"""What everybody holds where there are no keys."""


def decide(
    grant: Grant, action: Action, name: str, connection: str | None = None
) -> RequestError | None:
    """Whether a grant allows an action on a channel, or on all that a pattern covers.

    Args:
        grant: Who asks.
        action: What for.
        name: A checked channel or pattern.
        connection: The public name of the connection that asks, if one does.

    Returns:
        None if it does, else the error to answer: ``forbidden``, or ``no_token`` where a token
        might help.
    """
    if name.startswith("@"):
        return _decide_own(grant, action, name, connection)
    allowed = grant.allowed
    if allowed.everything or allowed.allows(action, name):
        return None
    return _refusal(grant, action, name)


def _decide_own(
    grant: Grant, action: Action, name: str, connection: str | None
) -> RequestError | None:
    """The same for the server's own names: heard by their owner, published to by who is named."""
    kind, _, owner = name.partition(".")
    # A sub may hold any characters, '*' too; what it would make of a name is never a pattern.
    own = not is_pattern(name) and (
        (kind == "@user" and owner == grant.user) or (kind == "@connection" and owner == connection)
    )
    if own and action != "publish":
        return None
    if kind in ("@user", "@connection") and action in ("publish", "presence"):
        if grant.allowed.allows(action, name):
            return None
        detail = f"a grant has to name it, such as {kind}.*"
    elif kind in ("@user", "@connection"):
        detail = "it is heard by its owner only"
    else:
        detail = "of them there are @user.<sub> and @connection.<name>"
    return RequestError(
        "forbidden",
        f"{action} on {name!a} is not allowed: names that begin with '@' are the server's, and "
        f"{detail}",
        channel=name,
    )


def _refusal(grant: Grant, action: Action, name: str) -> RequestError:
    patterns = grant.allowed.of(action)
    if grant.anonymous:
        return RequestError(
            "no_token", f"{action} on {name!a} needs a token, and there is none", channel=name
        )
    shown = ", ".join(ascii(pattern) for pattern in patterns[:_SHOWN]) or "nothing"
    more = len(patterns) - _SHOWN
    rest = f" and {more} more" if more > 0 else ""
    return RequestError(
        "forbidden",
        f"{action} on {name!a} is not granted; it is on {shown}{rest}",
        channel=name,
    )
