"""Filters: which messages of a channel a subscriber wants to see.

A filter is a small expression over a message's event, its meta and the top-level scalars of its
JSON data::

    event = "trade" and data.price >= 100 and not meta.region in ("eu", "uk")

    expression  = conjunction *("or" conjunction)
    conjunction = negation *("and" negation)
    negation    = ["not"] (comparison / "(" expression ")")
    comparison  = field operator value / field ["not"] "in" "(" value *("," value) ")"
    field       = "event" / "meta." name / "data." name
    name        = 1*(ALPHA / DIGIT / "_" / "-") / JSON string
    operator    = "=" / "!=" / "<" / "<=" / ">" / ">="
    value       = JSON string / JSON number / "true" / "false" / "null"

A field that is not there, that is an object or an array, or whose data is not JSON, is null. Only
alike values are ordered: text with text by code point, numbers with numbers; across kinds every
order is false, ``=`` is false and ``!=`` is true. So a filter always has an answer, and costs what
its comparisons cost: there is nothing in it that repeats.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

import msgspec

from everywire.core.errors import bad_request
from everywire.core.messages import Kind, Message

MAX_FILTER_BYTES: Final = 1024
"""Bytes of a filter's text."""

MAX_COMPARISONS: Final = 32
"""Comparisons in a filter; each value of an ``in`` counts as one."""

MAX_DEPTH: Final = 16
"""How deep parentheses and ``not`` may stand in each other."""

Value: TypeAlias = str | int | float | bool | None
"""A scalar of JSON."""

_Fields = Mapping[str, msgspec.Raw]
_Predicate = Callable[["_Seen"], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))
      | (?P<word>[A-Za-z_][A-Za-z0-9_-]*)
      | (?P<sign><=|>=|!=|[=<>(),.])
    )""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_WORDS: Final[Mapping[str, Value]] = {"true": True, "false": False, "null": None}

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()


class Filter:
    """A filter that was parsed. Equal texts share one object, so it is compared by identity.

    Attributes:
        text: What it was parsed from.
    """

    __slots__ = ("_last", "_last_answer", "_predicate", "text")

    def __init__(self, text: str, predicate: _Predicate) -> None:
        self.text = text
        self._predicate = predicate
        self._last: Message | None = None
        self._last_answer = False

    def shows(self, message: Message) -> bool:
        """Whether a message passes. Asked again for the same one, it remembers."""
        if message is not self._last:
            self._last_answer = self._predicate(_Seen(message))
            self._last = message
        return self._last_answer


@lru_cache(1024)
def parse_filter(text: str) -> Filter:
    """Parse a filter.

    Raises:
        RequestError: ``bad_request``: where it is wrong, and what may stand there.
    """
    if len(text.encode()) > MAX_FILTER_BYTES:
        raise bad_request(f"a filter has at most {MAX_FILTER_BYTES} bytes")
    return Filter(text, _Parser(text).whole())


class _Seen:
    """The fields of one message, decoded when they are asked for."""

    __slots__ = ("_data", "_message", "_meta")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._data: _Fields | None = None
        self._meta: _Fields | None = None

    def event(self) -> Value:
        return self._message.event

    def data(self, name: str) -> Value:
        if self._data is None:
            message = self._message
            self._data = _object(message.data) if message.kind is Kind.JSON else {}
        return _scalar(self._data.get(name))

    def meta(self, name: str) -> Value:
        if self._meta is None:
            self._meta = _object(self._message.meta or b"")
        return _scalar(self._meta.get(name))


def _object(encoded: bytes) -> _Fields:
    if encoded.lstrip()[:1] != b"{":
        return {}
    return _fields.decode(encoded)


def _scalar(raw: msgspec.Raw | None) -> Value:
    if raw is None or memoryview(raw)[0] in b"{[":
        return None
    return _anything.decode(raw)


def _alike(a: Value, b: Value) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    if isinstance(a, int | float):
        return isinstance(b, int | float)
    return type(a) is type(b)


