"""Publishing over HTTP, once.

A publish that met no answer may have been taken or not. So each carries an idempotency key, and is
repeated with it: the server that has it already answers with the position it gave. Only an
ephemeral message is sent once and no more, since the server would not know the second from the
first.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from everywire.client.address import Address
from everywire.client.errors import BadAnswer, Refused, Unreachable, checked, refusal
from everywire.client.http import HttpClient
from everywire.client.retry import MAX_PATIENCE, Backoff, Patience, insist

T = TypeVar("T")

Kind = Literal["json", "text", "bytes"]


class Published(NamedTuple):
    """What a publish came to.

    Attributes:
        id: The message's position; None for an ephemeral one.
        duplicate: The server knew the idempotency key, and this is the position it gave then.
    """

    id: int | None
    duplicate: bool = False


class _Published(msgspec.Struct):
    id: int | None
    duplicate: bool = False


class _PublishedList(msgspec.Struct):
    ids: list[int | None]


_one = msgspec.json.Decoder(_Published).decode
_list = msgspec.json.Decoder(_PublishedList).decode


def new_key() -> str:
    """An idempotency key that nobody else has: 16 random bytes, as the protocol asks for."""
    return secrets.token_urlsafe(16)


def draft(
    channel: str,
    data: Any,
    *,
    kind: Kind | None = None,
    event: str | None = None,
    key: str | None = None,
    meta: Mapping[str, Any] | None = None,
    ttl: float | None = None,
    final: bool = False,
    ephemeral: bool = False,
) -> dict[str, Any]:
    """The object that ``POST /publish`` takes for a message.

    Args:
        data: A string, bytes, or whatever JSON can hold; `msgspec.Raw` for JSON that is ready.
        kind: What the data is; None: bytes are bytes, strings are text, all else is JSON.
        event: The publisher's name for it; None: ``message``.
        key: Names a piece of state.
        meta: A flat object of scalars.
        ttl: Seconds after which it is gone.
        final: The channel's last message.
        ephemeral: Only for who listens now.
    """
    fields: dict[str, Any] = {"channel": channel, **_data(data, kind)}
    optional = {"event": event, "key": key, "meta": meta or None, "ttl": ttl}
    fields |= {name: value for name, value in optional.items() if value is not None}
    fields |= {name: True for name, on in (("final", final), ("ephemeral", ephemeral)) if on}
    return fields


def _data(data: Any, kind: Kind | None) -> dict[str, Any]:
    if kind == "bytes" or (kind is None and isinstance(data, bytes)):
        return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}
    if kind == "text" or (kind is None and isinstance(data, str)):
        return {"data": data, "encoding": "text"}
    return {"data": data}


class Publisher:
    """Publishes to a server, over one connection that is kept open.

    Args:
        url: The server.
        token: Sent as ``Authorization: Bearer``.
        patience: Seconds for which a publish is repeated while the server is away or
            ``unavailable``; at most `MAX_PATIENCE`, since keys are forgotten.
        notify: Told of each failure after which there is another try.
        backoff: Waits between tries.
        clock: Seconds, never going back.
        sleep: Waits so many seconds.

    Raises:
        UsageError: The URL is not a server's.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patience: float = 10.0,
        notify: Callable[[Unreachable | Refused], object] = lambda fault: None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._address = Address(url)
        self._client = HttpClient(self._address, token=token)
        self._patience = min(patience, MAX_PATIENCE)
        self._notify = notify
        self._backoff = Backoff() if backoff is None else backoff
        self._clock = clock
        self._sleep = sleep

    def publish(
        self,
        channel: str,
        data: Any,
        *,
        kind: Kind | None = None,
        event: str | None = None,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
        ttl: float | None = None,
        final: bool = False,
        ephemeral: bool = False,
        idempotency_key: str | None = None,
    ) -> Published:
        """Publish one message; the arguments are those of `draft`.

        Args:
            idempotency_key: In place of one of its own.

        Raises:
            Refused: The server said no.
            GaveUp: Patience ended.
            Unreachable: An ephemeral message met no answer.
        """
        fields = draft(
            channel,
            data,
            kind=kind,
            event=event,
            key=key,
            meta=meta,
            ttl=ttl,
            final=final,
            ephemeral=ephemeral,
        )
        if ephemeral:
            # A connection kept from before could be a dead one, and the request be sent twice.
            self._client.close()
            published = self._post(msgspec.json.encode(fields), {}, _one)
        else:
            fields["idempotency_key"] = idempotency_key or new_key()
            published = self._insist(msgspec.json.encode(fields), {}, _one, None)
        return Published(published.id, published.duplicate)

    def publish_many(
        self,
        drafts: Sequence[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        patience: Patience | None = None,
    ) -> list[int | None]:
        """Publish a list of `draft`s, all or nothing.

        Args:
            drafts: 1 to 1000.
            idempotency_key: In place of one of its own; printable ASCII, for it is a header.
            patience: In place of the publisher's.

        Returns:
            Their positions, in order.

        Raises:
            Refused: The server said no; none was taken.
            GaveUp: Patience ended.
        """
        headers = {"Idempotency-Key": idempotency_key or new_key()}
        body = msgspec.json.encode(list(drafts))
        return self._insist(body, headers, _list, patience).ids

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _insist(
        self,
        body: bytes,
        headers: Mapping[str, str],
        decode: Callable[[bytes], T],
        patience: Patience | None,
    ) -> T:
        self._backoff.reset()
        return insist(
            lambda: self._post(body, headers, decode),
            patience or Patience(self._patience, self._clock),
            self._backoff,
            self._sleep,
            self._notify,
        )

    def _post(self, body: bytes, headers: Mapping[str, str], decode: Callable[[bytes], T]) -> T:
        answer = self._client.request(
            "POST",
            self._address.target("/publish"),
            body=body,
            headers={"Content-Type": "application/json", "Accept": "application/json", **headers},
        )
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.headers, answer.body)
        try:
            return checked(decode, answer.body)
        except BadAnswer as error:
            raise Refused(
                "bad_answer", f"what answers there is no Everywire: {error}", status=answer.status
            ) from None
