"""The opening handshake against RFC 6455 4.2, and against `websockets` as the client."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from everywire.core.errors import RequestError, UsageError
from everywire.wires import frame_reader, frames, handshake
from everywire.wires.deflate import Deflate, Inflater, compress
from everywire.wires.handshake import SUBPROTOCOLS, Upgrade, accept, choose_subprotocol

# The key and the answer to it are those of RFC 6455 1.3.
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASKED = {
    b"host": b"127.0.0.1",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}
Headers = list[tuple[bytes, bytes]]


def asked(**changed: bytes | None) -> Headers:
    """A good request's headers, some changed (``_`` for ``-``) or, with None, left out."""
    fields: dict[bytes, bytes | None] = dict(ASKED)
    fields.update({name.replace("_", "-").encode(): value for name, value in changed.items()})
    return [(name, value) for name, value in fields.items() if value is not None]


def judge(
    headers: Headers, *, method: str = "GET", version: str = "1.1", deflate: bool = False
) -> Upgrade:
    return accept(headers, method=method, http_version=version, deflate=deflate)


def refusal(headers: Headers, *, method: str = "GET", version: str = "1.1") -> RequestError:
    with pytest.raises(RequestError) as caught:
        judge(headers, method=method, version=version, deflate=True)
    return caught.value


def test_the_example_of_rfc_6455_1_3() -> None:
    assert judge(asked()) == Upgrade(
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": b"WebSocket"},  # old clients
        {"upgrade": b"h2c, websocket"},
        {"connection": b"keep-alive, Upgrade"},  # Firefox
        {"connection": b" keep-alive ,\tUPGRADE "},
        {"sec_websocket_version": b" 13 "},
        {"content_length": b"0"},
        {"cookie": b"name=\xc3\xa9\xff", "user_agent": b"\x80"},  # not the handshake's
    ],
)
def test_other_ways_to_say_the_same(changed: dict[str, bytes]) -> None:
    assert judge(asked(**changed)).response_head == judge(asked()).response_head


def test_options_of_connection_in_several_lines() -> None:
    assert judge([(b"connection", b"keep-alive"), *asked()]).subprotocol is None


# What is no handshake


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "", "G\u00e9T"])
def test_only_get(method: str) -> None:
    error = refusal(asked(), method=method)
    assert (error.code, error.status) == ("method_not_allowed", 405)
    assert error.message.isascii()


@pytest.mark.parametrize("version", ["1.0", "2", "3", "0.9", "\u0661.1"])
def test_only_http_1_1(version: str) -> None:
    error = refusal(asked(), version=version)
    assert (error.code, error.status) == ("bad_request", 400)
    assert "1.1" in error.message


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"upgrade": None}, "Upgrade: websocket"),
        ({"upgrade": b""}, "Upgrade: websocket"),
        ({"upgrade": b"h2c"}, "Upgrade: websocket"),
        ({"upgrade": b"websocketx"}, "Upgrade: websocket"),
        ({"connection": None}, "Connection: Upgrade"),
        ({"connection": b"keep-alive"}, "Connection: Upgrade"),
        ({"connection": b"Upgraded"}, "Connection: Upgrade"),
        ({"sec_websocket_version": None}, "Sec-WebSocket-Version"),
        ({"sec_websocket_version": b"8"}, "Sec-WebSocket-Version"),
        ({"sec_websocket_version": b"013"}, "Sec-WebSocket-Version"),
        ({"sec_websocket_version": b"8, 13"}, "Sec-WebSocket-Version"),
    ],
)
def test_what_needs_an_upgrade(changed: dict[str, bytes | None], named: str) -> None:
    error = refusal(asked(**changed))
    assert (error.code, error.status) == ("bad_request", 426)
    assert named in error.message
    assert "version 13" in error.message


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"dGhlIHNhbXBsZSBub25jZQ",  # no padding
        b"dGhlIHNhbXBsZSBub25jZQ=",
        b"dGhlIHNhbXBsZSBub25j",  # 15 bytes
        b"dGhlIHNhbXBsZSBub25jZWU=",  # 17 bytes
        b"dGhlIHNhbXBsZSBub25j!Q==",
        b"dGhlIHNhbXBsZSBub25j-Q==",  # the other alphabet
        b"dGhlIHNh bXBsZSBub25jZQ==",
        b"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        b"d\x00hlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25j\u0417==".encode(),
    ],
)
def test_a_key_is_16_bytes_in_base64(key: bytes | None) -> None:
    error = refusal(asked(sec_websocket_key=key))
    assert (error.code, error.status) == ("bad_request", 400)
    assert "sec-websocket-key" in error.message.lower()


