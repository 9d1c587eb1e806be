"""What a client says on a WebSocket.

A frame is an object whose ``type`` names the command, in JSON (text frames) or msgpack (binary
frames). Both are read the same way, by the decoders of a `_Language`:

1. its fields, by type, in one go;
2. whether each key stood once (`members`);
3. what types cannot say: lengths, what stands together, the fields of a publish (`drafts`).

Whatever arrives, the result is a command or a `CommandError`. Where something is wrong, the frame
is looked at once more, for the ``ref`` that the error echoes. Fields that the protocol does not
know are ignored, and null is as good as no field, but in ``data``.

The names of a subscribe are not checked to be channels: each that is not gets its own error, and
the rest are subscribed, which is for the session to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from everywire.core.errors import RequestError, bad_request
from everywire.core.limits import Limits
from everywire.core.messages import Draft, Kind
from everywire.core.payload import check_size
from everywire.core.positions import MAX_POSITION
from everywire.wires.drafts import JSON, Dialect, PublishFields, check_idempotency_key, draft_from
from everywire.wires.members import DECODER_ERRORS, all_kept, msgpack_members, refusal
from everywire.wires.packed import msgpack_bytes, msgpack_to_json

Ref: TypeAlias = str | int | None
"""What a client names a frame by, to find its answers."""


class Subscribe(msgspec.Struct, gc=False):
    """Hear channels and patterns.

    Attributes:
        channels: Names, each once and not checked yet, with the position to start after; None:
            from now on.
        history: Start before that many of the last messages, where there is no position.
    """

    channels: list[tuple[str, int | None]]
    history: int | None
    ref: Ref


class Unsubscribe(msgspec.Struct, gc=False):
    """Hear them no more. Names, each once and not checked."""

    channels: list[str]
    ref: Ref


class Publish(msgspec.Struct, gc=False):
    """Publish a draft. Its ``connection`` and ``user`` are still to be set."""

    draft: Draft
    idempotency_key: str | None
    ref: Ref


class Ping(msgspec.Struct, gc=False):
    """Ask for a pong."""

    ref: Ref


Command: TypeAlias = Subscribe | Unsubscribe | Publish | Ping


class CommandError(RequestError):
    """A frame that is no command, or one that cannot be carried out.

    Args:
        error: What is wrong.
        ref: The frame's own, where it could be read.
    """

    def __init__(self, error: RequestError, ref: Ref) -> None:
        super().__init__(error.code, error.message, channel=error.channel, status=error.status)
        self.ref = ref


_Count = Annotated[int, Meta(ge=0, le=MAX_POSITION)]


class _Frame(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True, tag_field="type"):
    ref: str | int | None = None


class _Subscribe(_Frame, kw_only=True, gc=False, tag="subscribe"):
    channel: str | None = None
    channels: list[str] | dict[str, _Count | None] | None = None
    since: _Count | None = None
    history: _Count | None = None
    presence: bool | None = None


class _Unsubscribe(_Frame, kw_only=True, gc=False, tag="unsubscribe"):
    channel: str | None = None
    channels: list[str] | None = None


class _Publish(
    PublishFields, kw_only=True, gc=False, omit_defaults=True, tag_field="type", tag="publish"
):
    ref: str | int | None = None


class _Ping(_Frame, kw_only=True, gc=False, tag="ping"):
    pass


class _Outline(msgspec.Struct, gc=False):
    """What is looked at of a frame with something wrong in it."""

    type: Raw | UnsetType = UNSET
    ref: Raw | UnsetType = UNSET


_AnyFrame: TypeAlias = _Publish | _Subscribe | _Unsubscribe | _Ping

_KNOWN: Final = ("subscribe", "unsubscribe", "publish", "ping")
_LATER: Final = ("presence", "auth")


class _Language(NamedTuple):
    """How frames are written.

    Attributes:
        dialect: How the values inside are.
        frame: Decodes one, by its type.
        all_kept: Whether every member was surely kept by that; if not, they are counted.
        outline: Decodes what is looked at of a frame with something wrong in it.
        text: Decodes a string.
        ref: Decodes a ref.
    """

    dialect: Dialect
    frame: Callable[[bytes], _AnyFrame]
    all_kept: Callable[[bytes, _AnyFrame], bool]
    outline: Callable[[bytes], _Outline]
    text: Callable[[Raw], str]
    ref: Callable[[Raw], Ref]


def _packed_data(fields: PublishFields, limits: Limits) -> tuple[bytes, Kind]:
    raw, encoding = bytes(fields.data), fields.encoding
    if encoding not in (None, "text"):
        raise bad_request(
            f"encoding is {encoding[:60]!a}; in msgpack 'text' is allowed, and bytes are bin"
        )
    data, kind = msgpack_bytes(raw), Kind.BYTES
    if encoding == "text":
        try:
            data, kind = _decode_packed_string(raw).encode(), Kind.TEXT
        except DECODER_ERRORS as error:
            raise refusal(error, "data, with encoding 'text'") from None
    elif data is None:
        data, kind = msgpack_to_json(raw, "data"), Kind.JSON
    check_size(data, limits.max_data_bytes)
    return data, kind


_decode_packed_string: Final = msgspec.msgpack.Decoder(str).decode


def _not_surely_kept(_document: bytes, _frame: _AnyFrame) -> bool:
    """Count them: in msgpack it costs nothing."""
    return False


_JSON: Final = _Language(
    JSON,
    msgspec.json.Decoder(_AnyFrame).decode,
    all_kept,
    msgspec.json.Decoder(_Outline).decode,
    msgspec.json.Decoder(str).decode,
    msgspec.json.Decoder(Ref).decode,
)

_MSGPACK: Final = _Language(
    Dialect(msgpack_members, _packed_data, msgpack_to_json),
    msgspec.msgpack.Decoder(_AnyFrame).decode,
    _not_surely_kept,
    msgspec.msgpack.Decoder(_Outline).decode,
    _decode_packed_string,
    msgspec.msgpack.Decoder(Ref).decode,
)


def parse_json(frame: bytes, limits: Limits) -> Command:
    """Read a text frame.

    Raises:
        CommandError: ``bad_request``, ``unknown_type``, ``bad_channel``, ``too_large`` or
            ``too_many_channels``.
    """
    return _parse(frame, _JSON, limits)


def parse_msgpack(frame: bytes, limits: Limits) -> Command:
    """Read a binary frame. Raises as `parse_json` does."""
    return _parse(frame, _MSGPACK, limits)


def _parse(document: bytes, language: _Language, limits: Limits) -> Command:
    try:
        frame = language.frame(document)
        if not language.all_kept(document, frame):
            _check_members(document, frame, language.dialect)
        return _command(frame, language.dialect, limits)
    except (RequestError, *DECODER_ERRORS) as error:
        problem = error
    raise _explain(problem, document, language, limits)


def _check_members(document: bytes, frame: _AnyFrame, dialect: Dialect) -> None:
    members = dialect.members(document, "the frame")
    if isinstance(frame, _Subscribe) and isinstance(frame.channels, dict):
        # Which of two positions a name starts from must not be a matter of luck either.
        dialect.members(bytes(members["channels"]), "channels")


def _command(frame: _AnyFrame, dialect: Dialect, limits: Limits) -> Command:
    ref = frame.ref
    if ref is not None:
        _check_ref(ref, limits)
    if isinstance(frame, _Publish):
        draft = draft_from(frame, dialect, limits)
        key = frame.idempotency_key
        return Publish(draft, None if key is None else check_idempotency_key(key, limits), ref)
    if isinstance(frame, _Subscribe):
        return _subscribe(frame, ref, limits)
    if isinstance(frame, _Unsubscribe):
        return Unsubscribe(list(_names(frame.channel, frame.channels, limits)), ref)
    return Ping(ref)


def _subscribe(frame: _Subscribe, ref: Ref, limits: Limits) -> Subscribe:
    if frame.presence:
        raise bad_request("presence is not offered yet; subscribe without it")
    names = _names(frame.channel, frame.channels, limits)
    since = frame.since
    return Subscribe(
        [(name, since if own is None else own) for name, own in names.items()], frame.history, ref
    )


def _names(
    channel: str | None,
    channels: list[str] | dict[str, int | None] | None,
    limits: Limits,
) -> dict[str, int | None]:
    """Every name asked for, once and in order, with a position of its own where it has one."""
    if channels is None:
        if channel is None:
            raise bad_request("channel or channels is missing")
        return {channel: None}
    if channel is not None:
        raise bad_request("channel and channels cannot stand together; give one of them")
    names = channels if isinstance(channels, dict) else dict.fromkeys(channels)
    if not names:
        raise bad_request("channels is empty; name at least one")
    if len(names) > limits.max_channels:
        raise RequestError(
            "too_many_channels",
            f"channels names {len(names)}; at most {limits.max_channels} are allowed",
        )
    return names


def _check_ref(ref: str | int, limits: Limits) -> None:
    if isinstance(ref, int):
        if not -(2**63) <= ref < 2**64:
            raise bad_request("ref is an integer of more than 64 bits")
        return
    size = len(ref.encode())
    if size > limits.max_ref_bytes:
        raise bad_request(f"ref is {size} bytes; at most {limits.max_ref_bytes} are allowed")


def _explain(
    problem: Exception, document: bytes, language: _Language, limits: Limits
) -> CommandError:
    """The answer to a frame with something wrong in it."""
    try:
        outline = language.outline(document)
    except DECODER_ERRORS as error:
        return CommandError(refusal(error, "the frame"), None)
    ref = _readable_ref(outline, language, limits)
    if not isinstance(problem, RequestError):
        try:
            # One key twice comes before what its value should have been.
            language.dialect.members(document, "the frame")
            problem = _untyped(problem, outline, language)
        except RequestError as error:
            problem = error
    return CommandError(problem, ref)


def _readable_ref(outline: _Outline, language: _Language, limits: Limits) -> Ref:
    """Its ref, unless that is what is wrong."""
    if outline.ref is UNSET:
        return None
    try:
        ref = language.ref(outline.ref)
        if ref is not None:
            _check_ref(ref, limits)
    except (RequestError, *DECODER_ERRORS):
        return None
    return ref


def _untyped(error: Exception, outline: _Outline, language: _Language) -> RequestError:
    """Why it could not be decoded: its type, or a field of a known type."""
    if outline.type is UNSET:
        return bad_request(f"type is missing; it is one of {', '.join(_KNOWN)}")
    try:
        name = language.text(outline.type)
    except DECODER_ERRORS as wrong:
        return refusal(wrong, "type")
    if name in _KNOWN:
        return refusal(error, f"{name} frame")
    if name in _LATER:
        return RequestError("unknown_type", f"type {name!r} is not offered by this server yet")
    return RequestError(
        "unknown_type", f"type {name[:60]!a} is unknown; it is one of {', '.join(_KNOWN)}"
    )
