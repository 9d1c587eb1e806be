"""permessage-deflate (RFC 7692), without anything kept per connection.

Two parameters make it cheap for a server that sends one message to many:

* ``server_no_context_takeover``: a compressed message depends on nothing that was sent before, so
  its bytes are the same for all subscribers of one window size: compressed once, written to many.
* ``client_no_context_takeover``: nor does one that comes in, so no window is kept between two.

Both are part of every answer, whatever was offered; a client has to take them (RFC 7692 7.1.1).
What is left of a connection's compression is two numbers, the `Deflate`.

Rule: what comes out of `Inflater.inflate` is bounded before it is made. One compressed byte can
stand for a thousand, and whoever sends it need not have shown who they are.

Parsing the offer and judging its parameters is left to `websockets`, which is careful with both.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec
from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension
from websockets.typing import ExtensionHeader

from everywire.core.errors import EverywireError, bad_request

# What a sender leaves out and a receiver puts back (RFC 7692 7.2.1 and 7.2.2).
_TAIL: Final = b"\x00\x00\xff\xff"
# An empty last block: only data that is whole up to here can end with it.
_LAST: Final = b"\x03\x00"
_END: Final = _TAIL + _LAST
# What may follow a block that says itself that it is the last: the byte of RFC 7692 7.2.3.4.
_AFTER_LAST: Final = (b"", _END, b"\x00" + _END)

_FACTORY: Final = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)


class Deflate(msgspec.Struct, frozen=True, gc=False):
    """What was agreed on.

    Attributes:
        server_window_bits: For `compress`, 9 to 15.
        client_window_bits: For `Inflater`, 8 to 15.
    """

    server_window_bits: int
    client_window_bits: int


class InflateError(EverywireError):
    """A compressed message cannot be taken.

    Args:
        code: The close code to fail the connection with: 1009 too large, 1007 not deflate.
        reason: What was wrong.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def negotiate(header_values: Iterable[str]) -> tuple[str, Deflate] | None:
    """Answer a client's offer (RFC 7692 5 and 7.1).

    The first offer that can be met is taken. One with unknown, doubled or senseless parameters is
    declined, and so is ``server_max_window_bits=8``, which zlib cannot do.

    Args:
        header_values: The values of ``Sec-WebSocket-Extensions``, one a header line.

    Returns:
        The value of the response's header, and what was agreed on; None: no compression.

    Raises:
        RequestError: ``bad_request``: a value is not a list of extensions at all, on which
            RFC 6455 9.1 wants the connection failed.
    """
    for value in header_values:
        for name, parameters in _offers(value):
            if name != _FACTORY.name:
                continue
            try:
                answer, agreed = _FACTORY.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return build_extension([(name, answer)]), Deflate(
                agreed.local_max_window_bits, agreed.remote_max_window_bits
            )
    return None


def _offers(value: str) -> list[ExtensionHeader]:
    value = value.strip(" \t")
    if not value:
        return []
    try:
        return parse_extension(value)
    except InvalidHeader:
        raise bad_request(
            "Sec-WebSocket-Extensions is malformed: a list of extensions such as "
            "'permessage-deflate; client_max_window_bits' is allowed (RFC 6455, 9.1)"
        ) from None


def compress(payload: bytes, window_bits: int) -> bytes:
    """Compress a message's payload; the same bytes for everyone with this window.

    Args:
        payload: A whole message.
        window_bits: `Deflate.server_window_bits`, 9 to 15.

    Returns:
        The payload of a frame that has RSV1 set (RFC 7692 7.2.1).
    """
    encoder = zlib.compressobj(wbits=-window_bits)
    return (encoder.compress(payload) + encoder.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


class Inflater:
    """Decompresses messages. It keeps nothing between two, so one can serve all connections.

    Args:
        window_bits: `Deflate.client_window_bits`, 8 to 15.
    """

    __slots__ = ("_window_bits",)

    def __init__(self, window_bits: int = zlib.MAX_WBITS) -> None:
        self._window_bits = window_bits

    def inflate(self, data: bytes, max_bytes: int) -> bytes:
        """Decompress a message's payload (RFC 7692 7.2.2).

        Args:
            data: The payload of all its frames.
            max_bytes: What may come out; no more than that and zlib's window is ever allocated.

        Raises:
            InflateError: More would come out, or the data is not deflate, or not all of it.
        """
        if not data:
            # RFC 7692 7.2.3.6 has one byte for an empty message; some clients send none.
            return b""
        decoder = zlib.decompressobj(-self._window_bits)
        try:
            # One more than allowed, for 0 would mean any number, and to tell "full" from "over".
            payload = decoder.decompress(data + _END, max_bytes + 1)
        except zlib.error:
            raise InflateError(1007, "a compressed message is not deflate data") from None
        if len(payload) > max_bytes:
            raise InflateError(
                1009, f"a compressed message is over {max_bytes} bytes when decompressed"
            )
        # zlib is content with data that stops within a block; a cut message must not pass as whole.
        if not decoder.eof or decoder.unused_data not in _AFTER_LAST:
            raise InflateError(1007, "a compressed message does not end where its data does")
        return payload
