"""The bodies of an HTTP publish.

``POST /publish`` takes an object, or a list of them with one idempotency key for all;
``POST /channels/{channel}`` takes the data itself. What an object's fields mean is `drafts`'
business, as it is for a WebSocket's frames.

Whoever decodes a body decides first about what grows in memory with it: the items of a list are
counted before they are kept, and an object longer than any allowed one can be is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw

from everywire.core.channels import MAX_NAME_BYTES, check_channel
from everywire.core.errors import RequestError, bad_request
from everywire.core.limits import Limits
from everywire.core.messages import DEFAULT_EVENT, Draft, Kind
from everywire.core.payload import check_json, check_size
from everywire.wires.drafts import (
    JSON,
    PublishFields,
    check_event,
    check_idempotency_key,
    draft_from,
)
from everywire.wires.members import DECODER_ERRORS, all_kept, check_utf8, json_members, refusal

_CONNECTION: Final = re.compile("[A-Za-z0-9_-]{22,64}")
_WHITE_SPACE: Final = b" \t\r\n"
_FOR_THE_REST: Final = 65_536
"""Bytes that an object may have beside its data and the names of its channels."""

_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


class PublishRequest(msgspec.Struct, gc=False):
    """What an HTTP publish asks for.

    Attributes:
        drafts: In order; their ``connection`` and ``user`` are the caller's to set.
        idempotency_key: One for all drafts.
        shape: How to answer: ``one`` with an id, ``list`` and ``channels`` with ids.
        connections: For each draft, the secret of the connection that it names; None: no draft
            names one.
    """

    drafts: list[Draft]
    idempotency_key: str | None
    shape: Literal["one", "list", "channels"]
    connections: Sequence[str | None] | None = None


class _PublishObject(PublishFields, kw_only=True, gc=False, omit_defaults=True):
    """An object of ``POST /publish``. Its ``type`` and ``ref`` are ignored, like all else."""

    connection: str | None = None


class _AnyObject(msgspec.Struct, gc=False):
    """Stands for an item where items are only counted: the smallest that decoding can make."""


_decode_object: Final = msgspec.json.Decoder(_PublishObject).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_any: Final = msgspec.json.Decoder(list[_AnyObject]).decode


def parse_publish(body: bytes, header_key: str | None, limits: Limits) -> PublishRequest:
    """Read the body of ``POST /publish``.

    Args:
        body: A JSON object, or a list of at most ``limits.max_batch`` of them.
        header_key: The ``Idempotency-Key`` header, decoded as Latin-1.

    Raises:
        RequestError: ``bad_request``, ``bad_channel``, ``too_large`` or ``too_many_channels``; of
            a list, the message names the item, counted from 0.
    """
    key = _header_key(header_key, limits)
    # Most bodies are an object from their first byte on; what is before a list is looked at then.
    if not body.startswith(b"{") and body.lstrip(_WHITE_SPACE).startswith(b"["):
        return _publish_list(body, key, limits)
    fields = _read_object(body, "the body", limits)
    if fields.idempotency_key is not None:
        if key not in (None, fields.idempotency_key):
            raise bad_request("idempotency_key and the Idempotency-Key header differ; give one")
        key = check_idempotency_key(fields.idempotency_key, limits)
    if fields.channels is None:
        request = PublishRequest([draft_from(fields, JSON, limits)], key, "one")
    else:
        request = PublishRequest(_in_channels(fields, fields.channels, limits), key, "channels")
    if fields.connection is not None:
        connection = _check_connection(fields.connection)
        request.connections = [connection] * len(request.drafts)
    return request


def _in_channels(fields: PublishFields, names: list[str], limits: Limits) -> list[Draft]:
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


def _publish_list(body: bytes, key: str | None, limits: Limits) -> PublishRequest:
    drafts: list[Draft] = []
    connections: list[str | None] = []
    for index, item in enumerate(_items(body, limits.max_batch)):
        try:
            fields = _read_object(bytes(item), "the object", limits)
            if fields.idempotency_key is not None:
                raise bad_request(
                    "idempotency_key is not allowed in a list; one for the whole list goes into "
                    "the Idempotency-Key header"
                )
            named = fields.connection
            connections.append(None if named is None else _check_connection(named))
            drafts.append(draft_from(fields, JSON, limits))
        except RequestError as error:
            message = f"item {index}: {error.message}"
            raise RequestError(error.code, message, channel=error.channel) from None
    return PublishRequest(drafts, key, "list", connections if any(connections) else None)


def _items(body: bytes, most: int) -> list[Raw]:
    try:
        # Fewer commas than that cannot part too many items.
        count = len(_decode_any(body)) if body.count(b",") >= most else 0
        if count > most:
            raise RequestError("too_large", f"a list of {count} messages; at most {most} may be")
        return _decode_list(body)
    except DECODER_ERRORS as error:
        raise refusal(error, "the body") from None


def _read_object(document: bytes, what: str, limits: Limits) -> _PublishObject:
    if len(document) > _FOR_THE_REST:
        _check_length(document, what, limits)
    try:
        fields = _decode_object(document)
    except DECODER_ERRORS as error:
        raise refusal(error, what) from None
    if not all_kept(document, fields):
        json_members(document, what)
    return fields


def _check_length(document: bytes, what: str, limits: Limits) -> None:
    # JSON writes a byte of text in six at most (a \u escape). What is left is for all else.
    most = 6 * (limits.max_data_bytes + limits.max_batch * MAX_NAME_BYTES) + _FOR_THE_REST
    if len(document) > most:
        raise RequestError(
            "too_large",
            f"{what} is {len(document)} bytes; no message within the limits needs {most}",
        )


def _check_connection(connection: str) -> str:
    if _CONNECTION.fullmatch(connection) is None:
        raise bad_request("connection is 22 to 64 characters of A-Z, a-z, 0-9, '-' and '_'")
    return connection


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
        event: The ``Event`` header, decoded as Latin-1.
        header_key: The ``Idempotency-Key`` header, decoded as Latin-1.

    Raises:
        RequestError: ``bad_request``, ``bad_channel`` or ``too_large``.
    """
    check_channel(channel)
    key = _header_key(header_key, limits)
    name = DEFAULT_EVENT if event is None else check_event(_header(event, "Event"), limits)
    data, kind = _raw_data(body, content_type or "", limits)
    return PublishRequest([Draft(channel, data, kind, name)], key, "one")


def _raw_data(body: bytes, content_type: str, limits: Limits) -> tuple[bytes, Kind]:
    media, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if media == "application/json" or media.endswith("+json"):
        body = body.strip(_WHITE_SPACE)
        check_size(body, limits.max_data_bytes)
        return check_json(body), Kind.JSON
    check_size(body, limits.max_data_bytes)
    if not media.startswith("text/"):
        return body, Kind.BYTES
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _CHARSETS:
            raise bad_request(f"charset is {value[:60]!a}; 'utf-8' and 'us-ascii' are allowed")
    check_utf8(body, "the body")
    return body, Kind.TEXT


def _header_key(value: str | None, limits: Limits) -> str | None:
    if value is None:
        return None
    return check_idempotency_key(_header(value, "Idempotency-Key"), limits)


def _header(value: str, name: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise bad_request(f"the {name} header is not UTF-8") from None