@pytest.mark.parametrize("name", [b"sec-websocket-key", b"sec-websocket-version"])
def test_what_may_be_there_once(name: bytes) -> None:
    error = refusal([*asked(), (name, ASKED[name])])
    assert (error.code, error.status) == ("bad_request", 400)
    assert f"{name.decode()} is there 2 times" in error.message


@pytest.mark.parametrize(
    "changed",
    [
        {"content_length": b"5"},
        {"content_length": b"x"},
        {"transfer_encoding": b"chunked"},
        {"transfer_encoding": b"identity"},
    ],
)
def test_no_body(changed: dict[str, bytes]) -> None:
    error = refusal(asked(**changed))
    assert (error.code, error.status) == ("bad_request", 400)
    assert "no body" in error.message


READ = [
    b"upgrade",
    b"connection",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-protocol",
    b"sec-websocket-extensions",
]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("byte", [0, 10, 13, 31, 127, 128, 195, 255])
def test_bytes_that_no_field_of_the_handshake_has(name: bytes, byte: int) -> None:
    error = refusal([*asked(), (name, b"a" + bytes((byte,)) + b"b")])
    assert (error.code, error.status) == ("bad_request", 400)
    assert name.decode() in error.message
    assert "ASCII" in error.message


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*READ, b"content-length", b"transfer-encoding"]) | st.binary(),
            st.binary(max_size=30)
            | st.text(alphabet='everywire.token,; ="\\abc13', max_size=30).map(str.encode),
        ),
        max_size=6,
    ),
    st.text(max_size=5) | st.just("GET"),
    st.text(max_size=5) | st.just("1.1"),
    st.booleans(),
)
def test_no_other_error_whatever_comes(
    more: Headers, method: str, version: str, instead: bool
) -> None:
    replaced = {name for name, _ in more} if instead else set[bytes]()
    headers = [(name, value) for name, value in asked() if name not in replaced] + more
    try:
        upgrade = judge(headers, method=method, version=version, deflate=True)
    except RequestError as error:
        assert error.code in ("bad_request", "method_not_allowed")
        assert error.status in (400, 405, 426)
    else:
        assert upgrade.response_head.count(b"\r\n\r\n") == 1
        assert upgrade.response_head.endswith(b"\r\n\r\n")


# Subprotocols and the token


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (b"everywire.v1", "everywire.v1"),
        (b"everywire.v1.msgpack", "everywire.v1.msgpack"),
        (b"everywire.v1.msgpack, everywire.v1", "everywire.v1.msgpack"),
        (b"everywire.v1,everywire.v1.msgpack", "everywire.v1"),
        (b"mqtt, everywire.v2, everywire.v1", "everywire.v1"),
        (b" , ,everywire.v1,,", "everywire.v1"),
        (b"mqtt", None),
        (b"Everywire.V1", None),
        (b"everywire.v1.", None),
        (b"", None),
    ],
)
def test_the_first_known_one_in_the_clients_order(offered: bytes, chosen: str | None) -> None:
    upgrade = judge(asked(sec_websocket_protocol=offered))
    assert upgrade.subprotocol == chosen
    line = b"" if chosen is None else b"Sec-WebSocket-Protocol: " + chosen.encode() + b"\r\n"
    assert upgrade.response_head == judge(asked()).response_head[:-2] + line + b"\r\n"


