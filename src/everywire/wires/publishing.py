"""How what a publisher sends becomes drafts.

A publish comes as a WebSocket frame, as a JSON object, as one of a list of them, or as a raw HTTP
body. The fields mean the same in all of them, so one function, `draft_from`, checks them; a
`Dialect` tells it how a wire writes data. This module reads the HTTP bodies; `commands` reads
frames with the same parts.

An object is decoded twice, for each does what the other cannot. The first time its members stay
raw and are only counted, to find a key that stands twice: commas outside its values and keys are
one fewer than its members. The second time its fields are given their types.

Whoever reads a body decides about its size before decoding what grows in memory: a list counts its
items first, and an object longer than any allowed one can be is not looked at.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from everywire.core.channels import MAX_NAME_BYTES, check_channel
from everywire.core.errors import RequestError, bad_request
from everywire.core.limits import Limits
from everywire.core.messages import DEFAULT_EVENT, OWN_EVENTS, Draft, Kind
from everywire.core.payload import MAX_DEPTH, check_json, check_size

MAX_STATE_KEY_BYTES: Final = 200
"""A message's ``key``."""

DECODER_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""Everything that decoding a peer's bytes can raise; `refusal` turns it into an answer."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONNECTION: Final = re.compile("[A-Za-z0-9_-]{22,64}")
_WHITE_SPACE: Final = b" \t\r\n"
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})

_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_string: Final = msgspec.json.Decoder(str).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class PublishFields(msgspec.Struct, kw_only=True, gc=False):
    """The fields of a publish, of the right types but not checked yet. null is as good as absent.

    The fields are those of docs/protocol.md; ``data`` and ``meta`` are still as the wire has them.
    """

    data: Raw
    channel: str | None = None
    channels: list[str] | None = None
    encoding: str | None = None
    event: str | None = None
    key: str | None = None
    expected_id: int | None = None
    meta: Raw | UnsetType = UNSET
    ttl: float | None = None
    final: bool | None = None
    ephemeral: bool | None = None
    echo: bool | None = None
    idempotency_key: str | None = None


class PublishObject(PublishFields, kw_only=True, gc=False):
    """A publish object of ``POST /publish``, or one of a list."""

    connection: str | None = None


class Dialect(NamedTuple):
    """How a wire writes values.

    Attributes:
        members: The members of an object, raw; refuses a key that stands twice.
        data: The data of a publish, checked, and its kind.
        json: A raw value as checked JSON.
    """

    members: Callable[[bytes, str], dict[str, Raw]]
    data: Callable[[PublishFields, Limits], tuple[bytes, Kind]]
    json: Callable[[bytes, str], bytes]


class PublishRequest(msgspec.Struct):
    """What an HTTP publish asks for.

    Attributes:
        drafts: In order; their ``connection`` and ``user`` are the caller's to set.
        idempotency_key: One for all drafts.
        shape: How to answer: ``one`` with an id, ``list`` and ``channels`` with ids.
        connections: For each draft, the secret of the connection that it names.
    """

    drafts: list[Draft]
    idempotency_key: str | None
    shape: Literal["one", "list", "channels"]
    connections: list[str | None]


def parse_publish(body: bytes, header_key: str | None, limits: Limits) -> PublishRequest:
    """Read the body of ``POST /publish``.

    Args:
        body: A JSON object, or a list of at most ``limits.max_batch`` of them.
        header_key: The ``Idempotency-Key`` header, as Latin-1.

    Raises:
        RequestError: ``bad_request``, ``bad_channel``, ``too_large`` or ``too_many_channels``; of
            a list, the message names the item, counted from 0.
    """
    if header_key is not None:
        header_key = _check_key(_header(header_key, "Idempotency-Key"), limits)
    if body.lstrip(_WHITE_SPACE)[:1] == b"[":
        return _publish_list(body, header_key, limits)
    fields = _read_object(body, "the body", limits)
    key = header_key
    if fields.idempotency_key is not None:
        key = _check_key(fields.idempotency_key, limits)
        if header_key not in (None, key):
            raise bad_request("idempotency_key and the Idempotency-Key header differ; give one")
    connection = _check_connection(fields.connection)
    if fields.channels is None:
        return PublishRequest([draft_from(fields, JSON, limits)], key, "one", [connection])
    drafts = _in_channels(fields, fields.channels, limits)
    return PublishRequest(drafts, key, "channels", [connection] * len(drafts))