def _equal(a: Value, b: Value) -> bool:
    return _alike(a, b) and a == b


def _ordered(compare: Callable[..., bool]) -> Callable[[Value, Value], bool]:
    def ordered(a: Value, b: Value) -> bool:
        return a is not None and not isinstance(a, bool) and _alike(a, b) and compare(a, b)

    return ordered


_COMPARE: Final[Mapping[str, Callable[[Value, Value], bool]]] = {
    "=": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._comparisons = 0
        self._kind: str | None = None
        self._token = ""
        self._next()

    def whole(self) -> _Predicate:
        predicate = self._expression()
        if self._kind is not None:
            self._fail("'and', 'or' or the end")
        return predicate

    def _next(self) -> None:
        rest = self._text[self._at :]
        if not rest.strip():
            self._kind, self._token, self._at = None, "", len(self._text)
            return
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            self._token = ""
            self._at += len(rest) - len(rest.lstrip())
            self._fail("a field, a value, an operator or a parenthesis")
        self._kind = found.lastgroup
        assert self._kind is not None
        self._token, self._at = found[self._kind], found.end()

    def _fail(self, expected: str) -> NoReturn:
        where = self._at - len(self._token)
        raise bad_request(f"the filter is wrong at character {where + 1}: {expected} was expected")

    def _is(self, token: str) -> bool:
        return self._kind in ("word", "sign") and self._token == token

    def _accept(self, token: str) -> bool:
        if not self._is(token):
            return False
        self._next()
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            self._fail(repr(token))

    def _expression(self) -> _Predicate:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda seen: any(part(seen) for part in parts)

    def _conjunction(self) -> _Predicate:
        parts = [self._negation()]
        while self._accept("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda seen: all(part(seen) for part in parts)

    def _negation(self) -> _Predicate:
        if self._accept("not"):
            self._deeper()
            inner = self._negation()
            self._depth -= 1
            return lambda seen: not inner(seen)
        if self._accept("("):
            self._deeper()
            inner = self._expression()
            self._expect(")")
            self._depth -= 1
            return inner
        return self._comparison()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise bad_request(f"a filter may be nested {MAX_DEPTH} deep")

    def _comparison(self) -> _Predicate:
        read = self._field()
        if self._is("not") or self._is("in"):
            negated = self._accept("not")
            self._expect("in")
            values = self._values()
            return lambda seen: any(_equal(read(seen), value) for value in values) is not negated
        compare = _COMPARE.get(self._token) if self._kind == "sign" else None
        if compare is None:
            self._fail("one of = != < <= > >= in")
        self._next()
        value = self._value()
        return lambda seen: compare(read(seen), value)

    def _field(self) -> Callable[[_Seen], Value]:
        of = self._token if self._kind == "word" else ""
        if of == "event":
            self._next()
            return _Seen.event
        if of not in ("data", "meta"):
            self._fail("a field (event, meta.NAME or data.NAME)")
        self._next()
        if not self._is("."):
            self._fail(f"{of}.NAME")
        name = self._name()
        if of == "data":
            return lambda seen: seen.data(name)
        return lambda seen: seen.meta(name)

    def _name(self) -> str:
        """What stands behind the dot; a plain name may begin with a digit."""
        found = _NAME.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            self._next()
            return found[0]
        self._next()
        if self._kind != "string":
            self._fail("a field's name")
        return str(self._literal("a string as in JSON"))

    def _literal(self, expected: str) -> Value:
        """The token as JSON reads it."""
        try:
            value: Value = _anything.decode(self._token)
        except msgspec.DecodeError:
            self._fail(expected)
        self._next()
        return value

    def _values(self) -> list[Value]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Value:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise bad_request(f"a filter has at most {MAX_COMPARISONS} comparisons")
        if self._kind == "string":
            return self._literal("a string as in JSON")
        if self._kind == "number":
            return self._literal("a number within a double")
        if self._kind != "word" or self._token not in _WORDS:
            self._fail('a value ("text", a number, true, false or null)')
        value = _WORDS[self._token]
        self._next()
        return value
