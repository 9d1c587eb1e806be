"""permessage-deflate: the offers of RFC 7692 7.1, whole messages, bombs, damage."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension

from everywire.core.errors import RequestError
from everywire.wires.deflate import Deflate, InflateError, Inflater, compress, negotiate

ALWAYS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

# The offer

OFFERS = [
    ("permessage-deflate", "", Deflate(15, 15)),
    # Chrome, Firefox, Safari
    ("permessage-deflate; client_max_window_bits", "", Deflate(15, 15)),
    ("permessage-deflate; server_no_context_takeover", "", Deflate(15, 15)),
    ("permessage-deflate; client_no_context_takeover", "", Deflate(15, 15)),
    (
        "permessage-deflate; server_max_window_bits=10",
        "; server_max_window_bits=10",
        Deflate(10, 15),
    ),
    (
        "permessage-deflate; client_max_window_bits=10",
        "; client_max_window_bits=10",
        Deflate(15, 10),
    ),
    (
        "permessage-deflate; client_max_window_bits=8",
        "; client_max_window_bits=8",
        Deflate(15, 8),
    ),
    (
        'permessage-deflate;server_max_window_bits="9";client_max_window_bits=15',
        "; server_max_window_bits=9; client_max_window_bits=15",
        Deflate(9, 15),
    ),
]


@pytest.mark.parametrize(("offer", "more", "agreed"), OFFERS)
def test_an_offer_is_taken(offer: str, more: str, agreed: Deflate) -> None:
    assert negotiate([offer]) == (ALWAYS + more, agreed)
    assert negotiate(["x-other, " + offer + ", x-more; a=b"]) == (ALWAYS + more, agreed)
    assert negotiate(["x-other", "  " + offer + " ", "permessage-deflate"]) == (
        ALWAYS + more,
        agreed,
    )


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",  # valid, but zlib cannot
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=999999999999999999999",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-bzip2",
        "x-webkit-deflate-frame",
    ],
)
def test_an_offer_that_cannot_be_met_is_declined(offer: str) -> None:
    assert negotiate([offer]) is None
    assert negotiate([offer + ", permessage-deflate"]) == (ALWAYS, Deflate(15, 15))
    assert negotiate([offer, "permessage-deflate"]) == (ALWAYS, Deflate(15, 15))


@pytest.mark.parametrize("values", [[], [""], [" \t "], ["", ""]])
def test_no_offer(values: list[str]) -> None:
    assert negotiate(values) is None


@pytest.mark.parametrize(
    "value",
    [
        ",",
        ";",
        "permessage-deflate;",
        "permessage-deflate; =",
        "permessage-deflate; a=",
        "permessage-deflate; server_max_window_bits=",
        'permessage-deflate; server_max_window_bits="10',
        'permessage-deflate; server_max_window_bits=""',
        "permessage-deflate permessage-deflate",
        "permessage-deflate; client_max_window_bits=\x00",
        "permessage-défläte",
    ],
)
def test_what_is_no_list_of_extensions_is_a_bad_request(value: str) -> None:
    with pytest.raises(RequestError, match="Sec-WebSocket-Extensions is malformed") as caught:
        negotiate([value])
    assert (caught.value.code, caught.value.status) == ("bad_request", 400)


@given(st.text(max_size=60) | st.text(alphabet='permsag-dflt;,= "\\_0189', max_size=60))
def test_no_other_error_whatever_is_offered(value: str) -> None:
    try:
        agreed = negotiate([value, ALWAYS])
    except RequestError as error:
        assert error.code == "bad_request"
    else:
        assert agreed is not None
        assert agreed[0].startswith("permessage-deflate; server_no_context_takeover; client_no")


WINDOWS = st.none() | st.integers(9, 15)


@given(st.booleans(), st.booleans(), WINDOWS, WINDOWS | st.just(True))
def test_websockets_agrees_and_both_understand_each_other(
    server_takeover: bool,
    client_takeover: bool,
    server_bits: int | None,
    client_bits: int | bool | None,
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_takeover, client_takeover, server_bits, client_bits
    )
    offer = "; ".join(
        name if value is None else f"{name}={value}" for name, value in factory.get_request_params()
    )
    answer = negotiate(["permessage-deflate" + (offer and "; ") + offer])
    assert answer is not None
    header, agreed = answer
    ((_, parameters),) = parse_extension(header)
    client = factory.process_response_params(parameters, [])
    assert client.remote_max_window_bits == agreed.server_window_bits
    assert client.local_max_window_bits == agreed.client_window_bits

    inflater = Inflater(agreed.client_window_bits)
    for payload in (b"once", b"once", bytes(range(256)) * 300):  # twice: no context is needed
        sent = client.encode(Frame(Opcode.BINARY, payload))
        assert sent.rsv1
        assert inflater.inflate(bytes(sent.data), len(payload)) == payload
        data = compress(payload, agreed.server_window_bits)
        taken = client.decode(Frame(Opcode.BINARY, data, rsv1=True), max_size=len(payload))
        assert bytes(taken.data) == payload


# Round trips


@given(st.binary(max_size=3000), st.integers(1, 40), st.integers(9, 15))
def test_round_trip(part: bytes, times: int, window_bits: int) -> None:
    payload = part * times
    data = compress(payload, window_bits)
    assert not data.endswith(b"\x00\x00\xff\xff")
    assert Inflater(window_bits).inflate(data, len(payload)) == payload
    assert Inflater().inflate(data, len(payload)) == payload
    assert compress(payload, window_bits) == data, "the same bytes for every subscriber"


def test_the_examples_of_rfc_7692_7_2_3() -> None:
    hello = [
        bytes.fromhex("f248cdc9c90700"),  # one block
        bytes.fromhex("000500faff48656c6c6f00"),  # not compressed
        bytes.fromhex("f348cdc9c9070000"),  # BFINAL set
        bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")),  # two blocks
    ]
    for data in hello:
        assert Inflater().inflate(data, 5) == b"Hello"
    assert compress(b"Hello", 15) == hello[0]
    assert compress(b"", 15) == b"\x00"
    assert Inflater().inflate(b"\x00", 0) == b""


def test_an_empty_message_without_its_byte() -> None:
    assert Inflater().inflate(b"", 0) == b""


def test_data_that_says_itself_that_it_ends_may_leave_out_the_byte_after() -> None:
    assert Inflater().inflate(bytes.fromhex("f348cdc9c90700"), 5) == b"Hello"


def test_an_inflater_keeps_nothing() -> None:
    first = Inflater()
    assert first.inflate(compress(b"abcabcabc", 15), 9) == b"abcabcabc"
    with pytest.raises(InflateError):
        first.inflate(compress(b"abc", 15)[:-1], 9)
    assert first.inflate(compress(b"abcabcabc", 15), 9) == b"abcabcabc"
    assert not hasattr(first, "__dict__")


# Bombs


@pytest.mark.parametrize("size", [1, 2, 1000, 70_000])
def test_the_limit_is_exact(size: int) -> None:
    data = compress(b"x" * size, 15)
    assert Inflater().inflate(data, size) == b"x" * size
    with pytest.raises(InflateError, match=f"over {size - 1} bytes") as caught:
        Inflater().inflate(data, size - 1)
    assert caught.value.code == 1009
    assert caught.value.reason == str(caught.value)


def test_a_bomb_of_1000_to_1_takes_no_more_than_the_limit() -> None:
    limit = 100_000
    bomb = compress(bytes(64 * 1024 * 1024), 15)
    assert len(bomb) < 70_000
    tracemalloc.start()
    try:
        with pytest.raises(InflateError) as caught:
            Inflater().inflate(bomb, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == 1009
    # What comes out, what goes in (twice: with its end, and zlib's rest), the window.
    assert limit <= peak < 3 * limit + 2 * len(bomb) + 65_536


# Damage


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_a_cut_message_is_not_taken_for_a_whole_one(part: bytes, times: int) -> None:
    data = compress(part * times, 15)
    for length in range(1, len(data), max(1, len(data) // 20)):
        with pytest.raises(InflateError) as caught:
            Inflater().inflate(data[:length], 20_000)
        assert caught.value.code == 1007


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x06",  # block type 3
        b"not deflate",
        zlib.compress(b"Hello"),  # with zlib's header
        compress(b"Hello", 15) + b"\x00\x00\xff\xff",  # its end left on
        bytes.fromhex("f348cdc9c90700") + compress(b"more", 15),  # more after the last block
        bytes.fromhex("f348cdc9c90700") * 2,
        b"\x03\x00" * 1000,
        b"\x02\x00\x01",  # stops within a block
    ],
)
def test_what_is_not_deflate(data: bytes) -> None:
    with pytest.raises(InflateError) as caught:
        Inflater().inflate(data, 10_000)
    assert caught.value.code == 1007


@given(st.binary(max_size=200), st.integers(0, 1000), st.integers(8, 15))
def test_any_bytes_give_bytes_within_the_limit_or_the_error(
    data: bytes, limit: int, window_bits: int
) -> None:
    try:
        assert len(Inflater(window_bits).inflate(data, limit)) <= limit
    except InflateError as error:
        assert error.code in (1007, 1009)
        assert len(error.reason.encode()) <= 123
