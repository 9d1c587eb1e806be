"""webhooks.http_client: to one endpoint and nowhere else, in so long and so many bytes."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from everywire.webhooks.addresses import Reach, target_of
from everywire.webhooks.http_client import (
    IDLE_SECONDS,
    MAX_HEAD_BYTES,
    MAX_IDLE,
    Answer,
    EndpointFailed,
    HttpTransport,
)

from .receiver import Exchange, Receiver, Serve, receiving, take

INSIDE = Reach(private=True, plain=True)
LONG = 20.0
SHORT = 0.2


class Names:
    """A resolver of names that is told what to say, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def transport(
    receiver: Receiver,
    *,
    host: str = "hooks.example",
    names: Names | None = None,
    reach: Reach = INSIDE,
    timeout: float = LONG,
    max_bytes: int = 1000,
    tls: ssl.SSLContext | None = None,
) -> HttpTransport:
    scheme = "http" if tls is None else "https"
    target = target_of(f"{scheme}://{host}:{receiver.port}/in?x=1", Reach(plain=True))
    resolve = Names(["127.0.0.1"]) if names is None else names
    return HttpTransport(
        target, reach, timeout=timeout, max_bytes=max_bytes, tls=tls, resolve=resolve
    )


Use = Callable[[Receiver], Awaitable[Any]]


def play(serve: Serve, use: Use, tls: ssl.SSLContext | None = None) -> Any:
    async def run() -> Any:
        async with receiving(serve, tls) as receiver:
            return await use(receiver)

    return asyncio.run(run())


def ask(serve: Serve, **options: Any) -> Answer:
    async def use(receiver: Receiver) -> Answer:
        client = transport(receiver, **options)
        try:
            return await client.post(b'{"a":1}', {"webhook-id": "msg_1"})
        finally:
            await client.close()

    return play(serve, use)


def why(serve: Serve, **options: Any) -> str:
    with pytest.raises(EndpointFailed) as caught:
        ask(serve, **options)
    return str(caught.value)


def sends(data: bytes, *, then_hang_up: bool = True) -> Serve:
    async def serve(exchange: Exchange) -> None:
        await exchange.send(data)
        if then_hang_up:
            exchange.hang_up()

    return serve


def test_a_request_and_its_answer() -> None:
    seen: list[Exchange] = []

    async def serve(exchange: Exchange) -> None:
        seen.append(exchange)
        await exchange.answer(429, b"later", Retry_After="7")

    assert ask(serve) == Answer(429, b"later", "7")
    (exchange,) = seen
    assert exchange.head[0] == "POST /in?x=1 HTTP/1.1"
    assert exchange.body == b'{"a":1}'
    headers = exchange.headers
    assert headers["host"].startswith("hooks.example:")
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("everywire/")


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", b"ab"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_the_forms_an_answer_may_have(data: bytes, body: bytes) -> None:
    assert ask(sends(data)).body == body


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    seen: list[Exchange] = []

    async def serve(exchange: Exchange) -> None:
        seen.append(exchange)
        await exchange.answer(307, Location="http://169.254.169.254/latest/meta-data/")

    assert ask(serve).status == 307
    assert len(seen) == 1


def test_proxies_of_the_environment_are_nothing_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert ask(take).status == 200


# Where it may go


def test_a_private_address_is_refused_before_anything_is_connected_to() -> None:
    async def use(receiver: Receiver) -> tuple[str, int]:
        client = transport(receiver, reach=Reach(plain=True))
        with pytest.raises(EndpointFailed) as caught:
            await client.post(b"", {})
        return str(caught.value), receiver.connections

    words, connections = play(take, use)
    assert "127.0.0.1 is a private address, and allow_private is not set" in words
    assert connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "127.1", "2130706433"])
def test_however_loopback_is_written_the_real_resolver_finds_it_out(host: str) -> None:
    async def use(receiver: Receiver) -> tuple[str, int]:
        target = target_of(f"http://{host}:{receiver.port}/", Reach(plain=True))
        client = HttpTransport(target, Reach(plain=True), timeout=LONG, max_bytes=1)
        with pytest.raises(EndpointFailed) as caught:
            await client.post(b"", {})
        return str(caught.value), receiver.connections

    words, connections = play(take, use)
    assert "private address" in words
    assert connections == 0


