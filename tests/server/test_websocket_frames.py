"""WebSocket: what is sent to it byte by byte, right and wrong (RFC 6455; Close codes)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed

from .clients import RawSocket, frame
from .conftest import QUICK
from .running import Running

FRAME_BYTES = 65_536 * 4 // 3 + 4096


def opened(server: Running, **options: str) -> RawSocket:
    """A raw socket after its welcome."""
    socket = server.raw_socket(**options)
    assert socket.next()["type"] == "welcome"
    return socket


PING = json.dumps({"type": "ping", "ref": "x"}).encode()
PONG = {"type": "pong", "ref": "x"}

BROKEN: list[tuple[str, bytes, int]] = [
    ("not masked", frame(1, PING, mask=None), 1002),
    ("RSV1 without compression", frame(1, PING, reserved=0x40), 1002),
    ("RSV2", frame(1, PING, reserved=0x20), 1002),
    ("RSV3", frame(1, PING, reserved=0x10), 1002),
    *((f"opcode {n}", frame(n, PING), 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("a continuation of nothing", frame(0, PING), 1002),
    ("a message within a message", frame(1, b"{", final=False) + frame(1, PING), 1002),
    ("a fragmented ping", frame(9, b"", final=False), 1002),
    ("a long ping", frame(9, b"x" * 126), 1002),
    ("a long close", frame(8, b"\x03\xe8" + b"x" * 124), 1002),
    ("a close of one byte", frame(8, b"\x03"), 1002),
    ("a close with a code not to be sent", frame(8, struct.pack("!H", 1005)), 1002),
    ("a close with a code below all", frame(8, struct.pack("!H", 999)), 1002),
    ("a close with a reason that is no UTF-8", frame(8, b"\x03\xe8\xff"), 1007),
    ("a length longer than needed", frame(1, PING, length=b"\x7e\x00\x20"), 1002),
    ("a length much longer than needed", frame(1, b"", length=b"\x7f" + b"\0" * 7 + b"\x20"), 1002),
    ("text that is no UTF-8", frame(1, b'{"type":"\xff"}'), 1007),
    ("a surrogate in UTF-8", frame(1, b'"\xed\xa0\x80"'), 1007),
    ("text cut in a character", frame(1, b"\xc3"), 1007),
    (
        "text that goes wrong in its second frame",
        frame(1, b"\xc3", final=False) + frame(0, b"x", final=False),
        1007,
    ),
    ("binary on JSON", frame(2, PING), 1003),
    ("a frame over its limit", frame(1, b"x" * (FRAME_BYTES + 1)), 1009),
    (
        "a message over its limit",
        frame(1, b"x" * FRAME_BYTES, final=False) + frame(0, b"x"),
        1009,
    ),
    (
        "endless fragments",
        frame(1, b"", final=False) + frame(0, b"", final=False) * 1024,
        1009,
    ),
]


@pytest.mark.parametrize(("what", "sent", "code"), BROKEN, ids=[b[0] for b in BROKEN])
def test_broken_frames(native: Running, what: str, sent: bytes, code: int) -> None:
    """Close codes: 1002, 1003, 1007 and 1009 as RFC 6455; the reason says what was wrong."""
    socket = opened(native)
    bystander = native.socket()
    socket.send(sent)
    got, reason = socket.closed()
    assert (got, reason != "") == (code, True)
    socket.ended()
    bystander.alive()


LENGTHS = [2**16, FRAME_BYTES + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10])
def test_announced_lengths(native: Running, length: int, opcode: int) -> None:
    """Limits: a frame is judged by its header; nothing is kept for what it announces."""
    socket = opened(native)
    if opcode == 0:
        socket.send(frame(1, b"", final=False))
    socket.send(frame(opcode, b"", length=b"\x7f" + struct.pack("!Q", length)))
    if length > FRAME_BYTES or opcode >= 8:
        code, _ = socket.closed()
        assert code == (1002 if opcode >= 8 else 1009)
    else:
        # Within the limit: it is waited for, unless what it opens is refused at once.
        socket.send_frame(8)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1])
def test_highest_bit_of_a_length(native: Running, length: int) -> None:
    """Close codes: 1002 for a length with its highest bit set (RFC 6455 5.2)."""
    socket = opened(native)
    socket.send(frame(1, b"", length=b"\x7f" + struct.pack("!Q", length)))
    assert socket.closed()[0] == 1002


def test_text_on_msgpack(server: Running) -> None:
    """Close codes: 1003 for a text frame where msgpack was agreed on."""
    socket = server.socket(msgpack=True)
    socket.send_text('{"type":"ping"}')
    assert socket.closed()[0] == 1003


def test_binary_on_json(server: Running) -> None:
    """Close codes: 1003 for a binary frame on JSON text, on every carrier."""
    socket = server.socket()
    socket.send_text(b"\x81\xa4type\xa4ping")
    assert socket.closed()[0] == 1003


def test_message_over_its_limit(server: Running) -> None:
    """Close codes: 1009 for a message over its limit, on every carrier."""
    socket = server.socket()
    socket.send_text("x" * (FRAME_BYTES + 1))
    with pytest.raises(ConnectionClosed) as caught:
        socket.receive()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_largest_data_fits(server: Running, channel: str) -> None:
    """Limits: data 64 KiB counted before base64; a frame 4/3 of it and 4 KiB."""
    socket = server.socket()
    socket.publish(channel, "A" * (65_536 // 3 * 4) + "AA==", encoding="base64")
    assert server.poll(channel=channel, since=0)["data"][0]["data"].endswith("AA==")
    assert socket.ask("publish", channel=channel, data="A" * 87_384, encoding="base64")["code"] == (
        "too_large"
    )
    socket.publish(channel, "x" * 65_534)
    socket.alive()


def test_byte_by_byte(native: Running, channel: str) -> None:
    """WebSocket: frames may arrive cut anywhere."""
    socket = opened(native)
    sent = frame(1, json.dumps({"type": "publish", "channel": channel, "data": "é"}).encode())
    sent += frame(9, b"p") + frame(1, PING)
    for index in range(len(sent)):
        socket.send(sent[index : index + 1])
    assert socket.next()["type"] == "published"
    assert socket.next_frame() == (10, b"p")
    assert socket.next() == PONG


def test_fragments(native: Running) -> None:
    """WebSocket: a message in fragments, with a ping between them."""
    socket = opened(native)
    for index, byte in enumerate(PING):
        last = index == len(PING) - 1
        socket.send_frame(1 if index == 0 else 0, bytes([byte]), final=last)
        if not last:
            socket.send_frame(9, b"between")
            assert socket.next_frame() == (10, b"between")
    assert socket.next() == PONG


def test_many_frames_at_once(native: Running) -> None:
    """WebSocket: all frames of one read are answered, in order."""
    socket = opened(native)
    socket.send(b"".join(frame(1, b'{"type":"ping","ref":%d}' % n) for n in range(2000)))
    assert [socket.next()["ref"] for _ in range(2000)] == list(range(2000))


def test_frames_behind_the_handshake(native: Running) -> None:
    """WebSocket: frames that come with the handshake are not lost."""
    raw = native.raw()
    raw.send(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        + frame(1, PING)
    )
    assert raw.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    raw.take_until(b'{"type":"pong","ref":"x"}')


def test_close_is_answered(native: Running) -> None:
    """RFC 6455 5.5.1: a close is answered with its code, and the connection ends."""
    for payload, code in ((b"", 1000), (b"\x03\xe8bye", 1000), (struct.pack("!H", 4999), 4999)):
        socket = opened(native)
        socket.send_frame(8, payload)
        assert socket.closed()[0] == code
        socket.ended()


def test_nothing_is_obeyed_after_a_close(native: Running, channel: str) -> None:
    """RFC 6455 5.5.1: frames behind a close frame are not read."""
    socket = opened(native)
    publish = json.dumps({"type": "publish", "channel": channel, "data": 1}).encode()
    socket.send(frame(8) + frame(1, publish))
    socket.closed()
    assert native.poll(channel=channel, since=0)["data"] == []


def test_peer_that_never_closes(native: Running) -> None:
    """Close codes: who does not answer a close is cut; the connection is not kept for it."""
    socket = opened(native)
    socket.send_frame(2, b"")
    assert socket.closed()[0] == 1003
    # The test never closes its side; the harness sees to it that the server does.


def test_peer_that_vanishes(native: Running, channel: str) -> None:
    """A connection that ends without a close leaves nothing behind (the harness looks)."""
    socket = opened(native, target=f"/ws?channel={channel}&since=0")
    socket.send(frame(1, PING)[:5])
    socket.close()
    native.publish(channel, 1)


# permessage-deflate


def test_no_compression_by_default(native: Running) -> None:
    """WebSocket: permessage-deflate is off unless a setting says otherwise."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    assert b"xtensions" not in opened(native, headers=offer).upgrade