def _in_channels(fields: PublishObject, names: list[str], limits: Limits) -> list[Draft]:
    """The same data in several channels."""
    if fields.channel is not None:
        raise bad_request("channel and channels cannot stand together; give one of them")
    if not names:
        raise bad_request("channels is empty; name at least one")
    if len(names) > limits.max_batch:
        raise RequestError(
            "too_many_channels", f"channels names {len(names)}; at most {limits.max_batch} may be"
        )
    fields.channel, fields.channels = names[0], None
    first = draft_from(fields, JSON, limits)
    others = [msgspec.structs.replace(first, channel=check_channel(name)) for name in names[1:]]
    return [first, *others]


def _publish_list(body: bytes, header_key: str | None, limits: Limits) -> PublishRequest:
    drafts: list[Draft] = []
    connections: list[str | None] = []
    for index, item in enumerate(_items(body, limits.max_batch)):
        try:
            fields = _read_object(bytes(item), "it", limits)
            if fields.idempotency_key is not None:
                raise bad_request(
                    "a list has one idempotency key, in the Idempotency-Key header; none inside"
                )
            connections.append(_check_connection(fields.connection))
            drafts.append(draft_from(fields, JSON, limits))
        except RequestError as error:
            message = f"item {index}: {error.message}"
            raise RequestError(error.code, message, channel=error.channel) from None
    return PublishRequest(drafts, header_key, "list", connections)


class _AnyObject(msgspec.Struct, gc=False):
    """Stands for an item where items are only counted: the smallest that decoding can make."""


_count: Final = msgspec.json.Decoder(list[_AnyObject]).decode


def _items(body: bytes, most: int) -> list[Raw]:
    try:
        # Fewer commas than that cannot part too many items.
        count = 0 if body.count(b",") < most else len(_count(body))
        if count > most:
            raise RequestError("too_large", f"a list of {count} messages; at most {most} may be")
        return _decode_list(body)
    except DECODER_ERRORS as error:
        raise refusal(error, "the body") from None


def _read_object(document: bytes, what: str, limits: Limits) -> PublishObject:
    # JSON writes a byte of text in six at most (\\u0000). All else is shorter than its share here.
    most = 6 * (limits.max_data_bytes + limits.max_batch * MAX_NAME_BYTES) + 65_536
    if len(document) > most:
        raise RequestError(
            "too_large", f"{what} is {len(document)} bytes; a message of {most} cannot be allowed"
        )
    json_members(document, what)
    try:
        return _decode_object(document)
    except DECODER_ERRORS as error:
        raise refusal(error, what) from None


_decode_object: Final = msgspec.json.Decoder(PublishObject).decode


def parse_raw(
    channel: str,
    body: bytes,
    content_type: str | None,
    event: str | None,
    header_key: str | None,
    limits: Limits,
) -> PublishRequest:
    """Read ``POST /channels/{channel}``, where the body is the data.

    Args:
        channel: Percent-decoded; checked here.
        body: JSON, text or bytes, as ``content_type`` says.
        content_type: ``application/json`` or ``…+json``, ``text/…``, anything else, or None.
        event: The ``Event`` header, as Latin-1.
        header_key: The ``Idempotency-Key`` header, as Latin-1.

    Raises:
        RequestError: ``bad_request``, ``bad_channel`` or ``too_large``.
    """
    check_channel(channel)
    data, kind = _raw_data(body, content_type or "", limits)
    name = DEFAULT_EVENT if event is None else _check_event(_header(event, "Event"), limits)
    if header_key is not None:
        header_key = _check_key(_header(header_key, "Idempotency-Key"), limits)
    return PublishRequest([Draft(channel, data, kind, name)], header_key, "one", [None])


