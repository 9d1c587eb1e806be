"""Rules where there is only text: ``PATTERN:KEY=VALUE,…``, on the command line and in variables.

The keys have short names here, since a rule has to fit on a line; a key's own name will do as well,
so that a new one needs no other. What stands behind the last colon are the keys: the names of
channels may have colons, the values of a rule have none.
"""

from __future__ import annotations

from typing import Any, Final

from everywire.core.channels import check_channel_or_pattern
from everywire.core.errors import RequestError
from everywire.server.configuration.schema import RULE
from everywire.server.configuration.values import convert

SHORT: Final = {
    "count": "max_messages",
    "age": "max_age",
    "size": "max_bytes",
}
"""Short names of keys."""


def rule_keys() -> list[str]:
    """How the keys are written here."""
    short = {field: key for key, field in SHORT.items()}
    return [short.get(setting.path[-1], setting.path[-1]) for setting in RULE]


def parse_rule(text: str) -> tuple[str, dict[str, Any]]:
    """Take a rule apart.

    Args:
        text: ``PATTERN:KEY=VALUE,…``.

    Returns:
        The pattern, and the fields of its rule.

    Raises:
        ValueError: It is no rule; the message says what one is.
    """
    pattern, _, rest = text.rpartition(":")
    fields = {setting.path[-1]: setting for setting in RULE}
    values: dict[str, Any] = {}
    for part in rest.split(","):
        key, _, value = part.strip().partition("=")
        setting = fields.get(SHORT.get(key, key))
        if setting is None or not pattern:
            keys = ", ".join(rule_keys())
            raise ValueError(f"{text!r}: a rule is PATTERN:KEY=VALUE,… with the keys {keys}")
        try:
            values[setting.path[-1]] = convert(setting, value, text=True)
        except ValueError as error:
            raise ValueError(f"{key} of {pattern!r} {error}") from None
    try:
        check_channel_or_pattern(pattern)
    except RequestError as error:
        raise ValueError(error.message) from None
    return pattern, values