def test_a_name_that_leads_elsewhere_a_moment_later_is_of_no_use() -> None:
    """DNS rebinding: the name is looked up once, and what was checked is connected to."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    assert ask(take, names=names).status == 200
    assert names.asked == ["hooks.example"]
    names = Names(["169.254.169.254"], ["127.0.0.1"])
    assert "metadata" in why(take, names=names)
    assert names.asked == ["hooks.example"]


def test_each_new_connection_is_checked_anew() -> None:
    async def serve(exchange: Exchange) -> None:
        await exchange.answer(200, Connection="close")

    async def use(receiver: Receiver) -> tuple[str, int]:
        client = transport(receiver, names=Names(["127.0.0.1"], ["10.0.0.1", "0.0.0.0"], []))
        await client.post(b"", {})
        client._reach = Reach(plain=True)
        with pytest.raises(EndpointFailed) as caught:
            await client.post(b"", {})
        with pytest.raises(EndpointFailed, match="it has no address"):
            await client.post(b"", {})
        return str(caught.value), receiver.connections

    words, connections = play(serve, use)
    assert "10.0.0.1 is a private address" in words
    assert "0.0.0.0 is a special address" in words
    assert connections == 1


def test_of_several_addresses_one_that_is_allowed_and_answers_is_taken() -> None:
    # Nothing listens on the second; the first may not be spoken to.
    assert ask(take, names=Names(["169.254.0.1", "127.0.0.2", "127.0.0.1"])).status == 200


def test_nobody_listens() -> None:
    words = why(take, names=Names(["127.0.0.2"]))
    assert "127.0.0.2" in words or "refused" in words.lower()


def test_a_name_that_is_not_known() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    async def use(receiver: Receiver) -> str:
        client = transport(receiver)
        client._resolve = unknown
        with pytest.raises(EndpointFailed) as caught:
            await client.post(b"", {})
        return str(caught.value)

    assert play(take, use) == "Name or service not known"


# Slow and lying


async def silent(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def trickle(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await exchange.send(b"a")
        await asyncio.sleep(0.01)


async def trickle_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await exchange.send(b"a")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("serve", [silent, trickle, trickle_headers])
def test_an_answer_has_so_long_in_all(serve: Serve) -> None:
    assert "no whole answer within 0.2 s" in why(serve, timeout=SHORT, max_bytes=10**7)


def test_a_resolver_has_no_longer_either() -> None:
    async def use(receiver: Receiver) -> None:
        client = transport(receiver, timeout=SHORT)

        async def slow(host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

        client._resolve = slow
        with pytest.raises(EndpointFailed, match="no whole answer"):
            await client.post(b"", {})

    play(take, use)


async def endless(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await exchange.send(b"400\r\n" + b"a" * 1024 + b"\r\n")


async def endless_header(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(32):
        await exchange.send(b"a" * MAX_HEAD_BYTES)
    exchange.hang_up()


def test_an_answer_has_so_many_bytes() -> None:
    assert why(endless) == "the answer has more than 1000 bytes"
    assert "buffer too long" in why(endless_header)

    async def exactly(exchange: Exchange) -> None:
        await exchange.answer(200, b"a" * 1000)

    assert len(ask(exactly).body) == 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.1 200",
    ],
)
def test_what_is_no_answer_is_a_failure(data: bytes) -> None:
    assert why(sends(data))


# Connections


def test_a_connection_is_used_again() -> None:
    async def use(receiver: Receiver) -> int:
        client = transport(receiver)
        for _ in range(3):
            await client.post(b"x", {})
        await client.close()
        return receiver.connections

    assert play(take, use) == 1


def test_one_that_was_closed_in_the_meantime_is_replaced() -> None:
    async def use(receiver: Receiver) -> tuple[int, int]:
        client = transport(receiver)
        await client.post(b"x", {})
        receiver.cut()
        await client.post(b"x", {})
        await client.close()
        return receiver.connections, len(receiver.exchanges)

    assert play(take, use) == (2, 2)


def test_one_that_closes_on_the_next_request_is_replaced() -> None:
    async def serve(exchange: Exchange) -> None:
        if exchange.body == b"second" and len(seen) == 1:
            seen.append(exchange)
            exchange.hang_up()
            return
        seen.append(exchange)
        await take(exchange)

    seen: list[Exchange] = []

    async def use(receiver: Receiver) -> int:
        client = transport(receiver)
        await client.post(b"first", {})
        assert (await client.post(b"second", {})).status == 200
        await client.close()
        return receiver.connections

    assert play(serve, use) == 2
    assert [exchange.body for exchange in seen] == [b"first", b"second", b"second"]


def test_one_that_went_wrong_is_not_used_again() -> None:
    async def serve(exchange: Exchange) -> None:
        await exchange.answer(200, b"a" * (2000 if exchange.body == b"big" else 1))

    async def use(receiver: Receiver) -> int:
        client = transport(receiver)
        await client.post(b"x", {})
        with pytest.raises(EndpointFailed):
            await client.post(b"big", {})
        await client.post(b"x", {})
        await client.close()
        return receiver.connections

    assert play(serve, use) == 2


def test_one_that_lay_idle_for_long_is_replaced_and_the_name_looked_up_anew() -> None:
    async def use(receiver: Receiver) -> tuple[int, int]:
        names = Names(["127.0.0.1"])
        client = transport(receiver, names=names)
        await client.post(b"x", {})
        client._idle[0].idle_since -= IDLE_SECONDS
        await client.post(b"x", {})
        await client.close()
        return receiver.connections, len(names.asked)

    assert play(take, use) == (2, 2)


def test_so_many_are_kept() -> None:
    async def use(receiver: Receiver) -> int:
        client = transport(receiver)
        await asyncio.gather(*(client.post(b"x", {}) for _ in range(MAX_IDLE + 5)))
        kept = len(client._idle)
        await client.close()
        return kept

    assert play(take, use) == MAX_IDLE


def test_who_stops_waiting_leaves_nothing_behind() -> None:
    """In a pool of slots a cancelled request can keep one for ever; here there are none."""

    async def use(receiver: Receiver) -> int:
        client = transport(receiver)
        for turns in range(12):
            task = asyncio.create_task(client.post(b"x", {}))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await client.post(b"x", {})).status == 200
        kept = len(client._idle)
        await client.close()
        return kept

    assert play(take, use) >= 1


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for hooks.example, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(pem) + private)
    return path


def served_by(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def ask_securely(certificate: Path, trusted: ssl.SSLContext, host: str) -> Answer:
    async def use(receiver: Receiver) -> Answer:
        client = transport(receiver, host=host, tls=trusted)
        try:
            return await client.post(b"x", {})
        finally:
            await client.close()

    return play(take, use, served_by(certificate))


def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    certificate: Path,
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    assert ask_securely(certificate, trusted, "hooks.example").status == 200
    with pytest.raises(EndpointFailed, match="its certificate is not trusted"):
        ask_securely(certificate, trusted, "other.example")


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate: Path) -> None:
    with pytest.raises(EndpointFailed, match="its certificate is not trusted"):
        ask_securely(certificate, ssl.create_default_context(), "hooks.example")
