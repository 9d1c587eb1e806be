"""webhooks.service: the one object that a server holds, with real endpoints on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from everywire.core.errors import RequestError, UsageError
from everywire.core.limits import Limits
from everywire.core.messages import Draft
from everywire.webhooks import verify
from everywire.webhooks.events import Occupied
from everywire.webhooks.service import Webhooks
from everywire.webhooks.settings import WebhookSettings

from .making import SECRET, FakeTransport, endpoint, until
from .receiver import Exchange, receiving


def test_it_asks_and_tells_over_http(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    observed: list[tuple[Any, ...]] = []

    async def serve(exchange: Exchange) -> None:
        verify(exchange.body, exchange.headers, SECRET)
        heard.append(msgspec.json.decode(exchange.body))
        await exchange.answer(200, b'{"allow":true,"data":"changed"}')

    async def run() -> Draft:
        async with receiving(serve) as receiver:
            made = endpoint(
                url=f"http://127.0.0.1:{receiver.port}/in",
                hooks=("publish",),
                events=("occupied",),
                allow_private=True,
                allow_http=True,
            )
            settings = WebhookSettings(outbox=str(tmp_path / "outbox.db"), endpoints={"app": made})
            webhooks = Webhooks(settings, Limits(), observe=lambda *call: observed.append(call))
            assert not webhooks.tells("occupied")
            await webhooks.open()
            assert webhooks.tells("occupied") and not webhooks.tells("gap")
            assert webhooks.asks("publish", "chat.1") and not webhooks.asks("connect")
            draft = await webhooks.calls.publish(Draft("chat.1", b"1"))
            webhooks.emit(Occupied("chat.1"))
            await until(lambda: len(heard) == 2)
            assert set(await webhooks.standings()) == {"app"}
            await webhooks.close()
            return draft

    assert asyncio.run(run()).data == b'"changed"'
    assert [body["type"] for body in heard] == ["publish", "everywire.events"]
    assert [call[:2] + call[3:] for call in observed] == [("app", "publish", "allowed")]


def test_a_private_address_is_refused_unless_that_is_set() -> None:
    async def serve(exchange: Exchange) -> None:
        await exchange.answer(200, b'{"allow":true}')

    async def run() -> int:
        async with receiving(serve) as receiver:
            made = endpoint(
                url=f"http://localhost:{receiver.port}/", hooks=("publish",), allow_http=True
            )
            webhooks = Webhooks(WebhookSettings(endpoints={"app": made}), Limits())
            await webhooks.open()
            with pytest.raises(RequestError) as caught:
                await webhooks.calls.publish(Draft("chat.1", b"1"))
            assert caught.value.code == "unavailable"
            await webhooks.close()
            return receiver.connections

    assert asyncio.run(run()) == 0


def test_without_anybody_to_tell_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    transports: list[FakeTransport] = []

    def make(*_: object) -> FakeTransport:
        transports.append(FakeTransport())
        return transports[-1]

    async def run() -> None:
        settings = WebhookSettings(endpoints={"app": endpoint(hooks=("connect",))})
        webhooks = Webhooks(settings, Limits(), make_transport=make)
        await webhooks.open()
        webhooks.emit(Occupied("chat.1"))
        assert await webhooks.standings() == {}
        await webhooks.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
    assert [transport.closed for transport in transports] == [True]


def test_what_cannot_be_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="asked and told nothing"):
        Webhooks(WebhookSettings(endpoints={"app": endpoint()}), Limits())