def _raw_data(body: bytes, content_type: str, limits: Limits) -> tuple[bytes, Kind]:
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media == "application/json" or media.endswith("+json"):
        body = body.strip(_WHITE_SPACE)
        check_size(body, limits.max_data_bytes)
        return check_json(body), Kind.JSON
    check_size(body, limits.max_data_bytes)
    if not media.startswith("text/"):
        return body, Kind.BYTES
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _UTF8:
            raise bad_request(f"text in {ascii(value)}; only utf-8 and us-ascii are taken")
    check_utf8(body, "the body")
    return body, Kind.TEXT


def _header(value: str, name: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise bad_request(f"the {name} header is not UTF-8") from None


def check_utf8(document: bytes, what: str) -> None:
    """Raise ``bad_request`` where bytes are not UTF-8, with the first that is not."""
    if not document.isascii():
        try:
            document.decode()
        except UnicodeDecodeError as error:
            raise bad_request(f"{what} is not UTF-8 (byte {error.start})") from None


def json_members(document: bytes, what: str) -> dict[str, Raw]:
    """Return the members of a JSON object, raw, each key once.

    Args:
        what: What to call it in an error.

    Raises:
        RequestError: ``bad_request``: not UTF-8, not JSON, not an object, or one key twice.
    """
    check_utf8(document, what)
    try:
        members = _decode_members(document)
        commas = b"".join(cast("Any", members.values())).count(b",")
        # A comma in a key only leads here; a dropped member cannot hide, for it adds one at least.
        if document.count(b",") - commas >= max(len(members), 1):
            repeated = _repeated_key(document)
            if repeated is not None:
                raise bad_request(f"{what} has the key {ascii(repeated[:60])} twice")
    except DECODER_ERRORS as error:
        raise refusal(error, what) from None
    return members


def _repeated_key(document: bytes) -> str | None:
    seen: set[str] = set()
    for name, _ in cast("list[tuple[str, object]]", _PAIRS.decode(document.decode())):
        if name in seen:
            return name
        seen.add(name)
    return None


# Objects as lists of pairs; numbers are left as they stand, however long.
_PAIRS: Final = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


def refusal(error: Exception, what: str) -> RequestError:
    """Say what a decoder found wrong, and where.

    Args:
        error: One of `DECODER_ERRORS`.
        what: What was decoded.
    """
    if isinstance(error, RecursionError):
        return bad_request(f"{what} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(error, UnicodeDecodeError):
        return bad_request(f"{what} is not UTF-8 (byte {error.start} of a string)")
    return bad_request(f"{what}: {error}")


def draft_from(fields: PublishFields, dialect: Dialect, limits: Limits) -> Draft:
    """Check every field of a publish and make the draft. ``connection`` is the caller's to set.

    Raises:
        RequestError: ``bad_request``, ``bad_channel`` or ``too_large``.
    """
    if fields.channels is not None:
        raise bad_request("channels is for a single object of POST /publish; give one channel")
    if fields.channel is None:
        raise bad_request("channel is missing")
    if fields.expected_id is not None:
        raise bad_request("expected_id is not offered yet: this server keeps no keyed state")
    if fields.final and fields.ephemeral:
        raise bad_request("final and ephemeral cannot stand together: the end of a channel is kept")
    channel = check_channel(fields.channel)
    data, kind = dialect.data(fields, limits)
    return Draft(
        channel,
        data,
        kind,
        DEFAULT_EVENT if fields.event is None else _check_event(fields.event, limits),
        None if fields.key is None else _check_length(fields.key, "key", MAX_STATE_KEY_BYTES),
        None if fields.meta is UNSET else _check_meta(bytes(fields.meta), dialect, limits),
        None if fields.ttl is None else _check_ttl(fields.ttl),
        fields.final is True,
        fields.ephemeral is True,
        fields.echo is not False,
    )
