"""What an endpoint is asked before something happens, and what it may answer.

The body of a question is ``{"type","timestamp","data"}``, as Standard Webhooks has it. An answer is
HTTP 200 with a JSON object, and nothing else is one: what another status would mean (the endpoint's
no, or a proxy's page?) is not guessed.

::

    {"allow": true}                        go on
    {"allow": false, "reason": "…"}        refused, with these words
    {"allow": true, "user": "u1", …}       go on, but so

A field that there is not is an error, for with a misspelt ``user`` somebody would go on as nobody.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from everywire.core.access import Permissions, permissions
from everywire.core.errors import EverywireError
from everywire.core.messages import Draft, Kind
from everywire.core.payload import check_json, check_size
from everywire.webhooks.http_client import EndpointFailed

MAX_REASON: Final = 200
"""Characters of a reason that are passed on."""

_NO_REASON: Final = "the application refused it"


class ConnectQuestion(msgspec.Struct, omit_defaults=True):
    """May they connect?

    Attributes:
        connection: Public name of the connection.
        wire: ``ws``, ``sse`` or ``poll``.
        user: Who their token says they are; None: nobody in particular.
        channels: What they ask to hear at once.
        address: The IP address they come from.
        headers: Of their request, by names in small letters; an endpoint gets those it wants.
    """

    connection: str
    wire: str
    user: str | None = None
    channels: tuple[str, ...] = ()
    address: str | None = None
    headers: Mapping[str, str] = {}


class SubscribeQuestion(msgspec.Struct, omit_defaults=True):
    """May they hear a channel, or all that a pattern covers?

    Attributes:
        channel: A channel or pattern.
        connection: Public name of the connection.
        user: Who they are.
        since: Where they want to start.
    """

    channel: str
    connection: str
    user: str | None = None
    since: int | None = None


class PublishQuestion(msgspec.Struct, omit_defaults=True, kw_only=True):
    """May they publish this? The fields are those of a publish."""

    channel: str
    event: str
    data: Raw
    encoding: Literal["text", "base64"] | None = None
    key: str | None = None
    meta: Raw | UnsetType = UNSET
    ephemeral: bool = False
    final: bool = False
    connection: str | None = None
    user: str | None = None


class Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """An answer to ``subscribe``, and what there is in every answer.

    Attributes:
        allow: Yes or no.
        reason: Why not.
    """

    allow: bool
    reason: str | None = None

    @property
    def words(self) -> str:
        """The reason as it is passed on: bounded, and without what a terminal would obey."""
        text = (self.reason or _NO_REASON)[:MAX_REASON]
        return "".join(char if char.isprintable() else " " for char in text)


class ConnectVerdict(Verdict):
    """An answer to ``connect``.

    Attributes:
        user: Who they are from now on; null: nobody in particular.
        grants: What they may do from now on, as in a token.
    """

    user: str | UnsetType | None = UNSET
    grants: dict[str, list[str]] | UnsetType = UNSET

    @property
    def allowed(self) -> Permissions | None:
        """What ``grants`` comes to; None: it is not said."""
        return None if self.grants is UNSET else permissions(self.grants)


class PublishVerdict(Verdict):
    """An answer to ``publish``.

    Attributes:
        data: What is published instead.
        encoding: What that is, as in a publish.
    """

    data: Raw | UnsetType = UNSET
    encoding: Literal["text", "base64"] | None = None


V = TypeVar("V", bound=Verdict)

_encode = msgspec.json.Encoder().encode
_decode_string = msgspec.json.Decoder(str).decode


class _Envelope(msgspec.Struct):
    type: str
    timestamp: str
    data: Any


def envelope(kind: str, now: float, data: Any) -> bytes:
    """The body of a webhook.

    Args:
        kind: Its ``type``.
        now: Seconds since the epoch.
        data: What it is about.
    """
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return _encode(_Envelope(kind, at.replace("+00:00", "Z"), data))


def publish_question(draft: Draft) -> PublishQuestion:
    """What is asked about a draft."""
    encoding: Literal["text", "base64"] | None = None
    data = draft.data
    if draft.kind is Kind.TEXT:
        encoding, data = "text", _encode(data.decode())
    elif draft.kind is Kind.BYTES:
        encoding, data = "base64", _encode(data)
    return PublishQuestion(
        channel=draft.channel,
        event=draft.event,
        data=Raw(data),
        encoding=encoding,
        key=draft.key,
        meta=UNSET if draft.meta is None else Raw(draft.meta),
        ephemeral=draft.ephemeral,
        final=draft.final,
        connection=draft.connection,
        user=draft.user,
    )


def read_connect(body: bytes) -> tuple[ConnectVerdict, ConnectVerdict]:
    """Take an answer to ``connect`` apart: the verdict, and what it changes.

    Raises:
        EndpointFailed: It is none.
    """
    verdict = _read(ConnectVerdict, body)
    if verdict.grants is not UNSET:
        try:
            permissions(verdict.grants)
        except EverywireError as error:
            raise _not_asked_for(error) from None
    return verdict, verdict


def read_subscribe(body: bytes) -> tuple[Verdict, None]:
    """Take an answer to ``subscribe`` apart.

    Raises:
        EndpointFailed: It is none.
    """
    return _read(Verdict, body), None


def read_publish(draft: Draft, max_data_bytes: int, body: bytes) -> tuple[PublishVerdict, Draft]:
    """Take an answer to ``publish`` apart: the verdict, and what is published.

    Raises:
        EndpointFailed: It is none, or what it puts in the draft's place cannot be published.
    """
    verdict = _read(PublishVerdict, body)
    if verdict.data is UNSET:
        if verdict.encoding is not None:
            raise EndpointFailed("the answer has an encoding and no data")
        return verdict, draft
    try:
        data, kind = _data(bytes(verdict.data), verdict.encoding)
        check_size(data, max_data_bytes)
    except (EverywireError, msgspec.MsgspecError, ValueError) as error:
        raise EndpointFailed(f"the data of the answer cannot be published: {error}") from None
    return verdict, msgspec.structs.replace(draft, data=data, kind=kind)


def _read(kind: type[V], body: bytes) -> V:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _not_asked_for(error) from None


def _not_asked_for(error: Exception) -> EndpointFailed:
    return EndpointFailed(f"the answer is not what was asked for: {error}")


def _data(raw: bytes, encoding: str | None) -> tuple[bytes, Kind]:
    if encoding is None:
        return check_json(raw), Kind.JSON
    text = _decode_string(raw)
    if encoding == "text":
        return text.encode(), Kind.TEXT
    return binascii.a2b_base64(text, strict_mode=True), Kind.BYTES


def overlap(one: str, other: str) -> bool:
    """Whether there is a channel that both of two channels or patterns cover.

    A subscription to a pattern is asked about where it could bring a channel that is asked about;
    else a pattern would be the way around the question.
    """
    # No star covers a name that begins with '@' (core.access).
    if (one[0] == "@") != (other[0] == "@"):
        return False
    mine, others = one.split("."), other.split(".")
    for left, right in zip(mine, others, strict=False):
        if "**" in (left, right):
            return True  # it takes all that is left of the other, which is one segment or more
        if left != right and "*" not in (left, right):
            return False
    return len(mine) == len(others)
