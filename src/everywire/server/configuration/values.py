"""One value: from what was written to what the setting's type wants, and back to words.

The types are checked by msgspec; what is said when that fails is said here, in the words of whoever
writes a setting. A secret is in no error and in nothing that is shown.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, cast, get_args, get_origin

import msgspec
import msgspec.inspect

from everywire.core.units import Unit
from everywire.server.configuration.quantities import (
    EXAMPLES,
    KINDS,
    parse_quantity,
    write_quantity,
)
from everywire.server.configuration.schema import UNLIMITED, Setting, extra_of

HIDDEN: Final = "***"

_MOST_SHOWN: Final = 60


def convert(setting: Setting, value: Any, *, text: bool) -> Any:
    """What a value that was written comes to.

    Args:
        setting: What it is for.
        value: As it was written.
        text: It comes from where there is only text: a number is written in digits, a list with
            commas.

    Raises:
        ValueError: It is not allowed. The message says what it has to be.
    """
    if setting.optional and value == UNLIMITED:
        return None
    given = value
    if isinstance(value, str):
        value = _from_text(setting, value, text)
    try:
        return msgspec.convert(value, setting.type, strict=not text)
    except msgspec.ValidationError:
        raise ValueError(f"has to be {allowed(setting)}, not {_given(setting, given)}") from None


def _from_text(setting: Setting, value: str, text: bool) -> Any:
    if setting.unit is not None:
        quantity = parse_quantity(value, setting.unit)
        return value if quantity is None else quantity
    if text and _is_list(setting):
        return [item for part in value.split(",") if (item := part.strip())]
    return value


def _is_list(setting: Setting) -> bool:
    return isinstance(msgspec.inspect.type_info(setting.type), msgspec.inspect.VarTupleType)


def _given(setting: Setting, value: Any) -> str:
    if setting.hidden is not None:
        return "what was given, which is not shown"
    words = repr(value) if isinstance(value, str) else plain(value)
    return words if len(words) <= _MOST_SHOWN else words[:_MOST_SHOWN] + "…"


# What is allowed


def allowed(setting: Setting) -> str:
    """What may be written for a setting."""
    # msgspec would sort them.
    words = _one_of(setting.type) or _allowed(msgspec.inspect.type_info(setting.type))
    return f'{words}, or "{UNLIMITED}"' if setting.optional else words


def _one_of(kind: Any) -> str:
    return f"one of {', '.join(get_args(kind))}" if get_origin(kind) is Literal else ""


def _allowed(kind: Any, extra: dict[str, Any] | None = None) -> str:
    extra = extra or {}
    if "allowed" in extra:
        return extra["allowed"]
    match kind:
        case msgspec.inspect.Metadata():
            return _allowed(kind.type, extra_of(kind))
        case msgspec.inspect.UnionType():
            return next(
                _allowed(choice)
                for choice in kind.types
                if not isinstance(choice, msgspec.inspect.NoneType)
            )
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.VarTupleType():
            return f"a list, each {_allowed(kind.item_type)}"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            unit: Unit | None = extra.get("unit")
            whole = isinstance(kind, msgspec.inspect.IntType)
            words = KINDS[unit] if unit else "a whole number" if whole else "a number"
            return f"{words}{_range(kind, unit)}{_examples(unit)}"
        case _:
            return "a text that is not empty" if getattr(kind, "min_length", None) else "a text"


def _range(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType, unit: Unit | None) -> str:
    def shown(bound: float) -> str:
        number = int(bound) if bound == int(bound) else bound
        return write_quantity(number, unit) if unit else str(number)

    parts: list[str] = []
    if kind.gt is not None:
        parts.append(f"above {shown(kind.gt)}")
    if kind.ge is not None:
        parts.append(f"from {shown(kind.ge)}")
    if kind.le is not None:
        parts.append(f"to {shown(kind.le)}")
    return "".join(f" {part}" for part in parts)


def _examples(unit: Unit | None) -> str:
    return f", such as {EXAMPLES[unit]} (a bare number counts {unit})" if unit else ""


# What is shown


def plain(value: Any) -> str:
    """A value as a file would hold it, whatever it is for."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in cast('list[Any]', value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    # TOML's strings are JSON's, but that it wants the delete character escaped too.
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def toml_value(setting: Setting, value: Any) -> str:
    """A setting's value as a file holds it; reading it gives the same again."""
    if value is None:
        return plain(UNLIMITED)
    if setting.unit is None:
        return plain(value)
    quantity = write_quantity(value, setting.unit)
    return quantity if quantity[-1].isdigit() else plain(quantity)


def redact(setting: Setting, value: Any) -> Any:
    """A setting's value without what is never shown."""
    if not value or setting.hidden is None:
        return value
    if setting.hidden == "password":
        return without_password(str(value))
    return HIDDEN


def shown(setting: Setting, value: Any) -> str:
    """A setting's value for people, without what is never shown."""
    return toml_value(setting, redact(setting, value))


def without_password(url: str) -> str:
    """A URL without what stands before an ``@`` in it, and without secrets behind its ``?``."""
    head, mark, query = url.partition("?")
    scheme, colon, rest = head.partition(":")
    # A path of a file has no user before its '@'.
    if "@" in rest and scheme != "sqlite":
        slashes = "//" if rest.startswith("//") else ""
        head = f"{scheme}{colon}{slashes}{HIDDEN}@{rest.rpartition('@')[2]}"
    return head + mark + "&".join(_without_secret(part) for part in query.split("&"))


def _without_secret(part: str) -> str:
    name, equals, value = part.partition("=")
    harmless = not any(word in name.lower() for word in ("pass", "token", "secret", "key", "auth"))
    return part if harmless or not value else f"{name}{equals}{HIDDEN}"