def test_subprotocols_in_several_lines() -> None:
    headers = [
        *asked(sec_websocket_protocol=b"mqtt"),
        (b"sec-websocket-protocol", b"everywire.v1.msgpack"),
        (b"sec-websocket-protocol", b"everywire.v1"),
    ]
    assert judge(headers).subprotocol == "everywire.v1.msgpack"


def test_other_known_subprotocols() -> None:
    headers = asked(sec_websocket_protocol=b"everywire.v1, mqtt")
    upgrade = accept(headers, method="GET", http_version="1.1", known=("mqtt",), deflate=False)
    assert upgrade.subprotocol == "mqtt"


@pytest.mark.parametrize("order", [0, 1])
def test_a_token_is_found_and_never_repeated(order: int) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl-_"
    offered = [f"everywire.token.{token}", "everywire.v1"]
    upgrade = judge(asked(sec_websocket_protocol=", ".join(offered[:: 1 - 2 * order]).encode()))
    assert (upgrade.token, upgrade.subprotocol) == (token, "everywire.v1")
    assert token.encode() not in upgrade.response_head
    assert token not in repr(upgrade)


def test_a_token_alone_is_answered_without_a_subprotocol() -> None:
    upgrade = judge(asked(sec_websocket_protocol=b"everywire.token.abc"))
    assert (upgrade.token, upgrade.subprotocol) == ("abc", None)
    assert b"Sec-WebSocket-Protocol" not in upgrade.response_head


@pytest.mark.parametrize(
    "offered",
    [
        b"everywire.v1 everywire.v2",
        b"everywire.v1;q=1",
        b'"everywire.v1"',
        b"everywire.token.se(cret",
        b"everywire.token.se=cret",
        b"everywire.token.secret, everywire.token.secret",
        b"everywire.token.secret, everywire.token.other",
        b"everywire.token., everywire.v1",
        "everywire.v1, everywire.token.s\u00e9cret".encode(),
    ],
)
def test_malformed_subprotocols(offered: bytes) -> None:
    error = refusal(asked(sec_websocket_protocol=offered))
    assert (error.code, error.status) == ("bad_request", 400)
    assert "cret" not in error.message, "a credential is not repeated"


def test_choosing_for_a_server_that_parsed_the_list_itself() -> None:
    assert choose_subprotocol(["a", "everywire.token.t", "everywire.v1"]) == ("everywire.v1", "t")
    assert choose_subprotocol([]) == (None, None)
    assert choose_subprotocol(iter(SUBPROTOCOLS)) == ("everywire.v1", None)


# Compression, more lines


def test_compression_is_agreed_on_only_where_it_is_on() -> None:
    headers = asked(sec_websocket_extensions=b"permessage-deflate; client_max_window_bits")
    assert judge(headers) == judge(asked())
    upgrade = judge(headers, deflate=True)
    assert upgrade.deflate == Deflate(15, 15)
    assert upgrade.response_head.endswith(
        b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        b"client_no_context_takeover\r\n\r\n"
    )
    assert judge(asked(), deflate=True) == judge(asked())
    declined = asked(sec_websocket_extensions=b"permessage-deflate; server_max_window_bits=99")
    assert judge(declined, deflate=True) == judge(asked())


def test_malformed_extensions() -> None:
    error = refusal(asked(sec_websocket_extensions=b"permessage-deflate; ="))
    assert (error.code, error.status) == ("bad_request", 400)


def test_more_lines_in_the_answer() -> None:
    upgrade = accept(
        asked(),
        method="GET",
        http_version="1.1",
        deflate=False,
        extra_headers=[(b"Date", b"Mon, 24 Nov 2025 12:00:00 GMT"), (b"X-Node", b"")],
    )
    assert upgrade.response_head.endswith(
        b"=\r\nDate: Mon, 24 Nov 2025 12:00:00 GMT\r\nX-Node: \r\n\r\n"
    )