def test_compression(start_native: Callable[..., Running]) -> None:
    """WebSocket: with the setting, messages are compressed both ways."""
    server = start_native(deflate=True)
    socket = server.socket(channel="a", compression="deflate")
    socket.expect("subscribed")
    assert "PerMessageDeflate" in str(socket.connection.protocol.extensions)
    for number in range(20):
        socket.send("publish", channel="a", data=[number] * 500)
        frames = {f["type"]: f for f in (socket.next(), socket.next())}
        assert frames["message"]["data"] == [number] * 500
    plain = server.socket(channel="a", since=0)
    plain.expect("subscribed")
    assert len(plain.messages(20)) == 20


def test_compression_bomb(start_native: Callable[..., Running]) -> None:
    """Limits: a compressed message is bounded as it is decompressed, 1009."""
    server = start_native(deflate=True)
    socket = opened(server, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(b" " * 50_000_000) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    socket.send_frame(1, bomb[:-4], reserved=0x40)
    assert socket.closed()[0] == 1009


def test_compressed_nonsense(start_native: Callable[..., Running]) -> None:
    """Close codes: what does not decompress is 1007."""
    server = start_native(deflate=True)
    socket = opened(server, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    socket.send_frame(1, b"\xff" * 50, reserved=0x40)
    assert socket.closed()[0] == 1007


# Limits that are settings


def test_smaller_frame_limit(start_native: Callable[..., Running]) -> None:
    """Limits: each is a setting."""
    limits = replace(QUICK, max_frame_bytes=100, max_fragments=2)
    server = start_native(limits=limits)
    socket = opened(server)
    socket.send(frame(1, PING[:5], final=False) + frame(0, PING[5:]))
    assert socket.next() == PONG
    socket.send(frame(1, b" ", final=False) + frame(0, b" ", final=False) + frame(0, PING))
    assert socket.closed()[0] == 1009
    socket = opened(server)
    socket.send_frame(1, b" " * 101)
    assert socket.closed()[0] == 1009
