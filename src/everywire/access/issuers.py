"""Whose tokens count, and what has to be in them.

An issuer has keys of its own, and its keys are looked up under it: that two issuers name a key by
the same ``kid`` means nothing, and a token signed by the one is never taken for the other's. Which
issuer a token is from is settled by the signature; its ``iss`` has to agree afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from everywire.access.key_sets import KeySet
from everywire.access.keys import Key, by_id
from everywire.core.access import NOTHING, Permissions
from everywire.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token of an issuer has to say, and what it then means.

    Attributes:
        issuer: What ``iss`` has to be; None: it is not looked at.
        audiences: ``aud`` has to hold one of them; none: a token for somebody is not for us.
        leeway: Seconds by which the clocks may differ, for ``nbf`` and ``exp``.
        require_expiry: Whether a token without ``exp`` is refused.
        grants_claim: The claim that holds the grants.
        user_prefix: Put before each ``sub``, where two issuers may give one to different people.
        grants: What each of its tokens may do beside what it says itself.
    """

    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    leeway: float = 1.0
    require_expiry: bool = False
    grants_claim: str = "grants"
    user_prefix: str = ""
    grants: Permissions = NOTHING


@dataclass(slots=True)
class Issuer:
    """An issuer: its terms, its keys.

    Attributes:
        terms: What a token has to say.
        keys: Keys that are known from the start.
        key_set: Where it publishes others, if it does.
    """

    terms: Terms
    keys: Sequence[Key] = ()
    key_set: KeySet | None = None
    _by_id: Mapping[str | None, Sequence[Key]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_id = by_id(self.keys)
        if self.key_set is not None and self.terms.issuer is None:
            raise UsageError(
                f"an issuer whose keys are at an address needs its name (the iss of its tokens): "
                f"{self.key_set.url}"
            )

    def candidates(self, name: str | None) -> list[Key]:
        """The keys that may have signed a token.

        Args:
            name: The ``kid`` of its header; None: it has none, and any key may have.
        """
        sets = [self._by_id] if self.key_set is None else [self._by_id, self.key_set.keys()]
        if name is None:
            return [key for keys in sets for listed in keys.values() for key in listed]
        return [key for keys in sets for given in (name, None) for key in keys.get(given, ())]

    def knows(self, name: str | None) -> bool:
        """Whether there is a key of exactly this ``kid``; of None: any key."""
        sets = [self._by_id] if self.key_set is None else [self._by_id, self.key_set.keys()]
        return any(keys if name is None else name in keys for keys in sets)


def check_issuers(issuers: Sequence[Issuer]) -> None:
    """Whether several issuers can be told apart.

    Raises:
        UsageError: They cannot.
    """
    names = [issuer.terms.issuer for issuer in issuers]
    if len(names) > 1 and None in names:
        raise UsageError("of several issuers, each needs its name (the iss of its tokens)")
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            f"the issuer {min(map(str, repeated))!a} is there twice; one may have several keys"
        )
