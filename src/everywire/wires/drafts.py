"""From the fields of a publish to a draft.

A publish comes as a WebSocket frame, as a JSON object, or as one of a list of them. The fields
mean the same in all, so one function, `draft_from`, checks them. A `Dialect` tells it how a wire
writes values: `JSON` here, msgpack in `commands`.

Types are msgspec's business; what a type cannot say is checked here, field by field, and each
check costs nothing where its field is absent.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from everywire.core.channels import check_channel
from everywire.core.errors import bad_request
from everywire.core.limits import Limits
from everywire.core.messages import OWN_EVENTS, Draft, Kind
from everywire.core.payload import check_json, check_size
from everywire.core.positions import MAX_POSITION
from everywire.wires.members import DECODER_ERRORS, json_members, refusal

MAX_STATE_KEY_BYTES: Final = 200
"""A message's ``key``."""

# Unicode's category Cc, whole; it never changes.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

# Looking a member of an enumeration up by its name takes longer than most checks here.
_KIND_JSON: Final = Kind.JSON

_decode_string: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode


class PublishFields(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """The fields of a publish (docs/protocol.md), of the right types, but not checked yet.

    ``data`` and ``meta`` are still as the wire writes them. A null is as good as no field, but in
    ``data``.
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


class Dialect(NamedTuple):
    """How a wire writes values.

    Attributes:
        members: The members of an object, raw; refuses one key twice.
        data: The data of a publish, checked, and its kind.
        json: A raw value as checked JSON. Both of these two get what to call it in an error.
    """

    members: Callable[[bytes, str], dict[str, Raw]]
    data: Callable[[PublishFields, Limits], tuple[bytes, Kind]]
    json: Callable[[bytes, str], bytes]


def draft_from(fields: PublishFields, dialect: Dialect, limits: Limits) -> Draft:
    """Check every field but the idempotency key, and make the draft.

    Its ``connection`` and ``user`` are the caller's to set.

    Raises:
        RequestError: ``bad_request``, ``bad_channel`` or ``too_large``.
    """
    if fields.channel is None:
        raise bad_request("channel is missing")
    if fields.channels is not None:
        raise bad_request("channels is for a single object of POST /publish; give one channel")
    if fields.final and fields.ephemeral:
        raise bad_request("final and ephemeral cannot stand together: the end of a channel is kept")
    channel = check_channel(fields.channel)
    data, kind = dialect.data(fields, limits)
    draft = Draft(channel, data, kind)
    if fields.event is not None:
        draft.event = check_event(fields.event, limits)
    if fields.key is not None:
        draft.key = _check_length(fields.key, "key", MAX_STATE_KEY_BYTES)
    if fields.expected_id is not None:
        draft.expected_id = _check_expected_id(fields)
    if fields.meta is not UNSET:
        draft.meta = _check_meta(bytes(fields.meta), dialect, limits)
    if fields.ttl is not None:
        draft.ttl = _check_ttl(fields.ttl)
    if fields.final:
        draft.final = True
    if fields.ephemeral:
        draft.ephemeral = True
    if fields.echo is False:
        draft.echo = False
    return draft


def _check_expected_id(fields: PublishFields) -> int:
    """What the key's newest message is expected to be; it needs a key, and a log to look into."""
    expected = fields.expected_id
    assert expected is not None
    if fields.key is None:
        raise bad_request("expected_id is of a key's newest message: give the key")
    if fields.ephemeral:
        raise bad_request(
            "expected_id and ephemeral cannot stand together: no key holds what is not kept"
        )
    if not 0 <= expected <= MAX_POSITION:
        raise bad_request("expected_id is a position; 0: the key holds nothing")
    return expected


def check_event(event: str, limits: Limits) -> str:
    """Return the name of an event if it may be published.

    Raises:
        RequestError: ``bad_request``.
    """
    if event.startswith(OWN_EVENTS):
        raise bad_request(f"event begins with {OWN_EVENTS!r}; such names are the server's")
    # Most names are printable, and no control character is.
    if not event.isprintable() and _CONTROL.search(event) is not None:
        raise bad_request(f"event holds a control character: {event[:60]!a}")
    return _check_length(event, "event", limits.max_event_bytes)


def check_idempotency_key(key: str, limits: Limits) -> str:
    """Return an idempotency key if it is of an allowed length.

    Raises:
        RequestError: ``bad_request``.
    """
    return _check_length(key, "idempotency_key", limits.max_key_bytes)


def _check_length(value: str, name: str, most: int) -> str:
    size = len(value.encode())
    if not 1 <= size <= most:
        raise bad_request(f"{name} is {size} bytes; 1 to {most} are allowed")
    return value


def _check_ttl(ttl: float) -> float:
    if not 0 < ttl < math.inf:
        raise bad_request(f"ttl is {ttl}; a number of seconds above 0 is allowed")
    return ttl


def _check_meta(raw: bytes, dialect: Dialect, limits: Limits) -> bytes | None:
    """``meta`` as compact JSON; its values stay as they were written."""
    document = dialect.json(raw, "meta")
    if document == b"null":
        return None
    # One key twice is looked for in what came: on the way to JSON it would be lost.
    dialect.members(raw, "meta")
    members = json_members(document, "meta")
    meta = _encode(members)
    if len(meta) > limits.max_meta_bytes:
        raise bad_request(f"meta is {len(meta)} bytes; at most {limits.max_meta_bytes} are allowed")
    for name, value in members.items():
        if bytes(value)[:1] in (b"[", b"{"):
            raise bad_request(
                f"meta holds an array or object, at {name[:60]!a}; only strings, numbers, "
                "true, false and null are allowed"
            )
    return meta


def _json_data(fields: PublishFields, limits: Limits) -> tuple[bytes, Kind]:
    data = bytes(fields.data)
    encoding = fields.encoding
    if encoding is None:
        check_size(data, limits.max_data_bytes)
        return check_json(data), _KIND_JSON
    if encoding not in ("text", "base64"):
        raise bad_request(f"encoding is {encoding[:60]!a}; 'text' and 'base64' are allowed")
    try:
        text = _decode_string(data)
    except DECODER_ERRORS as error:
        raise refusal(error, f"data, with encoding {encoding!r}") from None
    if encoding == "text":
        data, kind = text.encode(), Kind.TEXT
    else:
        data, kind = _from_base64(text), Kind.BYTES
    check_size(data, limits.max_data_bytes)
    return data, kind


def _from_base64(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        data = b""
    # Written again it must be the same: no other alphabet, nothing between, exact padding.
    if binascii.b2a_base64(data, newline=False) != text.encode():
        raise bad_request("data is not base64 (RFC 4648, section 4: padded, without line breaks)")
    return data


JSON: Final = Dialect(json_members, _json_data, check_json)
"""JSON, in text frames and HTTP bodies."""