@pytest.mark.parametrize(
    "line", [(b"X", b"a\r\nSet-Cookie: b"), (b"X\r\nY", b"a"), (b"X:", b"a"), (b"", b"a")]
)
def test_more_lines_cannot_split_the_answer(line: tuple[bytes, bytes]) -> None:
    with pytest.raises(UsageError, match="not a header line"):
        accept(asked(), method="GET", http_version="1.1", deflate=False, extra_headers=[line])


# `websockets` as the client


@pytest.mark.parametrize("window", [None, 9, 15])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_websockets_client_opens_and_talks(compressed: bool, window: int | None) -> None:
    factories = [ClientPerMessageDeflateFactory(server_max_window_bits=window)]
    client = ClientProtocol(
        parse_uri("ws://127.0.0.1/ws"),
        subprotocols=["everywire.v1.msgpack", "everywire.token.secret"],
        extensions=factories if compressed else None,
    )
    request = client.connect()
    client.send_request(request)
    client.data_to_send()
    headers = [(n.lower().encode(), v.encode()) for n, v in request.headers.raw_items()]
    upgrade = judge(headers, deflate=True)
    reader = frame_reader.FrameReader(10_000, 10, Inflater() if upgrade.deflate else None)
    payload = b'{"type":"ping"}' * 20
    if upgrade.deflate:
        bits = upgrade.deflate.server_window_bits
        answer = frames.compressed_text_frame(compress(payload, bits))
    else:
        answer = frames.text_frame(payload)

    client.receive_data(upgrade.response_head + answer + answer)

    assert client.handshake_exc is None
    assert client.state is State.OPEN
    assert client.subprotocol == upgrade.subprotocol == "everywire.v1.msgpack"
    assert upgrade.token == "secret"
    assert bool(client.extensions) == (upgrade.deflate is not None) == compressed
    received = [event for event in client.events_received() if isinstance(event, Frame)]
    assert [bytes(frame.data) for frame in received] == [payload, payload]
    client.send_text(payload)
    client.send_text(payload)
    client.send_close(1000, "bye")
    assert reader.feed(b"".join(client.data_to_send())) == [
        frames.Text(payload),
        frames.Text(payload),
        frames.Closing(1000, "bye"),
    ]


class TestHandshakesThatComeAgain:
    """All but the key is decided on once, for whoever sends the same."""

    @pytest.fixture(autouse=True)
    def nothing_is_known(self) -> None:
        handshake._known_agree.cache_clear()

    def known(self) -> int:
        return handshake._known_agree.cache_info().currsize

    def test_are_answered_by_their_own_key(self) -> None:
        keys = [b64encode(bytes([number]) * 16) for number in range(3)]
        for key in keys:
            upgrade = judge(
                asked(sec_websocket_key=key, sec_websocket_protocol=b"everywire.v1.msgpack")
            )
            assert accept_key(key.decode()).encode() in upgrade.response_head
            assert upgrade.subprotocol == "everywire.v1.msgpack"
        assert self.known() == 1

    def test_are_judged_by_their_own_key(self) -> None:
        judge(asked())
        assert "16 bytes" in refusal(asked(sec_websocket_key=b"no key")).message

    def test_are_decided_on_anew_where_anything_else_differs(self) -> None:
        offer = asked(sec_websocket_extensions=b"permessage-deflate")
        assert judge(offer, deflate=True).deflate is not None
        assert judge(offer).deflate is None
        assert judge(asked(), deflate=True).deflate is None
        assert refusal(offer, method="POST").code == "method_not_allowed"
        assert refusal([*offer, (b"content-length", b"5")]).code == "bad_request"
        assert judge(offer, deflate=True).deflate is not None

    @pytest.mark.parametrize(
        "protocols", [b"everywire.v1, everywire.token.secret", b"a" * 600], ids=["token", "long"]
    )
    def test_are_not_kept_where_nobody_else_sends_them(self, protocols: bytes) -> None:
        judge(asked(sec_websocket_protocol=protocols))
        assert self.known() == 0
